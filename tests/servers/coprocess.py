"""Calls of the package from standard input, one JSON object a line; the answers likewise.

Mail is kept here instead of being sent.
"""

import json
import smtplib
import sys


class Kept:
    last = None

    def __init__(self, *_):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def starttls(self):
        pass

    def login(self, *_):
        pass

    def sendmail(self, _sender, _recipient, text):
        Kept.last = text


smtplib.SMTP = Kept

from easy_mongodb_auth_handler import Auth, CoreDB, Utils  # noqa: E402

place = json.loads(sys.argv[1])
# A certificate file, even the default one, turns TLS on.
common = {"certs": place["certs"]}
account = {"server": "mail.invalid", "port": 587, "username": "app", "password": "word"}
auth = Auth(place["uri"], place["name"], account, **common, **place["settings"])
objects = [
    auth,
    Utils(place["uri"], place["name"], True, **common),
    CoreDB(place["uri"], place["name"], True, **common),
]

for line in sys.stdin:
    asked = json.loads(line)
    name = asked["function"]
    try:
        if name == "last_mail":
            reply = Kept.last
        else:
            owner = next(it for it in objects if hasattr(it, name))
            reply = getattr(owner, name)(**asked["arguments"])
        answer = {"reply": reply}
    except Exception as error:
        answer = {"raised": repr(error)}
    print(json.dumps(answer, default=str), flush=True)

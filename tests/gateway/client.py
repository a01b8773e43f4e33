"""The README's first session, by a client that was generated from the gateway's description.

Arguments: where the gateway answers, and the admin token. Reads the mailed code from standard input.
"""

import sys

from portcullis_client import AuthenticatedClient, Client
from portcullis_client.api.auth import post_auth_register_user, post_auth_verify_user
from portcullis_client.api.session import get_session, post_session
from portcullis_client.api.utils import post_utils_get_cust_usr_data, post_utils_replace_usr_data
from portcullis_client.models import (
    PostAuthRegisterUserBody,
    PostAuthVerifyUserBody,
    PostSessionBodyType0,
    PostUtilsGetCustUsrDataBody,
    PostUtilsReplaceUsrDataBody,
)

url, admin_token = sys.argv[1:]
anybody = Client(base_url=url, raise_on_unexpected_status=True)
admin = AuthenticatedClient(base_url=url, token=admin_token, raise_on_unexpected_status=True)


def is_(answer, status, message):
    assert answer.status_code == status, answer
    assert answer.parsed.success is (status == 200), answer
    assert answer.parsed.message == message, answer
    return answer.parsed


ann = PostAuthRegisterUserBody(email="Ann@example.com", password="correct horse")
answer = post_auth_register_user.sync_detailed(client=anybody, body=ann)
ticket = is_(answer, 200, "Verification email sent.").ticket
assert isinstance(ticket, str), ticket
print("registered", flush=True)
code = sys.stdin.readline().strip()

proof = PostAuthVerifyUserBody(email="ann@example.com", code=code)
answer = post_auth_verify_user.sync_detailed(client=anybody, body=proof)
is_(answer, 200, "User verified.")

wrong = PostSessionBodyType0(email="ann@example.com", password="wrong")
answer = post_session.sync_detailed(client=anybody, body=wrong)
is_(answer, 401, "Invalid credentials.")

right = PostSessionBodyType0(email="ann@example.com", password="correct horse")
answer = post_session.sync_detailed(client=anybody, body=right)
signed_in = is_(answer, 200, "Authentication successful.")
assert signed_in.email == "Ann@example.com" and signed_in.proven is True, signed_in

own = AuthenticatedClient(base_url=url, token=signed_in.token, raise_on_unexpected_status=True)
answer = get_session.sync_detailed(client=own)
assert answer.status_code == 200, answer
assert answer.parsed.email == "Ann@example.com", answer
assert answer.parsed.session.id == signed_in.session.id, answer

data = PostUtilsReplaceUsrDataBody(email="ann@example.com", custom_data={"plan": "free"})
answer = post_utils_replace_usr_data.sync_detailed(client=admin, body=data)
is_(answer, 200, "Custom user data changed.")
whose = PostUtilsGetCustUsrDataBody(email="ann@example.com")
answer = post_utils_get_cust_usr_data.sync_detailed(client=admin, body=whose)
is_(answer, 200, {"plan": "free"})
print("done", flush=True)

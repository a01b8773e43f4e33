"""A mail server on aiosmtpd that does what a test tells it: `smtp_server.py OPTIONS`, in JSON.

    tls            "none", "starttls" or "implicit"
    certificate    key and certificate in one file
    user, password the only account
    folder         where mails are kept: NUMBER.eml, and NUMBER.json with the envelope
    auth           false: no log-in is offered

It prints its port, and then answers each line of its input with one line of its own:

    behave NAME    from now on; see `Mail` below
    close          cut all connections
    connections    how many there have been
    seen           everything that clients have said, as JSON

It ends with its input, so that it does not outlive the test.
"""

import asyncio
import json
import logging
import pathlib
import ssl
import sys
import warnings

from aiosmtpd.smtp import SMTP, AuthResult

OPTIONS = json.loads(sys.argv[1])
FOLDER = pathlib.Path(OPTIONS["folder"])
FOREVER = 3600
# That this or that is no way to run a server is what some tests are about.
logging.getLogger("mail.log").setLevel(logging.CRITICAL)
warnings.simplefilter("ignore")


class State:
    behaviour = "accept"
    connections = 0
    mails = 0
    kept = 0
    seen = bytearray()
    open = set()


def keep(envelope):
    State.kept += 1
    name = f"{State.kept:06}"
    about = {"from": envelope.mail_from, "to": envelope.rcpt_tos}
    (FOLDER / f"{name}.eml").write_bytes(envelope.original_content)
    (FOLDER / f"{name}.part").write_text(json.dumps(about))
    (FOLDER / f"{name}.part").rename(FOLDER / f"{name}.json")


class Mail:
    async def handle_MAIL(self, server, session, envelope, address, options):
        if State.behaviour == "mail-5xx":
            return "553 5.7.1 not your address"
        if State.behaviour == "mail-530":
            return "530 5.7.0 authentication required"
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        match State.behaviour:
            case "rcpt-4xx":
                return "450 4.2.0 come back later"
            case "rcpt-5xx":
                return "550 5.1.1 no such user"
            case "rcpt-421":
                return "421 4.3.2 going down"
            case "rcpt-hang":
                await asyncio.sleep(FOREVER)
            case "rcpt-close":
                await cut(server)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        State.mails += 1
        match State.behaviour:
            case "data-4xx":
                return "451 4.3.0 not now"
            case "data-5xx":
                return "554 5.7.1 this is spam"
            case "data-echo":
                body = envelope.original_content.split(b"\r\n\r\n", 1)[1].split(b"\r\n")[0]
                return "554 5.7.1 spam: " + body.decode()
            case "data-hang":
                await asyncio.sleep(FOREVER)
            case "data-close-lost":
                await cut(server)
            case "data-close-kept":
                keep(envelope)
                await cut(server)
            case "every-third-fails" if State.mails % 3 == 0:
                return "451 4.3.0 every third one fails"
        keep(envelope)
        return "250 2.0.0 kept"


async def cut(server):
    server.transport.abort()
    await asyncio.sleep(FOREVER)


class Server(SMTP):
    def connection_made(self, transport):
        super().connection_made(transport)
        if not getattr(self, "counted", False):
            self.counted = True
            State.connections += 1
        State.open.add(self)

    def connection_lost(self, error):
        State.open.discard(self)
        super().connection_lost(error)

    def data_received(self, data):
        State.seen += data
        super().data_received(data)

    async def _handle_client(self):
        if State.behaviour == "greeting-hang":
            await asyncio.sleep(FOREVER)
        if State.behaviour == "greeting-5xx":
            await self.push("554 5.3.2 no service")
            self.transport.close()
            return
        await super()._handle_client()


def authenticate(server, session, envelope, mechanism, data):
    given = (data.login.decode(), data.password.decode())
    right = given == (OPTIONS["user"], OPTIONS["password"])
    return AuthResult(success=right, handled=False)


def server():
    tls = OPTIONS["tls"]
    settings = {"hostname": "localhost", "ident": "test"}
    if OPTIONS["auth"]:
        settings |= {
            "authenticator": authenticate,
            "auth_required": True,
            "auth_require_tls": tls == "starttls",
        }
    else:
        settings |= {"auth_exclude_mechanism": ["PLAIN", "LOGIN"], "auth_require_tls": False}
    if tls == "starttls":
        settings |= {"tls_context": context(), "require_starttls": True}
    return Server(Mail(), **settings)


def context():
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(OPTIONS["certificate"])
    return made


async def main():
    loop = asyncio.get_running_loop()
    wrapped = context() if OPTIONS["tls"] == "implicit" else None
    listening = await loop.create_server(server, "127.0.0.1", 0, ssl=wrapped)
    print(listening.sockets[0].getsockname()[1], flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        match line.split():
            case ["behave", name]:
                State.behaviour = name
                answer = "ok"
            case ["close"]:
                for connection in list(State.open):
                    connection.transport.abort()
                while State.open:
                    await asyncio.sleep(0.01)
                answer = "ok"
            case ["connections"]:
                answer = State.connections
            case ["seen"]:
                answer = json.dumps(State.seen.decode("latin-1"))
            case _:
                answer = "what?"
        print(answer, flush=True)


asyncio.run(main())

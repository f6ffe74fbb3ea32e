"""A mail server: says its port in a line, and then each mail it takes as a line of JSON.

Asks for a login, as servers do that send mails on. Takes nothing for people whose address begins with "nobody".
"""

import asyncio
import email
import email.policy
import json
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

USER, PASSWORD = b"ada", b"correct horse"


def login(server, session, envelope, mechanism, data):
    right = isinstance(data, LoginPassword) and (data.login, data.password) == (USER, PASSWORD)
    return AuthResult(success=right)


class Keep:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody"):
            return "550 5.1.1 there is no such person"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        text, html = mail.get_body(("plain",)), mail.get_body(("html",))
        said = {
            "return_path": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "headers": {name.lower(): str(value) for name, value in mail.items()},
            "text": text.get_content() if text else None,
            "html": html.get_content() if html else None,
            "longest_line": max(len(line) for line in envelope.content.splitlines()),
            "ascii": envelope.content.isascii(),
        }
        print(json.dumps(said), flush=True)
        return "250 2.0.0 taken"


async def main():
    def session():
        return SMTP(
            Keep(), hostname="mx.test", authenticator=login, auth_required=True, auth_require_tls=False
        )

    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", 0)
    print("port", server.sockets[0].getsockname()[1], flush=True)
    # Ends when whoever started it does.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())

"""Hands a mail to a mail server, as a server does that reports about another mail.

Reads {"port", "to", "mail"} from the standard input; writes the code of the reply that decided.
"""

import json
import smtplib
import sys

given = json.load(sys.stdin)
with smtplib.SMTP("127.0.0.1", given["port"]) as server:
    try:
        server.sendmail("", given["to"], given["mail"].encode())
        code = 250
    except smtplib.SMTPRecipientsRefused as refused:
        code = next(iter(refused.recipients.values()))[0]
    except smtplib.SMTPResponseException as refused:
        code = refused.smtp_code
print(code)

"""Verifies webhooks with the reference implementation of Standard Webhooks.

Reads a list of {"secret", "headers", "body"} from the standard input; writes a list with "verified" or what is wrong.
"""

import json
import sys

from standardwebhooks.webhooks import Webhook, WebhookVerificationError


def verdict(case):
    try:
        Webhook(case["secret"]).verify(case["body"], case["headers"])
    except WebhookVerificationError as error:
        return str(error)
    return "verified"


json.dump([verdict(case) for case in json.load(sys.stdin)], sys.stdout)

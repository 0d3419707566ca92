"""Verifies messages as anybody's receiver would: a line of JSON each, with its secret; a line each comes back, empty if it is good."""

import json
import sys

from standardwebhooks import Webhook

for line in sys.stdin:
    message = json.loads(line)
    headers = {f"webhook-{name}": message[name] for name in ("id", "timestamp", "signature")}
    try:
        Webhook(message["secret"]).verify(message["body"], headers)
        print()
    except Exception as error:
        print(error)

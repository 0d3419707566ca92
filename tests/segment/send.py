"""Segment's own client for Python, at work: `python3 send.py CALLS` sends the calls, JSON as [[method, parameters], …], to the server
HOST with the key WRITE_KEY; gzip, if GZIP is set. Prints one JSON document: what could not be delivered, and why."""

import json
import os
import re
import sys

from segment.analytics.client import Client

failures = []
client = Client(
    os.environ["WRITE_KEY"],
    host=os.environ["HOST"],
    gzip="GZIP" in os.environ,
    on_error=lambda error, batch: failures.extend(str(error) for _ in batch),
)
for method, parameters in json.loads(sys.argv[1]):
    # What Python calls `user_id` is `userId` in the message.
    names = {name: re.sub(r"([A-Z])", lambda letter: "_" + letter[0].lower(), name) for name in parameters}
    getattr(client, method)(**{names[name]: value for name, value in parameters.items()})
client.flush()
client.join()
print(json.dumps(failures))

"""Takes a checkout, tells whose it is, and lists what has happened since an event:

    python3 checkout.py EMAIL PHONE [AFTER]
"""

import os
import sys
import uuid

from selfsame_client.api.identities import find_identity_by_identifier
from selfsame_client.api.observations import create_observation
from selfsame_client.models.new_identifier import NewIdentifier
from selfsame_client.models.new_observation import NewObservation
from shop import ProblemError, answered, connect, events


def main(email: str, phone: str, after: str = "0") -> None:
    client = connect(os.environ.get("SELFSAME_URL", "http://127.0.0.1:3000"), os.environ.get("SELFSAME_KEY"))
    identifiers = [NewIdentifier(kind="email", value=email), NewIdentifier(kind="phone", value=phone)]
    observed = answered(
        create_observation.sync(
            client=client,
            body=NewObservation(identifiers=identifiers, source="example"),
            idempotency_key=str(uuid.uuid4()),
        )
    )
    customer = observed.identity.primary_contact_id if observed.identity else "none"
    print(f"{observed.outcome}: customer {customer}")

    person = answered(find_identity_by_identifier.sync(client=client, phone=phone))
    for identifier in person.identifiers:
        print(f"  {identifier.kind} {identifier.value or '(erased)'}")

    for event in events(client, int(after)):
        print(f"event {event.sequence}: {event.kind} by {event.caused_by}")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except ProblemError as error:
        print(f"refused: {error.problem.code}")
        sys.exit(1)

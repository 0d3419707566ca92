"""What schemathesis can't know from the description: how lines of JSON are written, which numbers are there, and which rules
no schema tells. It also has a check of its own: each problem has a code that its operation is said to answer."""

import json
import os
import zlib

import schemathesis
from schemathesis.generation.meta import TestPhase

# Refusals of requests that fit the schema: they depend on what is stored, on the policy, or on the clock.
RULES = {
    "answer_erased",
    "apart_already",
    "contact_gone",
    "empty_body",
    "idempotency_key_reused",
    "invalid_cursor",
    "invalid_email",
    "invalid_event",
    "invalid_header",
    "invalid_identifier",
    "invalid_phone_number",
    "invalid_policy",
    "invalid_query",
    "invalid_file",
    "invalid_reason",
    "invalid_time",
    "invalid_url",
    "not_confirmed",
    "nothing_left",
    "nothing_links",
    "nothing_to_identify",
    "other_identity",
    "too_many_webhooks",
    "unknown_kind",
}

# About as many contacts and events as there are: most numbers that are asked for should lead somewhere.
NUMBERS = 16
INTEGER_MAX = 2**63 - 1


@schemathesis.serializer("application/x-ndjson")
def write_lines(ctx, value):
    """Lines of JSON; a text is sent as it is."""
    if isinstance(value, bytes):
        return value
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode("utf-8", "replace")


@schemathesis.hook
def before_call(ctx, case, kwargs):
    """Has most requests be about what is there, and lets the key stay that all of this is asked with, and its workspace."""
    is_stateful = case.meta is not None and case.meta.phase.name == TestPhase.STATEFUL
    for values in (case.path_parameters or {}, case.query or {}, case.body if isinstance(case.body, dict) else {}):
        for name in ("id", "sequence", "other", "withContactId"):
            if isinstance(values.get(name), int) and abs(values[name]) <= INTEGER_MAX:
                values[name] = values[name] % NUMBERS + 1
    for name in ("at", "cursor"):
        if (case.query or {}).get(name) == "":
            del case.query[name]
    named = (case.headers or {}).get("Selfsame-Workspace")
    if isinstance(named, str) and zlib.crc32(named.encode("utf-8", "replace")) % 8:
        del case.headers["Selfsame-Workspace"]
    if is_stateful and case.headers:
        # What an earlier request made, and a repeat tells of, may be gone by then.
        case.headers.pop("Idempotency-Key", None)
    if isinstance(case.body, (dict, list)):
        case.body = whole(case.body)
    if case.operation.method.upper() in ("DELETE", "PATCH"):
        for name in ("id", "name"):
            if (case.path_parameters or {}).get(name) in os.environ.get("KEPT", "").split():
                case.path_parameters[name] = "none"


@schemathesis.hook
def filter_failure(ctx, failure, case, response):
    """Lets a refusal stand that has a rule behind it which no schema tells, and what is right though it looks otherwise."""
    name = type(failure).__name__
    if name == "RejectedPositiveData":
        return code_of(response) not in RULES
    if name == "EnsureResourceAvailability" and "none" in (case.path_parameters or {}).values():
        # What must stay was not asked for: see `before_call`.
        return False
    if name == "UseAfterFree" and case.operation.path.startswith("/v1/keys"):
        # A key that was revoked is shown as revoked.
        return json.loads(response.content).get("revokedAt") is None
    if name == "AcceptedNegativeData" and response.status_code == 413:
        # It was refused, before its members were looked at.
        return False
    return name != "AcceptedNegativeData" or case.media_type != "application/x-ndjson"


@schemathesis.check
def problem_is_told(ctx, response, case):
    """A problem's code is among those that its operation answers with that status."""
    if response.status_code < 400:
        return
    code = code_of(response)
    # Of methods that no operation has, and of paths that lead elsewhere once they are decoded.
    if code in ("method_not_allowed", "not_found"):
        return
    responses = case.operation.definition.raw["responses"]
    told = responses.get(str(response.status_code), {}).get("x-problem-codes", [])
    assert code in told, f"{response.status_code} {code} is not told of {case.operation.label}"


def whole(value):
    """Whole numbers written as such: to JSON Schema, 1.0 is one."""
    if isinstance(value, dict):
        return {name: whole(member) for name, member in value.items()}
    if isinstance(value, list):
        return [whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def code_of(response):
    try:
        return json.loads(response.content)["code"]
    except (ValueError, KeyError, TypeError):
        return None

-- What people correct, and what a policy refuses. An event is found by the contacts that it made or concerns.

ALTER TABLE selfsame.workspaces
    ADD COLUMN policy          TEXT,                           -- JSON; null for the default one
    ADD COLUMN policy_sequence BIGINT  NOT NULL DEFAULT 0,     -- the event since which it holds
    ADD COLUMN is_plain        BOOLEAN NOT NULL DEFAULT TRUE;  -- nothing was ever corrected or refused, and no policy set

ALTER TABLE selfsame.events ADD COLUMN origin TEXT;     -- JSON: where and when it was seen, if that was said

ALTER TABLE selfsame.contacts ADD COLUMN event_sequence BIGINT NOT NULL DEFAULT 0;     -- the event that made it

UPDATE selfsame.contacts SET event_sequence = made.sequence
FROM (
    SELECT workspace, ((outcome::json -> 'contact') ->> 'id')::bigint AS id, sequence
    FROM selfsame.events
    WHERE kind IN ('created', 'attached', 'merged', 'adopted')
) AS made
WHERE contacts.workspace = made.workspace AND contacts.id = made.id;

-- Beside the contact that an event made, those that it concerns: the primaries of a merge, those that a correction moved.
CREATE TABLE selfsame.event_contacts (
    workspace  BIGINT NOT NULL,
    contact_id BIGINT NOT NULL,
    sequence   BIGINT NOT NULL,
    PRIMARY KEY (workspace, contact_id, sequence)
);

INSERT INTO selfsame.event_contacts (workspace, contact_id, sequence)
SELECT workspace, (outcome::json ->> 'survivor')::bigint, sequence
FROM selfsame.events WHERE kind = 'merged'
UNION
SELECT events.workspace, former.value::bigint, events.sequence
FROM selfsame.events
CROSS JOIN LATERAL json_array_elements_text(events.outcome::json -> 'formerPrimaries') AS former (value)
WHERE events.kind = 'merged';

-- The corrections that keep a contact apart from others, or lift that. What they say stands in their events.
CREATE TABLE selfsame.kept_apart (
    workspace  BIGINT NOT NULL,
    contact_id BIGINT NOT NULL,
    sequence   BIGINT NOT NULL,
    PRIMARY KEY (workspace, contact_id, sequence)
);

-- What was refused, and whether somebody reviewed it. What was concerned stands in its event.
CREATE TABLE selfsame.refusals (
    workspace        BIGINT NOT NULL,
    sequence         BIGINT NOT NULL,               -- its event
    evidence         TEXT   NOT NULL,               -- SHA-256 of that, in hexadecimal digits
    settled_sequence BIGINT,                        -- the review's event
    PRIMARY KEY (workspace, sequence)
);

CREATE INDEX refusals_by_evidence ON selfsame.refusals (workspace, evidence);

-- Answers to requests with a key of their sender's, for a day: a repeat gets the same.
CREATE TABLE selfsame.answers (
    workspace      BIGINT NOT NULL,
    route          TEXT   NOT NULL,                 -- POST /v1/events/{sequence}/undo
    key_digest     TEXT   NOT NULL,                 -- SHA-256 of the sender's key, in hexadecimal digits
    request_digest TEXT   NOT NULL,                 -- SHA-256 of the rest of the request; empty with no body
    status         BIGINT NOT NULL,
    location       TEXT,
    body           TEXT,                            -- null since somebody in it was erased
    created_at_ms  BIGINT NOT NULL,
    PRIMARY KEY (workspace, route, key_digest)
);

CREATE INDEX answers_by_age ON selfsame.answers (workspace, created_at_ms);

-- Few events say which policy holds; a replay needs each of them.
CREATE INDEX events_governing ON selfsame.events (workspace, sequence) WHERE kind IN ('policyChanged', 'refolded');

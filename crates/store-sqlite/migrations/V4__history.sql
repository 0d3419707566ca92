-- What people correct, and what a policy refuses. An event is found by the contacts that it made or concerns.

ALTER TABLE workspaces ADD COLUMN policy TEXT;      -- JSON; null for the default one
ALTER TABLE workspaces ADD COLUMN policy_sequence INTEGER NOT NULL DEFAULT 0;   -- the event since which it holds

ALTER TABLE events ADD COLUMN origin TEXT;          -- JSON: where and when it was seen, if that was said

ALTER TABLE contacts ADD COLUMN event_sequence INTEGER NOT NULL DEFAULT 0;     -- the event that made it

CREATE TEMP TABLE made AS
SELECT workspace, json_extract(outcome, '$.contact.id') AS id, sequence
FROM events
WHERE kind IN ('created', 'attached', 'merged', 'adopted');

CREATE UNIQUE INDEX temp.made_by_contact ON made (workspace, id) WHERE id IS NOT NULL;

UPDATE contacts SET event_sequence = coalesce(
    (SELECT sequence FROM made WHERE made.workspace = contacts.workspace AND made.id = contacts.id), 0);

DROP TABLE temp.made;

-- Beside the contact that an event made, those that it concerns: the primaries of a merge, those that a correction moved.
CREATE TABLE event_contacts (
    workspace  INTEGER NOT NULL,
    contact_id INTEGER NOT NULL,
    sequence   INTEGER NOT NULL,
    PRIMARY KEY (workspace, contact_id, sequence)
) STRICT, WITHOUT ROWID;

INSERT INTO event_contacts (workspace, contact_id, sequence)
SELECT workspace, json_extract(outcome, '$.survivor'), sequence FROM events WHERE kind = 'merged'
UNION
SELECT events.workspace, former.value, events.sequence
FROM events, json_each(events.outcome, '$.formerPrimaries') AS former
WHERE events.kind = 'merged';

-- The corrections that keep a contact apart from others, or lift that. What they say stands in their events.
CREATE TABLE kept_apart (
    workspace  INTEGER NOT NULL,
    contact_id INTEGER NOT NULL,
    sequence   INTEGER NOT NULL,
    PRIMARY KEY (workspace, contact_id, sequence)
) STRICT, WITHOUT ROWID;

-- What was refused, and whether somebody reviewed it. What was concerned stands in its event.
CREATE TABLE refusals (
    workspace        INTEGER NOT NULL,
    sequence         INTEGER NOT NULL,              -- its event
    evidence         TEXT    NOT NULL,              -- SHA-256 of that, in hexadecimal digits
    settled_sequence INTEGER,                       -- the review's event
    PRIMARY KEY (workspace, sequence)
) STRICT, WITHOUT ROWID;

CREATE INDEX refusals_by_evidence ON refusals (workspace, evidence);

-- Answers to requests with a key of their sender's, for a day: a repeat gets the same.
CREATE TABLE answers (
    workspace      INTEGER NOT NULL,
    route          TEXT    NOT NULL,                -- POST /v1/events/{sequence}/undo
    key_digest     TEXT    NOT NULL,                -- SHA-256 of the sender's key, in hexadecimal digits
    request_digest TEXT    NOT NULL,                -- SHA-256 of the rest of the request; empty with no body
    status         INTEGER NOT NULL,
    location       TEXT,
    body           TEXT,                            -- null since somebody in it was erased
    created_at_ms  INTEGER NOT NULL,
    PRIMARY KEY (workspace, route, key_digest)
) STRICT;

CREATE INDEX answers_by_age ON answers (workspace, created_at_ms);

-- Few events say which policy holds; a replay needs each of them.
CREATE INDEX events_governing ON events (workspace, sequence) WHERE kind IN ('policyChanged', 'refolded');

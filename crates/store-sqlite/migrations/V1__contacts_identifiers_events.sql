-- Times are Unix milliseconds, UTC. Every key begins with the workspace.

CREATE TABLE workspaces (
    workspace        INTEGER NOT NULL PRIMARY KEY,  -- never reused
    name             TEXT    NOT NULL UNIQUE,
    last_sequence    INTEGER NOT NULL,              -- of the log; 0 before the first event
    last_contact_id  INTEGER NOT NULL,              -- the highest id ever given
    last_event_at_ms INTEGER NOT NULL
) STRICT;

INSERT INTO workspaces (workspace, name, last_sequence, last_contact_id, last_event_at_ms)
VALUES (1, 'default', 0, 0, 0);

-- What the log adds up to: one row for each observation that brought something new.
CREATE TABLE contacts (
    workspace     INTEGER NOT NULL,
    id            INTEGER NOT NULL,
    email         TEXT,                             -- canonical
    phone         TEXT,                             -- canonical
    declared      TEXT,                             -- JSON object: the other kinds, by name
    linked_id     INTEGER,                          -- the primary, directly; null for a primary
    created_at_ms INTEGER NOT NULL,
    updated_at_ms INTEGER NOT NULL,
    deleted_at_ms INTEGER,
    PRIMARY KEY (workspace, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX contacts_by_primary ON contacts (workspace, linked_id) WHERE linked_id IS NOT NULL;

-- Who owns a value: the oldest contact of its identity that bears it.
CREATE TABLE identifiers (
    workspace  INTEGER NOT NULL,
    kind       TEXT    NOT NULL,
    value      TEXT    NOT NULL,
    contact_id INTEGER NOT NULL,
    PRIMARY KEY (workspace, kind, value)
) STRICT, WITHOUT ROWID;

-- The truth. Rows are only ever added.
CREATE TABLE events (
    workspace INTEGER NOT NULL,
    sequence  INTEGER NOT NULL,                     -- 1, 2, 3, … without gaps
    at_ms     INTEGER NOT NULL,                     -- never less than the row before
    kind      TEXT    NOT NULL,
    format    INTEGER NOT NULL,                     -- of evidence and outcome
    caused_by TEXT    NOT NULL,
    evidence  TEXT    NOT NULL,                     -- JSON: what was seen, canonical and as sent
    outcome   TEXT    NOT NULL,                     -- JSON: what it changed
    PRIMARY KEY (workspace, sequence)
) STRICT, WITHOUT ROWID;

-- The default workspace under the original service's names, for whatever reads its table.
CREATE VIEW "Contact" AS
SELECT
    id,
    phone AS "phoneNumber",
    email,
    linked_id AS "linkedId",
    CASE WHEN linked_id IS NULL THEN 'primary' ELSE 'secondary' END AS "linkPrecedence",
    strftime('%Y-%m-%d %H:%M:%f', created_at_ms / 1000.0, 'unixepoch') AS "createdAt",
    strftime('%Y-%m-%d %H:%M:%f', updated_at_ms / 1000.0, 'unixepoch') AS "updatedAt",
    strftime('%Y-%m-%d %H:%M:%f', deleted_at_ms / 1000.0, 'unixepoch') AS "deletedAt"
FROM contacts
WHERE workspace = 1;

-- Times are Unix milliseconds, UTC. Every key begins with the workspace.

CREATE TABLE selfsame.workspaces (
    workspace        BIGINT NOT NULL PRIMARY KEY,   -- never reused
    name             TEXT   NOT NULL,
    last_sequence    BIGINT NOT NULL,               -- of the log; 0 before the first event
    last_contact_id  BIGINT NOT NULL,               -- the highest id ever given
    last_event_at_ms BIGINT NOT NULL
);

INSERT INTO selfsame.workspaces (workspace, name, last_sequence, last_contact_id, last_event_at_ms)
VALUES (1, 'default', 0, 0, 0);

-- What the log adds up to: one row for each observation that brought something new.
CREATE TABLE selfsame.contacts (
    workspace     BIGINT NOT NULL,
    id            BIGINT NOT NULL,
    email         TEXT,                             -- canonical
    phone         TEXT,                             -- canonical
    declared      TEXT,                             -- JSON object: the other kinds, by name
    linked_id     BIGINT,                           -- the primary, directly; null for a primary
    created_at_ms BIGINT NOT NULL,
    updated_at_ms BIGINT NOT NULL,
    deleted_at_ms BIGINT,
    PRIMARY KEY (workspace, id)
);

CREATE INDEX contacts_by_primary ON selfsame.contacts (workspace, linked_id) WHERE linked_id IS NOT NULL;

-- Who owns a value: the oldest contact of its identity that bears it.
CREATE TABLE selfsame.identifiers (
    workspace  BIGINT NOT NULL,
    kind       TEXT   NOT NULL,
    value      TEXT   NOT NULL,
    contact_id BIGINT NOT NULL,
    PRIMARY KEY (workspace, kind, value)
);

-- The truth. Rows are only ever added.
CREATE TABLE selfsame.events (
    workspace BIGINT NOT NULL,
    sequence  BIGINT NOT NULL,                      -- 1, 2, 3, … without gaps
    at_ms     BIGINT NOT NULL,                      -- never less than the row before
    kind      TEXT   NOT NULL,
    format    BIGINT NOT NULL,                      -- of evidence and outcome
    caused_by TEXT   NOT NULL,
    evidence  TEXT   NOT NULL,                      -- JSON: what was seen, canonical and as sent
    outcome   TEXT   NOT NULL,                      -- JSON: what it changed
    PRIMARY KEY (workspace, sequence)
);

-- The default workspace under the original service's names and types, for whatever reads its table. Reading two
-- tables, it is a view that PostgreSQL takes no writes through: a forgotten old server fails loudly.
CREATE VIEW selfsame."Contact" AS
SELECT
    CAST(contacts.id AS INTEGER) AS id,
    contacts.phone AS "phoneNumber",
    contacts.email,
    CAST(contacts.linked_id AS INTEGER) AS "linkedId",
    CASE WHEN contacts.linked_id IS NULL THEN 'primary' ELSE 'secondary' END AS "linkPrecedence",
    CAST(TIMESTAMP '1970-01-01' + contacts.created_at_ms * INTERVAL '1 millisecond' AS TIMESTAMP(3)) AS "createdAt",
    CAST(TIMESTAMP '1970-01-01' + contacts.updated_at_ms * INTERVAL '1 millisecond' AS TIMESTAMP(3)) AS "updatedAt",
    CAST(TIMESTAMP '1970-01-01' + contacts.deleted_at_ms * INTERVAL '1 millisecond' AS TIMESTAMP(3)) AS "deletedAt"
FROM selfsame.contacts
JOIN selfsame.workspaces ON workspaces.workspace = contacts.workspace
WHERE contacts.workspace = 1;

-- Several workspaces, each with what it counts, and the keys to them.

-- Made anew, since a name is free again once its workspace is erased.
CREATE TABLE workspaces_anew (
    workspace        INTEGER NOT NULL PRIMARY KEY,  -- never reused
    name             TEXT    NOT NULL,              -- no other that isn't erased has it: names change under the lock of row 1
    former_names     TEXT    NOT NULL DEFAULT '',   -- given up a moment ago: no other takes one before replicas know
    last_sequence    INTEGER NOT NULL,              -- of the log; 0 before the first event
    last_contact_id  INTEGER NOT NULL,              -- the highest id ever given
    last_event_at_ms INTEGER NOT NULL,
    linked_sequence  INTEGER NOT NULL DEFAULT 0,    -- up to this event, all rows link as the log says
    contact_count    INTEGER NOT NULL DEFAULT 0,    -- live contacts
    identity_count   INTEGER NOT NULL DEFAULT 0,    -- identities with a live contact
    created_at_ms    INTEGER NOT NULL DEFAULT 0,
    erased_at_ms     INTEGER,                       -- from here on nothing in it is shown or written
    swept_at_ms      INTEGER                        -- all rows of an erased one are gone
) STRICT;

-- A former primary whose row waits to be moved is none any more.
INSERT INTO workspaces_anew (workspace, name, last_sequence, last_contact_id, last_event_at_ms, linked_sequence,
    contact_count, identity_count)
SELECT workspace, name, last_sequence, last_contact_id, last_event_at_ms, linked_sequence,
    (SELECT count(*) FROM contacts
        WHERE contacts.workspace = workspaces.workspace AND deleted_at_ms IS NULL),
    (SELECT count(*) FROM contacts
        WHERE contacts.workspace = workspaces.workspace AND deleted_at_ms IS NULL AND linked_id IS NULL
            AND id NOT IN (SELECT former.value
                FROM events, json_each(events.outcome, '$.formerPrimaries') AS former
                WHERE events.workspace = workspaces.workspace AND events.sequence > linked_sequence
                    AND events.kind = 'merged'))
FROM workspaces;

DROP TABLE workspaces;
ALTER TABLE workspaces_anew RENAME TO workspaces;

-- Who may do what. A key's text is shown once and stored nowhere.
CREATE TABLE keys (
    workspace            INTEGER NOT NULL,          -- what it opens; 1 for a key to every workspace
    id                   TEXT    NOT NULL,
    every_workspace      INTEGER NOT NULL,          -- 1: it opens all of them
    name                 TEXT    NOT NULL,
    digest               TEXT    NOT NULL,          -- SHA-256 of its text, in hexadecimal digits
    scopes               TEXT    NOT NULL,          -- words with a space between: identify read write admin
    requests_per_second  INTEGER,
    requests_at_once_max INTEGER,
    created_at_ms        INTEGER NOT NULL,
    expires_at_ms        INTEGER,
    revoked_at_ms        INTEGER,
    PRIMARY KEY (workspace, id)
) STRICT, WITHOUT ROWID;

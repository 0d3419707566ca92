-- Several workspaces, each with what it counts, and the keys to them. Names of workspaces change under the lock of
-- row 1: no two that aren't erased have one name.

ALTER TABLE selfsame.workspaces
    ADD COLUMN former_names   TEXT   NOT NULL DEFAULT '',   -- given up a moment ago: no other takes one before replicas know
    ADD COLUMN contact_count  BIGINT NOT NULL DEFAULT 0,    -- live contacts
    ADD COLUMN identity_count BIGINT NOT NULL DEFAULT 0,    -- identities with a live contact
    ADD COLUMN created_at_ms  BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN erased_at_ms   BIGINT,                       -- from here on nothing in it is shown or written
    ADD COLUMN swept_at_ms    BIGINT;                       -- all rows of an erased one are gone

-- Until now there was no other than the default one.
UPDATE selfsame.workspaces
SET contact_count = counted.contacts, identity_count = counted.identities
FROM (
    SELECT count(*) AS contacts, count(*) FILTER (WHERE linked_id IS NULL) AS identities
    FROM selfsame.contacts
    WHERE workspace = 1 AND deleted_at_ms IS NULL
) AS counted
WHERE workspaces.workspace = 1;

-- Who may do what. A key's text is shown once and stored nowhere.
CREATE TABLE selfsame.keys (
    workspace            BIGINT  NOT NULL,          -- what it opens; 1 for a key to every workspace
    id                   TEXT    NOT NULL,
    every_workspace      BOOLEAN NOT NULL,          -- whether it opens all of them
    name                 TEXT    NOT NULL,
    digest               TEXT    NOT NULL,          -- SHA-256 of its text, in hexadecimal digits
    scopes               TEXT    NOT NULL,          -- words with a space between: identify read write admin
    requests_per_second  BIGINT,
    requests_at_once_max BIGINT,
    created_at_ms        BIGINT  NOT NULL,
    expires_at_ms        BIGINT,
    revoked_at_ms        BIGINT,
    PRIMARY KEY (workspace, id)
);

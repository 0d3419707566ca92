-- How far the import of a file came, so that it goes on there. Nothing that a row says is kept here but its part in a digest.
CREATE TABLE imports (
    workspace    INTEGER NOT NULL,
    file         TEXT    NOT NULL,        -- by what it is known again
    row_count    INTEGER NOT NULL,        -- those that were decided
    rows_digest  TEXT    NOT NULL,        -- what these say
    by_time      INTEGER NOT NULL,        -- whether they were put in the order of their own times
    contacts     INTEGER NOT NULL,        -- what they came to
    identities   INTEGER NOT NULL,
    merges       INTEGER NOT NULL,
    refused      INTEGER NOT NULL,
    unchanged    INTEGER NOT NULL,
    began_at_ms  INTEGER NOT NULL,
    PRIMARY KEY (workspace, file)
) STRICT, WITHOUT ROWID;

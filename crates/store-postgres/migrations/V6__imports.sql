-- How far the import of a file came, so that it goes on there. Nothing that a row says is kept here but its part in a digest.
CREATE TABLE selfsame.imports (
    workspace    BIGINT  NOT NULL,
    file         TEXT    NOT NULL,        -- by what it is known again
    row_count    BIGINT  NOT NULL,        -- those that were decided
    rows_digest  TEXT    NOT NULL,        -- what these say
    by_time      BOOLEAN NOT NULL,        -- whether they were put in the order of their own times
    contacts     BIGINT  NOT NULL,        -- what they came to
    identities   BIGINT  NOT NULL,
    merges       BIGINT  NOT NULL,
    refused      BIGINT  NOT NULL,
    unchanged    BIGINT  NOT NULL,
    began_at_ms  BIGINT  NOT NULL,
    PRIMARY KEY (workspace, file)
);

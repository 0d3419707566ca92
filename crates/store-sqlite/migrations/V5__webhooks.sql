-- Where a workspace's events are sent to, and how far that has come. No event is kept here.
CREATE TABLE webhooks (
    workspace              INTEGER NOT NULL,
    id                     TEXT    NOT NULL,
    url                    TEXT    NOT NULL,
    kinds                  TEXT    NOT NULL,        -- words with a space between; empty for all
    secret                 TEXT    NOT NULL,        -- what signs its messages
    former_secret          TEXT,                    -- signs them besides,
    former_secret_until_ms INTEGER,                 -- until then
    created_at_ms          INTEGER NOT NULL,
    delivered_sequence     INTEGER NOT NULL,        -- the last event that was sent, or isn't of these kinds
    is_parked              INTEGER NOT NULL,        -- nothing is sent until somebody asks for it
    failures               INTEGER NOT NULL,        -- since the last success
    failing_since_ms       INTEGER,
    last_attempt_at_ms     INTEGER,
    last_status            INTEGER,                 -- of HTTP
    last_problem           TEXT,
    next_attempt_at_ms     INTEGER,
    holder                 TEXT    NOT NULL,        -- who delivers, or did last
    is_held                INTEGER NOT NULL,        -- whether he still does
    revision               INTEGER NOT NULL,        -- how often the row was written
    PRIMARY KEY (workspace, id)
) STRICT, WITHOUT ROWID;

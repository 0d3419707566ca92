-- Where a workspace's events are sent to, and how far that has come. No event is kept here.
CREATE TABLE selfsame.webhooks (
    workspace              BIGINT  NOT NULL,
    id                     TEXT    NOT NULL,
    url                    TEXT    NOT NULL,
    kinds                  TEXT    NOT NULL,        -- words with a space between; empty for all
    secret                 TEXT    NOT NULL,        -- what signs its messages
    former_secret          TEXT,                    -- signs them besides,
    former_secret_until_ms BIGINT,                  -- until then
    created_at_ms          BIGINT  NOT NULL,
    delivered_sequence     BIGINT  NOT NULL,        -- the last event that was sent, or isn't of these kinds
    is_parked              BOOLEAN NOT NULL,        -- nothing is sent until somebody asks for it
    failures               BIGINT  NOT NULL,        -- since the last success
    failing_since_ms       BIGINT,
    last_attempt_at_ms     BIGINT,
    last_status            BIGINT,                  -- of HTTP
    last_problem           TEXT,
    next_attempt_at_ms     BIGINT,
    holder                 TEXT    NOT NULL,        -- who delivers, or did last
    is_held                BOOLEAN NOT NULL,        -- whether he still does
    revision               BIGINT  NOT NULL,        -- how often the row was written
    PRIMARY KEY (workspace, id)
);

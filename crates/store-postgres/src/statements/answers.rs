//! The statements for answers that are kept for requests that may be repeated.

pub(crate) const KEPT: &str = "SELECT request_digest, status, location, body FROM selfsame.answers
    WHERE workspace = $1 AND route = $2 AND key_digest = $3 AND created_at_ms > $4";

/// One that is kept no longer may still be there.
pub(crate) const KEEP: &str = "INSERT INTO selfsame.answers
        (workspace, route, key_digest, request_digest, status, location, body, created_at_ms)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (workspace, route, key_digest) DO UPDATE
    SET request_digest = excluded.request_digest, status = excluded.status, location = excluded.location,
        body = excluded.body, created_at_ms = excluded.created_at_ms";

/// Those of the requests ($2 routes, $3 keys, each since $4) of which an answer is kept.
pub(crate) const KEPT_OF: &str = "SELECT kept.route, kept.key_digest
    FROM unnest($2::text[], $3::text[], $4::bigint[]) AS asked (route, key_digest, since_ms)
    CROSS JOIN LATERAL (
        SELECT route, key_digest
        FROM selfsame.answers
        WHERE workspace = $1 AND route = asked.route AND key_digest = asked.key_digest
            AND created_at_ms > asked.since_ms
        LIMIT 1
    ) AS kept";

/// As [`KEEP`], the same answer ($6 status, $7 body) of many requests.
pub(crate) const KEEP_ALL: &str = "INSERT INTO selfsame.answers
        (workspace, route, key_digest, request_digest, status, location, body, created_at_ms)
    SELECT $1, route, key_digest, request_digest, $6, NULL::text, $7, created_at_ms
    FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[])
        AS request (route, key_digest, request_digest, created_at_ms)
    ON CONFLICT (workspace, route, key_digest) DO UPDATE
    SET request_digest = excluded.request_digest, status = excluded.status, location = excluded.location,
        body = excluded.body, created_at_ms = excluded.created_at_ms";

pub(crate) const KEEP_INSTEAD: &str = "UPDATE selfsame.answers SET status = $5, location = $6, body = $7
    WHERE workspace = $1 AND route = $2 AND key_digest = $3 AND request_digest = $4 AND body IS NOT NULL";

/// Takes the bodies in which one of the texts ($2) stands, and what their requests could be guessed by.
pub(crate) const TAKE_BODIES: &str = "UPDATE selfsame.answers SET body = NULL, request_digest = ''
    WHERE workspace = $1 AND body IS NOT NULL
        AND EXISTS (SELECT 1 FROM unnest($2::text[]) AS gone (text) WHERE strpos(answers.body, gone.text) > 0)";

/// Deletes the oldest ($3 or a few more) of those that are kept since $2 or longer.
pub(crate) const FORGET: &str = "DELETE FROM selfsame.answers
    WHERE workspace = $1
        AND created_at_ms <= (
            SELECT max(created_at_ms)
            FROM (
                SELECT created_at_ms FROM selfsame.answers
                WHERE workspace = $1 AND created_at_ms <= $2 ORDER BY created_at_ms LIMIT $3
            ) AS oldest
        )";

/// Those here, by name.
pub(super) fn all() -> Vec<(&'static str, String)> {
    let fixed = [
        ("kept answer", KEPT),
        ("keep answer", KEEP),
        ("kept of requests", KEPT_OF),
        ("keep that requests were carried out", KEEP_ALL),
        ("keep answer instead", KEEP_INSTEAD),
        ("take bodies", TAKE_BODIES),
        ("forget answers", FORGET),
    ];
    fixed.map(|(name, text)| (name, text.to_owned())).into()
}

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
        ("keep answer instead", KEEP_INSTEAD),
        ("take bodies", TAKE_BODIES),
        ("forget answers", FORGET),
    ];
    fixed.map(|(name, text)| (name, text.to_owned())).into()
}

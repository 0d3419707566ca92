//! The statements for webhooks and what is noted of them.

macro_rules! columns {
    () => {
        "workspace, id, url, kinds, secret, former_secret, former_secret_until_ms, created_at_ms,
        delivered_sequence, is_parked, failures, failing_since_ms, last_attempt_at_ms, last_status, last_problem,
        next_attempt_at_ms, holder, is_held, revision"
    };
}

/// Those of all workspaces: a replica looks for any that nobody delivers to. There are few.
pub(crate) const WEBHOOKS: &str =
    concat!("SELECT ", columns!(), " FROM selfsame.webhooks ORDER BY workspace, id");

/// Those of one workspace.
pub(crate) const WEBHOOKS_OF: &str =
    concat!("SELECT ", columns!(), " FROM selfsame.webhooks WHERE workspace = $1 ORDER BY id");

pub(crate) const INSERT_WEBHOOK: &str = concat!(
    "INSERT INTO selfsame.webhooks (",
    columns!(),
    ")
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, '', FALSE, 1)"
);

/// Whoever held it can note nothing any more.
pub(crate) const CHANGE_WEBHOOK: &str = "UPDATE selfsame.webhooks
    SET url = $3, kinds = $4, secret = $5, former_secret = $6, former_secret_until_ms = $7, created_at_ms = $8,
        delivered_sequence = $9, is_parked = $10, failures = $11, failing_since_ms = $12, last_attempt_at_ms = $13,
        last_status = $14, last_problem = $15, next_attempt_at_ms = $16, holder = '', is_held = FALSE, revision = revision + 1
    WHERE workspace = $1 AND id = $2";

pub(crate) const REMOVE_WEBHOOK: &str = "DELETE FROM selfsame.webhooks WHERE workspace = $1 AND id = $2";

/// The last condition settles a commit whose answer was lost: the row is as this statement left it.
pub(crate) const NOTE_WEBHOOK: &str = "UPDATE selfsame.webhooks
    SET revision = $3 + 1, holder = $4, is_held = $5, delivered_sequence = $6, is_parked = $7, failures = $8,
        failing_since_ms = $9, last_attempt_at_ms = $10, last_status = $11, last_problem = $12,
        next_attempt_at_ms = $13
    WHERE workspace = $1 AND id = $2 AND (revision = $3 OR (revision = $3 + 1 AND holder = $4))";

/// Those here, by name.
pub(super) fn all() -> Vec<(&'static str, String)> {
    let fixed = [
        ("webhooks", WEBHOOKS),
        ("webhooks of", WEBHOOKS_OF),
        ("insert webhook", INSERT_WEBHOOK),
        ("change webhook", CHANGE_WEBHOOK),
        ("remove webhook", REMOVE_WEBHOOK),
        ("note webhook", NOTE_WEBHOOK),
    ];
    fixed.map(|(name, text)| (name, text.to_owned())).into()
}

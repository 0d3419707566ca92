//! The statements with which workspaces and keys are read and changed, and what is left of an erased workspace goes.

/// All workspaces and keys in one snapshot, a row for each key and one for a workspace without any.
///
/// The one statement of the store that is held to no workspace: a key is looked for before anybody knows whose it is,
/// and there are few of both.
pub(crate) const ACCESS: &str =
    "SELECT workspaces.workspace, workspaces.name, workspaces.former_names, workspaces.last_sequence,
        workspaces.last_contact_id, workspaces.last_event_at_ms, workspaces.contact_count,
        workspaces.identity_count, workspaces.created_at_ms, workspaces.erased_at_ms, workspaces.swept_at_ms,
        workspaces.policy_sequence,
        keys.id AS key_id, keys.every_workspace AS key_every_workspace, keys.name AS key_name,
        keys.digest AS key_digest, keys.scopes AS key_scopes,
        keys.requests_per_second AS key_requests_per_second,
        keys.requests_at_once_max AS key_requests_at_once_max, keys.created_at_ms AS key_created_at_ms,
        keys.expires_at_ms AS key_expires_at_ms, keys.revoked_at_ms AS key_revoked_at_ms
    FROM selfsame.workspaces
    LEFT JOIN selfsame.keys ON keys.workspace = workspaces.workspace
    ORDER BY workspaces.workspace, keys.id";

/// A workspace with an empty log.
pub(crate) const INSERT_WORKSPACE: &str = "INSERT INTO selfsame.workspaces
        (workspace, name, created_at_ms, last_sequence, last_contact_id, last_event_at_ms)
    VALUES ($1, $2, $3, 0, 0, 0)";

pub(crate) const RENAME_WORKSPACE: &str =
    "UPDATE selfsame.workspaces SET name = $2, former_names = $3 WHERE workspace = $1";

/// From its commit on, nobody looks into the workspace and nobody writes there.
pub(crate) const ERASE_WORKSPACE: &str =
    "UPDATE selfsame.workspaces SET erased_at_ms = $2 WHERE workspace = $1";

pub(crate) const INSERT_KEY: &str = "INSERT INTO selfsame.keys
        (workspace, id, every_workspace, name, digest, scopes, requests_per_second, requests_at_once_max,
            created_at_ms, expires_at_ms, revoked_at_ms)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

pub(crate) const END_KEY: &str = "UPDATE selfsame.keys SET revoked_at_ms = $3, expires_at_ms = $4
    WHERE workspace = $1 AND id = $2";

/// Those that were revoked before stay so since then.
pub(crate) const REVOKE_KEYS: &str =
    "UPDATE selfsame.keys SET revoked_at_ms = coalesce(revoked_at_ms, $2) WHERE workspace = $1";

/// The row of an erased workspace of which something may be left. Whoever has it sweeps; that is undone by nobody.
pub(crate) const UNSWEPT: &str = "SELECT workspace FROM selfsame.workspaces
    WHERE workspace = $1 AND erased_at_ms IS NOT NULL AND swept_at_ms IS NULL FOR UPDATE";

/// What is deleted of an erased workspace, one after the other, at most $2 rows: the first by their keys. Those are told by
/// the last of them: as a list, PostgreSQL was seen to go through it for every row of the workspace.
pub(crate) const SWEEPS: [(&str, &str); 9] = [
    (
        "sweep contacts",
        "DELETE FROM selfsame.contacts
    WHERE workspace = $1
        AND id <= (
            SELECT max(id)
            FROM (SELECT id FROM selfsame.contacts WHERE workspace = $1 ORDER BY id LIMIT $2) AS first
        )",
    ),
    (
        "sweep identifiers",
        "DELETE FROM selfsame.identifiers
    WHERE workspace = $1
        AND (kind, value) <= (
            SELECT kind, value
            FROM (
                SELECT kind, value FROM selfsame.identifiers
                WHERE workspace = $1 ORDER BY kind, value LIMIT $2
            ) AS first
            ORDER BY kind DESC, value DESC LIMIT 1
        )",
    ),
    (
        "sweep event contacts",
        "DELETE FROM selfsame.event_contacts
    WHERE workspace = $1
        AND (contact_id, sequence) <= (
            SELECT contact_id, sequence
            FROM (
                SELECT contact_id, sequence FROM selfsame.event_contacts
                WHERE workspace = $1 ORDER BY contact_id, sequence LIMIT $2
            ) AS first
            ORDER BY contact_id DESC, sequence DESC LIMIT 1
        )",
    ),
    (
        "sweep kept apart",
        "DELETE FROM selfsame.kept_apart
    WHERE workspace = $1
        AND (contact_id, sequence) <= (
            SELECT contact_id, sequence
            FROM (
                SELECT contact_id, sequence FROM selfsame.kept_apart
                WHERE workspace = $1 ORDER BY contact_id, sequence LIMIT $2
            ) AS first
            ORDER BY contact_id DESC, sequence DESC LIMIT 1
        )",
    ),
    (
        "sweep refusals",
        "DELETE FROM selfsame.refusals
    WHERE workspace = $1
        AND sequence <= (
            SELECT max(sequence)
            FROM (SELECT sequence FROM selfsame.refusals WHERE workspace = $1 ORDER BY sequence LIMIT $2) AS first
        )",
    ),
    (
        "sweep answers",
        "DELETE FROM selfsame.answers
    WHERE workspace = $1
        AND (route, key_digest) <= (
            SELECT route, key_digest
            FROM (
                SELECT route, key_digest FROM selfsame.answers
                WHERE workspace = $1 ORDER BY route, key_digest LIMIT $2
            ) AS first
            ORDER BY route DESC, key_digest DESC LIMIT 1
        )",
    ),
    (
        "sweep webhooks",
        "DELETE FROM selfsame.webhooks
    WHERE workspace = $1
        AND id <= (
            SELECT max(id)
            FROM (SELECT id FROM selfsame.webhooks WHERE workspace = $1 ORDER BY id LIMIT $2) AS first
        )",
    ),
    (
        "sweep imports",
        "DELETE FROM selfsame.imports
    WHERE workspace = $1
        AND file <= (
            SELECT max(file)
            FROM (SELECT file FROM selfsame.imports WHERE workspace = $1 ORDER BY file LIMIT $2) AS first
        )",
    ),
    // Those of its administration stay.
    (
        "sweep events",
        "DELETE FROM selfsame.events
    WHERE workspace = $1 AND kind NOT IN ('keyChanged', 'workspaceChanged')
        AND sequence <= (
            SELECT max(sequence)
            FROM (
                SELECT sequence FROM selfsame.events
                WHERE workspace = $1 AND kind NOT IN ('keyChanged', 'workspaceChanged')
                ORDER BY sequence LIMIT $2
            ) AS first
        )",
    ),
];

/// Nothing is left of it.
pub(crate) const SWEPT: &str = "UPDATE selfsame.workspaces
    SET contact_count = 0, identity_count = 0, policy = NULL, swept_at_ms = $2 WHERE workspace = $1";

/// Those here, by name.
pub(super) fn all() -> Vec<(&'static str, String)> {
    let fixed = [
        ("access", ACCESS),
        ("insert workspace", INSERT_WORKSPACE),
        ("rename workspace", RENAME_WORKSPACE),
        ("erase workspace", ERASE_WORKSPACE),
        ("insert key", INSERT_KEY),
        ("end key", END_KEY),
        ("revoke keys", REVOKE_KEYS),
        ("unswept", UNSWEPT),
        ("swept", SWEPT),
    ];
    fixed.into_iter().chain(SWEEPS).map(|(name, text)| (name, text.to_owned())).collect()
}

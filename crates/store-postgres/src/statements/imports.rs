//! The statements for what is noted of imports.

/// How far the import of a file ($2) is.
pub(crate) const IMPORT_NOTE: &str =
    "SELECT file, row_count, rows_digest, by_time, contacts, identities, merges, refused,
        unchanged, began_at_ms
    FROM selfsame.imports WHERE workspace = $1 AND file = $2";

pub(crate) const NOTE_IMPORT: &str =
    "INSERT INTO selfsame.imports (workspace, file, row_count, rows_digest, by_time,
        contacts, identities, merges, refused, unchanged, began_at_ms)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT (workspace, file) DO UPDATE
    SET row_count = excluded.row_count, rows_digest = excluded.rows_digest, by_time = excluded.by_time,
        contacts = excluded.contacts, identities = excluded.identities, merges = excluded.merges,
        refused = excluded.refused, unchanged = excluded.unchanged, began_at_ms = excluded.began_at_ms";

/// Of very few rows, a value could be guessed by their digest.
pub(crate) const FORGET_IMPORTS: &str = "DELETE FROM selfsame.imports WHERE workspace = $1";

/// Those here, by name.
pub(super) fn all() -> Vec<(&'static str, String)> {
    let fixed =
        [("import note", IMPORT_NOTE), ("note import", NOTE_IMPORT), ("forget imports", FORGET_IMPORTS)];
    fixed.map(|(name, text)| (name, text.to_owned())).into()
}

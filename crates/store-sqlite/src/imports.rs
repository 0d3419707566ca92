//! How far imports are.

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use selfsame_rules::Timestamp;
use selfsame_store::{ImportCounts, ImportNote, WorkspaceKey};

const IMPORT_NOTE: &str =
    "SELECT file, row_count, rows_digest, by_time, contacts, identities, merges, refused,
        unchanged, began_at_ms
    FROM imports WHERE workspace = ?1 AND file = ?2";

const NOTE_IMPORT: &str =
    "INSERT INTO imports (workspace, file, row_count, rows_digest, by_time, contacts, identities,
        merges, refused, unchanged, began_at_ms)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
    ON CONFLICT (workspace, file) DO UPDATE
    SET row_count = excluded.row_count, rows_digest = excluded.rows_digest, by_time = excluded.by_time,
        contacts = excluded.contacts, identities = excluded.identities, merges = excluded.merges,
        refused = excluded.refused, unchanged = excluded.unchanged, began_at_ms = excluded.began_at_ms";

/// Of very few rows, a value could be guessed by their digest.
const FORGET_IMPORTS: &str = "DELETE FROM imports WHERE workspace = ?1";

/// How far the import of that file is.
pub(crate) fn import_note(
    connection: &Connection,
    workspace: WorkspaceKey,
    file: &str,
) -> rusqlite::Result<Option<ImportNote>> {
    let mut statement = connection.prepare_cached(IMPORT_NOTE)?;
    let note = statement.query_row(params![workspace.0, file], |row| {
        let counts = ImportCounts {
            contacts: row.get(4)?,
            identities: row.get(5)?,
            merges: row.get(6)?,
            refused: row.get(7)?,
            unchanged: row.get(8)?,
        };
        Ok(ImportNote {
            file: row.get(0)?,
            rows: row.get(1)?,
            digest: row.get(2)?,
            by_time: row.get(3)?,
            counts,
            began_at: Timestamp::from_milliseconds(row.get(9)?),
        })
    });
    note.optional()
}

/// Notes how far an import is, if one is under way.
pub(crate) fn note_import(
    transaction: &Transaction<'_>,
    workspace: WorkspaceKey,
    note: Option<&ImportNote>,
) -> rusqlite::Result<()> {
    let Some(ImportNote { file, rows, digest, by_time, counts, began_at }) = note else { return Ok(()) };
    let ImportCounts { contacts, identities, merges, refused, unchanged } = counts;
    let began_at_ms = began_at.as_milliseconds();
    transaction.prepare_cached(NOTE_IMPORT)?.execute(params![
        workspace.0,
        file,
        rows,
        digest,
        by_time,
        contacts,
        identities,
        merges,
        refused,
        unchanged,
        began_at_ms
    ])?;
    Ok(())
}

/// Forgets how far the workspace's imports are, with the erasure of somebody who may have been in their files.
pub(crate) fn forget_imports(transaction: &Transaction<'_>, workspace: WorkspaceKey) -> rusqlite::Result<()> {
    transaction.execute(FORGET_IMPORTS, [workspace.0])?;
    Ok(())
}

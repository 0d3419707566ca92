//! How far imports are.

use deadpool_postgres::Pool;
use selfsame_rules::Timestamp;
use selfsame_store::{ImportCounts, ImportNote, WorkspaceKey};
use tokio_postgres::types::{ToSql, Type};

use crate::carry_out::Statement;
use crate::connections::Loan;
use crate::rows::get;
use crate::statements::imports::{FORGET_IMPORTS, IMPORT_NOTE, NOTE_IMPORT};
use crate::transaction::Stopped;

/// How far the import of that file is.
pub(crate) async fn import_note_alone(
    pool: &Pool,
    workspace: WorkspaceKey,
    file: &str,
) -> Result<Option<ImportNote>, Stopped> {
    let client = Loan::from(pool).await?;
    let which: [(&(dyn ToSql + Sync), Type); 2] = [(&workspace.0, Type::INT8), (&file, Type::TEXT)];
    let rows = client.query_typed(IMPORT_NOTE, &which).await?;
    client.give_back();
    let Some(row) = rows.first() else { return Ok(None) };
    let counts = ImportCounts {
        contacts: get(row, "contacts")?,
        identities: get(row, "identities")?,
        merges: get(row, "merges")?,
        refused: get(row, "refused")?,
        unchanged: get(row, "unchanged")?,
    };
    Ok(Some(ImportNote {
        file: get::<&str>(row, "file")?.into(),
        rows: get(row, "row_count")?,
        digest: get::<&str>(row, "rows_digest")?.into(),
        by_time: get(row, "by_time")?,
        counts,
        began_at: Timestamp::from_milliseconds(get(row, "began_at_ms")?),
    }))
}

/// The statement that notes how far an import is, if one is under way.
pub(crate) fn note_import(workspace: WorkspaceKey, note: Option<ImportNote>) -> Option<Statement> {
    let ImportNote { file, rows, digest, by_time, counts, began_at } = note?;
    let ImportCounts { contacts, identities, merges, refused, unchanged } = counts;
    let noted = Statement::new(NOTE_IMPORT, workspace)
        .with(String::from(file), Type::TEXT)
        .with(rows, Type::INT8)
        .with(String::from(digest), Type::TEXT)
        .with(by_time, Type::BOOL)
        .with(contacts, Type::INT8)
        .with(identities, Type::INT8)
        .with(merges, Type::INT8)
        .with(refused, Type::INT8)
        .with(unchanged, Type::INT8)
        .with(began_at.as_milliseconds(), Type::INT8);
    Some(noted)
}

/// The statement that forgets how far the workspace's imports are, with the erasure of somebody who may have been in their files.
pub(crate) fn forget_imports(workspace: WorkspaceKey) -> Statement {
    Statement::new(FORGET_IMPORTS, workspace)
}

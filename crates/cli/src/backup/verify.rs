//! Whether a file can be trusted to be a whole database of selfsame's: SQLite's own check of it, and all that `selfsame check`
//! proves, for every workspace.

use std::path::Path;

use anyhow::Context;
use selfsame_service::check::check;
use selfsame_store::{Store, StoreError};
use selfsame_store_sqlite::{Contents, Heads, OpenError, SqliteStore};

/// What is in a file that was verified.
pub(crate) struct Verified {
    pub(crate) events: u64,
    pub(crate) contacts: u64,
    pub(crate) heads: Heads,
}

/// What came of verifying.
pub(crate) enum Verdict {
    Good(Verified),
    /// A sentence for each fault.
    Bad(Vec<String>),
}

/// Verifies `file`, which nobody else has open. `scratch` is a folder of one's own on a disk with room for another copy, on which
/// a file of an older schema is migrated: whether that goes well is part of the proof, and the file stays as it is.
pub(crate) async fn verify(file: &Path, scratch: &Path) -> anyhow::Result<Verdict> {
    match judge(file, scratch).await {
        Ok(verdict) => Ok(verdict),
        Err(error) => fault(&error).map(|fault| Verdict::Bad(vec![fault])).ok_or(error),
    }
}

async fn judge(file: &Path, scratch: &Path) -> anyhow::Result<Verdict> {
    let contents = Contents::of(file)?;
    let migrated = scratch.join("migrated.db");
    let current = if contents.is_older() {
        std::fs::copy(file, &migrated).context("a copy to try the migrations on can't be made")?;
        SqliteStore::migrate(&migrated, false)?;
        &migrated
    } else {
        file
    };
    let mut verified = Verified { events: 0, contacts: 0, heads: contents.heads };
    let mut faults = Vec::new();
    let store = SqliteStore::open_for_reading(current)?;
    let access = store.access().await?;
    // What is left of an erased one is nobody's.
    for workspace in access.workspaces.iter().filter(|workspace| workspace.facts.erased_at.is_none()) {
        let report = check(&store, workspace.key).await?;
        verified.events += report.events;
        verified.contacts += report.contacts;
        faults.extend(report.faults);
    }
    Ok(if faults.is_empty() { Verdict::Good(verified) } else { Verdict::Bad(faults) })
}

/// What an error says of the file, if it is the file's fault.
fn fault(error: &anyhow::Error) -> Option<String> {
    if let Some(StoreError::Failed(_) | StoreError::Incoherent(_)) = error.downcast_ref() {
        return Some(error.to_string());
    }
    Some(match error.downcast_ref::<OpenError>()? {
        OpenError::NotADatabase(_) => "it is not a SQLite database".to_owned(),
        OpenError::SomebodyElses(_) => "it is a SQLite database, but not one of selfsame's".to_owned(),
        OpenError::Newer { found, known, .. } => format!(
            "it was made by a newer version of selfsame (schema {found}, and this version knows {known})"
        ),
        OpenError::Sqlite { source, .. } => format!("SQLite says: {source}"),
        OpenError::Unreadable { source, .. } => format!("it can't be read: {source}"),
        OpenError::Migration { source, .. } => {
            format!("it can't be brought to this version's schema: {source}")
        }
        OpenError::Missing(_) => "it is empty".to_owned(),
        OpenError::InUse { .. }
        | OpenError::NoFolder(_)
        | OpenError::Older { .. }
        | OpenError::NoSpace(_)
        | OpenError::Io { .. } => return None,
    })
}

//! A copy of a database: one snapshot of it, taken beside whatever writes, and where the logs in a file stand.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode};
use selfsame_rules::{ContactId, Head, Sequence, Timestamp};
use selfsame_store::WorkspaceKey;

use crate::connection::{OpenError, absolute, known_schema, make_private_file, open_as_it_is, refuse_others};

/// The columns that every schema has.
const HEADS: &str = "SELECT workspace, last_sequence, last_contact_id, last_event_at_ms FROM workspaces";

/// Where the log of each workspace stands.
pub type Heads = BTreeMap<WorkspaceKey, Head>;

/// What a database file says of itself.
#[derive(Clone, Debug)]
pub struct Contents {
    /// The schema that it has, which is at most the one that this version knows.
    pub schema: i64,
    /// Its workspaces.
    pub heads: Heads,
}

impl Contents {
    /// Reads it from the file, whose schema may be older than this version's.
    ///
    /// # Errors
    ///
    /// [`OpenError::Newer`], or what is wrong with the file.
    pub fn of(path: &Path) -> Result<Self, OpenError> {
        let path = absolute(path)?;
        refuse_others(&path)?;
        let (connection, schema) = open_as_it_is(&path)?;
        let heads = heads(&connection, schema).map_err(|source| OpenError::from_sqlite(&path, source))?;
        Ok(Self { schema, heads })
    }

    /// The schema that this version makes of it.
    pub fn known_schema() -> i64 {
        known_schema()
    }

    /// Whether it must be migrated before this version can use it.
    pub fn is_older(&self) -> bool {
        self.schema < known_schema()
    }
}

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The database can't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// SQLite is told by text where to write.
    #[error("the path `{}` is not UTF-8 text, which SQLite needs\nhint: choose another one", .0.display())]
    NotText(PathBuf),
    /// The disk of the copy is full.
    #[error(
        "no space is left for `{}`\nhint: make room, or choose another disk; a copy needs about as much as the database has",
        .0.display()
    )]
    NoSpace(PathBuf),
    /// The database can't be read, or the copy not be written.
    #[error("the database `{}` can't be copied: {source}", .database.display())]
    Sqlite {
        /// The database.
        database: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
}

/// What was seen of a database while it was copied: the copy is of a moment between the two.
#[derive(Clone, Debug)]
pub struct Copied {
    /// Where the logs stood just before.
    pub before: Heads,
    /// Where they stood just after.
    pub after: Heads,
}

impl Copied {
    /// Whether a copy with these logs is of a moment in between: none is missing or strange, and none stands before
    /// what was there already or after what came.
    pub fn includes(&self, copy: &Heads) -> bool {
        let sequence = |heads: &Heads, workspace| heads.get(workspace).map(|head| head.last_sequence);
        let workspaces = self.before.keys().chain(copy.keys());
        workspaces.into_iter().all(|workspace| {
            let copied = sequence(copy, workspace);
            copied.is_some()
                && sequence(&self.before, workspace) <= copied
                && copied <= sequence(&self.after, workspace)
        })
    }
}

/// Writes one snapshot of `database` into `into`, where no file stands yet; packed, for its owner's eyes only,
/// without a log beside it, and not synced.
///
/// It is one read transaction: in SQLite's WAL mode that waits for no writer and makes none wait. Only the log
/// can't begin anew meanwhile. Memory is bounded by the cache, which spills.
///
/// # Errors
///
/// [`CopyError`]; what is at `into` then is no copy.
pub fn copy(database: &Path, into: &Path) -> Result<Copied, CopyError> {
    let database = absolute(database)?;
    refuse_others(&database)?;
    let (connection, schema) = open_as_it_is(&database)?;
    let target = into.to_str().ok_or_else(|| CopyError::NotText(into.into()))?;
    let failed = |source: rusqlite::Error| match source.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => CopyError::NoSpace(into.into()),
        _ => CopyError::Sqlite { database: database.clone(), source },
    };
    // SQLite would make it for everybody's eyes; an empty file it takes.
    make_private_file(into).map_err(|source| OpenError::Io { path: into.into(), source })?;
    let before = heads(&connection, schema).map_err(failed)?;
    connection.execute("VACUUM INTO ?1", [target]).map_err(failed)?;
    let after = heads(&connection, schema).map_err(failed)?;
    Ok(Copied { before, after })
}

/// None, if the file has no tables yet.
pub(crate) fn heads(connection: &Connection, schema: i64) -> rusqlite::Result<Heads> {
    if schema == 0 {
        return Ok(Heads::new());
    }
    let mut statement = connection.prepare(HEADS)?;
    let heads = statement.query_map([], |row| {
        let head = Head {
            last_sequence: Sequence(row.get(1)?),
            last_contact: ContactId(row.get(2)?),
            last_event_at: Timestamp::from_milliseconds(row.get(3)?),
        };
        Ok((WorkspaceKey(row.get(0)?), head))
    })?;
    heads.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heads(sequences: &[(i64, i64)]) -> Heads {
        let head = |sequence| Head { last_sequence: Sequence(sequence), ..Head::EMPTY };
        sequences.iter().map(|(workspace, last)| (WorkspaceKey(*workspace), head(*last))).collect()
    }

    #[test]
    fn a_copy_is_of_a_moment_while_it_was_made() {
        let copied = Copied { before: heads(&[(1, 10), (2, 0)]), after: heads(&[(1, 12), (2, 0), (3, 1)]) };
        for (copy, want) in [
            (&[(1, 10), (2, 0)][..], true),
            (&[(1, 12), (2, 0), (3, 1)], true),
            (&[(1, 9), (2, 0)], false),
            (&[(1, 13), (2, 0)], false),
            (&[(1, 11)], false),
            (&[(1, 11), (2, 0), (4, 0)], false),
        ] {
            assert_eq!(copied.includes(&heads(copy)), want, "{copy:?}");
        }
    }
}

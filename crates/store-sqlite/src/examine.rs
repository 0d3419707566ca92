//! Looking at a database without leaving a trace: for whoever asks what is wrong with it.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

use rusqlite::{Connection, ErrorCode};
use selfsame_store::Access;

use crate::access::access;
use crate::connection::{OpenError, absolute, open_as_it_is, open_at_rest, refuse_others};
use crate::copy::{Contents, heads};
use crate::lock::{beside, holder};

/// The first schema with keys and several workspaces.
const SCHEMA_OF_ACCESS: i64 = 3;

/// The most findings of the quick check.
const FINDINGS_MAX: u32 = 5;

/// Who writes a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriterProcess {
    /// Nobody has the lock.
    Nobody,
    /// Some process has it; its id, if it has written it down.
    Known(Option<u32>),
}

/// What was found in a database file.
#[derive(Clone, Debug)]
pub struct Examined {
    /// What it says of itself.
    pub contents: Contents,
    /// Its workspaces and keys; none where the schema is older than they are.
    pub access: Access,
    /// What SQLite's quick check finds: a sentence each, none if all is well.
    pub findings: Vec<String>,
}

/// Who has the lock of `database`. Where there is no lock file, none is made.
///
/// # Errors
///
/// What the system says of the lock file.
pub fn writer_of(database: &Path) -> io::Result<WriterProcess> {
    let mut file = match File::open(beside(database, ".lock")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(WriterProcess::Nobody),
        opened => opened?,
    };
    // Shared, and let go of at once: a server that starts in just this moment is all that it could be in the way of.
    match file.try_lock_shared() {
        Ok(()) => Ok(WriterProcess::Nobody),
        Err(TryLockError::WouldBlock) => Ok(WriterProcess::Known(holder(&mut file))),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Reads what the file says of itself, and lets SQLite look at every page of it.
///
/// A file that nobody writes, and that no log belongs to, is opened in a way that makes nothing beside it.
///
/// # Errors
///
/// [`OpenError::Newer`], or what is wrong with the file. An older schema is no error.
pub fn examine(database: &Path) -> Result<Examined, OpenError> {
    let path = absolute(database)?;
    refuse_others(&path)?;
    let io = |source| OpenError::Io { path: path.clone(), source };
    let has_log =
        beside(&path, "-wal").metadata().is_ok_and(|log| log.len() > 0) || beside(&path, "-journal").exists();
    let at_rest = !has_log && writer_of(&path).map_err(io)? == WriterProcess::Nobody;
    let (mut connection, schema) = if at_rest { open_at_rest(&path)? } else { open_as_it_is(&path)? };
    let sqlite = |source| OpenError::from_sqlite(&path, source);
    let heads = heads(&connection, schema).map_err(sqlite)?;
    let access = if schema < SCHEMA_OF_ACCESS {
        Access::default()
    } else {
        connection.transaction().and_then(|transaction| access(&transaction)).map_err(sqlite)?
    };
    let findings = quick_check(&connection).map_err(sqlite)?;
    Ok(Examined { contents: Contents { schema, heads }, access, findings })
}

fn quick_check(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(&format!("PRAGMA quick_check({FINDINGS_MAX})"))?;
    let lines = statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>();
    match lines {
        Ok(lines) if lines == ["ok"] => Ok(Vec::new()),
        // Of some damage it makes no list.
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
            Ok(vec![error.to_string()])
        }
        lines => lines,
    }
}

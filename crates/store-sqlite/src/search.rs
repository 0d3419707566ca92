//! Scrubbing by command, and looking for texts in all that the files of a database hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode};
use selfsame_store::{Migrations, Sought, StoreError};

use crate::connection::{OpenError, absolute, open_for_reading, open_for_writing, refuse_others};
use crate::lock::{WriterLock, beside};
use crate::scrub::{cut_off_log, mark, pack, roots};
use crate::unused::look_at_unused;

/// Why a database was not scrubbed or searched.
#[derive(Debug, thiserror::Error)]
pub enum ScrubError {
    /// It can't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The disk is full.
    #[error(
        "no space is left for writing the database anew\nhint: make room for as much as it has, twice, and scrub again"
    )]
    NoSpace,
    /// Somebody reads an earlier state.
    #[error(
        "another program reads the database as it was before\nhint: wait until it has ended, or end it; then scrub again"
    )]
    HeldByReader,
    /// SQLite refused.
    #[error("the database can't be scrubbed: {0}")]
    Sqlite(rusqlite::Error),
    /// Its files can't be read.
    #[error("the files of the database can't be searched: {0}")]
    Unreadable(StoreError),
}

impl From<rusqlite::Error> for ScrubError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::NoSpace,
            _ => Self::Sqlite(error),
        }
    }
}

impl From<StoreError> for ScrubError {
    fn from(error: StoreError) -> Self {
        Self::Unreadable(error)
    }
}

/// Writes the database anew from what its tables and indexes hold, and cuts the write-ahead log off.
///
/// # Errors
///
/// [`ScrubError`]; of a database that a server has open it is [`OpenError::InUse`].
pub fn scrub(path: &Path) -> Result<(), ScrubError> {
    let path = absolute(path)?;
    refuse_others(&path)?;
    let _lock = WriterLock::take(&path).map_err(|error| OpenError::from_lock(&path, error))?;
    let connection = open_for_writing(&path, Migrations::Expect)?;
    pack(&connection)?;
    if !cut_off_log(&path)? {
        return Err(ScrubError::HeldByReader);
    }
    mark(&connection, false)?;
    Ok(())
}

/// Where each of the texts is, by its place among them: in rows of a table, in unused places of the file, or in the log beside it.
///
/// No process may search a database that it has open itself: SQLite's locks would go with the file's handle.
///
/// # Errors
///
/// [`ScrubError`] if the files can't be read.
pub fn search(path: &Path, sought: &Sought) -> Result<BTreeMap<usize, BTreeSet<String>>, ScrubError> {
    let path = absolute(path)?;
    refuse_others(&path)?;
    let mut places = BTreeMap::<usize, BTreeSet<String>>::new();
    let mut tell = |found: &BTreeSet<usize>, place: &str| {
        for index in found {
            places.entry(*index).or_default().insert(place.to_owned());
        }
    };
    let mut connection = open_for_reading(&path)?;
    // One state, and while it is read nothing is copied into the file.
    let reading = connection.transaction()?;
    for table in tables(&reading)? {
        let mut found = BTreeSet::new();
        search_rows(&reading, &table, sought, &mut found)?;
        tell(&found, &format!("rows of `{table}`"));
    }
    let file = File::open(&path).map_err(StoreError::failed)?;
    let mut found = BTreeSet::new();
    let looked = look_at_unused(&file, &roots(&reading)?, &mut |unused| {
        sought.find_in(unused, &mut found);
        false
    });
    looked.map_err(StoreError::failed)?;
    tell(&found, "unused places of the file");
    for suffix in ["-wal", "-journal"] {
        if let Ok(log) = std::fs::read(beside(&path, suffix)) {
            let mut found = BTreeSet::new();
            sought.find_in(&log, &mut found);
            tell(&found, &format!("the file `{suffix}` beside it"));
        }
    }
    drop(reading);
    Ok(places)
}

fn tables(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement =
        connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")?;
    statement.query_map([], |row| row.get(0))?.collect()
}

fn search_rows(
    connection: &Connection,
    table: &str,
    sought: &Sought,
    found: &mut BTreeSet<usize>,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(&format!("SELECT * FROM \"{}\"", table.replace('"', "\"\"")))?;
    let columns = statement.column_count();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        for column in 0..columns {
            if let ValueRef::Text(bytes) | ValueRef::Blob(bytes) = row.get_ref(column)? {
                sought.find_in(bytes, found);
            }
        }
    }
    Ok(())
}

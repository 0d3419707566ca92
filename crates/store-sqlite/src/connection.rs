//! Opening the file: its pragmas, its migrations, and the files that are refused.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};
use selfsame_store::{Migrations, StoreError};

use crate::checkpoint::StartError;
use crate::error::is_shared_memory_without_room;
use crate::lock::{LockError, beside};

mod migrations {
    refinery::embed_migrations!("migrations");
}

/// Marks the file as ours in SQLite's own header field: "SELF".
const APPLICATION_ID: i32 = 0x5345_4c46;

/// The header of a SQLite file; its bytes 68 to 71 are the application's id.
const HEADER_BYTES: u64 = 100;

/// How long a statement waits for a lock that another process (a backup, a shell) holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a database file can't be opened. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has the file open for writing.
    #[error(
        "another process{} has the database `{}` open for writing\n\
         hint: stop it first, or give this server a file of its own with DATABASE_URL=sqlite:PATH",
        .holder.map(|id| format!(" (process {id})")).unwrap_or_default(), .path.display()
    )]
    InUse {
        /// The database.
        path: PathBuf,
        /// The process that has it, if it is known.
        holder: Option<u32>,
    },
    /// A file that isn't there was to be read.
    #[error("there is no database `{}`\nhint: check DATABASE_URL; `selfsame serve` makes a new one", .0.display())]
    Missing(PathBuf),
    /// The folder isn't there.
    #[error("the folder of the database `{}` does not exist\nhint: make it, or check DATABASE_URL", .0.display())]
    NoFolder(PathBuf),
    /// The file isn't a SQLite database.
    #[error("`{}` is not a SQLite database\nhint: check DATABASE_URL; the file was not touched", .0.display())]
    NotADatabase(PathBuf),
    /// The file is a SQLite database of another program.
    #[error(
        "`{}` is a SQLite database, but not one of selfsame's\n\
         hint: give selfsame a file of its own with DATABASE_URL=sqlite:PATH; this one was not touched",
        .0.display()
    )]
    SomebodyElses(PathBuf),
    /// The file was made by a version that knows more migrations than this one.
    #[error(
        "the database `{}` was made by a newer version of selfsame (schema {found}, and this version knows {known})\n\
         hint: run that version or a later one; the file was not touched", .path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// The schema that it has.
        found: i64,
        /// The schema that this version knows.
        known: i64,
    },
    /// The file has a schema that is older than this version's, and may not be changed because it is only read.
    #[error(
        "the database `{}` has schema {found}, and this version reads {known}\n\
         hint: run `selfsame migrate`, or let `selfsame serve` of this version open it once", .path.display()
    )]
    Older {
        /// The database.
        path: PathBuf,
        /// The schema that it has.
        found: i64,
        /// The schema that this version knows.
        known: i64,
    },
    /// The disk is full, and opening needs room: for a new file, or for those that SQLite keeps beside it.
    #[error(
        "no space is left on the disk for opening the database `{}`\n\
         hint: make room, then start again; what is stored is safe", .0.display()
    )]
    NoSpace(PathBuf),
    /// The system refused the file.
    #[error("the database `{}` can't be opened: {source}", .path.display())]
    Io {
        /// The database.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// SQLite refused the file.
    #[error("the database `{}` can't be opened: {source}", .path.display())]
    Sqlite {
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// What is stored can't be read into memory.
    #[error("the database `{}` can't be read: {source}", .path.display())]
    Unreadable {
        /// The database.
        path: PathBuf,
        /// What is wrong with it.
        source: StoreError,
    },
    /// A migration failed; its transaction was taken back.
    #[error("the database `{}` can't be brought to this version's schema: {source}", .path.display())]
    Migration {
        /// The database.
        path: PathBuf,
        /// What refinery said.
        source: Box<refinery::Error>,
    },
}

impl OpenError {
    pub(crate) fn from_lock(path: &Path, error: LockError) -> Self {
        match error {
            LockError::Taken(holder) => Self::InUse { path: path.into(), holder },
            LockError::Io(source) => Self::Io { path: path.into(), source },
        }
    }

    pub(crate) fn from_checkpoints(path: &Path, error: StartError) -> Self {
        match error {
            StartError::Sqlite(source) => Self::from_sqlite(path, source),
            StartError::Thread(source) => Self::Io { path: path.into(), source },
        }
    }

    pub(crate) fn from_sqlite(path: &Path, source: rusqlite::Error) -> Self {
        match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::NotADatabase(path.into()),
            Some(ErrorCode::DiskFull) => Self::NoSpace(path.into()),
            Some(ErrorCode::SystemIoFailure) if is_shared_memory_without_room(&source) => {
                Self::NoSpace(path.into())
            }
            _ => Self::Sqlite { path: path.into(), source },
        }
    }
}

/// The one spelling of a database's path, so that two servers on one file meet at one lock.
///
/// # Errors
///
/// [`OpenError::NoFolder`] if its folder isn't there, [`OpenError::Io`] if the system refuses to look.
pub fn absolute(path: &Path) -> Result<PathBuf, OpenError> {
    match path.canonicalize() {
        Ok(path) => return Ok(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(OpenError::Io { path: path.into(), source }),
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A link to a file that is yet to be made: the file will be made at its target, so that is the database.
    if let Ok(target) = path.read_link() {
        return absolute(&folder.join(target));
    }
    let name = path.file_name().ok_or_else(|| OpenError::NoFolder(path.into()))?;
    match folder.canonicalize() {
        Ok(folder) => Ok(folder.join(name)),
        Err(_) => Err(OpenError::NoFolder(path.into())),
    }
}

/// Refuses a file that isn't ours before anything is made beside it or done to it: even to open it with SQLite
/// could change it, by recovering what another program left.
///
/// Where our lock file stands, the file is ours, and may be open in this process: closing a second handle on it
/// would drop SQLite's locks, so it isn't looked at.
pub(crate) fn refuse_others(path: &Path) -> Result<(), OpenError> {
    if beside(path, ".lock").exists() {
        return Ok(());
    }
    let mut header = Vec::new();
    match File::open(path).and_then(|file| file.take(HEADER_BYTES).read_to_end(&mut header)) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(OpenError::Io { path: path.into(), source }),
    }
    if header.is_empty() {
        return Ok(());
    }
    if !header.starts_with(b"SQLite format 3\0") {
        return Err(OpenError::NotADatabase(path.into()));
    }
    match header.get(68..72) {
        Some(id) if id == APPLICATION_ID.to_be_bytes() => Ok(()),
        _ => Err(OpenError::SomebodyElses(path.into())),
    }
}

/// The migrations of this version that the file does not have yet, by version and name; all, if there is no file.
pub(crate) fn pending(path: &Path) -> Result<Vec<String>, OpenError> {
    let sqlite = |source| OpenError::from_sqlite(path, source);
    let found = if is_missing(path) {
        0
    } else {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        schema(&Connection::open_with_flags(path, flags).map_err(sqlite)?, path)?
    };
    let runner = migrations::migrations::runner();
    let pending = runner.get_migrations().iter().filter(|migration| i64::from(migration.version()) > found);
    Ok(pending.map(ToString::to_string).collect())
}

/// The connection that writes. If it may, it makes the file where there is none, and brings its schema up to date.
pub(crate) fn open_for_writing(path: &Path, allowed: Migrations) -> Result<Connection, OpenError> {
    let sqlite = |source| OpenError::from_sqlite(path, source);
    if allowed == Migrations::Expect && is_missing(path) {
        return Err(OpenError::Missing(path.into()));
    }
    make_private_file(path).map_err(|source| OpenError::Io { path: path.into(), source })?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(sqlite)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(sqlite)?;
    if is_empty(&connection).map_err(sqlite)? {
        connection.pragma_update(None, "application_id", APPLICATION_ID).map_err(sqlite)?;
    }
    let (found, known) = (schema(&connection, path)?, known_schema());
    if found < known && allowed == Migrations::Expect {
        return Err(OpenError::Older { path: path.into(), found, known });
    }
    set_up_writing(&connection).map_err(sqlite)?;
    if found < known {
        migrations::migrations::runner()
            .set_grouped(true)
            .run(&mut connection)
            .map_err(|source| OpenError::Migration { path: path.into(), source: Box::new(source) })?;
    }
    Ok(connection)
}

/// A connection that reads. It refuses a file whose schema isn't exactly this version's.
pub(crate) fn open_for_reading(path: &Path) -> Result<Connection, OpenError> {
    let (connection, found) = open_as_it_is(path)?;
    let known = known_schema();
    if found < known {
        return Err(OpenError::Older { path: path.into(), found, known });
    }
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// A connection that reads a file of any schema up to this version's, and that schema.
pub(crate) fn open_as_it_is(path: &Path) -> Result<(Connection, i64), OpenError> {
    open_named(path, path.as_os_str().to_owned(), OpenFlags::empty())
}

/// The same, of a file that nobody changes and that no log belongs to: SQLite locks nothing and makes nothing beside it.
pub(crate) fn open_at_rest(path: &Path) -> Result<(Connection, i64), OpenError> {
    // What means something in a URI is spelt out in it; a path that is no text can't be in one.
    match path.to_str() {
        Some(text) => {
            let text = text.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
            let name = format!("file:{text}?immutable=1").into();
            open_named(path, name, OpenFlags::SQLITE_OPEN_URI)
        }
        None => open_as_it_is(path),
    }
}

fn open_named(path: &Path, name: OsString, flags: OpenFlags) -> Result<(Connection, i64), OpenError> {
    let sqlite = |source| OpenError::from_sqlite(path, source);
    if is_missing(path) {
        return Err(OpenError::Missing(path.into()));
    }
    let flags = flags | OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(PathBuf::from(name), flags).map_err(sqlite)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(sqlite)?;
    let found = schema(&connection, path)?;
    connection.pragma_update(None, "cache_size", -8_192).map_err(sqlite)?;
    Ok((connection, found))
}

/// A connection to a file of any schema, through which nothing is written but what SQLite itself owes the file: changes
/// that stand in its log, and half a change that an old journal takes back.
pub(crate) fn open_to_fold(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    set_up_durability(&connection)?;
    Ok(connection)
}

/// A connection that only copies the write-ahead log back into the file.
pub(crate) fn open_for_checkpoints(path: &Path) -> Result<Connection, OpenError> {
    let sqlite = |source| OpenError::from_sqlite(path, source);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(sqlite)?;
    set_up_durability(&connection).map_err(sqlite)?;
    Ok(connection)
}

/// An empty file is what a server leaves that was stopped before it made its database.
pub(crate) fn is_missing(path: &Path) -> bool {
    path.metadata().map_or(true, |metadata| metadata.is_file() && metadata.len() == 0)
}

/// Makes the file, if it isn't there, for its owner's eyes only: it will hold personal data. SQLite gives the
/// files beside it the same mode.
pub(crate) fn make_private_file(path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).map(|_| ())
}

fn set_up_writing(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    set_up_durability(connection)?;
    connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
    // The ends of the tables, and the pages of the rows that a large merge moves.
    connection.pragma_update(None, "cache_size", -8_192)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // What is freed is overwritten: in pages that are written anyhow, and in those that a table gives up.
    connection.pragma_update(None, "secure_delete", "ON")?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

fn set_up_durability(connection: &Connection) -> rusqlite::Result<()> {
    // In WAL mode FULL syncs the log at every commit: what was answered survives a power cut.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "fullfsync", "ON")?;
    connection.pragma_update(None, "checkpoint_fullfsync", "ON")
}

fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))
}

/// The schema that the file has, 0 if it is new; refuses a file that isn't ours or is newer.
fn schema(connection: &Connection, path: &Path) -> Result<i64, OpenError> {
    let sqlite = |source| OpenError::from_sqlite(path, source);
    let application_id: i32 =
        connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(sqlite)?;
    if application_id != APPLICATION_ID {
        return Err(OpenError::SomebodyElses(path.into()));
    }
    let has_history: bool = connection
        .query_row(
            "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'refinery_schema_history')",
            [],
            |row| row.get(0),
        )
        .map_err(sqlite)?;
    if !has_history {
        return Ok(0);
    }
    let found: i64 = connection
        .query_row("SELECT coalesce(max(version), 0) FROM refinery_schema_history", [], |row| row.get(0))
        .map_err(sqlite)?;
    if found > known_schema() {
        return Err(OpenError::Newer { path: path.into(), found, known: known_schema() });
    }
    Ok(found)
}

pub(crate) fn known_schema() -> i64 {
    let runner = migrations::migrations::runner();
    runner.get_migrations().iter().map(|migration| i64::from(migration.version())).max().unwrap_or(0)
}

//! Putting a file in the place of a database, so that a kill or a power cut at any moment leaves the one or the other,
//! whole, and keeping the one that was there.
//!
//! SQLite's log is the danger: beside another database than its own it would be taken for that one's. So it is folded
//! into the old file before the new one comes.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::connection::{OpenError, absolute, is_missing, open_to_fold, refuse_others};
use crate::lock::{WriterLock, beside};

/// What SQLite keeps beside a file of which it owes changes.
const LOGS: [&str; 2] = ["-wal", "-journal"];

/// A database's place, held by its lock.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
    _lock: WriterLock,
}

/// Why a file was not put in the place of a database.
#[derive(Debug, thiserror::Error)]
pub enum ReplaceError {
    /// The database that is there can't be kept.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Somebody reads it, and would go on with its files beside the new one.
    #[error(
        "another program has the database `{}` open\nhint: wait until it has ended, or end it; nothing was changed",
        .0.display()
    )]
    InUse(PathBuf),
    /// It is damaged, and so is its log.
    #[error(
        "the database `{}` is damaged, and what stands in its log can't be written into it\n         hint: move it away together with `-wal` and `-journal` beside it, then restore without --replace", .0.display()
    )]
    Unfoldable(PathBuf),
    /// A log without its database.
    #[error(
        "`{}` stands there without its database, and may hold acknowledged changes\n\
         hint: put its database back, or move it away", .0.display()
    )]
    LogAlone(PathBuf),
    /// The system refused.
    #[error("can't {what} `{}`: {source}\nhint: the database is as it was", .path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Place {
    /// Takes the lock: nobody writes there from now on.
    ///
    /// # Errors
    ///
    /// [`OpenError::InUse`] if somebody does; [`OpenError::SomebodyElses`] if another program's database is there.
    pub fn take(database: &Path) -> Result<Self, OpenError> {
        let path = absolute(database)?;
        match refuse_others(&path) {
            // What is left of a damaged database may be replaced, too: it is kept.
            Ok(()) | Err(OpenError::NotADatabase(_)) => {}
            Err(error) => return Err(error),
        }
        let lock = WriterLock::take(&path).map_err(|error| OpenError::from_lock(&path, error))?;
        Ok(Self { path, _lock: lock })
    }

    /// The database, in its one spelling.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a database is there. An empty file, which a server leaves that was stopped early, is none.
    pub fn is_free(&self) -> bool {
        is_missing(&self.path)
    }

    /// Puts `staged`, a whole database that is synced, in this place; what is there is kept as `kept`, a name
    /// in the same folder that nobody has.
    ///
    /// # Errors
    ///
    /// [`ReplaceError`]; then the old database is in its place.
    pub fn put(&self, staged: &Path, kept: &Path) -> Result<(), ReplaceError> {
        if self.is_free() {
            self.refuse_logs()?;
        } else {
            self.fold()?;
            // A second name for it. A kill from here on may leave both, of one file.
            fs::hard_link(&self.path, kept).map_err(io_error("keep the old database as", kept))?;
        }
        self.sync_folder()?;
        fs::rename(staged, &self.path).map_err(io_error("put a database at", &self.path))?;
        self.sync_folder()
    }

    /// Lets SQLite write into the file what it owes it, and take away the files beside it. It does that at its end also where
    /// the file itself is too damaged to be read.
    fn fold(&self) -> Result<(), ReplaceError> {
        let folded = open_to_fold(&self.path).and_then(|connection| {
            // The first read takes half a change back, where an old journal says so.
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
            connection.close().map_err(|(_, error)| error)
        });
        let damaged = match folded {
            Ok(()) => false,
            Err(error) => match error.sqlite_error_code() {
                Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => true,
                _ => return Err(OpenError::from_sqlite(&self.path, error).into()),
            },
        };
        // The last one who closes a database takes these away; otherwise, somebody else has it open.
        let left = LOGS.iter().chain(&["-shm"]).any(|name| beside(&self.path, name).exists());
        match (left, damaged) {
            (false, _) => Ok(()),
            (true, false) => Err(ReplaceError::InUse(self.path.clone())),
            (true, true) => Err(ReplaceError::Unfoldable(self.path.clone())),
        }
    }

    /// Where no database is, no log may be. An empty one, and the memory that processes share, say nothing.
    fn refuse_logs(&self) -> Result<(), ReplaceError> {
        for log in LOGS.map(|name| beside(&self.path, name)) {
            match log.metadata() {
                Ok(metadata) if metadata.len() > 0 => return Err(ReplaceError::LogAlone(log)),
                _ => remove(&log)?,
            }
        }
        remove(&beside(&self.path, "-shm"))
    }

    /// Names are durable once their folder is synced.
    fn sync_folder(&self) -> Result<(), ReplaceError> {
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(io_error("sync the folder", folder))
    }
}

fn remove(path: &Path) -> Result<(), ReplaceError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", path)(error)),
        _ => Ok(()),
    }
}

fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ReplaceError {
    let path = path.to_owned();
    move |source| ReplaceError::Io { what, path, source }
}

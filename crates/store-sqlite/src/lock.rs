//! The file that says which process writes. A file of its own beside the database, because closing any handle
//! on the database file itself would drop SQLite's own locks on it.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// Held as long as this process may write; the system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct WriterLock {
    _file: File,
}

/// Why the lock was not had.
#[derive(Debug)]
pub(crate) enum LockError {
    /// Another process has it; its id, if it has written it down already.
    Taken(Option<u32>),
    /// The file could not be made or locked.
    Io(io::Error),
}

/// `database` with `suffix` after its whole name: `shop.db` and `.lock` make `shop.db.lock`.
pub(crate) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(database);
    name.push(suffix);
    name.into()
}

impl WriterLock {
    /// Takes the lock of `database` at once or not at all.
    pub(crate) fn take(database: &Path) -> Result<Self, LockError> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(beside(database, ".lock"))
            .map_err(LockError::Io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::Taken(holder(&mut file))),
            Err(TryLockError::Error(error)) => return Err(LockError::Io(error)),
        }
        // Only a help for the person who meets the lock: a disk too full for it must not keep a server down.
        if let Err(error) = write_holder(&mut file) {
            tracing::warn!(%error, "could not note this process in the lock file");
        }
        Ok(Self { _file: file })
    }
}

/// The process that has written its id into a lock file.
pub(crate) fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_holder(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

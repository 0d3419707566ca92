//! Whether the files that are open are still those at their paths. SQLite goes on without a word in a file that was
//! deleted or replaced, the database or its write-ahead log, and whatever is written there is gone when the process ends.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;

use selfsame_store::StoreError;

/// The file that was opened: its path, and what the system knows it by.
#[derive(Clone, Debug)]
pub(crate) struct OpenedFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

/// The path leads to another file, or to none.
#[derive(Debug, thiserror::Error)]
#[error("`{}` was deleted or replaced under the running server; put it back", .0.display())]
struct Replaced(PathBuf);

impl OpenedFile {
    /// The file at `path` now.
    pub(crate) fn at(path: PathBuf) -> io::Result<Self> {
        let metadata = path.metadata()?;
        Ok(Self { path, device: metadata.dev(), inode: metadata.ino() })
    }

    /// Fails if the path no longer leads to that file.
    pub(crate) fn still_there(&self) -> Result<(), StoreError> {
        match self.path.metadata() {
            Ok(metadata) if (metadata.dev(), metadata.ino()) == (self.device, self.inode) => Ok(()),
            _ => Err(StoreError::Unavailable(Arc::new(Replaced(self.path.clone())))),
        }
    }
}

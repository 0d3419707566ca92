//! The files of a database, byte for byte: proof that nothing was written.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::SystemTime;

/// The bytes and the time of last change of one file.
#[derive(Clone, PartialEq, Eq)]
pub struct FileState {
    pub bytes: Vec<u8>,
    pub modified_at: SystemTime,
}

/// Files by their names.
pub type Files = BTreeMap<String, FileState>;

impl fmt::Debug for FileState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A failed comparison would print megabytes.
        write!(formatter, "{} bytes, changed at {:?}", self.bytes.len(), self.modified_at)
    }
}

/// The files of `folder` that hold data: the database and its write-ahead log.
///
/// Left out: SQLite's shared memory, where readers note what they read, our lock, sockets, and empty files, which
/// hold nothing (a reader of a write-ahead log has to make the log that it finds missing).
pub fn files_with_data(folder: &Path) -> Files {
    let mut files = Files::new();
    for entry in folder.read_dir().expect("the folder is there") {
        let entry = entry.expect("the folder can be read");
        let metadata = entry.metadata().expect("the file is there");
        let name = entry.file_name().into_string().expect("our names are ASCII");
        if metadata.is_file() && metadata.len() > 0 && !name.ends_with("-shm") && !name.ends_with(".lock") {
            let bytes = std::fs::read(entry.path()).expect("the file can be read");
            let modified_at = metadata.modified().expect("the system keeps times");
            files.insert(name, FileState { bytes, modified_at });
        }
    }
    files
}

//! The last line of a backup: the SHA-256 of all before it.
//!
//! The laws prove what the log and the rows say of each other, not what only one of them says: what was typed, say, or who
//! caused an event. The seal covers every byte. It stands behind the database's last page, where SQLite doesn't look, so that
//! any tool still opens the file, and `restore` leaves it out.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use sha2::{Digest, Sha256};

const BEGIN: &str = "\nselfsame backup, format 1; sha256 of all before this line: ";
const HEX: usize = 64;
const SEAL: usize = BEGIN.len() + HEX + 1;

/// A backup as it is now, seal included.
pub(crate) struct Sealed {
    pub(crate) sha256: String,
    pub(crate) bytes: u64,
}

/// What was found at the end of a file that was copied out of a backup.
pub(crate) enum Opened {
    /// The seal, and it is that of the bytes before it.
    Whole(Sealed),
    /// A seal of other bytes.
    Broken,
    /// No seal.
    Unsealed(Sealed),
}

/// Seals a finished database file, and syncs it.
pub(crate) fn seal(database: &Path) -> io::Result<Sealed> {
    let mut file = OpenOptions::new().read(true).append(true).open(database)?;
    let mut digest = Sha256::new();
    let bytes = io::copy(&mut file, &mut Digesting(&mut digest, io::sink()))?;
    let line = line(&digest.clone());
    digest.update(&line);
    file.write_all(&line)?;
    file.sync_all()?;
    Ok(Sealed { sha256: hex(digest), bytes: bytes + SEAL as u64 })
}

/// Copies the database out of `backup` into `into`, a new file for its owner only, which is synced.
pub(crate) fn open(backup: &Path, into: &Path) -> io::Result<Opened> {
    let mut backup = File::open(backup)?;
    let mut into = OpenOptions::new().write(true).create_new(true).mode(0o600).open(into)?;
    let found = last_line(&mut backup)?;
    let length = backup.seek(SeekFrom::End(0))? - found.as_ref().map_or(0, |_| SEAL as u64);
    backup.rewind()?;
    let mut digest = Sha256::new();
    let copied = io::copy(&mut (&mut backup).take(length), &mut Digesting(&mut digest, &mut into))?;
    into.sync_all()?;
    let Some(found) = found else {
        return Ok(Opened::Unsealed(Sealed { sha256: hex(digest), bytes: copied }));
    };
    if found != line(&digest) {
        return Ok(Opened::Broken);
    }
    digest.update(&found);
    Ok(Opened::Whole(Sealed { sha256: hex(digest), bytes: copied + SEAL as u64 }))
}

/// The seal at the end, if there is one.
fn last_line(file: &mut File) -> io::Result<Option<Vec<u8>>> {
    let length = file.seek(SeekFrom::End(0))?;
    let Some(start) = length.checked_sub(SEAL as u64) else { return Ok(None) };
    file.seek(SeekFrom::Start(start))?;
    let mut line = Vec::with_capacity(SEAL);
    file.read_to_end(&mut line)?;
    Ok(line.starts_with(BEGIN.as_bytes()).then_some(line))
}

fn line(digest: &Sha256) -> Vec<u8> {
    format!("{BEGIN}{}\n", hex(digest.clone())).into_bytes()
}

fn hex(digest: Sha256) -> String {
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Digests what it passes on.
struct Digesting<'digest, W>(&'digest mut Sha256, W);

impl<W: Write> Write for Digesting<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.1.write(bytes)?;
        self.0.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.1.flush()
    }
}

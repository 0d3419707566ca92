//! The file of rejected rows. Until it is whole it has another name, so that nobody mends half of it.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// Only the owner reads what customers gave.
const MODE: u32 = 0o600;

/// A file of rejected rows on its way.
pub(crate) struct RejectsFile {
    path: PathBuf,
    unfinished: PathBuf,
    output: BufWriter<File>,
    rows: u64,
}

impl RejectsFile {
    pub(crate) fn begin(path: &Path) -> anyhow::Result<Self> {
        if path.symlink_metadata().is_ok() {
            bail!(
                "`{}` is there already, and somebody may be mending it\nhint: name another file for the rejected rows",
                path.display()
            );
        }
        let mut unfinished = OsString::from(path);
        unfinished.push(".unfinished");
        let unfinished = PathBuf::from(unfinished);
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(&unfinished);
        let file = file.with_context(|| format!("`{}` can't be written", unfinished.display()))?;
        // Whatever the process masks, and whatever an earlier attempt left.
        file.set_permissions(Permissions::from_mode(MODE))?;
        Ok(Self { path: path.to_owned(), unfinished, output: BufWriter::new(file), rows: 0 })
    }

    pub(crate) fn header(&mut self, header: &str) -> anyhow::Result<()> {
        self.output.write_all(header.as_bytes()).with_context(|| self.failed())
    }

    pub(crate) fn write(&mut self, row: &str) -> anyhow::Result<()> {
        self.rows += 1;
        self.output.write_all(row.as_bytes()).with_context(|| self.failed())
    }

    /// Gives the file its name; where no row was rejected, there is none.
    pub(crate) fn finish(mut self) -> anyhow::Result<Option<PathBuf>> {
        self.output.flush().with_context(|| self.failed())?;
        if self.rows == 0 {
            std::fs::remove_file(&self.unfinished).with_context(|| self.failed())?;
            return Ok(None);
        }
        std::fs::rename(&self.unfinished, &self.path).with_context(|| self.failed())?;
        Ok(Some(self.path))
    }

    fn failed(&self) -> String {
        format!("`{}` can't be written", self.path.display())
    }
}

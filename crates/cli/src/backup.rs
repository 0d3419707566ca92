//! `selfsame backup`: one verified copy of the embedded database in one file, also while a server runs.
//!
//! What makes a copy trustworthy is shared with `restore`: `verify` proves the laws over it, and `seal` is the
//! file's last line, by which any change of it shows.

mod seal;
mod verify;

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use selfsame_store_sqlite::copy;
use tempfile::{TempDir, TempPath};

use crate::check::count;
use crate::database::Database;
use crate::settings::DatabaseSettings;
use crate::{CommonArguments, Outcome, log, put, say};

pub(crate) use seal::{Opened, open};
pub(crate) use verify::{Verdict, Verified, verify};

#[derive(clap::Args)]
pub(crate) struct BackupArguments {
    /// The file to write, which must not be there yet
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    common: CommonArguments,
}

pub(crate) async fn run(arguments: BackupArguments) -> anyhow::Result<Outcome> {
    log::start("warn")?;
    let database = Database::of_command(arguments.database, &arguments.common)?;
    let source = embedded(&database)?;
    let target = &arguments.file;
    if target.symlink_metadata().is_ok() {
        return Err(is_there(target));
    }
    let scratch = scratch(target)?;
    let unfinished = scratch.path().join("backup.db");
    let copied = copy(source, &unfinished)?;
    let verified = match verify(&unfinished, scratch.path()).await? {
        Verdict::Good(verified) if copied.includes(&verified.heads) => verified,
        Verdict::Good(_) => bail!(
            "the copy is of no moment while it was made, and was not kept\n\
             hint: was the database replaced meanwhile? Then try again"
        ),
        Verdict::Bad(faults) => {
            faults.iter().try_for_each(|fault| put(&format!("fault: {fault}")))?;
            say(&format!(
                "no backup: the copy of {database} does not keep the rules, and was not kept\n\
                 hint: `selfsame check` tells whether the database itself is at fault; \
                 an earlier backup may be the way back"
            ));
            return Ok(Outcome::No);
        }
    };
    let written = || format!("`{}` can't be written", target.display());
    let sealed = seal::seal(&unfinished).with_context(written)?;
    match TempPath::try_from_path(unfinished)?.persist_noclobber(target) {
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(is_there(target));
        }
        persisted => persisted.with_context(written)?,
    }
    File::open(folder(target)).and_then(|folder| folder.sync_all()).with_context(written)?;
    put(&told(target, &verified, &sealed.sha256, sealed.bytes))?;
    Ok(Outcome::Done)
}

/// What a person compares later, the same from `backup` and from `restore`.
pub(crate) fn told(file: &Path, verified: &Verified, sha256: &str, bytes: u64) -> String {
    let events = count(verified.events, "event", "events");
    let contacts = count(verified.contacts, "contact", "contacts");
    format!("{}: {bytes} bytes, {events}, {contacts}, sha256 {sha256}", file.display())
}

/// The file of the embedded database; PostgreSQL's is another matter.
pub(crate) fn embedded(database: &Database) -> anyhow::Result<&Path> {
    database.file().with_context(|| {
        format!(
            "{database} is in PostgreSQL, which has its own tools for this\n\
             hint: pg_dump and pg_restore; docs/OPERATIONS.md, \"Backup and restore\", has the commands"
        )
    })
}

/// A folder beside `target`, for its owner only, for what isn't finished. It goes when it is dropped; a killed process leaves it.
pub(crate) fn scratch(target: &Path) -> anyhow::Result<TempDir> {
    let Some(name) = target.file_name() else {
        bail!("`{}` names no file\nhint: for example backup.db", target.display());
    };
    let mut prefix = name.to_owned();
    prefix.push(".unfinished-");
    let folder = folder(target);
    // In full, so that SQLite can't take an odd name for something else than a path.
    let folder = folder.canonicalize().with_context(|| {
        format!("the folder `{}` can't be used\nhint: make it, or name another one", folder.display())
    })?;
    let owner_only = Permissions::from_mode(0o700);
    let made = tempfile::Builder::new().prefix(&prefix).permissions(owner_only).tempdir_in(&folder);
    made.with_context(|| format!("nothing can be written in the folder `{}`", folder.display()))
}

fn folder(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn is_there(target: &Path) -> anyhow::Error {
    anyhow::anyhow!(
        "`{}` is there already, and a backup overwrites nothing\nhint: name another file",
        target.display()
    )
}

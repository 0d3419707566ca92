//! `selfsame restore`: puts a backup in the place of the embedded database, verified first, and keeps what was there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use selfsame_service::erasures::{Erasure, erasures};
use selfsame_store::Migrations;
use selfsame_store_sqlite::{OpenError, Place, SqliteStore, absolute};

use crate::backup::{Opened, Verdict, Verified, embedded, open, scratch, told, verify};
use crate::check::count;
use crate::database::Database;
use crate::erasures::{apply, read, tell};
use crate::settings::DatabaseSettings;
use crate::{CommonArguments, Outcome, log, put, say};

const NOT_SEALED: &str = "it doesn't end as `selfsame backup` ends a file: it was cut off, or made by something else, \
     for which there is --unsealed";

#[derive(clap::Args)]
pub(crate) struct RestoreArguments {
    /// The backup
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Put it in the place of a database that is there, which is kept beside it under another name
    #[arg(long)]
    replace: bool,
    /// Only verify the backup
    #[arg(long)]
    dry_run: bool,
    /// Take a database that `selfsame backup` did not write, such as sqlite3's copy: what no rule proves is taken on trust
    #[arg(long)]
    unsealed: bool,
    /// Erase in it whoever is in this list of `selfsame erasures`, besides those whom the database that is replaced has erased
    #[arg(long, value_name = "FILE")]
    erasures: Option<PathBuf>,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    common: CommonArguments,
}

pub(crate) async fn run(arguments: RestoreArguments) -> anyhow::Result<Outcome> {
    log::start("warn")?;
    let database = Database::of_command(arguments.database, &arguments.common)?;
    let path = absolute(embedded(&database)?)?;
    let backup = &arguments.file;
    let mut erased = arguments.erasures.as_deref().map(read).transpose()?.unwrap_or_default();
    // Held to the end. It is asked for first: verifying may take minutes.
    let place = if arguments.dry_run { None } else { Some(take(&path, arguments.replace)?) };

    // On the database's own disk: what is verified is what takes its place, and that there is room is seen too.
    let scratch = scratch(&path)?;
    let staged = scratch.path().join("restored.db");
    if let Some(log) = log_beside(backup) {
        return no(backup, &format!("`{}` belongs to it, so it is no whole backup", log.display()));
    }
    let opened = open(backup, &staged).with_context(|| format!("`{}` can't be copied", backup.display()))?;
    let (sealed, trusted) = match opened {
        Opened::Whole(sealed) => (sealed, true),
        Opened::Unsealed(sealed) => (sealed, arguments.unsealed),
        Opened::Broken => return no(backup, "it was changed since it was written"),
    };
    let verified = match verify(&staged, scratch.path()).await? {
        Verdict::Bad(faults) => {
            faults.iter().skip(1).try_for_each(|fault| put(&format!("fault: {fault}")))?;
            return no(backup, faults.first().map_or("it does not keep the rules", String::as_str));
        }
        Verdict::Good(verified) => verified,
    };
    // Said last: of a file that is none of ours, that is what a person wants to know.
    if !trusted {
        return no(backup, NOT_SEALED);
    }
    put(&told(backup, &verified, &sealed.sha256, sealed.bytes))?;
    if let Some(place) = place {
        erased.extend(erased_in(&place).await);
        if let Outcome::No = erase_again(&staged, &erased).await? {
            return no(backup, "not everybody who was erased since could be erased in it");
        }
        put_in(&place, &staged, &verified)?;
    }
    Ok(Outcome::Done)
}

/// The database's place, if a database may be put there.
fn take(path: &Path, replace: bool) -> anyhow::Result<Place> {
    let place = match Place::take(path) {
        Err(OpenError::InUse { path, holder }) => bail!(
            "a server{} has the database `{}` open\nhint: stop it first; nothing was changed",
            holder.map(|id| format!(" (process {id})")).unwrap_or_default(),
            path.display()
        ),
        taken => taken?,
    };
    if !place.is_free() && !replace {
        bail!(
            "there is a database at `{}` already\n\
             hint: --replace puts the backup in its place, and keeps it beside under another name",
            place.path().display()
        );
    }
    Ok(place)
}

/// Whom the database that is replaced has erased: they stay erased.
async fn erased_in(place: &Place) -> Vec<Erasure> {
    if place.is_free() {
        return Vec::new();
    }
    let read = async {
        let store = SqliteStore::open_for_reading(place.path())?;
        anyhow::Ok(erasures(&store).await?)
    };
    read.await.unwrap_or_else(|error| {
        let why = error.to_string();
        let why = why.lines().next().unwrap_or_default();
        say(&format!(
            "warning: whom the database that is replaced has erased can't be read: {why}\n\
             hint: a list that `selfsame erasures` printed earlier does it too: `selfsame erasures --apply LIST`, before you serve"
        ));
        Vec::new()
    })
}

/// Erases them in the staged database, before anybody can be answered from it.
async fn erase_again(staged: &Path, erased: &[Erasure]) -> anyhow::Result<Outcome> {
    if erased.is_empty() {
        return Ok(Outcome::Done);
    }
    let store = Arc::new(SqliteStore::open(staged, Migrations::Apply)?);
    let reapplied = apply(store, erased, "selfsame restore").await?;
    // Closed, it is one file, and synced by its last checkpoint.
    if let Some(log) = log_beside(staged) {
        bail!("`{}` is left of erasing again\nhint: nothing was changed; try again", log.display());
    }
    tell(&reapplied)
}

/// Puts the staged database in its place, and says what was kept.
fn put_in(place: &Place, staged: &Path, verified: &Verified) -> anyhow::Result<()> {
    let path = place.path();
    let replaced = !place.is_free();
    let kept = kept_name(path);
    place.put(staged, &kept)?;
    put(&format!(
        "restored: `{}` now has {}",
        path.display(),
        count(verified.contacts, "contact", "contacts")
    ))?;
    if replaced {
        put(&format!("kept: what was there is `{}`", kept.display()))?;
    }
    Ok(())
}

/// `shop.db.before-restore-20261122T132900.123Z`, in the database's folder.
fn kept_name(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(jiff::Timestamp::now().strftime(".before-restore-%Y%m%dT%H%M%S%.3fZ").to_string());
    name.into()
}

/// SQLite's log beside a file says that changes are missing in it.
fn log_beside(backup: &Path) -> Option<PathBuf> {
    let logs = ["-wal", "-journal"].map(|suffix| {
        let mut name = backup.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    });
    logs.into_iter().find(|log| log.metadata().is_ok_and(|metadata| metadata.len() > 0))
}

fn no(backup: &Path, why: &str) -> anyhow::Result<Outcome> {
    say(&format!("not restored: `{}` can't be trusted: {why}\nhint: nothing was changed", backup.display()));
    Ok(Outcome::No)
}

//! `selfsame scrub`: writes the database's tables anew, so that nothing of whoever was erased is left in unused places, and looks for
//! values that must be gone.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use selfsame_store::Sought;
use selfsame_store_postgres::SearchedBy;

use crate::check::count;
use crate::database::Database;
use crate::settings::DatabaseSettings;
use crate::{CommonArguments, Outcome, log, put, say};

#[derive(clap::Args)]
pub(crate) struct ScrubArguments {
    /// Look for these values afterwards, one a line, `-` for standard input; exit code 1 if one is found
    #[arg(long, value_name = "FILE")]
    values_from: Option<PathBuf>,
    /// Only look, and write nothing anew; also while a server runs
    #[arg(long, requires = "values_from")]
    dry_run: bool,
    /// PostgreSQL: how long to wait for whoever sees the time before, and for each table's lock
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    lock_timeout_seconds: u32,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    common: CommonArguments,
}

/// Where values were found: by the number of the value from 0.
type Found = BTreeMap<usize, BTreeSet<String>>;

pub(crate) async fn run(arguments: ScrubArguments) -> anyhow::Result<Outcome> {
    log::start("warn")?;
    let database = Database::of_command(arguments.database, &arguments.common)?;
    let values = arguments.values_from.map(|file| values(&file)).transpose()?;
    if !arguments.dry_run {
        put(&scrub(&database, Duration::from_secs(arguments.lock_timeout_seconds.into())).await?)?;
    }
    let Some(values) = values else { return Ok(Outcome::Done) };
    let sought = Sought::of(values.iter().map(|(_, value)| value.as_str()))?;
    let found = search(&database, &sought).await?;
    for (index, places) in &found {
        let places: Vec<&str> = places.iter().map(String::as_str).collect();
        put(&format!("line {}: found in {}", values[*index].0, places.join(", ")))?;
    }
    let looked_for = count(values.len() as u64, "value", "values");
    put(&format!("looked for {looked_for}: {} found", found.len()))?;
    Ok(if found.is_empty() { Outcome::Done } else { Outcome::No })
}

async fn scrub(database: &Database, patience: Duration) -> anyhow::Result<String> {
    Ok(match database {
        Database::Sqlite(path) => {
            selfsame_store_sqlite::scrub(path)?;
            format!("scrubbed: {database} was written anew, and its write-ahead log is empty")
        }
        Database::Postgres(settings) => {
            let done = selfsame_store_postgres::scrub(settings, patience).await?;
            if done.unseen > 0 {
                say(&format!(
                    "{} of other roles could not be looked into: if one of them still sees the time before, PostgreSQL keeps it\n\
                     hint: scrub as superuser, or with pg_read_all_stats, to be sure",
                    count(done.unseen.unsigned_abs(), "session", "sessions")
                ));
            }
            let tables = count(done.tables as u64, "table", "tables");
            format!("scrubbed: {tables} of {database} were written anew, with their indexes and statistics")
        }
    })
}

async fn search(database: &Database, sought: &Sought) -> anyhow::Result<Found> {
    Ok(match database {
        Database::Sqlite(path) => selfsame_store_sqlite::search(path, sought)?,
        Database::Postgres(settings) => {
            let searched = selfsame_store_postgres::search(settings, sought).await?;
            if searched.by == SearchedBy::Rows {
                say(
                    "only rows were read, because this role may not read the server's files: nothing is known of unused places\n\
                     hint: as superuser, or with pg_read_server_files, pg_checkpoint (PostgreSQL 15) and EXECUTE on \
                     pg_read_binary_file and pg_stat_file, the files are read too",
                );
            }
            searched.found
        }
    })
}

/// The values of a file, each with the number of its line, from 1. They are no arguments: those anybody on the machine may see.
fn values(file: &PathBuf) -> anyhow::Result<Vec<(usize, String)>> {
    let text = if file.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    let text = text.with_context(|| {
        format!("the values in `{}` can't be read\nhint: UTF-8, one a line", file.display())
    })?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty());
    Ok(lines.map(|(index, line)| (index + 1, line.to_owned())).collect())
}

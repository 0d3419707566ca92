//! `selfsame migrate`: brings the database to this version's schema, or tells what that would take.

use anyhow::bail;
use selfsame_store_postgres::{ConnectionSettings, PostgresStore, citus_statements};

use crate::database::Database;
use crate::settings::DatabaseSettings;
use crate::{CommonArguments, Outcome, log, put, say};

#[derive(clap::Args)]
pub(crate) struct MigrateArguments {
    /// Only tell which migrations are pending
    #[arg(long)]
    dry_run: bool,
    /// Also spread the tables over a Citus cluster, by workspace; with --dry-run, print the statements that do it
    #[arg(long)]
    citus: bool,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    common: CommonArguments,
}

pub(crate) async fn run(arguments: MigrateArguments) -> anyhow::Result<Outcome> {
    log::start("warn")?;
    let database = Database::of_command(arguments.database, &arguments.common)?;
    // Before anything is migrated: what can't be done whole is not begun.
    let spread = if arguments.citus { Some(to_spread(&database)?) } else { None };
    let pending = database.migrate(arguments.dry_run).await?;
    let done = if arguments.dry_run { "pending" } else { "applied" };
    let mut told: Vec<String> = pending.iter().map(|migration| format!("{done}: {migration}")).collect();
    if told.is_empty() {
        told.push("nothing is pending: the database has this version's schema".to_owned());
    }
    match spread {
        None => told.iter().try_for_each(|line| put(line))?,
        Some(settings) => {
            // Standard output is for the statements alone, so that psql can read them.
            told.iter().for_each(|line| say(line));
            distribute(settings, arguments.dry_run).await?;
        }
    }
    Ok(Outcome::Done)
}

fn to_spread(database: &Database) -> anyhow::Result<&ConnectionSettings> {
    match database {
        Database::Postgres(settings) => Ok(settings),
        Database::Sqlite(_) => {
            bail!(
                "{database} is no PostgreSQL database, and Citus spreads only those\nhint: leave --citus out"
            )
        }
    }
}

async fn distribute(settings: &ConnectionSettings, dry_run: bool) -> anyhow::Result<()> {
    if dry_run {
        return citus_statements().iter().try_for_each(|statement| put(&format!("{statement};")));
    }
    PostgresStore::distribute(settings).await?;
    put("the tables are distributed by workspace")
}

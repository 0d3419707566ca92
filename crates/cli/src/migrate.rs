//! `selfsame migrate`: brings the database to this version's schema, or tells what that would take.

use anyhow::bail;
use selfsame_store_postgres::{PostgresStore, citus_statements};

use crate::database::Database;
use crate::settings::DatabaseSettings;
use crate::{CommonArguments, Outcome, put, start_log};

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
    start_log("warn")?;
    let database = Database::of_command(arguments.database, &arguments.common)?;
    let pending = database.migrate(arguments.dry_run).await?;
    let done = if arguments.dry_run { "pending" } else { "applied" };
    for migration in &pending {
        put(&format!("{done}: {migration}"))?;
    }
    if pending.is_empty() {
        put("nothing is pending: the database has this version's schema")?;
    }
    if arguments.citus {
        distribute(&database, arguments.dry_run).await?;
    }
    Ok(Outcome::Done)
}

async fn distribute(database: &Database, dry_run: bool) -> anyhow::Result<()> {
    let Database::Postgres(settings) = database else {
        bail!("{database} is no PostgreSQL database, and Citus spreads only those\nhint: leave --citus out");
    };
    if dry_run {
        return citus_statements().iter().try_for_each(|statement| put(&format!("{statement};")));
    }
    PostgresStore::distribute(settings).await?;
    put("the tables are distributed by workspace")
}

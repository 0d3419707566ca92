//! `selfsame check`: proves the laws over a database; a list, and exit code 1, where they don't hold.

use selfsame_service::check::{Report, check};
use selfsame_store::WorkspaceKey;

use crate::database::Database;
use crate::settings::DatabaseSettings;
use crate::{CommonArguments, Outcome, log, put};

#[derive(clap::Args)]
pub(crate) struct CheckArguments {
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    common: CommonArguments,
}

pub(crate) async fn run(arguments: CheckArguments) -> anyhow::Result<Outcome> {
    log::start("warn")?;
    let database = Database::of_command(arguments.database, &arguments.common)?;
    let store = database.open_for_reading().await?;
    let report = check(&*store, WorkspaceKey::DEFAULT).await?;
    store.close().await?;
    tell(&report)
}

fn tell(report: &Report) -> anyhow::Result<Outcome> {
    let Report { events, contacts, identities, identifiers, faults, faults_count } = report;
    for fault in faults {
        put(&format!("fault: {fault}"))?;
    }
    let found = [
        count(*events, "event", "events"),
        count(*contacts, "contact", "contacts"),
        count(*identities, "identity", "identities"),
        count(*identifiers, "identifier", "identifiers"),
    ];
    let found = found.join(", ");
    if *faults_count == 0 {
        put(&format!("checked {found}: all laws hold"))?;
        return Ok(Outcome::Done);
    }
    put(&format!("checked {found}: {}, {} listed", count(*faults_count, "fault", "faults"), faults.len()))?;
    Ok(Outcome::No)
}

/// `1 event`, `2 events`.
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

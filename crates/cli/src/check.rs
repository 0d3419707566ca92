//! `selfsame check`: proves the laws over each workspace of a database; a list, and exit code 1, where they don't hold.

use selfsame_service::check::{Report, check};

use crate::database::Database;
use crate::settings::DatabaseSettings;
use crate::workspaces::chosen;
use crate::{CommonArguments, Outcome, log, put};

#[derive(clap::Args)]
pub(crate) struct CheckArguments {
    /// The workspace that is checked [default: each of them]
    #[arg(long, value_name = "NAME")]
    workspace: Option<String>,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    common: CommonArguments,
}

pub(crate) async fn run(arguments: CheckArguments) -> anyhow::Result<Outcome> {
    log::start("warn")?;
    let database = Database::of_command(arguments.database, &arguments.common)?;
    let store = database.open_for_reading().await?;
    let workspaces = chosen(&*store, arguments.workspace.as_deref()).await?;
    let mut outcome = Outcome::Done;
    for workspace in &workspaces {
        let report = check(&*store, workspace.key).await?;
        // One alone needs no name.
        let name = (workspaces.len() > 1).then(|| workspace.facts.name.as_str());
        if let Outcome::No = tell(name, &report)? {
            outcome = Outcome::No;
        }
    }
    store.close().await?;
    Ok(outcome)
}

fn tell(workspace: Option<&str>, report: &Report) -> anyhow::Result<Outcome> {
    let begin = workspace.map(|name| format!("{name}: ")).unwrap_or_default();
    let Report { events, contacts, identities, identifiers, faults, faults_count } = report;
    for fault in faults {
        put(&format!("{begin}fault: {fault}"))?;
    }
    let found = [
        count(*events, "event", "events"),
        count(*contacts, "contact", "contacts"),
        count(*identities, "identity", "identities"),
        count(*identifiers, "identifier", "identifiers"),
    ];
    let found = found.join(", ");
    if *faults_count == 0 {
        put(&format!("{begin}checked {found}: all laws hold"))?;
        return Ok(Outcome::Done);
    }
    put(&format!(
        "{begin}checked {found}: {}, {} listed",
        count(*faults_count, "fault", "faults"),
        faults.len()
    ))?;
    Ok(Outcome::No)
}

/// `1 event`, `2 events`.
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

//! `selfsame erasures`: lists whom a database has erased, without a value of theirs, and erases them once more in an older state of it
//! that was restored.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use selfsame_rules::{Actor, ContactId, Sequence, Timestamp};
use selfsame_service::erasures::{Erasure, Reapplied, erasures, reapply};
use selfsame_service::{EngineSettings, Installation, SystemClock};
use selfsame_store::{Migrations, Store, WorkspaceKey};
use serde::{Deserialize, Serialize};

use crate::check::count;
use crate::database::{COMMAND_PATIENCE, Database};
use crate::settings::DatabaseSettings;
use crate::{CommonArguments, Outcome, log, put, say};

#[derive(clap::Args)]
pub(crate) struct ErasuresArguments {
    /// Erase everybody of a list that this command printed, who is there; `-` for standard input
    #[arg(long, value_name = "FILE")]
    apply: Option<PathBuf>,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    common: CommonArguments,
}

/// A line of the list. Times are Unix milliseconds, UTC.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Line {
    /// The workspace's number, which is never another's.
    workspace: i64,
    at_ms: i64,
    /// Of a person: the event, and when each contact was made, by its number.
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<i64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    contacts_made_at_ms: BTreeMap<i64, i64>,
    /// Of a whole workspace: when it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace_made_at_ms: Option<i64>,
}

pub(crate) async fn run(arguments: ErasuresArguments) -> anyhow::Result<Outcome> {
    log::start("warn")?;
    let database = Database::of_command(arguments.database, &arguments.common)?;
    let Some(list) = arguments.apply else {
        let store = database.open_for_reading().await?;
        for erasure in erasures(&*store).await? {
            put(&serde_json::to_string(&Line::of(&erasure))?)?;
        }
        store.close().await?;
        return Ok(Outcome::Done);
    };
    let list = read(&list)?;
    let store = database.open(Migrations::Apply, COMMAND_PATIENCE).await?;
    let reapplied = apply(store, &list, "selfsame erasures").await?;
    let outcome = tell(&reapplied)?;
    if let Database::Postgres(_) = database
        && reapplied.erased > 0
    {
        say("hint: `selfsame scrub` removes what they leave in tables and indexes");
    }
    Ok(outcome)
}

/// Erases everybody of the list who is in the store, and closes it.
pub(crate) async fn apply(store: Arc<dyn Store>, list: &[Erasure], by: &str) -> anyhow::Result<Reapplied> {
    let installation = Installation::start(store, Arc::new(SystemClock), EngineSettings::default()).await?;
    let reapplied = reapply(&installation, list, &Actor::named(by)).await;
    installation.drain().await?;
    Ok(reapplied?)
}

/// Says what came of it; of those that could not be erased, why.
pub(crate) fn tell(reapplied: &Reapplied) -> anyhow::Result<Outcome> {
    for (erasure, why) in &reapplied.failed {
        let (workspace, what) = match erasure {
            Erasure::Person { workspace, event, .. } => (workspace, format!("the erasure of event {event}")),
            Erasure::Workspace { workspace, .. } => (workspace, "its own erasure".to_owned()),
        };
        put(&format!("workspace {workspace}: {what} was not made again: {why}"))?;
    }
    let erased = u64::try_from(reapplied.erased).unwrap_or(u64::MAX);
    put(&format!("erased again: {}", count(erased, "person or workspace", "people or workspaces")))?;
    Ok(if reapplied.failed.is_empty() { Outcome::Done } else { Outcome::No })
}

/// The list in a file.
pub(crate) fn read(file: &Path) -> anyhow::Result<Vec<Erasure>> {
    let text = if file.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    let text = text.with_context(|| format!("the list `{}` can't be read", file.display()))?;
    let erasure = |(index, line): (usize, &str)| {
        let read = serde_json::from_str(line).map_err(anyhow::Error::from).and_then(Line::read);
        read.with_context(|| {
            format!(
                "`{}`, line {}, is no line of such a list\nhint: `selfsame erasures` prints one",
                file.display(),
                index + 1
            )
        })
    };
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(erasure).collect()
}

impl Line {
    fn of(erasure: &Erasure) -> Self {
        match erasure {
            Erasure::Person { workspace, event, at, contacts } => Self {
                workspace: workspace.0,
                at_ms: at.as_milliseconds(),
                sequence: Some(event.0),
                contacts_made_at_ms: contacts.iter().map(|(id, at)| (id.0, at.as_milliseconds())).collect(),
                workspace_made_at_ms: None,
            },
            Erasure::Workspace { workspace, created_at, at } => Self {
                workspace: workspace.0,
                at_ms: at.as_milliseconds(),
                sequence: None,
                contacts_made_at_ms: BTreeMap::new(),
                workspace_made_at_ms: Some(created_at.as_milliseconds()),
            },
        }
    }

    fn read(self) -> anyhow::Result<Erasure> {
        let (workspace, at) = (WorkspaceKey(self.workspace), Timestamp::from_milliseconds(self.at_ms));
        let time = Timestamp::from_milliseconds;
        match (self.sequence, self.workspace_made_at_ms) {
            (Some(event), None) => {
                let contacts = self.contacts_made_at_ms.into_iter();
                let contacts = contacts.map(|(id, made)| (ContactId(id), time(made))).collect();
                Ok(Erasure::Person { workspace, event: Sequence(event), at, contacts })
            }
            (None, Some(made)) => Ok(Erasure::Workspace { workspace, created_at: time(made), at }),
            _ => bail!("it names neither a person nor a workspace, or both"),
        }
    }
}

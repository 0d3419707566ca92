//! `selfsame keys`: making, listing and revoking keys.

use axum::http::Method;
use clap::Subcommand;
use serde_json::{Value, json};

use crate::ask::Question;
use crate::database::Database;
use crate::settings::DatabaseSettings;
use crate::table::put_table;
use crate::workspaces::pages;
use crate::{CommonArguments, Outcome, log, put, say};

#[derive(clap::Args)]
pub(crate) struct KeysArguments {
    #[command(subcommand)]
    act: Act,
}

#[derive(Subcommand)]
enum Act {
    /// Make a key and write it to standard output, once and never again
    Create(CreateArguments),
    /// List keys, revoked and expired ones too, without the keys themselves
    List(ListArguments),
    /// Revoke a key: it is good for nothing within five seconds, everywhere
    Revoke(RevokeArguments),
}

#[derive(clap::Args)]
struct CreateArguments {
    /// What it is called; events name it as their cause
    name: String,
    /// What it is good for; give it again for each: identify, read, write, admin
    #[arg(long = "scope", value_name = "SCOPE", required = true)]
    scopes: Vec<String>,
    /// The workspace that it opens [default: default]
    #[arg(long, value_name = "NAME", conflicts_with = "every_workspace")]
    workspace: Option<String>,
    /// Let it open every workspace
    #[arg(long)]
    every_workspace: bool,
    /// The most requests, and lines of batches, a second, on each replica [default: as many as come]
    #[arg(long, value_name = "REQUESTS")]
    requests_per_second: Option<u32>,
    /// The most requests under way at once, on each replica [default: as many as come]
    #[arg(long, value_name = "REQUESTS")]
    requests_at_once_max: Option<u32>,
    /// From when on it is good for nothing, for example 2030-01-01T00:00:00Z [default: never]
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
    #[command(flatten)]
    place: PlaceArguments,
}

#[derive(clap::Args)]
struct ListArguments {
    /// List those of this workspace and those to every workspace only
    #[arg(long, value_name = "NAME")]
    workspace: Option<String>,
    /// JSON lines instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: PlaceArguments,
}

#[derive(clap::Args)]
struct RevokeArguments {
    /// The key's id, as `selfsame keys list` shows it
    id: String,
    #[command(flatten)]
    place: PlaceArguments,
}

/// Where the keys are.
#[derive(clap::Args)]
pub(crate) struct PlaceArguments {
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    common: CommonArguments,
}

impl PlaceArguments {
    pub(crate) fn database(self) -> anyhow::Result<Database> {
        Database::of_command(self.database, &self.common)
    }
}

pub(crate) async fn run(arguments: KeysArguments) -> anyhow::Result<Outcome> {
    log::start("warn")?;
    match arguments.act {
        Act::Create(arguments) => create(arguments).await,
        Act::List(arguments) => list(arguments).await,
        Act::Revoke(arguments) => revoke(arguments).await,
    }
}

async fn create(arguments: CreateArguments) -> anyhow::Result<Outcome> {
    let body = json!({
        "name": arguments.name,
        "scopes": arguments.scopes,
        "everyWorkspace": arguments.every_workspace,
        "requestsPerSecond": arguments.requests_per_second,
        "requestsAtOnceMax": arguments.requests_at_once_max,
        "expiresAt": arguments.expires_at,
    });
    let question = Question {
        command: "keys create",
        method: Method::POST,
        path: "/v1/keys".to_owned(),
        body: Some(body),
        workspace: arguments.workspace.as_deref(),
    };
    let made = match question.ask(&arguments.place.database()?).await?.success()? {
        Ok(made) => made,
        Err(no) => return Ok(no),
    };
    let made: Value = serde_json::from_str(&made)?;
    let opens =
        made["workspace"].as_str().map_or("every workspace".to_owned(), |name| format!("workspace {name}"));
    say(&format!("made key {} ({opens}); it is shown here once:", text(&made["id"])));
    put(&text(&made["key"]))?;
    Ok(Outcome::Done)
}

async fn list(arguments: ListArguments) -> anyhow::Result<Outcome> {
    let database = arguments.place.database()?;
    let keys = match pages(&database, "keys list", "/v1/keys", "keys", arguments.workspace.as_deref()).await?
    {
        Ok(keys) => keys,
        Err(no) => return Ok(no),
    };
    if arguments.json {
        keys.iter().try_for_each(|key| put(&key.to_string()))?;
        return Ok(Outcome::Done);
    }
    let rows: Vec<_> = keys
        .iter()
        .map(|key| {
            let scopes = key["scopes"].as_array().into_iter().flatten().map(text);
            let workspace = key["workspace"].as_str().unwrap_or("(every one)");
            let ends = match (key["revokedAt"].as_str(), key["expiresAt"].as_str()) {
                (Some(at), _) => format!("revoked {at}"),
                (None, Some(at)) => format!("expires {at}"),
                (None, None) => String::new(),
            };
            let scopes = scopes.collect::<Vec<_>>().join(",");
            [
                text(&key["id"]),
                text(&key["name"]),
                scopes,
                workspace.to_owned(),
                text(&key["createdAt"]),
                ends,
            ]
        })
        .collect();
    put_table(["ID", "NAME", "SCOPES", "WORKSPACE", "CREATED", "ENDS"], &rows)?;
    Ok(Outcome::Done)
}

async fn revoke(arguments: RevokeArguments) -> anyhow::Result<Outcome> {
    let question = Question {
        command: "keys revoke",
        method: Method::DELETE,
        path: format!("/v1/keys/{}", crate::workspaces::in_path(&arguments.id)),
        body: None,
        workspace: None,
    };
    match question.ask(&arguments.place.database()?).await?.success()? {
        Ok(_) => say(&format!("revoked key {}: within five seconds it is good for nothing", arguments.id)),
        Err(no) => return Ok(no),
    }
    Ok(Outcome::Done)
}

/// The text that a member of an answer is.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

//! `selfsame webhooks`: where a workspace's events are sent to.

use axum::http::Method;
use clap::Subcommand;
use selfsame_service::WebhookSettings;
use serde_json::{Value, json};

use crate::ask::Question;
use crate::database::Database;
use crate::keys::text;
use crate::settings::{DatabaseSettings, WebhookArguments, load_file};
use crate::table::put_table;
use crate::workspaces::{in_path, pages};
use crate::{CommonArguments, Outcome, log, put, say};

#[derive(clap::Args)]
pub(crate) struct WebhooksArguments {
    #[command(subcommand)]
    act: Act,
}

#[derive(Subcommand)]
enum Act {
    /// Add an endpoint, and write its secret to standard output, once and never again
    Add(AddArguments),
    /// List endpoints: how far each has come, and how it fares
    List(ListArguments),
    /// Send a signed message to an endpoint now; exit code 1 if it doesn't take it
    Test(TestArguments),
    /// Give an endpoint a new secret, and write it to standard output; for a day the one before signs as well
    Rotate(OneArguments),
    /// Deliver from behind an event on, at once, also to an endpoint that is parked
    Replay(ReplayArguments),
    /// Remove an endpoint: nothing more is sent to it
    Remove(OneArguments),
}

#[derive(clap::Args)]
struct AddArguments {
    /// Where to: https://…
    url: String,
    /// A kind of events that it gets; give it again for each [default: all kinds]
    #[arg(long = "kind", value_name = "KIND")]
    kinds: Vec<String>,
    /// The number of the event behind which it begins, 0 for the first [default: the last one that there is]
    #[arg(long, value_name = "SEQUENCE")]
    after: Option<i64>,
    #[command(flatten)]
    webhooks: WebhookArguments,
    #[command(flatten)]
    place: PlaceArguments,
}

#[derive(clap::Args)]
struct ListArguments {
    /// JSON lines instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: PlaceArguments,
}

#[derive(clap::Args)]
struct TestArguments {
    /// The endpoint's id, as `selfsame webhooks list` shows it
    id: String,
    /// The answer as JSON instead of a sentence
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    webhooks: WebhookArguments,
    #[command(flatten)]
    place: PlaceArguments,
}

#[derive(clap::Args)]
struct ReplayArguments {
    /// The number of the event behind which it begins, 0 for the first
    #[arg(long, value_name = "SEQUENCE")]
    after: i64,
    #[command(flatten)]
    one: OneArguments,
}

#[derive(clap::Args)]
struct OneArguments {
    /// The endpoint's id, as `selfsame webhooks list` shows it
    id: String,
    #[command(flatten)]
    place: PlaceArguments,
}

/// Where the endpoints are.
#[derive(clap::Args)]
struct PlaceArguments {
    /// The workspace whose events they get [default: default]
    #[arg(long, value_name = "NAME")]
    workspace: Option<String>,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    common: CommonArguments,
}

/// A question about endpoints, and whom it is asked.
struct Asked<'command> {
    command: &'static str,
    method: Method,
    path: String,
    body: Option<Value>,
    workspace: Option<&'command str>,
    settings: WebhookSettings,
}

impl Asked<'_> {
    /// The answer, if it is none of a refusal.
    async fn of(self, database: &Database) -> anyhow::Result<Result<Value, Outcome>> {
        let Self { command, method, path, body, workspace, settings } = self;
        let question = Question { command, method, path, body, workspace };
        let answer = question.ask_with(database, settings).await?.success()?;
        Ok(match answer {
            Ok(answer) => Ok(serde_json::from_str(&answer)?),
            Err(no) => Err(no),
        })
    }
}

pub(crate) async fn run(arguments: WebhooksArguments) -> anyhow::Result<Outcome> {
    log::start("warn")?;
    match arguments.act {
        Act::Add(arguments) => add(arguments).await,
        Act::List(arguments) => list(arguments).await,
        Act::Test(arguments) => test(arguments).await,
        Act::Rotate(arguments) => rotate(arguments).await,
        Act::Replay(arguments) => replay(arguments).await,
        Act::Remove(arguments) => remove(arguments).await,
    }
}

async fn add(arguments: AddArguments) -> anyhow::Result<Outcome> {
    let AddArguments { url, kinds, after, webhooks, place } = arguments;
    let asked = Asked {
        command: "webhooks add",
        method: Method::POST,
        path: "/v1/webhooks".to_owned(),
        body: Some(json!({ "url": url, "kinds": kinds, "after": after })),
        workspace: place.workspace.as_deref(),
        settings: place.settings(webhooks)?,
    };
    let added = match asked.of(&place.database()?).await? {
        Ok(added) => added,
        Err(no) => return Ok(no),
    };
    let (id, after) = (text(&added["id"]), &added["after"]);
    say(&format!(
        "added webhook {id}, which gets what comes after event {after}; its secret is shown here once:"
    ));
    put(&text(&added["secret"]))?;
    Ok(Outcome::Done)
}

async fn list(arguments: ListArguments) -> anyhow::Result<Outcome> {
    let database = arguments.place.database()?;
    let workspace = arguments.place.workspace.as_deref();
    let webhooks = match pages(&database, "webhooks list", "/v1/webhooks", "webhooks", workspace).await? {
        Ok(webhooks) => webhooks,
        Err(no) => return Ok(no),
    };
    if arguments.json {
        webhooks.iter().try_for_each(|webhook| put(&webhook.to_string()))?;
        return Ok(Outcome::Done);
    }
    let rows: Vec<_> = webhooks
        .iter()
        .map(|webhook| {
            let kinds = webhook["kinds"].as_array().into_iter().flatten().map(text);
            let kinds = kinds.collect::<Vec<_>>().join(",");
            let kinds = if kinds.is_empty() { "(all)".to_owned() } else { kinds };
            let since = webhook["failingSince"].as_str();
            let problem = since.map_or_else(String::new, |since| {
                format!("since {since}: {}", text(&webhook["lastProblem"]))
            });
            [
                text(&webhook["id"]),
                text(&webhook["state"]),
                webhook["after"].to_string(),
                kinds,
                text(&webhook["url"]),
                problem,
            ]
        })
        .collect();
    put_table(["ID", "STATE", "AFTER", "KINDS", "URL", "PROBLEM"], &rows)?;
    Ok(Outcome::Done)
}

async fn test(arguments: TestArguments) -> anyhow::Result<Outcome> {
    let TestArguments { id, json, webhooks, place } = arguments;
    let settings = place.settings(webhooks)?;
    let asked = place.asked("webhooks test", Method::POST, &id, "/test", None, settings);
    let tested = match asked.of(&place.database()?).await? {
        Ok(tested) => tested,
        Err(no) => return Ok(no),
    };
    let delivered = tested["delivered"] == true;
    if json {
        put(&tested.to_string())?;
    } else if delivered {
        put(&format!("it answered {} after {} ms", tested["status"], tested["milliseconds"]))?;
    } else {
        put(&format!("after {} ms: {}", tested["milliseconds"], text(&tested["problem"])))?;
    }
    Ok(if delivered { Outcome::Done } else { Outcome::No })
}

async fn rotate(arguments: OneArguments) -> anyhow::Result<Outcome> {
    let OneArguments { id, place } = arguments;
    let asked =
        place.asked("webhooks rotate", Method::POST, &id, "/rotate", None, WebhookSettings::default());
    let rotated = match asked.of(&place.database()?).await? {
        Ok(rotated) => rotated,
        Err(no) => return Ok(no),
    };
    let until = text(&rotated["formerSecretUntil"]);
    say(&format!(
        "webhook {id} has a new secret, and the one before signs as well until {until}; it is shown here once:"
    ));
    put(&text(&rotated["secret"]))?;
    Ok(Outcome::Done)
}

async fn replay(arguments: ReplayArguments) -> anyhow::Result<Outcome> {
    let ReplayArguments { after, one: OneArguments { id, place } } = arguments;
    let body = Some(json!({ "after": after }));
    let asked =
        place.asked("webhooks replay", Method::POST, &id, "/replay", body, WebhookSettings::default());
    match asked.of(&place.database()?).await? {
        Ok(_) => say(&format!("webhook {id} gets what comes after event {after}")),
        Err(no) => return Ok(no),
    }
    Ok(Outcome::Done)
}

async fn remove(arguments: OneArguments) -> anyhow::Result<Outcome> {
    let OneArguments { id, place } = arguments;
    let asked = place.asked("webhooks remove", Method::DELETE, &id, "", None, WebhookSettings::default());
    match asked.of(&place.database()?).await? {
        Ok(_) => say(&format!("removed webhook {id}: nothing more is sent to it")),
        Err(no) => return Ok(no),
    }
    Ok(Outcome::Done)
}

impl PlaceArguments {
    fn database(&self) -> anyhow::Result<Database> {
        Database::of_command(self.database.clone(), &self.common)
    }

    /// The settings that `webhooks` gives, and the file where it doesn't.
    fn settings(&self, webhooks: WebhookArguments) -> anyhow::Result<WebhookSettings> {
        Ok(webhooks.or(load_file(self.common.config.as_deref())?.webhooks).settings())
    }

    /// What is asked about one endpoint.
    fn asked(
        &self,
        command: &'static str,
        method: Method,
        id: &str,
        what: &str,
        body: Option<Value>,
        settings: WebhookSettings,
    ) -> Asked<'_> {
        let path = format!("/v1/webhooks/{}{what}", in_path(id));
        Asked { command, method, path, body, workspace: self.workspace.as_deref(), settings }
    }
}

//! `selfsame workspaces`: making, listing, renaming and erasing workspaces.

use axum::http::Method;
use clap::Subcommand;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use selfsame_store::{Store, WorkspaceRow};
use serde_json::{Value, json};

use crate::ask::Question;
use crate::database::Database;
use crate::keys::{PlaceArguments, text};
use crate::table::put_table;
use crate::{Outcome, log, put, say};

#[derive(clap::Args)]
pub(crate) struct WorkspacesArguments {
    #[command(subcommand)]
    act: Act,
}

#[derive(Subcommand)]
enum Act {
    /// Make a workspace: a closed set of customers
    Create {
        /// What it is called
        name: String,
        #[command(flatten)]
        place: PlaceArguments,
    },
    /// List workspaces and how much is in them
    List {
        /// JSON lines instead of a table
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: PlaceArguments,
    },
    /// Give a workspace another name; keys open it as before
    Rename {
        /// What it is called
        name: String,
        /// What it is to be called
        new_name: String,
        #[command(flatten)]
        place: PlaceArguments,
    },
    /// Erase a workspace with everybody in it, for good
    Erase {
        /// What it is called
        name: String,
        /// The same name again: this can't be undone
        #[arg(long, value_name = "NAME")]
        confirm: String,
        #[command(flatten)]
        place: PlaceArguments,
    },
}

pub(crate) async fn run(arguments: WorkspacesArguments) -> anyhow::Result<Outcome> {
    log::start("warn")?;
    let ask = |command, method, path, body, place: PlaceArguments| async move {
        let question = Question { command, method, path, body, workspace: None };
        question.ask(&place.database()?).await?.success()
    };
    let (asked, done) = match arguments.act {
        Act::List { json, place } => return list(&place.database()?, json).await,
        Act::Create { name, place } => {
            let (path, body) = ("/v1/workspaces".to_owned(), json!({ "name": name }));
            (
                ask("workspaces create", Method::POST, path, Some(body), place).await?,
                format!("made workspace {name}"),
            )
        }
        Act::Rename { name, new_name, place } => {
            let (path, body) = (path_of(&name), json!({ "name": new_name }));
            let done = format!("workspace {name} is called {new_name} now");
            (ask("workspaces rename", Method::PATCH, path, Some(body), place).await?, done)
        }
        Act::Erase { name, confirm, place } => {
            let path = format!("{}?confirm={}", path_of(&name), in_path(&confirm));
            let done =
                format!("erased workspace {name}; a server that runs deletes its rows in the background");
            (ask("workspaces erase", Method::DELETE, path, None, place).await?, done)
        }
    };
    match asked {
        Ok(_) => say(&done),
        Err(no) => return Ok(no),
    }
    Ok(Outcome::Done)
}

async fn list(database: &Database, json: bool) -> anyhow::Result<Outcome> {
    let workspaces = match pages(database, "workspaces list", "/v1/workspaces", "workspaces", None).await? {
        Ok(workspaces) => workspaces,
        Err(no) => return Ok(no),
    };
    if json {
        workspaces.iter().try_for_each(|workspace| put(&workspace.to_string()))?;
        return Ok(Outcome::Done);
    }
    let rows: Vec<_> = workspaces
        .iter()
        .map(|workspace| {
            let number = |member: &str| workspace[member].to_string();
            let counts = ["contacts", "identities", "events"].map(number);
            let [contacts, identities, events] = counts;
            [text(&workspace["name"]), contacts, identities, events, text(&workspace["createdAt"])]
        })
        .collect();
    put_table(["NAME", "CONTACTS", "IDENTITIES", "EVENTS", "CREATED"], &rows)?;
    Ok(Outcome::Done)
}

/// All items of a list, page after page.
pub(crate) async fn pages(
    database: &Database,
    command: &'static str,
    path: &str,
    member: &str,
    workspace: Option<&str>,
) -> anyhow::Result<Result<Vec<Value>, Outcome>> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("{path}?limit=1000{cursor}");
        let question = Question { command, method: Method::GET, path, body: None, workspace };
        let page = match question.ask(database).await?.success()? {
            Ok(page) => page,
            Err(no) => return Ok(Err(no)),
        };
        let mut page: Value = serde_json::from_str(&page)?;
        if let Value::Array(some) = page[member].take() {
            items.extend(some);
        }
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(Ok(items)),
        }
    }
}

fn path_of(name: &str) -> String {
    format!("/v1/workspaces/{}", in_path(name))
}

/// A text as part of a path or a query.
pub(crate) fn in_path(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// The workspaces of a store that aren't erased: the one of that name, or all.
pub(crate) async fn chosen(store: &dyn Store, name: Option<&str>) -> anyhow::Result<Vec<WorkspaceRow>> {
    let mut live = store.access().await?.workspaces;
    live.retain(|row| row.facts.erased_at.is_none());
    let Some(name) = name else { return Ok(live) };
    live.retain(|row| row.facts.name.as_str() == name);
    if live.is_empty() {
        anyhow::bail!("there is no workspace `{name}`\nhint: `selfsame workspaces list` lists them");
    }
    Ok(live)
}

//! `selfsame policy`: showing, previewing and setting a workspace's policy.

use std::path::PathBuf;

use anyhow::Context;
use axum::http::Method;
use clap::Subcommand;
use serde_json::Value;

use crate::ask::Question;
use crate::keys::PlaceArguments;
use crate::{Outcome, log, put};

#[derive(clap::Args)]
pub(crate) struct PolicyArguments {
    #[command(subcommand)]
    act: Act,
}

#[derive(Subcommand)]
enum Act {
    /// Show the policy that holds
    Show {
        #[command(flatten)]
        about: AboutArguments,
    },
    /// Tell what setting a policy with a refold would do
    Preview {
        /// A file of JSON, as `policy show` writes it
        file: PathBuf,
        #[command(flatten)]
        about: AboutArguments,
    },
    /// Set the policy for what comes after
    Set {
        /// A file of JSON, as `policy show` writes it
        file: PathBuf,
        /// Decide the recorded observations again under it
        #[arg(long)]
        refold: bool,
        #[command(flatten)]
        about: AboutArguments,
    },
}

/// Whose policy it is.
#[derive(clap::Args)]
struct AboutArguments {
    /// The workspace [default: default]
    #[arg(long, value_name = "NAME")]
    workspace: Option<String>,
    /// JSON in one line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: PlaceArguments,
}

pub(crate) async fn run(arguments: PolicyArguments) -> anyhow::Result<Outcome> {
    log::start("warn")?;
    let (command, method, path, file, about) = match arguments.act {
        Act::Show { about } => ("policy show", Method::GET, "/v1/policy".to_owned(), None, about),
        Act::Preview { file, about } => {
            ("policy preview", Method::POST, "/v1/policy/preview".to_owned(), Some(file), about)
        }
        Act::Set { file, refold, about } => {
            ("policy set", Method::PUT, format!("/v1/policy?refold={refold}"), Some(file), about)
        }
    };
    let body = file.map(|file| read(&file)).transpose()?;
    let question = Question { command, method, path, body, workspace: about.workspace.as_deref() };
    let answer = match question.ask(&about.place.database()?).await?.success()? {
        Ok(answer) => answer,
        Err(no) => return Ok(no),
    };
    if about.json {
        put(&answer)?;
    } else {
        let answer: Value = serde_json::from_str(&answer)?;
        put(&format!("{answer:#}"))?;
    }
    Ok(Outcome::Done)
}

fn read(file: &PathBuf) -> anyhow::Result<Value> {
    let text = std::fs::read_to_string(file).with_context(|| format!("can't read {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no JSON", file.display()))
}

//! `selfsame identify`: one observation, against a database or through the server that has it open.

use axum::http::Method;

use crate::ask::Question;
use crate::database::Database;
use crate::settings::DatabaseSettings;
use crate::{CommonArguments, Outcome, log, put};

#[derive(clap::Args)]
pub(crate) struct IdentifyArguments {
    /// The e-mail address that was seen
    #[arg(long)]
    email: Option<String>,
    /// The phone number that was seen
    #[arg(long, allow_hyphen_values = true)]
    phone: Option<String>,
    /// The workspace that it was seen in [default: default]
    #[arg(long, value_name = "NAME")]
    workspace: Option<String>,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    common: CommonArguments,
}

pub(crate) async fn run(arguments: IdentifyArguments) -> anyhow::Result<Outcome> {
    log::start("warn")?;
    let database = Database::of_command(arguments.database, &arguments.common)?;
    let seen = serde_json::json!({ "email": arguments.email, "phoneNumber": arguments.phone });
    let question = Question {
        command: "identify",
        method: Method::POST,
        path: "/identify".to_owned(),
        body: Some(seen),
        workspace: arguments.workspace.as_deref(),
    };
    match question.ask(&database).await?.success()? {
        Ok(customer) => put(&customer).map(|()| Outcome::Done),
        Err(no) => Ok(no),
    }
}

//! `selfsame identify`: one observation, against a database or through the server that has it open.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use selfsame_api::{ApiSettings, Measurements, ResponseSpelling, router};
use selfsame_rules::Actor;
use selfsame_service::{Engine, EngineSettings, SystemClock};
use selfsame_store::{Migrations, Store, WorkspaceKey};
use selfsame_store_sqlite::{OpenError, SqliteStore};
use serde_json::Value;

use crate::database::{COMMAND_PATIENCE, Database};
use crate::settings::DatabaseSettings;
use crate::{CommonArguments, Outcome, command_socket, log, put, say};

#[derive(clap::Args)]
pub(crate) struct IdentifyArguments {
    /// The e-mail address that was seen
    #[arg(long)]
    email: Option<String>,
    /// The phone number that was seen
    #[arg(long, allow_hyphen_values = true)]
    phone: Option<String>,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    common: CommonArguments,
}

pub(crate) async fn run(arguments: IdentifyArguments) -> anyhow::Result<Outcome> {
    log::start("warn")?;
    let database = Database::of_command(arguments.database, &arguments.common)?;
    let seen = serde_json::json!({ "email": arguments.email, "phoneNumber": arguments.phone });
    let (status, body) = answer(&database, &seen.to_string()).await?;
    if status == StatusCode::OK {
        put(&body)?;
        return Ok(Outcome::Done);
    }
    let problem: Value = serde_json::from_str(&body).unwrap_or_default();
    let detail = problem["detail"].as_str().unwrap_or("the server gave no reason");
    if status.is_client_error() {
        say(&format!("error: {detail}"));
        return Ok(Outcome::No);
    }
    anyhow::bail!("{detail}")
}

/// The status and body of the answer, from whoever may write: this process, or the server that has the lock.
async fn answer(database: &Database, seen: &str) -> anyhow::Result<(StatusCode, String)> {
    let Some(file) = database.file() else {
        return answer_here(database.open(Migrations::Expect, COMMAND_PATIENCE).await?, seen).await;
    };
    let socket = SqliteStore::socket_of(file)?;
    let began = Instant::now();
    loop {
        let in_use = match SqliteStore::open(file, Migrations::Apply) {
            Ok(store) => return answer_here(Arc::new(store), seen).await,
            Err(error @ OpenError::InUse { .. }) => error,
            Err(error) => return Err(error.into()),
        };
        match command_socket::send(&socket, request(seen)?).await {
            Ok(response) => return read(response).await,
            // Whoever has the lock is no server, or one that is just starting or ending.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {}
            Err(error) => {
                return Err(error).context(
                    "the server that has the database open did not answer\n\
                     hint: the observation may or may not be stored; the same command again is safe",
                );
            }
        }
        if began.elapsed() > COMMAND_PATIENCE {
            return Err(in_use.into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn answer_here(store: Arc<dyn Store>, seen: &str) -> anyhow::Result<(StatusCode, String)> {
    let engine =
        Engine::start(store, Arc::new(SystemClock), WorkspaceKey::DEFAULT, EngineSettings::default());
    let settings = ApiSettings {
        response_spelling: ResponseSpelling::Original,
        body_timeout: COMMAND_PATIENCE,
        actor: Actor::named("selfsame identify"),
        measurements: Measurements::none(),
    };
    let response = selfsame_api::answer(&router(engine.clone(), settings), request(seen)?).await;
    let answer = read(response).await;
    engine.drain().await?;
    answer
}

fn request(seen: &str) -> anyhow::Result<Request<Body>> {
    let request =
        Request::post("/identify").header(HOST, "localhost").header(CONTENT_TYPE, "application/json");
    Ok(request.body(Body::from(seen.to_owned()))?)
}

async fn read<B>(response: Response<B>) -> anyhow::Result<(StatusCode, String)>
where
    B: axum::body::HttpBody,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    Ok((status, String::from_utf8(body.into())?))
}

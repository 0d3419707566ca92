//! Asking whoever may write: this process, or the server that has the database open. Both are asked by HTTP, so that a
//! command does exactly what a request does.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use selfsame_api::{Admission, ApiSettings, Measurements, ResponseSpelling, ShopifySecrets, router};
use selfsame_rules::Actor;
use selfsame_service::{EngineSettings, Installation, SystemClock, WebhookSettings};
use selfsame_store::{Migrations, Store};
use selfsame_store_sqlite::{OpenError, SqliteStore};
use serde_json::Value;

use crate::database::{COMMAND_PATIENCE, Database};
use crate::{Outcome, command_socket, say};

/// What a command asks.
pub(crate) struct Question<'command> {
    /// The command, as events name it: `keys create`.
    pub(crate) command: &'static str,
    pub(crate) method: Method,
    /// The path and the query.
    pub(crate) path: String,
    /// JSON.
    pub(crate) body: Option<Value>,
    pub(crate) workspace: Option<&'command str>,
}

/// What was answered.
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
}

impl Question<'_> {
    /// The answer to it, whatever its status.
    pub(crate) async fn ask(&self, database: &Database) -> anyhow::Result<Answered> {
        self.ask_with(database, WebhookSettings::default()).await
    }

    /// The same; `webhooks`: where these may lead to, if no server is asked.
    pub(crate) async fn ask_with(
        &self,
        database: &Database,
        webhooks: WebhookSettings,
    ) -> anyhow::Result<Answered> {
        let Some(file) = database.file() else {
            let store = database.open(Migrations::Expect, COMMAND_PATIENCE).await?;
            return self.ask_here(store, webhooks).await;
        };
        // Whoever only asks should not find an empty database made in the wrong folder.
        if self.method == Method::GET && !file.exists() {
            bail!(
                "there is no database `{}`\n\
                 hint: `selfsame serve` makes it; `--database-url` or DATABASE_URL names another",
                file.display()
            );
        }
        let socket = SqliteStore::socket_of(file)?;
        let began = Instant::now();
        loop {
            let in_use = match SqliteStore::open(file, Migrations::Apply) {
                Ok(store) => return self.ask_here(Arc::new(store), webhooks).await,
                Err(error @ OpenError::InUse { .. }) => error,
                Err(error) => return Err(error.into()),
            };
            match command_socket::send(&socket, self.request()?).await {
                Ok(response) => return read(response).await,
                // Whoever has the lock is no server, or one that is just starting or ending.
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                }
                Err(error) => {
                    return Err(error).context(
                        "the server that has the database open did not answer\n\
                         hint: it may or may not be done; look before you repeat it",
                    );
                }
            }
            if began.elapsed() > COMMAND_PATIENCE {
                return Err(in_use.into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn ask_here(&self, store: Arc<dyn Store>, webhooks: WebhookSettings) -> anyhow::Result<Answered> {
        let installation =
            Installation::start(store, Arc::new(SystemClock), EngineSettings::default()).await?;
        let settings = ApiSettings {
            response_spelling: ResponseSpelling::Original,
            body_timeout: COMMAND_PATIENCE,
            actor: Actor::named("a command"),
            admission: Admission::Commands,
            cors: None,
            measurements: Measurements::none(),
            webhooks,
            shopify_secrets: ShopifySecrets::default(),
        };
        let response = selfsame_api::answer(&router(installation.clone(), settings), self.request()?).await;
        let answer = read(response).await;
        // There may be no server that does it.
        if let Err(error) = installation.sweep().await {
            tracing::warn!(%error, "what is left of erased workspaces could not be deleted; the next server does it");
        }
        installation.drain().await?;
        answer
    }

    fn request(&self) -> anyhow::Result<Request<Body>> {
        let mut request = Request::builder()
            .method(&self.method)
            .uri(&self.path)
            .header(HOST, "localhost")
            .header("selfsame-command", self.command);
        if let Some(workspace) = self.workspace {
            request = request.header("selfsame-workspace", workspace);
        }
        Ok(match &self.body {
            Some(body) => {
                request.header(CONTENT_TYPE, "application/json").body(Body::from(body.to_string()))?
            }
            None => request.body(Body::empty())?,
        })
    }
}

impl Answered {
    /// The text of a success; where the answer is no, that is told, and where it could not be given, an error.
    pub(crate) fn success(self) -> anyhow::Result<Result<String, Outcome>> {
        if self.status.is_success() {
            return Ok(Ok(self.text));
        }
        let problem: Value = serde_json::from_str(&self.text).unwrap_or_default();
        let detail = problem["detail"].as_str().unwrap_or("the server gave no reason");
        if self.status.is_client_error() {
            say(&format!("error: {detail}"));
            return Ok(Err(Outcome::No));
        }
        bail!("{detail}")
    }
}

async fn read<B>(response: Response<B>) -> anyhow::Result<Answered>
where
    B: axum::body::HttpBody,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    Ok(Answered { status, text: String::from_utf8(body.into())? })
}

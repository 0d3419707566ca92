//! Asking whoever may write: this process, or the server that has the database open. Both are asked by HTTP, so that a
//! command does exactly what a request does.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::request::Builder;
use axum::http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use selfsame_api::{Admission, Api, ApiSettings, Measurements, ResponseSpelling, ShopifySecrets, router};
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

/// A body that is no JSON.
pub(crate) struct Sent<'command> {
    pub(crate) content_type: &'static str,
    /// Makes it anew for each attempt. Of one that was not read yet, nothing is lost.
    pub(crate) body: &'command (dyn Fn() -> Body + Sync),
}

/// What was answered.
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
}

/// Whoever may write.
pub(crate) enum Writer {
    /// This process: it has the database open.
    Here(Box<Here>),
    /// The server that listens there.
    Beside(PathBuf),
}

/// A database that this process has open, and the interface to it.
pub(crate) struct Here {
    installation: Installation,
    api: Api,
}

impl Writer {
    /// Opens the database, or finds the server that has it open. `webhooks`: where these may lead to, if no server is asked.
    pub(crate) async fn of(database: &Database, webhooks: WebhookSettings) -> anyhow::Result<Self> {
        let Some(file) = database.file() else {
            let store = database.open(Migrations::Expect, COMMAND_PATIENCE).await?;
            return Self::here(store, webhooks).await;
        };
        let socket = SqliteStore::socket_of(file)?;
        let began = Instant::now();
        loop {
            let in_use = match SqliteStore::open(file, Migrations::Apply) {
                Ok(store) => return Self::here(Arc::new(store), webhooks).await,
                Err(error @ OpenError::InUse { .. }) => error,
                Err(error) => return Err(error.into()),
            };
            match command_socket::listens(&socket).await {
                Ok(()) => return Ok(Self::Beside(socket)),
                // Whoever has the lock is no server, or one that is just starting or ending.
                Err(error) if is_nobody(&error) => {}
                Err(error) => return Err(error).context(NO_ANSWER),
            }
            if began.elapsed() > COMMAND_PATIENCE {
                return Err(in_use.into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn here(store: Arc<dyn Store>, webhooks: WebhookSettings) -> anyhow::Result<Self> {
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
            pages: None,
        };
        let api = router(installation.clone(), settings);
        Ok(Self::Here(Box::new(Here { installation, api })))
    }

    /// The answer to a request, whose body comes as it is read.
    ///
    /// # Errors
    ///
    /// Of kind `NotFound` or `ConnectionRefused` if the server has ended meanwhile.
    pub(crate) async fn send(&self, request: Request<Body>) -> io::Result<Response<Body>> {
        match self {
            Self::Here(here) => Ok(selfsame_api::answer(&here.api, request).await),
            Self::Beside(socket) => Ok(command_socket::send(socket, request).await?.map(Body::new)),
        }
    }

    /// Leaves the database tidy.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        let Self::Here(here) = self else { return Ok(()) };
        // There may be no server that does it.
        if let Err(error) = here.installation.sweep().await {
            tracing::warn!(%error, "what is left of erased workspaces could not be deleted; the next server does it");
        }
        Ok(here.installation.drain().await?)
    }
}

/// What is said where the server has a request and gave no answer.
pub(crate) const NO_ANSWER: &str = "the server that has the database open did not answer\n\
     hint: it may or may not be done; look before you repeat it";

/// Whether nobody listens.
fn is_nobody(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

/// A request of a command's, to be given its body.
pub(crate) fn request(command: &str, method: &Method, path: &str, workspace: Option<&str>) -> Builder {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, "localhost")
        .header("selfsame-command", command);
    if let Some(workspace) = workspace {
        request = request.header("selfsame-workspace", workspace);
    }
    request
}

impl Question<'_> {
    /// The answer to it, whatever its status.
    pub(crate) async fn ask(&self, database: &Database) -> anyhow::Result<Answered> {
        self.ask_in_full(database, WebhookSettings::default(), None).await
    }

    /// The same, with a body of another kind.
    pub(crate) async fn ask_sending(&self, database: &Database, sent: &Sent<'_>) -> anyhow::Result<Answered> {
        self.ask_in_full(database, WebhookSettings::default(), Some(sent)).await
    }

    /// The same; `webhooks`: where these may lead to, if no server is asked.
    pub(crate) async fn ask_with(
        &self,
        database: &Database,
        webhooks: WebhookSettings,
    ) -> anyhow::Result<Answered> {
        self.ask_in_full(database, webhooks, None).await
    }

    async fn ask_in_full(
        &self,
        database: &Database,
        webhooks: WebhookSettings,
        sent: Option<&Sent<'_>>,
    ) -> anyhow::Result<Answered> {
        // Whoever only asks should not find an empty database made in the wrong folder.
        if let Some(file) = database.file()
            && self.method == Method::GET
            && !file.exists()
        {
            bail!(
                "there is no database `{}`\n\
                 hint: `selfsame serve` makes it; `--database-url` or DATABASE_URL names another",
                file.display()
            );
        }
        loop {
            let writer = Writer::of(database, webhooks).await?;
            match writer.send(self.request(sent)?).await {
                Ok(response) => {
                    let answer = read(response).await;
                    writer.close().await?;
                    return answer;
                }
                // It has ended meanwhile.
                Err(error) if is_nobody(&error) => {}
                Err(error) => return Err(error).context(NO_ANSWER),
            }
        }
    }

    fn request(&self, sent: Option<&Sent<'_>>) -> anyhow::Result<Request<Body>> {
        let request = request(self.command, &self.method, &self.path, self.workspace);
        if let Some(Sent { content_type, body }) = sent {
            return Ok(request.header(CONTENT_TYPE, *content_type).body(body())?);
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

/// The whole answer.
pub(crate) async fn read(response: Response<Body>) -> anyhow::Result<Answered> {
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    Ok(Answered { status, text: String::from_utf8(body.into())? })
}

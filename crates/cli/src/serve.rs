//! `selfsame serve`: opens the store, listens, greets, and drains at SIGTERM.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use selfsame_api::{
    Admission, ApiSettings, Cors, Edge, Measurements, Pages, ResponseSpelling, ServerSettings,
    ShopifySecrets, TcpAcceptor, router,
};
use selfsame_console::{ConsoleSettings, console};
use selfsame_rules::Actor;
use selfsame_service::{
    ADMIN_KEY_CHARACTERS_MIN, AdminKey, EngineSettings, Installation, SystemClock, WebhookSettings,
};
use selfsame_store::Migrations;
use selfsame_store_sqlite::SqliteStore;
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::database::Database;
use crate::settings::{LogFormat, Settings, load_file, variable};
use crate::traces::Traces;
use crate::{CommonArguments, Outcome, certificate, command_socket, log, measure, open_files, say};

/// The most commands that are served at once.
const COMMANDS_MAX: usize = 32;

#[derive(clap::Args)]
pub(crate) struct ServeArguments {
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    common: CommonArguments,
}

pub(crate) async fn run(arguments: ServeArguments) -> anyhow::Result<Outcome> {
    let settings = arguments.settings.or(load_file(arguments.common.config.as_deref())?);
    let log_format = settings.telemetry.log_format.unwrap_or_default();
    let traces = Traces::start(&settings.telemetry)?;
    log::start_as(log_format, settings.log.as_deref().unwrap_or("info"), traces.listener())?;
    let database = Database::chosen_by(&settings.database)?;
    let addresses = addresses(&settings).await?;
    let admin_key = admin_key(&settings)?;
    let admission = admission(&settings, &addresses);
    if admission == Admission::Keys
        && admin_key.is_none()
        && database.file().is_some_and(|file| !file.exists())
    {
        // Before a file is made.
        return Err(nobody_may_enter(&addresses));
    }
    let edge = edge(&settings)?;
    let shopify_secrets = settings.sources.shopify_secrets()?;

    // From here on SIGTERM ends the server as it should, even while it starts.
    let (stop, stopping) = watch::channel(false);
    stop_at_signals(stop)?;
    // Before there is anything that would be measured.
    let measurements = measure::start()?;
    let migrations = if settings.migrate.unwrap_or(true) { Migrations::Apply } else { Migrations::Expect };
    // A little less, so that the store's own word on what became of a change comes in time.
    let store = database.open(migrations, answer_timeout(&settings) * 9 / 10).await?;
    let socket = database.file().map(SqliteStore::socket_of).transpose()?;
    let installation = Installation::start(store, Arc::new(SystemClock), engine_settings(&settings)).await?;
    if let Some(text) = &admin_key {
        give_admin_key(&installation, text).await?;
    }
    let has_key = installation.current().await?.has_usable_key(installation.now());
    if admission == Admission::Keys && !has_key {
        installation.drain().await?;
        return Err(nobody_may_enter(&addresses));
    }
    let listener = TcpListener::bind(addresses.as_slice()).await.with_context(|| {
        format!("can't listen on {}\nhint: is another server there? --port chooses another", list(&addresses))
    })?;
    let address = listener.local_addr()?;

    let scheme = if edge.tls.is_some() { "https" } else { "http" };
    let server = server_settings(&settings, edge);
    warn_of_missing_workspaces(&installation, &shopify_secrets).await?;
    let console = console(
        installation.clone(),
        ConsoleSettings { admission, body_timeout: receive_timeout(&settings) },
    );
    let public = ApiSettings {
        admission,
        pages: Some(Pages { router: console.router, templates: console.templates, home: console.home }),
        response_spelling: spelling(&settings),
        ..api_settings(&settings, &measurements, &shopify_secrets)
    };
    // Commands print what they get; they always get the original's spelling.
    let commands = api_settings(&settings, &measurements, &shopify_secrets);
    let commands_listener = socket.as_deref().and_then(listen_for_commands);
    let listener = TcpAcceptor::new(listener);
    let at_commands =
        ServerSettings { connections_max: COMMANDS_MAX, edge: Edge::default(), ..server.clone() };
    let serving = selfsame_api::serve(
        listener,
        router(installation.clone(), public),
        server,
        stopped(stopping.clone()),
    );
    let serving_commands = async {
        if let Some(listener) = commands_listener {
            let commands = router(installation.clone(), commands);
            selfsame_api::serve(listener, commands, at_commands, stopped(stopping.clone())).await;
        }
    };
    let retiring = async {
        stopped(stopping.clone()).await;
        installation.retire();
    };
    let webhook_settings = WebhookSettings {
        connections_max: open_files::connections_to_endpoints_max(),
        ..settings.webhooks.settings()
    };
    let webhooks = selfsame_api::webhooks(&installation, webhook_settings);
    let delivering = webhooks.deliver(stopping.clone(), drain_timeout(&settings));
    let watched = installation.default_engine().clone();
    let watching = tokio::spawn(async move { watched.watch().await });
    greet(&format!("{scheme}://{address}"), &database, log_format);
    // Retired before a listener is closed: whoever then still gets in is told.
    tokio::join!(retiring, serving, serving_commands, delivering);
    watching.abort();

    tracing::info!("draining: committing what waits");
    // While the lock is still ours: a moment later the socket could be that of the next server.
    if let Some(Err(error)) = socket.map(std::fs::remove_file) {
        tracing::debug!(%error, "the socket for commands was gone already");
    }
    let drained = installation.drain().await;
    traces.flush().await;
    drained?;
    tracing::info!("ended");
    Ok(Outcome::Done)
}

fn listen_for_commands(socket: &Path) -> Option<UnixListener> {
    command_socket::listen(socket)
        .inspect_err(|error| {
            tracing::warn!(
                %error, socket = %socket.display(),
                "commands that write can't reach this server: its socket can't be made"
            );
        })
        .ok()
}

/// The addresses of `--host` and `--port`.
pub(crate) async fn addresses(settings: &Settings) -> anyhow::Result<Vec<SocketAddr>> {
    let host = settings.host.as_deref().unwrap_or("127.0.0.1");
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let port = settings.port.unwrap_or(3000);
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, port))
        .await
        .with_context(|| format!("HOST `{host}` is no address\nhint: for example 127.0.0.1"))?
        .collect();
    Ok(addresses)
}

/// Who needs a key: where strangers could come, everybody.
fn admission(settings: &Settings, addresses: &[SocketAddr]) -> Admission {
    if settings.insecure_no_auth.unwrap_or(false) {
        tracing::warn!("no key is asked for: whoever reaches this address may read and write every customer");
        Admission::Everybody
    } else if addresses.iter().all(|address| address.ip().is_loopback()) {
        Admission::KeysOnceMade
    } else {
        Admission::Keys
    }
}

/// The refusal to serve strangers where nobody could be asked for a key.
pub(crate) fn nobody_may_enter(addresses: &[SocketAddr]) -> anyhow::Error {
    let host = addresses.first().map(|address| address.ip().to_string()).unwrap_or_default();
    anyhow::anyhow!(
        "HOST {host} can be reached from other machines, and there is no key that anybody could be asked for\n\
         hint: set SELFSAME_ADMIN_KEY, or make a key with `selfsame keys create`; or say --insecure-no-auth, and whoever \
         reaches the port may read and write every customer"
    )
}

pub(crate) fn another_key() -> anyhow::Error {
    anyhow::anyhow!(
        "SELFSAME_ADMIN_KEY is a key that was made for something else\nhint: `openssl rand -hex 32` makes one"
    )
}

/// The key that the environment or a file gives, if it can't be guessed.
pub(crate) fn admin_key(settings: &Settings) -> anyhow::Result<Option<String>> {
    let given = variable()?("SELFSAME_ADMIN_KEY").or_else(|| settings.admin_key.clone());
    let Some(text) = given.filter(|text| !text.is_empty()) else { return Ok(None) };
    if text.chars().count() < ADMIN_KEY_CHARACTERS_MIN {
        bail!(
            "SELFSAME_ADMIN_KEY is shorter than {ADMIN_KEY_CHARACTERS_MIN} characters\nhint: `openssl rand -hex 32` makes one"
        );
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':') {
        bail!(
            "SELFSAME_ADMIN_KEY has a character that a header can't bring\n\
             hint: letters, digits and signs but the colon; `openssl rand -hex 32` makes one"
        );
    }
    Ok(Some(text))
}

async fn give_admin_key(installation: &Installation, text: &str) -> anyhow::Result<()> {
    match installation.ensure_admin_key(text, &Actor::named("SELFSAME_ADMIN_KEY")).await? {
        AdminKey::Usable => {}
        AdminKey::Made => tracing::info!("SELFSAME_ADMIN_KEY is a key now"),
        AdminKey::Revoked => {
            tracing::warn!("SELFSAME_ADMIN_KEY was revoked, and stays so; give another, or leave it out");
        }
        AdminKey::Another => return Err(another_key()),
    }
    Ok(())
}

fn list(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn engine_settings(settings: &Settings) -> EngineSettings {
    let default = EngineSettings::default();
    let or = |given: Option<u32>, default| given.map_or(default, |given| given as usize);
    EngineSettings {
        queue_length_max: or(settings.queue_length_max, default.queue_length_max),
        batch_observations_max: or(settings.batch_observations_max, default.batch_observations_max),
        queue_wait_max: settings.limits.queue_wait_max(),
        answer_timeout: answer_timeout(settings),
    }
}

fn answer_timeout(settings: &Settings) -> Duration {
    settings.answer_timeout_seconds.map_or(EngineSettings::default().answer_timeout, Duration::from_secs)
}

/// What stands before the server.
fn edge(settings: &Settings) -> anyhow::Result<Edge> {
    let tls = settings.tls.files()?.map(certificate::follow).transpose()?;
    let trusted_proxies = settings.edge.trusted_proxies.clone().unwrap_or_default();
    let cors = settings.edge.cors_origins.clone();
    if cors == Some(Cors::Every) {
        tracing::warn!(
            "every web page that somebody who can reach this address opens may use the API from there"
        );
    }
    Ok(Edge { tls, trusted_proxies, cors })
}

fn server_settings(settings: &Settings, edge: Edge) -> ServerSettings {
    ServerSettings {
        header_timeout: receive_timeout(settings),
        send_timeout: settings.limits.send_timeout(),
        connections_max: open_files::connections_max(settings.limits.connections_max),
        drain_timeout: drain_timeout(settings),
        edge,
    }
}

fn receive_timeout(settings: &Settings) -> Duration {
    Duration::from_secs(settings.receive_timeout_seconds.unwrap_or(30))
}

fn drain_timeout(settings: &Settings) -> Duration {
    Duration::from_secs(settings.drain_timeout_seconds.unwrap_or(20))
}

fn spelling(settings: &Settings) -> ResponseSpelling {
    settings.response_spelling.map(Into::into).unwrap_or_default()
}

/// How the API answers commands.
fn api_settings(
    settings: &Settings,
    measurements: &Measurements,
    shopify_secrets: &ShopifySecrets,
) -> ApiSettings {
    ApiSettings {
        response_spelling: ResponseSpelling::Original,
        body_timeout: receive_timeout(settings),
        actor: Actor::named("POST /identify"),
        admission: Admission::Commands,
        cors: settings.edge.cors_origins.clone(),
        measurements: measurements.clone(),
        shopify_secrets: shopify_secrets.clone(),
        webhooks: settings.webhooks.settings(),
        pages: None,
    }
}

/// Says which workspaces of Shopify's secrets aren't there: what comes for these is refused.
async fn warn_of_missing_workspaces(
    installation: &Installation,
    secrets: &ShopifySecrets,
) -> anyhow::Result<()> {
    let snapshot = installation.current().await?;
    for workspace in secrets.workspaces().filter(|name| snapshot.workspace_named(name.as_str()).is_none()) {
        tracing::warn!(%workspace, "SELFSAME_SHOPIFY_SECRETS names a workspace that isn't there");
    }
    Ok(())
}

/// Says once, to all who listen, that a signal asked for the end.
fn stop_at_signals(stop: watch::Sender<bool>) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.send_replace(true);
    });
    Ok(())
}

async fn stopped(mut stopping: watch::Receiver<bool>) {
    // An error means that the sender is gone, and it only goes after it has sent.
    let _ = stopping.wait_for(|stop| *stop).await;
}

fn greet(url: &str, database: &Database, log_format: LogFormat) {
    let version = env!("CARGO_PKG_VERSION");
    if log_format == LogFormat::Json {
        return tracing::info!(version, address = url, %database, "ready");
    }
    // The certificate is hardly for the address of a machine.
    let flags = if url.starts_with("https:") { "-sk" } else { "-s" };
    say(&format!(
        "selfsame {version} is ready\n\
         \x20 address   {url}\n\
         \x20 database  {database}\n\
         \x20 try it    curl {flags} {url}/identify -H 'content-type: application/json' \\\n\
         \x20             -d '{{\"email\":\"lorraine@hillvalley.edu\",\"phoneNumber\":\"123456\"}}'",
    ));
}

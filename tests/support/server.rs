//! A server within the test's process, on a free port, over a store that the test chooses.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use selfsame_api::{
    Admission, ApiSettings, Edge, Measurements, Pages, PeerAddress, ResponseSpelling, ServerSettings,
    ShopifySecrets, TcpAcceptor, router, webhooks,
};
use selfsame_console::{Console, ConsoleSettings, console as console_of};
use selfsame_rules::Actor;
use selfsame_service::{Clock, Engine, EngineSettings, Installation, SystemClock, WebhookSettings};
use selfsame_store::{Migrations, Store};
use selfsame_store_postgres::{ConnectionSettings, PostgresStore};
use selfsame_store_sqlite::SqliteStore;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::client::Client;

/// How long running requests may take to end.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);

/// How a test's server differs from the usual one.
pub struct ServerOptions {
    pub clock: Arc<dyn Clock>,
    pub engine: EngineSettings,
    pub response_spelling: ResponseSpelling,
    pub receive_timeout: Duration,
    pub measurements: Measurements,
    pub connections_max: usize,
    pub admission: Admission,
    pub edge: Edge,
    /// Whether webhooks are delivered, and how.
    pub webhooks: Option<WebhookSettings>,
    pub shopify_secrets: ShopifySecrets,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            engine: EngineSettings::default(),
            response_spelling: ResponseSpelling::Original,
            receive_timeout: Duration::from_secs(30),
            measurements: Measurements::none(),
            connections_max: 20_000,
            admission: Admission::KeysOnceMade,
            edge: Edge::default(),
            webhooks: None,
            shopify_secrets: ShopifySecrets::default(),
        }
    }
}

/// A running server. Dropped, it is gone without draining.
pub struct TestServer {
    pub address: SocketAddr,
    /// The engine of the default workspace.
    pub engine: Engine,
    pub installation: Installation,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    delivering: Option<JoinHandle<()>>,
}

impl TestServer {
    /// Serves `store` on a free port of loopback.
    pub async fn start(store: Arc<dyn Store>, options: ServerOptions) -> Self {
        Self::start_taking(TcpAcceptor::new, store, options).await
    }

    /// The same, with connections taken in a way of its own.
    pub async fn start_taking<L: Listener<Addr: PeerAddress>>(
        take: impl FnOnce(TcpListener) -> L,
        store: Arc<dyn Store>,
        options: ServerOptions,
    ) -> Self {
        let installation = Installation::start(store, options.clock, options.engine).await;
        let installation = installation.expect("the store tells its workspaces and keys");
        let engine = installation.default_engine().clone();
        let console = ConsoleSettings { admission: options.admission, body_timeout: options.receive_timeout };
        let Console { router: pages, templates, home } = console_of(installation.clone(), console);
        let settings = ApiSettings {
            response_spelling: options.response_spelling,
            body_timeout: options.receive_timeout,
            actor: Actor::named("POST /identify"),
            admission: options.admission,
            cors: options.edge.cors.clone(),
            measurements: options.measurements,
            webhooks: options.webhooks.unwrap_or_default(),
            shopify_secrets: options.shopify_secrets,
            pages: Some(Pages { router: pages, templates, home }),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (stop, mut stopping) = watch::channel(false);
        let server = ServerSettings {
            header_timeout: options.receive_timeout,
            send_timeout: options.receive_timeout,
            connections_max: options.connections_max,
            drain_timeout: DRAIN_TIMEOUT,
            edge: options.edge,
        };
        let delivering = options.webhooks.map(|settings| {
            let (webhooks, stopping) = (webhooks(&installation, settings), stopping.clone());
            tokio::spawn(async move { webhooks.deliver(stopping, DRAIN_TIMEOUT).await })
        });
        let serving = tokio::spawn(selfsame_api::serve(
            take(listener),
            router(installation.clone(), settings),
            server,
            async move { drop(stopping.wait_for(|stop| *stop).await) },
        ));
        Self { address, engine, installation, stop, serving, delivering }
    }

    /// A client of this server.
    pub async fn client(&self) -> Client {
        Client::connect(self.address).await.expect("the server accepts connections")
    }

    /// Ends the server as SIGTERM does: running requests end, waiting changes are committed.
    pub async fn drain(self) {
        self.stop.send_replace(true);
        self.serving.await.expect("the server ends without a panic");
        if let Some(delivering) = self.delivering {
            delivering.await.expect("no delivery panics");
        }
        self.installation.drain().await.expect("the store closes");
    }
}

/// A new SQLite store in a folder of its own, which goes with the returned handle.
pub fn sqlite_store() -> (TempDir, Arc<SqliteStore>) {
    let folder = tempfile::tempdir().expect("there is room for a temporary folder");
    let store = open_sqlite(&folder.path().join("selfsame.db"));
    (folder, store)
}

/// The SQLite store of that file.
pub fn open_sqlite(path: &Path) -> Arc<SqliteStore> {
    Arc::new(SqliteStore::open(path, Migrations::Apply).unwrap_or_else(|error| panic!("{error}")))
}

/// The PostgreSQL store of that URL: a replica of its own.
pub async fn open_postgres(url: &str) -> Arc<PostgresStore> {
    open_postgres_within(url, EngineSettings::default().answer_timeout).await
}

/// The same, whose answers may take so long.
pub async fn open_postgres_within(url: &str, answer_within: Duration) -> Arc<PostgresStore> {
    let settings = ConnectionSettings::parse(url, |_| None).unwrap_or_else(|error| panic!("{error}"));
    let store = PostgresStore::open(&settings, Migrations::Apply, answer_within).await;
    Arc::new(store.unwrap_or_else(|error| panic!("{error}")))
}

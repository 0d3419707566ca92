//! The API over an engine and a store of its own, asked without a network: what most targets knock at.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::stream;
use http_body_util::BodyExt;
use hyper::Request;
use hyper::header::{CONTENT_TYPE, HOST};
use selfsame_api::{
    Admission, Api, ApiSettings, Measurements, ResponseSpelling, ShopifySecrets, answer, router,
};
use selfsame_rules::Actor;
use selfsame_service::{EngineSettings, Installation, SystemClock, WebhookSettings};
use selfsame_store::Migrations;
use selfsame_store_sqlite::SqliteStore;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use super::documented::Reply;
use crate::gated::GatedStore;

/// Small jobs, so that a short body already is several.
const JOB_LINES_MAX: usize = 3;

/// After so many requests a door is replaced: an input that only does harm after very many others is not sought, and
/// the store stays small.
const REQUESTS_MAX: usize = 2_000;

/// A database in memory, as far as the system has such a place: nothing here is about disks.
pub(super) fn folder_in_memory() -> TempDir {
    let folder = tempfile::Builder::new().prefix("selfsame-fuzz-").tempdir_in("/dev/shm");
    folder.or_else(|_| tempfile::tempdir()).expect("there is room for a temporary folder")
}

/// A key with every scope to every workspace of a door that asks for one.
pub(super) const KEY: &str = "a-key-that-only-this-program-knows-0001";

/// With what Shopify would sign webhooks of a door.
pub(super) const SHOPIFY_SECRET: &str = "shpss_00000000000000000000000000000001";

/// The API of a new database without customers, with its store and its folder.
pub(super) async fn api(admission: Admission) -> (Api, Arc<GatedStore>, TempDir) {
    let folder = folder_in_memory();
    let store = SqliteStore::open(&folder.path().join("selfsame.db"), Migrations::Apply);
    let store = store.unwrap_or_else(|error| panic!("{error}"));
    // It counts what is written.
    let store = GatedStore::refusing(Arc::new(store), Vec::new());
    let settings = EngineSettings { batch_observations_max: JOB_LINES_MAX, ..EngineSettings::default() };
    let installation = Installation::start(store.clone(), Arc::new(SystemClock), settings).await;
    let installation = installation.unwrap_or_else(|error| panic!("{error}"));
    let settings = ApiSettings {
        response_spelling: ResponseSpelling::Original,
        body_timeout: Duration::from_secs(30),
        actor: Actor::named("POST /identify"),
        admission,
        cors: None,
        measurements: Measurements::none(),
        webhooks: WebhookSettings::default(),
        shopify_secrets: SHOPIFY_SECRET.parse::<ShopifySecrets>().expect("it is long enough"),
        pages: None,
    };
    if admission == Admission::Keys {
        let made = installation.ensure_admin_key(KEY, &Actor::named("fuzz")).await;
        made.unwrap_or_else(|error| panic!("{error}"));
    }
    (router(installation, settings), store, folder)
}

/// A runtime on this thread.
pub(super) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("the system gives a runtime")
}

/// A router over a database of its own.
pub(super) struct Door {
    runtime: Runtime,
    api: Api,
    store: Arc<GatedStore>,
    requests: usize,
    _folder: TempDir,
}

impl Door {
    pub(super) fn new() -> Self {
        Self::asking(Admission::KeysOnceMade)
    }

    /// One that lets in whom `admission` says.
    pub(super) fn asking(admission: Admission) -> Self {
        let runtime = runtime();
        let (api, store, folder) = runtime.block_on(api(admission));
        Self { runtime, api, store, requests: 0, _folder: folder }
    }

    /// Whether it has been asked often enough.
    pub(super) fn is_worn(&self) -> bool {
        self.requests >= REQUESTS_MAX
    }

    /// How often something was written so far.
    pub(super) fn writes(&self) -> usize {
        self.store.writes()
    }

    /// The whole answer to a request.
    pub(super) fn ask(&mut self, request: Request<Body>) -> Reply {
        self.requests += 1;
        self.runtime.block_on(async {
            let (head, body) = answer(&self.api, request).await.into_parts();
            let body = body.collect().await.expect("an answer comes to its end").to_bytes();
            Reply { status: head.status.as_u16(), headers: head.headers, body }
        })
    }

    /// `POST /identify` with `body` in one piece.
    pub(super) fn identify(&mut self, body: &[u8]) -> Reply {
        self.ask(post("/identify", "application/json", Bytes::copy_from_slice(body).into()))
    }

    /// `POST` to `path` with `body` in pieces of so many bytes.
    pub(super) fn post_in_pieces(
        &mut self,
        path: &str,
        content_type: &str,
        body: &[u8],
        piece_bytes: usize,
    ) -> Reply {
        let pieces: Vec<_> =
            body.chunks(piece_bytes).map(Bytes::copy_from_slice).map(Ok::<_, Infallible>).collect();
        self.ask(post(path, content_type, Body::from_stream(stream::iter(pieces))))
    }
}

fn post(path: &str, content_type: &str, body: Body) -> Request<Body> {
    let request = Request::post(path).header(HOST, "localhost").header(CONTENT_TYPE, content_type);
    request.body(body).expect("a plain request")
}

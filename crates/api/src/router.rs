//! Every route on one page.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::{MethodRouter, get, post};
use selfsame_rules::Actor;
use selfsame_service::Installation;

use crate::batch::create_observations_batch;
use crate::contact_body::ResponseSpelling;
use crate::cors::Cors;
use crate::docs::{find_docs, find_docs_file};
use crate::door::Admission;
use crate::health::{find_health, find_readiness};
use crate::heartbeat::find_heartbeat;
use crate::identify::create_identify;
use crate::keys::{create_key, find_current_key, find_key, list_keys, revoke_key};
use crate::measurements::{Measurements, find_metrics};
use crate::metrics::RequestMetrics;
use crate::openapi::find_openapi;
use crate::problem::Problem;
use crate::strangers::Strangers;
use crate::workspaces::{
    create_workspace, erase_workspace, find_workspace, list_workspaces, rename_workspace,
};

/// How the API answers.
#[derive(Clone, Debug)]
pub struct ApiSettings {
    /// How `POST /identify` spells the key of the primary's id.
    pub response_spelling: ResponseSpelling,
    /// How long a client may take to send a body; of a batch, the next 16 KiB of it.
    pub body_timeout: Duration,
    /// The name that events get as their cause if there is no key.
    pub actor: Actor,
    /// Who needs a key.
    pub admission: Admission,
    /// Which web pages of other machines may come where no key is needed on this one.
    pub cors: Option<Cors>,
    /// What `GET /metrics` tells.
    pub measurements: Measurements,
}

/// The whole HTTP interface of an installation, for [`serve`](crate::serve), which finishes and measures its answers.
#[derive(Clone)]
pub struct Api {
    pub(crate) router: Router,
    pub(crate) metrics: Arc<RequestMetrics>,
}

/// What every handler can reach.
pub(crate) struct ApiState {
    pub(crate) installation: Installation,
    pub(crate) strangers: Strangers,
    pub(crate) settings: ApiSettings,
    pub(crate) started: Instant,
    pub(crate) metrics: Arc<RequestMetrics>,
}

/// The whole HTTP interface of `installation`.
pub fn router(installation: Installation, settings: ApiSettings) -> Api {
    let routes = Routes::default()
        .route("/", get(find_heartbeat))
        .route("/identify", post(create_identify))
        .route("/identify/", post(create_identify))
        .route("/v1/observations/batch", post(create_observations_batch))
        .route("/healthz", get(find_health))
        .route("/health", get(find_health))
        .route("/readyz", get(find_readiness))
        .route("/metrics", get(find_metrics))
        .route("/v1/keys", get(list_keys).post(create_key))
        .route("/v1/keys/current", get(find_current_key))
        .route("/v1/keys/{id}", get(find_key).delete(revoke_key))
        .route("/v1/workspaces", get(list_workspaces).post(create_workspace))
        .route("/v1/workspaces/{name}", get(find_workspace).patch(rename_workspace).delete(erase_workspace))
        .route("/openapi.json", get(find_openapi))
        .route("/docs", get(find_docs))
        .route("/docs/{file}", get(find_docs_file));
    let metrics = Arc::new(RequestMetrics::new(&routes.templates));
    let state = ApiState {
        installation,
        settings,
        strangers: Strangers::default(),
        started: Instant::now(),
        metrics: Arc::clone(&metrics),
    };
    let router = routes
        .router
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .with_state(Arc::new(state));
    Api { router, metrics }
}

/// Routes, and the templates of their paths, by which requests are measured.
#[derive(Default)]
struct Routes {
    router: Router<Arc<ApiState>>,
    templates: Vec<&'static str>,
}

impl Routes {
    fn route(mut self, template: &'static str, methods: MethodRouter<Arc<ApiState>>) -> Self {
        self.templates.push(template);
        Self { router: self.router.route(template, methods), ..self }
    }
}

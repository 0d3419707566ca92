//! Every route on one page.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::{get, post};
use selfsame_rules::Actor;
use selfsame_service::Engine;

use crate::batch::create_observations_batch;
use crate::contact_body::ResponseSpelling;
use crate::health::{find_health, find_readiness};
use crate::heartbeat::find_heartbeat;
use crate::identify::create_identify;
use crate::problem::Problem;

/// How the API answers.
#[derive(Clone, Debug)]
pub struct ApiSettings {
    /// How `POST /identify` spells the key of the primary's id.
    pub response_spelling: ResponseSpelling,
    /// How long a client may take to send a body; of a batch, the next piece of it.
    pub body_timeout: Duration,
    /// The name that events get as their cause.
    pub actor: Actor,
}

/// What every handler can reach.
pub(crate) struct ApiState {
    pub(crate) engine: Engine,
    pub(crate) settings: ApiSettings,
    pub(crate) started: Instant,
}

/// The whole HTTP interface of `engine`, for [`serve`](crate::serve), which finishes its answers.
pub fn router(engine: Engine, settings: ApiSettings) -> Router {
    let state = Arc::new(ApiState { engine, settings, started: Instant::now() });
    Router::new()
        .route("/", get(find_heartbeat))
        .route("/identify", post(create_identify))
        .route("/identify/", post(create_identify))
        .route("/v1/observations/batch", post(create_observations_batch))
        .route("/healthz", get(find_health))
        .route("/health", get(find_health))
        .route("/readyz", get(find_readiness))
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .with_state(state)
}

//! `GET /healthz` (alive) and `GET /readyz` (requests may come), for whoever restarts and routes.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::problem::Problem;
use crate::router::ApiState;

#[derive(Serialize)]
pub(crate) struct Health {
    status: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
pub(crate) struct Ready {
    status: &'static str,
    /// What bears on requests and keeps none away, in fixed words.
    reasons: Vec<&'static str>,
}

/// The process runs and answers, and which version it is: after an upgrade, a server that wasn't restarted looks like
/// any other. Says nothing of the store: a restart would not mend that.
pub(crate) async fn find_health() -> Json<Health> {
    Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// A lookup would be answered now, and the server is to stay.
pub(crate) async fn find_readiness(State(state): State<Arc<ApiState>>) -> Result<Json<Ready>, Problem> {
    let readiness = state.engine.readiness().await;
    if let Some(first) = readiness.not_ready() {
        return Err(Problem::not_ready(first, &readiness));
    }
    let reasons = readiness.reasons.iter().map(|reason| reason.code()).collect();
    Ok(Json(Ready { status: "ready", reasons }))
}

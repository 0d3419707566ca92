//! `GET /healthz` (alive) and `GET /readyz` (requests may come), for whoever restarts and routes.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::{Problem, ProblemBody};
use crate::router::ApiState;

#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    status: &'static str,
    version: &'static str,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Ready {
    status: &'static str,
    /// What bears on requests and keeps none away, in fixed words.
    reasons: Vec<&'static str>,
}

/// The process runs and answers, and which version it is: after an upgrade, a server that wasn't restarted looks like
/// any other. Says nothing of the store: a restart would not mend that.
#[utoipa::path(get, path = "/healthz", tag = "operations", security(()), responses((status = 200, description = "It runs", body = Health)))]
pub(crate) async fn find_health() -> Json<Health> {
    Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// A lookup would be answered now, and the server is to stay.
#[utoipa::path(
    get, path = "/readyz", tag = "operations", security(()),
    responses((status = 200, description = "Requests may come", body = Ready),
        (status = 503, description = "They should go elsewhere", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn find_readiness(State(state): State<Arc<ApiState>>) -> Result<Json<Ready>, Problem> {
    let readiness = state.installation.readiness().await;
    if let Some(first) = readiness.not_ready() {
        return Err(Problem::not_ready(first, &readiness));
    }
    let reasons = readiness.reasons.iter().map(|reason| reason.code()).collect();
    Ok(Json(Ready { status: "ready", reasons }))
}

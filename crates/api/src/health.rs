//! `GET /healthz` (alive) and `GET /readyz` (the store answers), for whoever restarts and routes.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::problem::Problem;
use crate::router::ApiState;

#[derive(Serialize)]
pub(crate) struct Health {
    status: &'static str,
}

/// The process runs and answers. Says nothing of the store: a restart would not mend that.
pub(crate) async fn find_health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// A lookup would be answered now.
pub(crate) async fn find_readiness(State(state): State<Arc<ApiState>>) -> Result<Json<Health>, Problem> {
    state.engine.ready().await.map_err(Problem::not_ready)?;
    Ok(Json(Health { status: "ready" }))
}

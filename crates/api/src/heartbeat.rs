//! `GET /`: the heartbeat, with the original's keys.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::pages;
use crate::router::ApiState;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Heartbeat {
    service_name: &'static str,
    description: &'static str,
    author: &'static str,
    /// Since the start: `0h 1m 2s`.
    uptime: String,
    /// RFC 3339 with milliseconds, UTC.
    current_time: String,
    status: &'static str,
}

/// The heartbeat of the service that this one replaces.
#[utoipa::path(get, path = "/", tag = "operations", security(()), responses((status = 200, description = "It runs", body = Heartbeat)))]
pub(crate) async fn find_heartbeat(State(state): State<Arc<ApiState>>, headers: HeaderMap) -> Response {
    if let Some(home) = pages::home(&state, &headers) {
        return home;
    }
    let seconds = state.started.elapsed().as_secs();
    Json(Heartbeat {
        service_name: "selfsame",
        description: "Identity reconciliation: which of your customers is this?",
        author: "the selfsame authors",
        uptime: format!("{}h {}m {}s", seconds / 3600, seconds / 60 % 60, seconds % 60),
        current_time: format!("{:.3}", jiff::Timestamp::now()),
        status: "Ok",
    })
    .into_response()
}

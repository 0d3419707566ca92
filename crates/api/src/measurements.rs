//! Whatever this process measures, gathered by one recorder and read by Prometheus at `GET /metrics`.
//!
//! Each part makes its own handles, by the `metrics` facade; here is where they count to, and what the buckets of
//! histograms are.

use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use std::sync::Arc;

use crate::door::{Caller, Reads};
use crate::problem::ProblemBody;
use crate::router::ApiState;

/// From what memory answers to what a client gives up on.
const SECONDS: [f64; 18] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0, 30.0,
];

/// Of observations in a transaction.
const OBSERVATIONS: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0];

/// How often samples of histograms are gathered: until then each is kept.
const GATHER_EVERY: Duration = Duration::from_secs(1);

/// What this process measures. Clones are handles on the same.
#[derive(Clone, Debug)]
pub struct Measurements(PrometheusHandle);

/// The process can't measure: it does so already.
#[derive(Debug, thiserror::Error)]
#[error("can't measure: {0}")]
pub struct CannotMeasure(#[from] BuildError);

impl Measurements {
    /// Measures nothing: for a router that no server stands around, in a process that may have other routers.
    pub fn none() -> Self {
        Self(PrometheusBuilder::new().build_recorder().handle())
    }

    /// Begins to measure: whatever makes a handle from here on counts. Once in a process.
    ///
    /// # Errors
    ///
    /// [`CannotMeasure`] if the process does so already.
    pub fn start() -> Result<Self, CannotMeasure> {
        let handle = PrometheusBuilder::new()
            .set_buckets(&SECONDS)?
            .set_buckets_for_metric(Matcher::Suffix("_observations".to_owned()), &OBSERVATIONS)?
            .install_recorder()?;
        Ok(Self(handle))
    }

    /// Gathers samples for as long as the process runs: a sample is eight bytes until it is gathered.
    pub async fn gather(self) {
        loop {
            tokio::time::sleep(GATHER_EVERY).await;
            self.0.run_upkeep();
        }
    }
}

/// All of it, in Prometheus' text format.
///
/// It tells of every workspace, so it takes a key to every one.
#[utoipa::path(
    get, path = "/metrics", tag = "operations",
    responses((status = 200, description = "Measurements", body = String, content_type = "text/plain"),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn find_metrics(caller: Caller<Reads>, State(state): State<Arc<ApiState>>) -> Response {
    let text_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    let metrics = caller
        .needs_everything()
        .map(|()| ([(CONTENT_TYPE, text_type)], state.settings.measurements.0.render()));
    caller.answer(metrics)
}

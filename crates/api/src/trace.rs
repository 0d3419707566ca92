//! The span of a request, for traces: made only where somebody listens for it.
//!
//! It bears the route's template and never a path, the outcome, and the request's id; no value of anybody. The target
//! `selfsame_trace` keeps spans apart from the log.

use axum::http::{HeaderMap, StatusCode};
use opentelemetry::global;
use opentelemetry::propagation::Extractor;
use tracing::field::Empty;
use tracing::{Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::request_id::RequestId;

/// The only header that is read for traces. `tracestate` and `baggage` could hold anything, kilobytes of it, and would be
/// kept with each span.
const TRACEPARENT: &str = "traceparent";

/// The span of a request that begins, below the caller's where its `traceparent` names one.
pub(crate) fn begin(method: &'static str, route: &'static str, headers: &HeaderMap) -> Span {
    let span = info_span!(
        target: "selfsame_trace",
        "request",
        otel.name = Empty,
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        "error.type" = Empty,
        request.id = Empty,
    );
    if !span.is_disabled() {
        span.record("otel.name", format!("{method} {route}"));
        let caller = global::get_text_map_propagator(|propagator| propagator.extract(&Caller(headers)));
        // Refused only to a span that others have entered, and nobody else has this one yet.
        let _ = span.set_parent(caller);
    }
    span
}

/// Notes what came of it.
pub(crate) fn end(span: &Span, request_id: RequestId, status: StatusCode, code: Option<&'static str>) {
    if span.is_disabled() {
        return;
    }
    span.record("request.id", tracing::field::display(request_id));
    span.record("http.response.status_code", status.as_u16());
    if let Some(code) = code {
        span.record("error.type", code);
    }
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}

/// Notes that its client went away before it was answered.
pub(crate) fn abandon(span: &Span) {
    span.record("error.type", "client_gone");
}

/// What a request says of its caller's trace: nothing, if it says it twice.
struct Caller<'request>(&'request HeaderMap);

impl Extractor for Caller<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        let mut given = self.0.get_all(TRACEPARENT).iter().filter(|_| name == TRACEPARENT);
        let first = given.next()?;
        if given.next().is_some() { None } else { first.to_str().ok() }
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}

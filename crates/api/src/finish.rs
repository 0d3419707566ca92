//! What every answer gets: a request id, security headers, and, if it is a problem, its body and its log line.

use std::any::Any;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::problem::Problem;
use crate::request_id::RequestId;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// On every answer. Answers hold personal data, so nothing on the way may keep them.
const SECURITY_HEADERS: [(HeaderName, HeaderValue); 4] = [
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
];

/// The outermost layer.
pub(crate) async fn finish(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let mut response = next.run(request).await;
    let request_id = response.extensions_mut().remove().unwrap_or_else(RequestId::new);
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        problem.log(request_id);
        write_out(&problem, request_id, &mut response);
    }
    tracing::debug!(request.id = %request_id, %method, status = response.status().as_u16(), "answered");
    let headers = response.headers_mut();
    headers.extend(SECURITY_HEADERS);
    headers.insert(REQUEST_ID, request_id.header_value());
    response
}

/// A handler that panicked: a fault of ours like any other. The panic hook has told the log where.
pub(crate) fn panicked(_: Box<dyn Any + Send>) -> Response {
    Problem { cause: Some("the handler panicked".to_owned()), ..Problem::internal() }.into_response()
}

fn write_out(problem: &Problem, request_id: RequestId, response: &mut Response) {
    let mut json = Vec::new();
    problem.write(request_id, None, &mut json);
    *response.body_mut() = Body::from(json);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if let Some(seconds) = problem.retry_after_seconds {
        headers.insert(RETRY_AFTER, seconds.into());
    }
}

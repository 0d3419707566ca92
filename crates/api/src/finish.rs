//! What every answer gets: a request id, security headers, and, if it is a problem, its body and its log line.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::Router;
use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use axum::routing::future::RouteFuture;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::Service;

use crate::problem::Problem;
use crate::request_id::RequestId;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// On every answer. Answers hold personal data, so nothing on the way may keep them.
static SECURITY_HEADERS: [(HeaderName, HeaderValue); 4] = [
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
];

/// The router as the server calls it: whatever it answers is finished.
///
/// No layer of the router's: each of those would box every route, every request's future and every body anew.
pub(crate) struct Finished(pub(crate) Router);

/// An answer on its way.
pub(crate) struct Finishing {
    answering: RouteFuture<Infallible>,
    method: Method,
}

impl Service<Request<Incoming>> for Finished {
    type Response = Response;
    type Error = Infallible;
    type Future = Finishing;

    fn call(&self, request: Request<Incoming>) -> Finishing {
        let method = request.method().clone();
        // A router is always ready, and a clone of one is another handle on it.
        Finishing { answering: tower::Service::call(&mut self.0.clone(), request), method }
    }
}

impl Future for Finishing {
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answering = Pin::new(&mut self.answering);
        // After a panic this future is not polled again, and what others share is left to their own care.
        let polled = catch_unwind(AssertUnwindSafe(|| answering.poll(context)));
        let Ok(response) = ready!(polled.unwrap_or_else(|_| Poll::Ready(Ok(panicked()))));
        Poll::Ready(Ok(finish(response, &self.method)))
    }
}

/// The finished answer of a router that no server stands around.
pub async fn answer(mut router: Router, request: Request<Body>) -> Response {
    let method = request.method().clone();
    let Ok(response) = Finishing { answering: tower::Service::call(&mut router, request), method }.await;
    response
}

fn finish(mut response: Response, method: &Method) -> Response {
    let extensions = response.extensions_mut();
    let request_id = extensions.remove().unwrap_or_else(RequestId::new);
    if let Some(problem) = extensions.remove::<Problem>() {
        problem.log(request_id);
        write_out(&problem, request_id, &mut response);
    }
    tracing::debug!(request.id = %request_id, %method, status = response.status().as_u16(), "answered");
    let headers = response.headers_mut();
    headers.reserve(SECURITY_HEADERS.len() + 1);
    for (name, value) in &SECURITY_HEADERS {
        headers.insert(name, value.clone());
    }
    headers.insert(REQUEST_ID, request_id.header_value());
    response
}

/// A handler that panicked: a fault of ours like any other. The panic hook has told the log where.
fn panicked() -> Response {
    Problem { cause: Some("the handler panicked".to_owned()), ..Problem::internal() }.into_response()
}

fn write_out(problem: &Problem, request_id: RequestId, response: &mut Response) {
    let mut json = Vec::new();
    problem.write(request_id, None, &mut json);
    let length_bytes = json.len();
    *response.body_mut() = Body::from(json);
    let headers = response.headers_mut();
    // The router has told the length of the empty body that it saw.
    headers.insert(CONTENT_LENGTH, length_bytes.into());
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if let Some(seconds) = problem.retry_after_seconds {
        headers.insert(RETRY_AFTER, seconds.into());
    }
}

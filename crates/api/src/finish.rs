//! What every answer gets: a request id, security headers, and, if it is a problem, its body and its log line. And what is
//! measured of it.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::BoxError;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use axum::routing::future::RouteFuture;
use futures_util::future::{Either, Ready, ready};
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::Service;
use tracing::Span;

use crate::client_address::{ClientAddress, Peer};
use crate::cors::{Cors, CrossOrigin};
use crate::edge::Edge;
use crate::framing;
use crate::metrics::{Measured, RequestMetrics};
use crate::pages::Shown;
use crate::problem::Problem;
use crate::request_id::RequestId;
use crate::router::Api;
use crate::trace;
use crate::turn::Turn;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// On every answer. Answers hold personal data, so nothing on the way may keep them.
static SECURITY_HEADERS: [(HeaderName, HeaderValue); 3] = [
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
];

/// What is no page has no content to load.
static NO_CONTENT: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// The interface as the server calls it for the requests of one connection: whatever its router answers is finished.
///
/// No layer of the router's: each of those would box every route, every request's future and every body anew.
pub(crate) struct Finished {
    pub(crate) api: Api,
    pub(crate) peer: Peer,
    pub(crate) edge: Arc<Edge>,
    pub(crate) turn: Turn,
}

/// An answer on its way; one that is there already was none of the router's.
pub(crate) struct Finishing {
    answering: Either<Ready<Result<Response, Infallible>>, RouteFuture<Infallible>>,
    asked: Asked,
    metrics: Arc<RequestMetrics>,
    measured: Measured,
    begun: Instant,
    span: Span,
    answered: bool,
    /// Another request of its connection has had this turn.
    gives_way: bool,
}

/// What is still known of a request when its answer is finished.
pub(crate) struct Asked {
    method: Method,
    client: Option<ClientAddress>,
    cross_origin: Option<CrossOrigin>,
}

impl Asked {
    pub(crate) fn of<B>(request: &Request<B>, client: Option<ClientAddress>, cors: Option<&Cors>) -> Self {
        let method = request.method().clone();
        let cross_origin = cors.map(|cors| cors.asked(&method, request.headers()));
        Self { method, client, cross_origin }
    }
}

impl Service<Request<Incoming>> for Finished {
    type Response = Response;
    type Error = Infallible;
    type Future = Finishing;

    fn call(&self, request: Request<Incoming>) -> Finishing {
        let client = self.peer.client(request.headers(), &self.edge.trusted_proxies);
        let asked = Asked::of(&request, client, self.edge.cors.as_ref());
        let mut finishing = Finishing::of(&self.api, request, asked);
        finishing.gives_way = !self.turn.take();
        finishing
    }
}

impl Finishing {
    fn of<B>(api: &Api, request: Request<B>, asked: Asked) -> Self
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let measured = api.metrics.measured(&asked.method, request.uri().path());
        let (word, route) = api.metrics.words(measured);
        let span = trace::begin(word, route, request.headers());
        let answering = match framing::refusal(&request) {
            Some(refusal) => Either::Left(ready(Ok(refusal))),
            // A router is always ready, and a clone of one is another handle on it.
            None => Either::Right(tower::Service::call(&mut api.router.clone(), request)),
        };
        Self {
            metrics: Arc::clone(&api.metrics),
            measured,
            begun: Instant::now(),
            span,
            answered: false,
            gives_way: false,
            answering,
            asked,
        }
    }
}

impl Future for Finishing {
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if std::mem::take(&mut self.gives_way) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let Self { answering, span, .. } = &mut *self;
        let (answering, span) = (Pin::new(answering), span.enter());
        // After a panic this future is not polled again, and what others share is left to their own care.
        let polled = catch_unwind(AssertUnwindSafe(|| answering.poll(context)));
        let Ok(response) = std::task::ready!(polled.unwrap_or_else(|_| Poll::Ready(Ok(panicked()))));
        drop(span);
        let (response, code) = finish(response, &self.asked, &self.span);
        self.metrics.answered(self.measured, response.status(), code, self.begun.elapsed());
        self.answered = true;
        Poll::Ready(Ok(response))
    }
}

impl Drop for Finishing {
    fn drop(&mut self) {
        if !self.answered {
            self.metrics.abandoned(self.measured);
            trace::abandon(&self.span);
        }
    }
}

/// The finished answer of an interface that no server stands around.
pub async fn answer(api: &Api, request: Request<Body>) -> Response {
    let asked = Asked::of(&request, None, None);
    let Ok(response) = Finishing::of(api, request, asked).await;
    response
}

/// The finished answer, and its code if it is a problem.
pub(crate) fn finish(mut response: Response, asked: &Asked, span: &Span) -> (Response, Option<&'static str>) {
    if let Some(cross_origin) = &asked.cross_origin {
        cross_origin.finish(&mut response);
    }
    let extensions = response.extensions_mut();
    let request_id = extensions.remove().unwrap_or_else(RequestId::new);
    let problem = extensions.remove::<Problem>();
    if let Some(problem) = &problem {
        problem.log(request_id);
        write_out(problem, request_id, &mut response);
    }
    let shown = response.extensions_mut().remove::<Shown>().map(|Shown(problem)| problem);
    if let Some(problem) = &shown {
        problem.log(request_id);
    }
    let (method, status) = (&asked.method, response.status().as_u16());
    let client = asked.client.map(tracing::field::display);
    tracing::debug!(request.id = %request_id, %method, status, client, "answered");
    let headers = response.headers_mut();
    headers.reserve(SECURITY_HEADERS.len() + 2);
    for (name, value) in &SECURITY_HEADERS {
        headers.entry(name).or_insert_with(|| value.clone());
    }
    // A page of ours tells what it is made of.
    headers.entry(CONTENT_SECURITY_POLICY).or_insert_with(|| NO_CONTENT.clone());
    headers.insert(REQUEST_ID, request_id.header_value());
    let code = problem.or(shown).map(|problem| problem.code);
    trace::end(span, request_id, response.status(), code);
    (response, code)
}

/// A handler that panicked: a fault of ours like any other. The panic hook has told the log where.
fn panicked() -> Response {
    Problem { cause: Some("the handler panicked".into()), ..Problem::internal() }.into_response()
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
    headers.extend(problem.headers.iter().cloned());
}

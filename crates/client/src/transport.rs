//! HTTP/1.1, over TLS where the URL says so: one request, and what came of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Response, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client as Pool, Error as PoolError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;

use crate::error::{Error, InvalidSetting, Problem};

/// How long one address may take to be connected to.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// How long an idle connection is kept: shorter than a server keeps it.
const IDLE_MAX: Duration = Duration::from_secs(15);

const WORKSPACE: HeaderName = HeaderName::from_static("selfsame-workspace");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const PROBLEM: &str = "application/problem+json";

/// The type of JSON.
pub(crate) const JSON: &str = "application/json";
/// The type of JSON a line.
pub(crate) const LINES: &str = "application/x-ndjson";
/// The type of server-sent events.
pub(crate) const EVENT_STREAM: &str = "text/event-stream";

/// A request before it is sent; it can be sent any number of times.
pub(crate) struct Request {
    pub(crate) method: Method,
    /// With its query.
    pub(crate) path: String,
    /// With its type.
    pub(crate) body: Option<(&'static str, Bytes)>,
    pub(crate) accept: &'static str,
    pub(crate) idempotency_key: Option<HeaderValue>,
    pub(crate) last_event_id: Option<i64>,
}

impl Request {
    pub(crate) fn get(path: String) -> Self {
        Self {
            method: Method::GET,
            path,
            body: None,
            accept: JSON,
            idempotency_key: None,
            last_event_id: None,
        }
    }
}

/// A server, and how it is spoken to. Clones share their connections.
#[derive(Clone)]
pub(crate) struct Transport {
    base: String,
    pool: Pool<HttpsConnector<HttpConnector>, Full<Bytes>>,
    trusted: Vec<CertificateDer<'static>>,
    pub(crate) key: Option<HeaderValue>,
    pub(crate) workspace: Option<HeaderValue>,
    /// How long the server may say nothing.
    pub(crate) silence_max: Duration,
}

impl Transport {
    pub(crate) fn new(url: &str) -> Result<Self, InvalidSetting> {
        let base = url.trim_end_matches('/').to_owned();
        let parsed: Uri = base.parse().map_err(|_| InvalidSetting::Url)?;
        let is_http = matches!(parsed.scheme_str(), Some("http" | "https"));
        let has_host = parsed.authority().is_some_and(|host| !host.as_str().contains('@'));
        if !is_http || !has_host || parsed.query().is_some() || url.contains('#') {
            return Err(InvalidSetting::Url);
        }
        let (silence_max, trusted) = (Duration::from_secs(30), Vec::new());
        let pool = pool(&base, &trusted);
        Ok(Self { base, pool, trusted, key: None, workspace: None, silence_max })
    }

    /// Trusts these authorities besides those of the system.
    pub(crate) fn trust(&mut self, authorities: Vec<CertificateDer<'static>>) {
        self.trusted.extend(authorities);
        self.pool = pool(&self.base, &self.trusted);
    }

    /// Sends a request once; its answer, as soon as it begins, if it is 2xx.
    pub(crate) async fn begin(&self, request: &Request) -> Result<Response<Incoming>, Error> {
        let sent = self.pool.request(self.assemble(request)?);
        let answer = self.within(sent).await?.map_err(broken)?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let (head, body) = answer.into_parts();
        let status = head.status.as_u16();
        if head.headers.get(CONTENT_TYPE).is_none_or(|kind| kind != PROBLEM) {
            return Err(Error::Unexpected { status });
        }
        let body = self.collect(body).await?;
        let mut problem: Problem = serde_json::from_slice(&body).map_err(|_| Error::Unexpected { status })?;
        let wait = head.headers.get(RETRY_AFTER).and_then(|wait| wait.to_str().ok()?.parse().ok());
        problem.retry_after = wait.map(Duration::from_secs);
        Err(Error::Problem(Box::new(problem)))
    }

    /// All of a body.
    pub(crate) async fn collect(&self, mut body: Incoming) -> Result<Vec<u8>, Error> {
        let mut whole = Vec::new();
        while let Some(frame) = self.within(body.frame()).await? {
            let frame = frame.map_err(|error| Error::Broken(error.into()))?;
            whole.extend(frame.into_data().unwrap_or_default());
        }
        Ok(whole)
    }

    async fn within<F: Future>(&self, waiting: F) -> Result<F::Output, Error> {
        timeout(self.silence_max, waiting).await.map_err(|_| Error::TimedOut(self.silence_max))
    }

    fn assemble(&self, request: &Request) -> Result<hyper::Request<Full<Bytes>>, Error> {
        let mut assembled = hyper::Request::builder()
            .method(&request.method)
            .uri(format!("{}{}", self.base, request.path))
            .header(USER_AGENT, concat!("selfsame-client/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT, request.accept);
        let last_event_id = request.last_event_id.map(HeaderValue::from);
        for (name, value) in [
            (AUTHORIZATION, &self.key),
            (WORKSPACE, &self.workspace),
            (IDEMPOTENCY_KEY, &request.idempotency_key),
            (HeaderName::from_static("last-event-id"), &last_event_id),
        ] {
            if let Some(value) = value {
                assembled = assembled.header(name, value);
            }
        }
        let (kind, body) = request.body.clone().unzip();
        if let Some(kind) = kind {
            assembled = assembled.header(CONTENT_TYPE, kind);
        }
        // What is put into a path is a number, or was encoded.
        assembled.body(Full::new(body.unwrap_or_default())).map_err(|_| InvalidSetting::Url.into())
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { base, silence_max, .. } = self;
        formatter
            .debug_struct("Transport")
            .field("base", base)
            .field("silence_max", silence_max)
            .finish_non_exhaustive()
    }
}

/// Connections, kept while they are of use. The system's authorities are read where the URL is one of TLS.
fn pool(base: &str, trusted: &[CertificateDer<'static>]) -> Pool<HttpsConnector<HttpConnector>, Full<Bytes>> {
    let mut roots = RootCertStore::empty();
    if base.starts_with("https:") {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots.add_parsable_certificates(trusted.iter().cloned());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has what TLS needs")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_WITHIN));
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(connector);
    Pool::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_MAX)
        .build(connector)
}

/// Why there was no answer.
fn broken(error: PoolError) -> Error {
    if error.is_connect() { Error::Unreachable(error.into()) } else { Error::Broken(error.into()) }
}

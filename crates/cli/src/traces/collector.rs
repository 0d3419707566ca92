//! The one client of a collector: a connection for each batch of spans, a few a minute.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use async_trait::async_trait;
use axum::http::Uri;
use axum::http::header::HOST;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use rustls::pki_types::ServerName;
use selfsame_api::tls_connector;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio_rustls::TlsConnector;

use crate::settings::variable;

/// Collectors answer in a few bytes.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// How long a batch of spans may take to be sent.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A collector, and how to reach it.
pub(super) struct Collector {
    /// The exporter calls from a thread of its own, where there is no runtime.
    runtime: Handle,
    way: Arc<Way>,
    /// The last batch was not taken.
    failing: AtomicBool,
}

struct Way {
    host: String,
    /// What the header `Host` says: no user and no password that the URL may hold.
    authority: String,
    port: u16,
    tls: Option<TlsConnector>,
    timeout: Duration,
}

impl fmt::Debug for Collector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Collector({}:{})", self.way.host, self.way.port)
    }
}

impl Collector {
    /// The collector at that URL, `http:` or `https:`.
    pub(super) fn at(url: &str) -> anyhow::Result<Self> {
        let uri: Uri = url.parse().unwrap_or_default();
        let (tls, port) = match (uri.scheme_str(), uri.host()) {
            (Some("http"), Some(_)) => (None, 80),
            (Some("https"), Some(_)) => (Some(tls_connector()), 443),
            _ => bail!("the OTLP endpoint is no URL of HTTP\nhint: for example http://127.0.0.1:4318"),
        };
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let authority = authority.rsplit('@').next().unwrap_or_default().to_owned();
        let way = Way { host, authority, port: uri.port_u16().unwrap_or(port), tls, timeout: timeout()? };
        Ok(Self { runtime: Handle::current(), way: Arc::new(way), failing: AtomicBool::new(false) })
    }

    /// Tells the log when it begins to fail, and when that is over.
    fn note(&self, failure: Option<&HttpError>) {
        let failed = self.failing.swap(failure.is_some(), Ordering::Relaxed);
        match failure {
            Some(error) if !failed => {
                tracing::warn!(%error, "traces can't be sent; they are dropped meanwhile");
            }
            None if failed => tracing::info!("traces are sent again"),
            Some(_) | None => {}
        }
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let way = Arc::clone(&self.way);
        let sending =
            self.runtime.spawn(async move { tokio::time::timeout(way.timeout, way.send(request)).await });
        let sent = match sending.await {
            Ok(Ok(sent)) => sent,
            Ok(Err(_)) => Err("the collector did not answer in time".into()),
            Err(error) => Err(error.into()),
        };
        let refused =
            |answer: &Response<Bytes>| HttpError::from(format!("the collector says {}", answer.status()));
        match &sent {
            Ok(answer) if answer.status().is_success() => self.note(None),
            Ok(answer) => self.note(Some(&refused(answer))),
            Err(error) => self.note(Some(error)),
        }
        sent
    }
}

impl Way {
    async fn send(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        request.headers_mut().insert(HOST, self.authority.parse()?);
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        match &self.tls {
            None => exchange(stream, request).await,
            Some(tls) => {
                let name = ServerName::try_from(self.host.clone())?;
                exchange(tls.connect(name, stream).await?, request).await
            }
        }
    }
}

/// One request and its answer on a connection of its own.
async fn exchange<S>(stream: S, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    // Its error reaches whoever waits for the answer.
    tokio::spawn(async move { drop(connection.await) });
    let (mut head, body) = request.into_parts();
    head.uri = head.uri.path_and_query().map_or("/", |path| path.as_str()).parse()?;
    let answer = sender.send_request(Request::from_parts(head, Full::new(body))).await?;
    let (head, body) = answer.into_parts();
    Ok(Response::from_parts(head, Limited::new(body, ANSWER_BYTES_MAX).collect().await?.to_bytes()))
}

/// As the SDK would have it for a client of its own.
fn timeout() -> anyhow::Result<Duration> {
    let variable = variable()?;
    let given =
        variable("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT").or_else(|| variable("OTEL_EXPORTER_OTLP_TIMEOUT"));
    let Some(given) = given else { return Ok(TIMEOUT) };
    let milliseconds = given.parse().context(
        "OTEL_EXPORTER_OTLP_TIMEOUT is no number of milliseconds\nhint: 10000 is ten seconds, the default",
    )?;
    Ok(Duration::from_millis(milliseconds))
}

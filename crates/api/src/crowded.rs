//! Connections beyond the bound: each is told so in a word and closed, so that a client or a balancer goes elsewhere at
//! once instead of waiting for nothing.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use selfsame_service::Seldom;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tracing::Span;

use crate::edge::Edge;
use crate::finish::{Asked, finish};
use crate::problem::Problem;
use crate::tls::handshake;

/// How many are told at the same time; more are closed without a word. They, too, are open files.
const TOLD_AT_ONCE_MAX: usize = 64;

/// How long such a client may take for its request.
const PATIENCE: Duration = Duration::from_secs(1);

/// Turns connections away.
pub(crate) struct Crowded {
    http: http1::Builder,
    edge: Arc<Edge>,
    telling: Arc<Semaphore>,
    turned_away: Seldom,
}

impl Crowded {
    pub(crate) fn new(edge: Arc<Edge>) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(PATIENCE).keep_alive(false);
        let telling = Arc::new(Semaphore::new(TOLD_AT_ONCE_MAX));
        Self { http, edge, telling, turned_away: Seldom::default() }
    }

    /// Answers the first request on `stream` with a refusal, and closes it.
    pub(crate) fn turn_away<S>(&self, stream: S, open: usize)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        if let Some(times) = self.turned_away.times() {
            tracing::warn!(open, times, "connections were turned away: as many are open as may be");
        }
        let Ok(telling) = Arc::clone(&self.telling).try_acquire_owned() else { return };
        let (http, edge) = (self.http.clone(), Arc::clone(&self.edge));
        let tls = edge.tls_now();
        tokio::spawn(async move {
            // Whoever is gone need not be told; whoever doesn't ask can't be.
            let _ = tokio::time::timeout(PATIENCE * 2, tell(&http, &edge, stream, tls)).await;
            drop(telling);
        });
    }
}

async fn tell<S>(
    http: &http1::Builder,
    edge: &Edge,
    stream: S,
    tls: Option<Arc<ServerConfig>>,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let refusing = service_fn(async |request| Ok::<_, Infallible>(refuse(&request, edge)));
    let told = match tls {
        None => http.serve_connection(TokioIo::new(stream), refusing).await,
        Some(tls) => http.serve_connection(TokioIo::new(handshake(stream, tls).await?), refusing).await,
    };
    told.map_err(io::Error::other)
}

fn refuse(request: &Request<Incoming>, edge: &Edge) -> Response {
    let asked = Asked::of(request, None, edge.cors.as_ref());
    finish(Problem::too_many_connections().into_response(), &asked, &Span::none()).0
}

//! The server: accepts connections up to a bound, gives each its time limits, and drains them at the end.

use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use crate::client_address::{Peer, PeerAddress};
use crate::crowded::Crowded;
use crate::edge::Edge;
use crate::finish::Finished;
use crate::metrics::OpenConnections;
use crate::paced::Paced;
use crate::router::Api;
use crate::tls::handshake;
use crate::turn::Turn;

/// The most bytes that the head of a request may have; hyper answers 431 beyond.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// The server's patience, how many it has it with, and what stands before it.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// How long a client may take to send the head of a request, and before that to shake hands, and how long a
    /// connection may idle.
    pub header_timeout: Duration,
    /// How long a client may take to read the next 16 KiB of what it is sent.
    pub send_timeout: Duration,
    /// The most connections that are open; more are turned away.
    pub connections_max: usize,
    /// How long running requests may take to end after `shutdown`.
    pub drain_timeout: Duration,
    /// TLS, proxies and browsers.
    pub edge: Edge,
}

/// Serves `api` on `listener` until `shutdown` is done; then ends idle connections at once and gives
/// running requests until the drain timeout.
pub async fn serve<L: Listener<Addr: PeerAddress>>(
    mut listener: L,
    api: Api,
    settings: ServerSettings,
    shutdown: impl Future<Output = ()>,
) {
    let edge = Arc::new(settings.edge);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(settings.header_timeout).max_buf_size(HEAD_BYTES_MAX);
    let (connections, crowded) = (GracefulShutdown::new(), Crowded::new(Arc::clone(&edge)));
    let handshakes = watch::Sender::new(());
    let open = OpenConnections::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let (stream, address) = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        let stream = Paced::new(stream, settings.send_timeout);
        if connections.count() >= settings.connections_max {
            crowded.turn_away(stream, connections.count());
            continue;
        }
        let open = open.another();
        let peer = Peer::new(&address, &edge.trusted_proxies);
        let service = Finished { api: api.clone(), peer, edge: Arc::clone(&edge), turn: Turn::default() };
        let connection = Connection { http: http.clone(), service, watcher: connections.watcher() };
        match edge.tls_now() {
            None => tokio::spawn(async move {
                connection.run(stream).await;
                drop(open);
            }),
            Some(tls) => {
                let (patience, handshakes) = (settings.header_timeout, handshakes.subscribe());
                tokio::spawn(async move {
                    connection.run_over_tls(stream, tls, patience, handshakes).await;
                    drop(open);
                })
            }
        };
    }
    drop(listener);
    api.ending.send_replace(true);
    // Nobody who still shakes hands has asked for anything.
    drop(handshakes);
    if tokio::time::timeout(settings.drain_timeout, connections.shutdown()).await.is_err() {
        tracing::warn!("requests still ran at the end of the drain time; their connections are cut");
    }
}

/// What serves one connection, in a task of its own. It counts from the moment that it is made.
struct Connection {
    http: http1::Builder,
    service: Finished,
    watcher: Watcher,
}

impl Connection {
    async fn run(self, stream: impl AsyncRead + AsyncWrite + Unpin + 'static) {
        let turn = self.service.turn.clone();
        let connection = self.http.serve_connection(TokioIo::new(stream), self.service);
        if let Err(error) = turn.each_time(self.watcher.watch(connection)).await {
            tracing::debug!(%error, "a connection ended early");
        }
    }

    /// The same after a handshake, which gets `patience` in all and is broken off when `handshakes` end.
    async fn run_over_tls(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        tls: Arc<ServerConfig>,
        patience: Duration,
        mut handshakes: watch::Receiver<()>,
    ) {
        // Its buffers are large, and the connection may go on for days.
        let shaking = Box::pin(handshake(stream, tls));
        let shaken = tokio::select! {
            shaken = tokio::time::timeout(patience, shaking) => shaken,
            _ = handshakes.changed() => return,
        };
        match shaken {
            Ok(Ok(stream)) => self.run(stream).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        }
    }
}

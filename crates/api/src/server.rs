//! The server: accepts connections up to a bound, gives each its time limits, and drains them at the end.

use std::time::Duration;

use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;

use crate::crowded::Crowded;
use crate::finish::Finished;
use crate::metrics::OpenConnections;
use crate::paced::Paced;
use crate::router::Api;

/// The most bytes that the head of a request may have; hyper answers 431 beyond.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// The server's patience, and how many it has it with.
#[derive(Clone, Copy, Debug)]
pub struct ServerSettings {
    /// How long a client may take to send the head of a request, and how long a connection may idle.
    pub header_timeout: Duration,
    /// How long a client may take to read the next 16 KiB of what it is sent.
    pub send_timeout: Duration,
    /// The most connections that are open; more are turned away.
    pub connections_max: usize,
    /// How long running requests may take to end after `shutdown`.
    pub drain_timeout: Duration,
}

/// Serves `api` on `listener` until `shutdown` is done; then ends idle connections at once and gives
/// running requests until the drain timeout.
pub async fn serve<L: Listener>(
    mut listener: L,
    api: Api,
    settings: ServerSettings,
    shutdown: impl Future<Output = ()>,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(settings.header_timeout).max_buf_size(HEAD_BYTES_MAX);
    let (connections, crowded) = (GracefulShutdown::new(), Crowded::new());
    let open = OpenConnections::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let stream = tokio::select! {
            (stream, _) = listener.accept() => stream,
            () = &mut shutdown => break,
        };
        let stream = Paced::new(stream, settings.send_timeout);
        if connections.count() >= settings.connections_max {
            crowded.turn_away(stream, connections.count());
            continue;
        }
        let open = open.another();
        let service = Finished(api.clone());
        let connection = connections.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(open);
        });
    }
    drop(listener);
    if tokio::time::timeout(settings.drain_timeout, connections.shutdown()).await.is_err() {
        tracing::warn!("requests still ran at the end of the drain time; their connections are cut");
    }
}

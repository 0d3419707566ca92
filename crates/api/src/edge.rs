//! What stands between the server and its clients: TLS, proxies, and browsers with pages of other origins.

use std::sync::Arc;

use tokio::sync::watch;

use crate::cors::Cors;
use crate::trusted_proxies::TrustedProxies;

/// Nothing, unless it is set: plain HTTP, from clients that are believed to be where they connect from.
#[derive(Clone, Debug, Default)]
pub struct Edge {
    /// The TLS of every new connection, as it is at that moment.
    pub tls: Option<watch::Receiver<Arc<rustls::ServerConfig>>>,
    /// Whose word on a request's client is taken.
    pub trusted_proxies: TrustedProxies,
    /// Which pages may read the answers.
    pub cors: Option<Cors>,
}

impl Edge {
    /// The TLS of a connection that begins now.
    pub(crate) fn tls_now(&self) -> Option<Arc<rustls::ServerConfig>> {
        self.tls.as_ref().map(|tls| Arc::clone(&tls.borrow()))
    }
}

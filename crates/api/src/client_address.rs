//! Where a request comes from: the other end of its connection, or who a trusted proxy says that it speaks for.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;

use crate::forwarded::forwarded_address;
use crate::trusted_proxies::TrustedProxies;

/// The address of a request's client, which the log names with its answer. A Unix socket's requests have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientAddress(IpAddr);

impl fmt::Display for ClientAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// What a listener tells of who connected.
pub trait PeerAddress {
    /// The address of the other end, where it has one.
    fn ip(&self) -> Option<IpAddr>;
}

impl PeerAddress for SocketAddr {
    fn ip(&self) -> Option<IpAddr> {
        // A listener on `::` sees IPv4 in a disguise, in which no network of IPv4 would contain it.
        Some(self.ip().to_canonical())
    }
}

impl PeerAddress for tokio::net::unix::SocketAddr {
    fn ip(&self) -> Option<IpAddr> {
        None
    }
}

/// Of connections that never leave the process.
impl PeerAddress for () {
    fn ip(&self) -> Option<IpAddr> {
        None
    }
}

/// The other end of a connection: settled once, so that a request costs nothing but a look at its headers, and that
/// only behind a proxy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    address: Option<IpAddr>,
    is_trusted: bool,
}

impl Peer {
    pub(crate) fn new(address: &impl PeerAddress, proxies: &TrustedProxies) -> Self {
        let address = address.ip();
        Self { address, is_trusted: address.is_some_and(|address| proxies.contains(address)) }
    }

    /// The client of a request that came with these headers. Anybody can write them, so only a trusted peer's count.
    pub(crate) fn client(self, headers: &HeaderMap, proxies: &TrustedProxies) -> Option<ClientAddress> {
        let address = self.address?;
        Some(ClientAddress(match self.is_trusted {
            false => address,
            true => forwarded_address(address, headers, proxies),
        }))
    }
}

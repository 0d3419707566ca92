//! Ports for servers that can't be asked to choose one themselves.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below every range from which systems take ports for outgoing connections, so that a server that is down for a
/// moment finds its port free when it comes back.
const FIRST: u16 = 10_000;
const COUNT: u16 = 6_000;

/// Where this process's search goes on.
static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port of loopback that was free a moment ago. Another process may still be faster: whoever starts a server on
/// it tries again with another.
pub(crate) fn free() -> u16 {
    // Tests are processes beside each other: each begins elsewhere.
    let begin =
        u16::try_from(std::process::id().wrapping_mul(37) % u32::from(COUNT)).expect("it is below COUNT");
    for _ in 0..COUNT {
        let port = FIRST + (begin + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("none of {COUNT} ports is free");
}

//! Any bytes on a connection to the server.

use std::cell::RefCell;

use super::wire::Wire;

/// What an honest client sends after the bytes, on a connection of its own.
const GOOD: &[u8] = b"POST /identify HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
    content-length: 24\r\nconnection: close\r\n\r\n{\"email\":\"doc@hill.edu\"}";

thread_local! {
    static WIRE: RefCell<Wire> = RefCell::new(Wire::new());
}

/// The server answers or closes, never with a fault of its own, and serves the next connection.
///
/// The connection ends with the bytes, so a request whose answer takes a moment may get none.
pub(super) fn request_head(data: &[u8]) {
    WIRE.with_borrow_mut(|wire| {
        if wire.is_worn() {
            *wire = Wire::new();
        }
        let received = wire.exchange(data, true);
        let received = String::from_utf8_lossy(&received);
        assert!(received.is_empty() || received.starts_with("HTTP/1."), "no HTTP came back: {received}");
        // Nothing else looks so: every value in an answer is in small letters.
        let failed = ["HTTP/1.0 5", "HTTP/1.1 5"].iter().any(|status| received.contains(status));
        assert!(!failed, "no request is to blame for this: {received}");

        let good = wire.exchange(GOOD, false);
        let good = String::from_utf8_lossy(&good);
        assert!(good.starts_with("HTTP/1.1 200 OK\r\n") && good.ends_with("}}"), "{good}");
    });
}

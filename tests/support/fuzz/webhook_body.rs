//! Any bytes as a webhook of Shopify's: what comes before the first line feed is its topic.

use std::cell::RefCell;

use axum::body::Body;
use http_body_util::Full;
use hyper::Request;
use serde_json::json;

use super::documented::assert_problem;
use super::door::{Door, SHOPIFY_SECRET};
use crate::shopify::Webhook;

thread_local! {
    static DOOR: RefCell<Door> = RefCell::new(Door::new());
}

/// Without a right signature, all that is looked at is whether there is anything. With one, it is taken, or refused as documented
/// and nothing of it stored; the same again is answered alike, and writes nothing.
pub(super) fn webhook_body(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (topic, body) = text.split_once('\n').unwrap_or(("orders/create", text));
    // What can't stand in a header never comes.
    if topic.bytes().any(|byte| !(byte == b'\t' || byte >= b' ') || byte == 0x7f) {
        return;
    }
    DOOR.with_borrow_mut(|door| {
        if door.is_worn() {
            *door = Door::new();
        }
        let before = door.writes();
        let webhook = Webhook::new(topic, body);
        let unsigned = door.ask(whole(webhook.signed("a-secret-that-nobody-gave")));
        let refused = if body.is_empty() { "empty_body" } else { "invalid_signature" };
        assert_eq!(assert_problem(&unsigned), refused);
        assert_eq!(door.writes(), before, "a stranger wrote");
        let first = door.ask(whole(webhook.signed(SHOPIFY_SECRET)));
        let after = door.writes();
        let again = door.ask(whole(webhook.signed(SHOPIFY_SECRET)));
        assert_eq!(again.status, first.status, "the same webhook was answered otherwise");
        assert_eq!(door.writes(), after, "a repeat was written");
        first.assert_finished();
        if first.status == 200 {
            assert_eq!(first.json(), json!({ "success": true }));
        } else {
            assert_eq!(before, after, "a refused webhook was written");
            assert!(first.status < 500, "answered {}", first.status);
            assert_eq!(assert_problem(&first), assert_problem(&again));
        }
    });
}

fn whole(request: Request<Full<bytes::Bytes>>) -> Request<Body> {
    request.map(Body::new)
}

//! Any bytes as the body that makes a key.

use std::cell::RefCell;

use axum::body::{Body, Bytes};
use hyper::Request;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use selfsame_api::Admission;
use serde_json::Value;

use super::documented::assert_problem;
use super::door::{Door, KEY};

thread_local! {
    static DOOR: RefCell<Door> = RefCell::new(Door::asking(Admission::Keys));
}

/// A key is made that is good for what was sent and for no more, or there is a documented refusal and no key; the same again
/// meets its own name.
pub(super) fn key_body(data: &[u8]) {
    DOOR.with_borrow_mut(|door| {
        if door.is_worn() {
            *door = Door::asking(Admission::Keys);
        }
        let reply = door.ask(make(data));
        reply.assert_finished();
        if reply.status != 201 {
            assert!(reply.status < 500, "answered {}", reply.status);
            assert_problem(&reply);
            return;
        }
        let made = reply.json();
        let sent: Value = serde_json::from_slice(data).expect("what was taken is JSON");
        assert_eq!(made["name"], sent["name"]);
        let scopes = |list: &Value| {
            let mut scopes: Vec<String> = list
                .as_array()
                .expect("a list")
                .iter()
                .filter_map(|word| Some(word.as_str()?.to_owned()))
                .collect();
            scopes.sort();
            scopes.dedup();
            scopes
        };
        assert_eq!(scopes(&made["scopes"]), scopes(&sent["scopes"]));
        assert_eq!(made["workspace"].is_null(), sent["everyWorkspace"] == true);
        assert_eq!(made["requestsPerSecond"], *sent.get("requestsPerSecond").unwrap_or(&Value::Null));
        assert_eq!(made["expiresAt"].is_null(), sent["expiresAt"].is_null());
        let again = door.ask(make(data));
        assert_eq!(assert_problem(&again), "name_taken");
    });
}

fn make(body: &[u8]) -> Request<Body> {
    let request =
        Request::post("/v1/keys").header(HOST, "localhost").header(CONTENT_TYPE, "application/json");
    let request = request.header(AUTHORIZATION, format!("Bearer {KEY}"));
    request.body(Bytes::copy_from_slice(body).into()).expect("a plain request")
}

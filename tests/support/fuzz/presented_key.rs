//! Any bytes as what a request presents at the door: its `Authorization`, and its `Selfsame-Workspace`.

use std::cell::RefCell;

use axum::body::Body;
use hyper::Request;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use selfsame_api::Admission;

use super::documented::{assert_contact, assert_problem};
use super::door::{Door, KEY};

thread_local! {
    static DOOR: RefCell<Door> = RefCell::new(Door::asking(Admission::Keys));
}

/// Nobody is let in but by the key, and nothing is written for anybody else.
///
/// The first line is a value of `Authorization`, and so is each after it up to a blank line; the rest is the workspace.
pub(super) fn presented_key(data: &[u8]) {
    let Some((keys, workspace)) = presented(data) else { return };
    DOOR.with_borrow_mut(|door| {
        if door.is_worn() {
            *door = Door::asking(Admission::Keys);
        }
        let mut request = Request::post("/identify").header(HOST, "localhost");
        request = request.header(CONTENT_TYPE, "application/json");
        for key in &keys {
            request = request.header(AUTHORIZATION, key);
        }
        let names = workspace.is_some();
        if let Some(workspace) = workspace {
            request = request.header("selfsame-workspace", workspace);
        }
        let before = door.writes();
        let reply = door.ask(request.body(Body::from(r#"{"phoneNumber":"1"}"#)).expect("a plain request"));
        reply.assert_finished();
        if reply.status == 200 {
            assert_contact(&reply.json());
            let holds = |value: &HeaderValue| {
                let text = value.to_str().unwrap_or_default();
                // The one way or the other that it may be written.
                text.contains(KEY) || text.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("basic"))
            };
            assert!(keys.len() == 1 && holds(&keys[0]), "somebody was let in without the key");
            return;
        }
        assert_eq!(door.writes(), before, "a refused request was written");
        assert_problem(&reply);
        let known = keys.len() == 1 && keys[0].as_bytes() == format!("Bearer {KEY}").as_bytes();
        assert!(!known || names, "the key was refused");
        // Several names of workspaces can't be sent here; one that isn't there is told only to whoever has the key.
        let want: &[u16] = if known { &[404] } else { &[401, 404] };
        assert!(want.contains(&reply.status), "answered {}", reply.status);
    });
}

fn presented(data: &[u8]) -> Option<(Vec<HeaderValue>, Option<HeaderValue>)> {
    let mut keys = Vec::new();
    let mut lines = data.split(|byte| *byte == b'\n');
    for line in lines.by_ref().take_while(|line| !line.is_empty()) {
        keys.push(HeaderValue::from_bytes(line).ok()?);
    }
    let workspace = lines.next().map(HeaderValue::from_bytes).transpose().ok()?;
    Some((keys, workspace))
}

//! Any bytes as a batch of Segment's clients.

use std::cell::RefCell;

use axum::body::{Body, Bytes};
use hyper::Request;
use hyper::header::{CONTENT_TYPE, HOST};
use serde_json::{Value, json};

use super::documented::assert_problem;
use super::door::Door;

thread_local! {
    static DOOR: RefCell<Door> = RefCell::new(door());
}

/// A door to a workspace in which all that messages bring is an identifier.
fn door() -> Door {
    let mut door = Door::new();
    let request =
        Request::put("/v1/policy").header(HOST, "localhost").header(CONTENT_TYPE, "application/json");
    let policy = json!({ "kinds": ["userId", "anonymousId"] }).to_string();
    let reply = door.ask(request.body(Body::from(policy)).expect("a plain request"));
    assert_eq!(reply.status, 200);
    door
}

/// It is taken, or refused as documented and nothing of it stored; the same again is answered alike, and writes nothing.
pub(super) fn segment_body(data: &[u8]) {
    DOOR.with_borrow_mut(|door| {
        if door.is_worn() {
            *door = self::door();
        }
        let before = events(door);
        let first = door.ask(batch(data));
        let after = events(door);
        let again = door.ask(batch(data));
        assert_eq!(again.status, first.status, "the same body was answered otherwise");
        assert_eq!(events(door), after, "a repeat was written");
        first.assert_finished();
        if first.status == 200 {
            assert_eq!(first.json(), json!({ "success": true }));
        } else {
            assert_eq!(before, after, "a refused request was written");
            assert!(first.status < 500, "answered {}", first.status);
            assert_eq!(assert_problem(&first), assert_problem(&again));
        }
    });
}

/// How many events there are. (A message whose id was used for another is looked at under the lock, and nothing is written then.)
fn events(door: &mut Door) -> Value {
    let request = Request::get("/v1/workspaces/default").header(HOST, "localhost");
    door.ask(request.body(Body::empty()).expect("a plain request")).json()["events"].clone()
}

fn batch(body: &[u8]) -> Request<Body> {
    let request =
        Request::post("/v1/batch").header(HOST, "localhost").header(CONTENT_TYPE, "application/json");
    request.body(Bytes::copy_from_slice(body).into()).expect("a plain request")
}

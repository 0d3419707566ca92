//! Any method, path, headers and body that HTTP can carry, as lines of a request.

use std::cell::RefCell;

use axum::body::{Body, Bytes};
use hyper::header::{HOST, HeaderName, HeaderValue};
use hyper::{Method, Request, Uri};

use super::documented::assert_problem;
use super::door::Door;

thread_local! {
    static DOOR: RefCell<Door> = RefCell::new(Door::new());
}

/// The answer is a good one or a documented refusal, and refused requests store nothing.
pub(super) fn request_headers(data: &[u8]) {
    let Some(request) = request(data) else { return };
    DOOR.with_borrow_mut(|door| {
        if door.is_worn() {
            *door = Door::new();
        }
        let before = door.writes();
        let reply = door.ask(request);
        reply.assert_finished();
        if reply.status >= 400 {
            assert_problem(&reply);
            assert_eq!(door.writes(), before, "a refused request was written");
        }
    });
}

/// `METHOD PATH`, a line for each header, a blank line, the body. Nothing if HTTP has no such request. Where no `Host` is
/// named, the usual one is: without any, nothing else of a request would be looked at.
fn request(data: &[u8]) -> Option<Request<Body>> {
    let mut lines = data.splitn(2, |byte| *byte == b'\n');
    let mut words = lines.next()?.splitn(2, |byte| *byte == b' ');
    let method = Method::from_bytes(words.next()?).ok()?;
    let mut request = Request::builder().method(method).uri(Uri::try_from(words.next()?).ok()?);
    let mut rest = lines.next().unwrap_or_default();
    loop {
        let mut lines = rest.splitn(2, |byte| *byte == b'\n');
        let line = lines.next()?;
        rest = lines.next().unwrap_or_default();
        if line.is_empty() {
            let mut request = request.body(Bytes::copy_from_slice(rest).into()).ok()?;
            request.headers_mut().entry(HOST).or_insert(HeaderValue::from_static("localhost"));
            return Some(request);
        }
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        request = request.header(name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?);
    }
}

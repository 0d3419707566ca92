//! What docs/API.md promises of every answer, held against the answers themselves.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::body::Bytes;
use hyper::HeaderMap;
use selfsame_rules::{Email, Phone};
use serde_json::Value;

/// The document that is held to.
const API: &str = include_str!("../../../docs/API.md");

/// Each code of the table of errors, and its status.
static CODES: LazyLock<BTreeMap<&str, u16>> = LazyLock::new(|| {
    let rows = API.lines().filter_map(|line| {
        let mut cells = line.split('|').skip(1);
        let status: u16 = cells.next()?.trim().parse().ok()?;
        Some((status, cells.next()?))
    });
    rows.flat_map(|(status, codes)| codes.split('`').skip(1).step_by(2).map(move |code| (code, status)))
        .collect()
});

/// A whole answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    /// What every answer has, whatever it says.
    pub(super) fn assert_finished(&self) {
        assert!(self.headers.contains_key("x-request-id"), "no request id: {self:?}");
        assert_eq!(self.headers["cache-control"], "no-store");
        assert!((200..500).contains(&self.status), "no request is to blame for this: {self:?}");
    }

    fn content_type(&self) -> &str {
        self.headers.get("content-type").and_then(|text| text.to_str().ok()).unwrap_or_default()
    }
}

/// Holds that a refusal is one of the documented ones, with every member; returns its code.
///
/// # Panics
///
/// If it isn't.
pub fn assert_problem(reply: &Reply) -> String {
    reply.assert_finished();
    assert_eq!(reply.content_type(), "application/problem+json", "{reply:?}");
    let problem = reply.json();
    assert_eq!(problem["status"], reply.status, "{problem}");
    assert_eq!(problem["requestId"], reply.headers["x-request-id"].to_str().expect("an id is ASCII"));
    assert_problem_body(&problem)
}

/// Holds the members of a problem, of a whole request or of one line; returns its code.
pub(super) fn assert_problem_body(problem: &Value) -> String {
    let members: Vec<&str> = problem.as_object().expect("an object").keys().map(String::as_str).collect();
    let members: Vec<&str> = members.into_iter().filter(|member| *member != "line").collect();
    assert_eq!(members, ["code", "detail", "error", "requestId", "status", "title", "type"], "{problem}");
    let code = problem["code"].as_str().expect("a text");
    let status = CODES.get(code).unwrap_or_else(|| panic!("the code `{code}` stands in no document"));
    assert_eq!(problem["status"], *status, "{problem}");
    assert_eq!(problem["type"], format!("urn:selfsame:problem:{code}"));
    assert!(!problem["detail"].as_str().expect("a text").is_empty());
    code.to_owned()
}

/// Holds the shape of a customer: the members, ids that can be, canonical values, and no repeats.
///
/// # Panics
///
/// If it isn't one.
pub fn assert_contact(body: &Value) {
    let members =
        |value: &Value| -> Vec<String> { value.as_object().expect("an object").keys().cloned().collect() };
    assert_eq!(members(body), ["contact"], "{body}");
    let contact = &body["contact"];
    assert_eq!(
        members(contact),
        ["emails", "phoneNumbers", "primaryContactId", "secondaryContactIds"],
        "{body}"
    );
    let texts = |key: &str| -> Vec<&str> {
        let list = contact[key].as_array().expect("a list").iter();
        list.map(|value| value.as_str().expect("a text")).collect()
    };
    let (emails, phones) = (texts("emails"), texts("phoneNumbers"));
    assert!(emails.len() + phones.len() > 0, "a customer without a value: {body}");
    for email in &emails {
        let canonical = Email::parse(email).expect("an answered address is one").expect("not blank");
        assert_eq!(canonical.as_str(), *email);
    }
    for phone in &phones {
        let canonical = Phone::parse(phone).expect("an answered number is one").expect("not blank");
        assert_eq!(canonical.as_str(), *phone);
    }
    let mut ids = vec![contact["primaryContactId"].as_i64().expect("an id")];
    let secondaries = contact["secondaryContactIds"].as_array().expect("a list").iter();
    ids.extend(secondaries.map(|id| id.as_i64().expect("an id")));
    assert!(ids.iter().all(|id| *id > 0), "{body}");
    for mut list in [emails, phones] {
        list.sort_unstable();
        assert!(list.is_sorted_by(|one, other| one < other), "a value twice: {body}");
    }
    ids.sort_unstable();
    assert!(ids.is_sorted_by(|one, other| one < other), "an id twice: {body}");
}

//! Requests that change something, or tell what they would change.

use bytes::Bytes;
use hyper::Method;
use hyper::header::HeaderValue;
use serde::Serialize;

use crate::client::json;
use crate::observation::Observation;
use crate::transport::{JSON, Request};
use crate::words::{ContactId, Sequence};

/// A change that is asked for.
pub(crate) struct Change {
    method: Method,
    path: String,
    body: Option<Bytes>,
    is_observation: bool,
}

#[derive(Serialize)]
struct Undo<'text> {
    reason: Option<&'text str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Split<'text> {
    contact_ids: &'text [ContactId],
    reason: Option<&'text str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Merge<'text> {
    with_contact_id: ContactId,
    reason: &'text str,
}

impl Change {
    pub(crate) fn observe(observation: &Observation) -> Self {
        Self { is_observation: true, ..Self::post("/v1/observations".to_owned(), observation) }
    }

    pub(crate) fn undo(event: Sequence, reason: Option<&str>) -> Self {
        Self::post(format!("/v1/events/{event}/undo"), &Undo { reason })
    }

    pub(crate) fn split(contact: ContactId, leaving: &[ContactId], reason: Option<&str>) -> Self {
        Self::post(format!("/v1/identities/{contact}/split"), &Split { contact_ids: leaving, reason })
    }

    pub(crate) fn merge(one: ContactId, other: ContactId, reason: &str) -> Self {
        Self::post(format!("/v1/identities/{one}/merge"), &Merge { with_contact_id: other, reason })
    }

    pub(crate) fn erase(contact: ContactId) -> Self {
        let path = format!("/v1/identities/{contact}");
        Self { method: Method::DELETE, path, body: None, is_observation: false }
    }

    fn post(path: String, body: &impl Serialize) -> Self {
        Self { method: Method::POST, path, body: Some(json(body)), is_observation: false }
    }

    /// Whether it does nothing when it comes again.
    pub(crate) fn is_observation(&self) -> bool {
        self.is_observation
    }

    /// As it is sent, also again.
    pub(crate) fn request(&self, is_dry_run: bool, idempotency_key: Option<HeaderValue>) -> Request {
        let path = format!("{}{}", self.path, if is_dry_run { "?dryRun=true" } else { "" });
        let body = self.body.clone().map(|body| (JSON, body));
        Request { method: self.method.clone(), body, idempotency_key, ..Request::get(path) }
    }
}

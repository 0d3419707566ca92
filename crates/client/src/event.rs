//! Events of the log, and identifiers as they and other answers have them.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::personal::Personal;
use crate::words::{EventKind, Sequence};

/// A kind and a canonical value.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Identifier {
    /// `email`, `phone`, or a kind that the policy declares.
    pub kind: String,
    /// Nothing where it was erased.
    pub value: Option<Personal<String>>,
}

/// An identifier that was seen.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// `email`, `phone`, or a kind that the policy declares.
    pub kind: String,
    /// The canonical value; nothing where it was erased.
    pub value: Option<Personal<String>>,
    /// The text as it was sent, where that is another.
    pub as_sent: Option<Personal<String>>,
    /// Whether it was marked so.
    #[serde(default)]
    pub verified: bool,
}

/// One accepted change.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Its place in the workspace's log.
    pub sequence: Sequence,
    /// When it was accepted: RFC 3339, UTC.
    pub at: String,
    /// What it is about.
    pub kind: EventKind,
    /// The name of a key or a command, or a route.
    pub caused_by: String,
    /// What was seen.
    pub evidence: Vec<Evidence>,
    /// When it was seen, if whoever sent it said so: RFC 3339, UTC.
    pub observed_at: Option<String>,
    /// Where it was seen, if whoever sent it said so.
    pub source: Option<String>,
    /// What it changed. Its members depend on the kind: `docs/API.md` of the server has a table of them. They can hold values
    /// and what people wrote.
    pub outcome: Personal<Map<String, Value>>,
}

/// A page of the log, in its order.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventPage {
    /// The events; the last one's number leads to the next page.
    pub events: Vec<Event>,
    /// There when there is more behind this page.
    pub next_cursor: Option<String>,
}

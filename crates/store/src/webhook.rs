//! Webhooks: where a workspace's events are sent to, and how far that has come, as every store keeps it.
//!
//! Deliberately absent: the events that are sent. They are read from the log each time, so that what is erased there is sent
//! by nobody.

use std::fmt;

use selfsame_rules::{Sequence, Timestamp};

use crate::{Decided, WorkspaceKey};

/// The secret that messages are signed with, as Standard Webhooks spells it (`whsec_…`). Prints as nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret(pub Box<str>);

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("WebhookSecret(…)")
    }
}

/// A row of `webhooks`: an endpoint. Prints without its URL, whose query may be a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookRow {
    /// Whose events it gets.
    pub workspace: WorkspaceKey,
    /// What it is called in paths.
    pub id: Box<str>,
    /// Where to.
    pub url: Box<str>,
    /// The kinds of events that it gets; all, if there are none.
    pub kinds: Vec<Box<str>>,
    /// What signs its messages.
    pub secret: WebhookSecret,
    /// What signs them besides, until then: the secret before the last rotation.
    pub former_secret: Option<(WebhookSecret, Timestamp)>,
    /// When it was added.
    pub created_at: Timestamp,
    /// How far it has come.
    pub progress: WebhookProgress,
    /// Who delivers, or did last.
    pub holder: Box<str>,
    /// Whether that one still does.
    pub is_held: bool,
    /// How often the row was written. Who writes it names the last one it knows, so that of two only one does.
    pub revision: i64,
}

impl fmt::Debug for WebhookRow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { workspace, id, revision, .. } = self;
        write!(formatter, "WebhookRow({workspace} {id}, revision {revision}, …)")
    }
}

impl WebhookRow {
    /// As the column `kinds` has them: words with a space between.
    pub fn kinds_text(&self) -> String {
        self.kinds.join(" ")
    }

    /// The kinds that a column holds.
    pub fn kinds_from_text(text: &str) -> Vec<Box<str>> {
        text.split_ascii_whitespace().map(Box::from).collect()
    }
}

/// How far an endpoint has come, and how it fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookProgress {
    /// The last event that was delivered to it, or is of a kind that it doesn't get.
    pub position: Sequence,
    /// Whether nothing is sent until somebody asks for it: it failed for too long, or is gone.
    pub is_parked: bool,
    /// How many attempts have failed since the last that didn't.
    pub failures: u32,
    /// When the first of these was.
    pub failing_since: Option<Timestamp>,
    /// When the last attempt ended.
    pub last_attempt_at: Option<Timestamp>,
    /// The status that it was answered, if it was.
    pub last_status: Option<u16>,
    /// Why it failed, if it did: a sentence of ours, with nothing in it that the endpoint said.
    pub last_problem: Option<Box<str>>,
    /// Not to be tried before.
    pub next_attempt_at: Option<Timestamp>,
}

impl WebhookProgress {
    /// That of an endpoint to which whatever comes after that event is to be sent, and nothing was yet.
    pub fn after(position: Sequence) -> Self {
        Self {
            position,
            is_parked: false,
            failures: 0,
            failing_since: None,
            last_attempt_at: None,
            last_status: None,
            last_problem: None,
            next_attempt_at: None,
        }
    }
}

/// The webhooks of a workspace, read under its lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhooksSeen {
    /// The last event of the workspace's log.
    pub last_sequence: Sequence,
    /// By id.
    pub rows: Vec<WebhookRow>,
}

/// One change that somebody makes of the webhooks of a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookChange {
    /// A new row.
    Added(WebhookRow),
    /// A row as it is from now on. Nobody holds it, whoever delivered before: he begins anew with what it says.
    Changed(WebhookRow),
    /// No row any more.
    Removed(Box<str>),
}

/// A decision about webhooks, called on what was read under the lock; nothing to change is no fault.
///
/// As a [`crate::Decision`], it may be called more than once.
pub type WebhookDecision = Box<dyn FnMut(&WebhooksSeen) -> Decided<WebhookChange> + Send>;

/// What whoever delivers notes of it. That he holds the endpoint, or gives it back, is noted with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookNote {
    /// Whose endpoint.
    pub workspace: WorkspaceKey,
    /// Which.
    pub id: Box<str>,
    /// The revision that he knows.
    pub revision: i64,
    /// Himself: a text that nobody else has.
    pub holder: Box<str>,
    /// Whether he goes on.
    pub is_held: bool,
    /// How far it has come.
    pub progress: WebhookProgress,
}

//! Answers that are kept for a while: a request that its sender marked with a key has its effect once, and the same answer
//! however often it is sent.

use std::fmt;
use std::time::Duration;

use selfsame_rules::{Plan, Timestamp};
use sha2::{Digest, Sha256};

use crate::{ImportNote, WorkspaceKey};

/// How long an answer is kept.
pub const ANSWERS_KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// A request that is to have its effect once: by what it is told again. Neither the sender's key nor the request is kept, but
/// their SHA-256.
///
/// ```
/// use selfsame_rules::Timestamp;
/// use selfsame_store::{Once, WorkspaceKey};
///
/// let now = Timestamp::from_milliseconds(1);
/// let once = |body| Once::new(WorkspaceKey::DEFAULT, "POST /v1/events/{sequence}/undo", "8e03978e", [body], now);
/// assert_eq!(once("{}"), once("{}"));
/// assert_ne!(once("{}").request(), once("{ }").request());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Once {
    workspace: WorkspaceKey,
    route: &'static str,
    key: Box<str>,
    request: Box<str>,
    at: Timestamp,
}

impl fmt::Debug for Once {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Once({} {}, …)", self.workspace, self.route)
    }
}

impl Once {
    /// The request that came to `route` of a workspace at that moment, with the sender's key; `parts` are all that could make
    /// it another request.
    pub fn new<'part>(
        workspace: WorkspaceKey,
        route: &'static str,
        key: &str,
        parts: impl IntoIterator<Item = &'part (impl AsRef<[u8]> + ?Sized + 'part)>,
        at: Timestamp,
    ) -> Self {
        let mut request = Sha256::new();
        for part in parts {
            // With its length, so that no two lists of parts are spelt the same.
            request.update(part.as_ref().len().to_le_bytes());
            request.update(part);
        }
        let (key, request) = (text(&Sha256::digest(key)), text(&request.finalize()));
        Self { workspace, route, key, request, at }
    }

    /// Where its answer is kept. A store holds that workspace's lock, or the default one's, whenever it writes one.
    pub fn workspace(&self) -> WorkspaceKey {
        self.workspace
    }

    /// The route's template: the same key on another one is another request.
    pub fn route(&self) -> &'static str {
        self.route
    }

    /// As the column `key_digest` has it: 64 hexadecimal digits.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// As the column `request_digest` has it: 64 hexadecimal digits.
    pub fn request(&self) -> &str {
        &self.request
    }

    /// When it came.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// An answer that was kept at that moment or before is none any more.
    pub fn kept_since(&self) -> Timestamp {
        let kept_for_ms = i64::try_from(ANSWERS_KEPT_FOR.as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_milliseconds(self.at.as_milliseconds().saturating_sub(kept_for_ms))
    }
}

fn text(digest: &[u8]) -> Box<str> {
    digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

/// An answer as it is kept. Prints as its status.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The field `Location`, if the answer had one.
    pub location: Option<Box<str>>,
    /// The body, byte for byte; `None` since somebody in it was erased.
    pub body: Option<Box<str>>,
}

impl KeptAnswer {
    /// Of a request that everybody is answered alike: that it was carried out, and nothing of anybody.
    pub fn carried_out() -> Self {
        Self { status: 204, location: None, body: Some("".into()) }
    }
}

impl fmt::Debug for KeptAnswer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KeptAnswer({}, …)", self.status)
    }
}

/// What is kept under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// [`Once::request`] of the request that was answered so; empty once the body is taken.
    pub request: Box<str>,
    /// What it was answered.
    pub answer: KeptAnswer,
}

/// What a decision comes to: a change, and the answer to keep of it. A refusal has only that.
#[derive(Clone, Debug)]
pub struct Decided<T> {
    /// What is to be carried out.
    pub change: Option<T>,
    /// What is to be kept, where the request is one that can be repeated ([`Once`]).
    pub answer: Option<KeptAnswer>,
}

impl<T> From<Option<T>> for Decided<T> {
    fn from(change: Option<T>) -> Self {
        Self { change, answer: None }
    }
}

/// What a decision on observations comes to: a plan, and which of them are to be known when they come again. Of an empty plan
/// nothing is kept or noted.
#[derive(Clone, Debug)]
pub struct Planned {
    /// What is to be carried out.
    pub plan: Plan,
    /// Those of which it is kept that they were carried out ([`KeptAnswer::carried_out`]); each key once.
    pub keep: Vec<Once>,
    /// How far the import is of which they are rows.
    pub note: Option<ImportNote>,
}

impl From<Plan> for Planned {
    fn from(plan: Plan) -> Self {
        Self { plan, keep: Vec::new(), note: None }
    }
}

/// What became of a change.
#[derive(Clone, Debug)]
pub enum Carried<T> {
    /// It was decided now: what was carried out, if anything.
    Now(Option<T>),
    /// The same key was used before. Nothing was decided.
    Before(Kept),
}

impl<T> Carried<T> {
    /// What was carried out now.
    pub fn now(self) -> Option<T> {
        match self {
            Self::Now(change) => change,
            Self::Before(_) => None,
        }
    }
}

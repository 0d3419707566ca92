//! What can go wrong: a problem that the server tells, or no answer at all.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;

/// What a cause is told by.
pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why there is no answer of the kind that was asked for. None of it holds a key or a value of a person.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The server says what is wrong and what to do.
    #[error(transparent)]
    Problem(Box<Problem>),
    /// No connection was made, so the server has got nothing.
    #[error("the server can't be reached")]
    Unreachable(#[source] Cause),
    /// The connection broke before the whole answer was there: the server may have done what it was asked to, or not.
    #[error("the connection broke before the answer had come")]
    Broken(#[source] Cause),
    /// The server said nothing for so long; it may have done what it was asked to, or not.
    #[error("the server said nothing for {0:?}")]
    TimedOut(Duration),
    /// Something else than a server of ours answered, a proxy for example.
    #[error(
        "the answer has the status {status} and isn't one of a selfsame server; look at what stands between"
    )]
    Unexpected {
        /// Of the answer.
        status: u16,
    },
    /// An answer is not as this version of the client reads it. It isn't told, since it may hold a value of a person.
    #[error(
        "the answer can't be read at its line {line}, column {column}; server and client may be of different versions"
    )]
    Unreadable {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// The client was given something that can't be sent.
    #[error(transparent)]
    Setting(#[from] InvalidSetting),
    /// The system has no randomness for an `Idempotency-Key`.
    #[error("the system gives no randomness")]
    NoRandomness(#[source] Cause),
}

/// What a client can't be made with.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InvalidSetting {
    /// It has to be one such as `https://shop.example`.
    #[error(
        "the server's URL must begin with `http://` or `https://` and name a host, without user, query or fragment"
    )]
    Url,
    /// A key is text of visible ASCII characters.
    #[error("the key can't be sent, as it holds other characters than visible ones of ASCII")]
    Key,
    /// A workspace's name is text of visible ASCII characters.
    #[error("the workspace's name can't be sent, as it holds other characters than visible ones of ASCII")]
    Workspace,
    /// An `Idempotency-Key` is 1 to 255 characters of ASCII.
    #[error("an `Idempotency-Key` has 1 to 255 characters of ASCII")]
    IdempotencyKey,
    /// Certificates come as PEM.
    #[error("the certificates of the authority can't be read; give them as PEM")]
    Certificate,
}

/// What went wrong, and what to do: RFC 9457, as the server tells it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// Of the answer, or, in a batch, of its line.
    pub status: u16,
    /// What programs compare: it is fixed for good. `docs/API.md` of the server says what to do about each.
    pub code: String,
    /// A sentence for people.
    pub detail: String,
    /// By what the server's log names the request.
    pub request_id: String,
    /// In a batch, the line that has the problem, from 1.
    pub line: Option<u64>,
    /// When the same request may be sent again, if the server says so.
    #[serde(skip)]
    pub retry_after: Option<Duration>,
}

impl Error {
    /// The problem, where the server told one.
    pub fn problem(&self) -> Option<&Problem> {
        if let Self::Problem(problem) = self { Some(problem) } else { None }
    }

    /// Whether the same request may do better a moment later.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Problem(problem) => problem.is_temporary(),
            Self::Unreachable(_) | Self::Broken(_) | Self::TimedOut(_) => true,
            // A gateway that has lost the server.
            Self::Unexpected { status } => matches!(status, 502..=504),
            Self::Unreadable { .. } | Self::Setting(_) | Self::NoRandomness(_) => false,
        }
    }

    /// Where an answer could not be read; what it holds is left out.
    pub(crate) fn unreadable(error: &serde_json::Error) -> Self {
        Self::Unreadable { line: error.line(), column: error.column() }
    }
}

impl Problem {
    /// Whether the same request may do better a moment later.
    pub fn is_temporary(&self) -> bool {
        self.status == 503 || self.retry_after.is_some()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, code, detail, request_id, .. } = self;
        write!(formatter, "{status} {code}: {detail} (request {request_id})")
    }
}

impl std::error::Error for Problem {}

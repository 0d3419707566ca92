//! Error answers: RFC 9457 problem details, with the original's `error` member beside them.
//!
//! A handler returns a [`Problem`]; `finish` writes it out, since only it knows the request id. The `detail` is for
//! the caller: what is wrong and what to do. The cause is for the log.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use selfsame_rules::Scope;
use selfsame_service::{ActError, IdentifyError, KnownKey, NAMES_HELD_FOR, Readiness, Reason, TooMuch};
use selfsame_store::StoreError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::door::too_much_headers;
use crate::request_id::RequestId;

/// A store that hangs for long may well be back sooner than it has hung.
const RETRY_AFTER_SECONDS_MAX: u32 = 60;

/// Codes that are told to thousands of clients at the same time.
const OVERLOAD: [&str; 3] = ["overloaded", "queue_full", "too_many_connections"];

/// Of requests that come without a key.
const FOREIGN_PAGE: &str = "foreign_page";

/// An error answer before it is written.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    /// Fixed for good: what programs compare.
    pub(crate) code: &'static str,
    pub(crate) detail: String,
    pub(crate) retry_after_seconds: Option<u32>,
    /// Of `/readyz`, all the reasons.
    pub(crate) reasons: Box<[&'static str]>,
    /// Fields of the answer that belong to this problem.
    pub(crate) headers: Box<[(HeaderName, HeaderValue)]>,
    /// The request's, where it was needed before the answer is finished.
    pub(crate) request_id: Option<Box<RequestId>>,
    /// For the log: the key that the request came with.
    pub(crate) key: Option<Arc<KnownKey>>,
    /// For the log, never for the caller.
    pub(crate) cause: Option<Box<str>>,
}

/// What went wrong, and what to do: RFC 9457.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub(crate) struct ProblemBody<'problem> {
    r#type: String,
    title: &'problem str,
    status: u16,
    detail: &'problem str,
    code: &'problem str,
    request_id: String,
    /// The original service's only member, with its words.
    error: &'problem str,
    /// In a batch, the line that has the problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    line: Option<u64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    reasons: &'problem [&'static str],
}

impl Problem {
    /// A fault of the request.
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            retry_after_seconds: None,
            reasons: Box::default(),
            headers: Box::default(),
            request_id: None,
            key: None,
            cause: None,
        }
    }

    /// Something that the same request may not meet a moment later.
    fn later(code: &'static str, detail: &str, retry_after_seconds: u32) -> Self {
        let retry_after_seconds = Some(retry_after_seconds);
        Self { retry_after_seconds, ..Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail) }
    }

    pub(crate) fn caused_by(self, cause: &dyn std::error::Error) -> Self {
        Self { cause: Some(cause.to_string().into()), ..self }
    }

    pub(crate) fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "There is nothing at this path; try POST /identify.")
    }

    /// Nothing of an observation could link under the workspace's policy.
    pub(crate) fn nothing_links() -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "nothing_links",
            "The workspace's policy lets none of these identifiers link anybody, so nothing was stored; send one that is \
             neither blocked nor an unverified claim.",
        )
    }

    /// No contact has that number.
    pub(crate) fn no_contact() -> Self {
        let detail = "There is no contact of that number; take one that an answer gave.";
        Self::new(StatusCode::NOT_FOUND, "contact_not_found", detail)
    }

    /// The contact is deleted, and nobody of its identity lives.
    pub(crate) fn contact_gone() -> Self {
        let detail = "That contact was deleted or erased, and nobody of its identity is left.";
        Self::new(StatusCode::GONE, "contact_gone", detail)
    }

    /// The key isn't good for that.
    pub(crate) fn wrong_scope(scope: Scope) -> Self {
        let detail = format!("The key lacks the scope `{}`; use one that has it.", scope.word());
        Self::new(StatusCode::FORBIDDEN, "wrong_scope", detail)
    }

    /// The key opens one workspace, and this takes one that opens all.
    pub(crate) fn needs_every_workspace() -> Self {
        let detail = "This takes a key to every workspace, and the request's opens one.";
        Self::new(StatusCode::FORBIDDEN, "needs_every_workspace", detail)
    }

    /// The key opens one workspace, and the request names another, whether that is there or not.
    pub(crate) fn other_workspace() -> Self {
        let detail =
            "The key doesn't open the workspace that `Selfsame-Workspace` names; leave the header out.";
        Self::new(StatusCode::FORBIDDEN, "other_workspace", detail)
    }

    /// A web page from elsewhere asks in the name of this machine's user.
    pub(crate) fn foreign_page() -> Self {
        let detail = "Without a key, this server is for this machine: not for a web page of another one, or by a name that \
                      one may have; make a key, or let some pages with --cors-origins.";
        Self::new(StatusCode::FORBIDDEN, FOREIGN_PAGE, detail)
    }

    pub(crate) fn no_workspace() -> Self {
        let detail = "There is no workspace of that name; `/v1/workspaces` and `selfsame workspaces list` tell which there are.";
        Self::new(StatusCode::NOT_FOUND, "workspace_not_found", detail)
    }

    pub(crate) fn several_workspaces() -> Self {
        Self::bad_request("invalid_header", "`Selfsame-Workspace` may be sent once; name one workspace.")
    }

    /// The key is used more than it may be.
    pub(crate) fn too_much(too_much: TooMuch) -> Self {
        let (code, detail, wait) = match too_much {
            TooMuch::Rate(left) => (
                "rate_limited",
                format!(
                    "The key may be used {} times a second, for each observation of a batch once; send the same request again after `Retry-After` seconds.",
                    left.requests_per_second
                ),
                left.retry_after.unwrap_or_default(),
            ),
            TooMuch::AtOnce(limit) => (
                "too_many_at_once",
                format!(
                    "The key may have {limit} requests under way; send the same request again when one has ended."
                ),
                Duration::ZERO,
            ),
        };
        Self {
            // No estimate: before that, it would be refused again.
            retry_after_seconds: Some(whole_seconds(wait).max(1)),
            headers: too_much_headers(too_much),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, code, detail)
        }
    }

    pub(crate) fn method_not_allowed() -> Self {
        let detail = "This path takes another method; the `Allow` header names it.";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
    }

    /// The connection that it came on is one too many.
    pub(crate) fn too_many_connections() -> Self {
        let detail = "More connections are open than the server takes on; send the same request again in a moment, \
                      and close connections that you don't use.";
        Self::later("too_many_connections", detail, 1)
    }

    /// The server ends.
    pub(crate) fn shutting_down() -> Self {
        let detail = "This server is shutting down; send the same request again in a moment.";
        Self::later("shutting_down", detail, 1)
    }

    /// As many exports are under way as may be.
    pub(crate) fn too_many_exports() -> Self {
        let detail = "As many exports are under way as the server takes on; send the same request again when one has ended.";
        Self::later("too_many_exports", detail, 10)
    }

    /// Requests should be sent elsewhere, for this reason before all.
    pub(crate) fn not_ready(first: Reason, readiness: &Readiness) -> Self {
        let detail = match first {
            Reason::ShuttingDown => "This server is shutting down; send requests to another.",
            Reason::StoreUnavailable => {
                "The database can't be reached or can't answer now; the log says why."
            }
            Reason::SchemaNewer => {
                "A later version has changed the database; replace this server by one of that version."
            }
            Reason::StoreFailed | Reason::NoSpace => {
                "The database answers with an error; the log says which, and `selfsame check` looks for damage."
            }
        };
        let reasons = readiness.reasons.iter().map(|reason| reason.code()).collect();
        let cause = readiness.cause.as_ref().map(|cause| cause.to_string().into());
        Self { reasons, cause, ..Self::later(first.code(), detail, 1) }
    }

    /// A fault of ours. The caller gets the request id and nothing else.
    pub(crate) fn internal() -> Self {
        let detail = "Something failed on our side; tell the operator this `requestId`.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", detail)
    }

    /// Appends the JSON object that tells it, of a whole request or of one `line` of it, counted from 1.
    pub(crate) fn write(&self, request_id: RequestId, line: Option<u64>, into: &mut Vec<u8>) {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let body = ProblemBody {
            r#type: format!("urn:selfsame:problem:{}", self.code),
            title,
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            request_id: request_id.to_string(),
            error: title,
            line,
            reasons: &self.reasons,
        };
        serde_json::to_writer(into, &body).expect("strings and numbers always make JSON");
    }

    /// Tells the log, at a level that fits.
    pub(crate) fn log(&self, request_id: RequestId) {
        let (status, code) = (self.status.as_u16(), self.code);
        let cause = self.cause.as_deref().unwrap_or("none");
        let facts = self.key.as_ref().map(|key| &key.facts);
        let (key, id) = facts.map_or(("none", "none"), |facts| (facts.name.as_str(), &*facts.id));
        if OVERLOAD.contains(&code) {
            // Whoever refused it has told the log, once for many.
            tracing::debug!(request.id = %request_id, status, code, cause, "a request was turned away");
        } else if status == 500 {
            tracing::error!(request.id = %request_id, status, code, cause, key, key.id = id, "a request failed");
        } else if self.status.is_server_error() {
            tracing::warn!(request.id = %request_id, status, code, cause, key, key.id = id, "a request was turned away");
        } else if code == FOREIGN_PAGE {
            tracing::warn!(request.id = %request_id, status, code, "a web page from elsewhere was turned away");
        } else if self.status == StatusCode::FORBIDDEN {
            tracing::warn!(request.id = %request_id, status, code, key, key.id = id, "a key was used for what it may not do");
        } else {
            tracing::debug!(request.id = %request_id, status, code, cause, key, key.id = id, "a request was refused");
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        if let Some(request_id) = &self.request_id {
            response.extensions_mut().insert(**request_id);
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// When what would have to wait so long is asked to come again.
fn retry_after_seconds(wait: Duration) -> u32 {
    whole_seconds(wait).min(RETRY_AFTER_SECONDS_MAX)
}

fn whole_seconds(wait: Duration) -> u32 {
    let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

impl From<IdentifyError> for Problem {
    fn from(error: IdentifyError) -> Self {
        match error {
            IdentifyError::QueueFull => Self::later(
                "queue_full",
                "More changes wait than the server takes on; send the same request again in a moment.",
                1,
            ),
            IdentifyError::Overloaded { wait } => Self::later(
                "overloaded",
                "Changes come faster than they can be stored, and this one would wait too long; send the same request \
                 again after `Retry-After` seconds.",
                retry_after_seconds(wait),
            ),
            IdentifyError::ShuttingDown => Self::shutting_down(),
            IdentifyError::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let problem = match &error {
            StoreError::NoSpace => Self::later(
                "no_space",
                "The server's disk is full, so nothing new can be stored, though known customers are still answered; \
                 send the same request again later.",
                10,
            ),
            StoreError::Unavailable(_) => Self::later(
                "store_unavailable",
                "The database can't answer now, and nothing was stored; send the same request again in a moment.",
                1,
            ),
            StoreError::OutcomeUnknown(_) => Self::later(
                "outcome_unknown",
                "The database failed while it stored this; send the same request again: a repeat never stores it twice.",
                1,
            ),
            StoreError::NotWritable => Self::shutting_down(),
            StoreError::NoWorkspace(_) => Self::no_workspace(),
            StoreError::NewerSchema { .. } | StoreError::Incoherent(_) | StoreError::Failed(_) => {
                Self::internal()
            }
        };
        problem.caused_by(&error)
    }
}

impl From<ActError> for Problem {
    fn from(error: ActError) -> Self {
        let conflict = |code, detail: &str| Self::new(StatusCode::CONFLICT, code, detail);
        match error {
            ActError::NameTaken => conflict("name_taken", "Another one has that name; choose another."),
            ActError::NameJustGivenUp => {
                let held_for = u32::try_from(NAMES_HELD_FOR.as_secs()).unwrap_or(RETRY_AFTER_SECONDS_MAX);
                let detail = "Another workspace had that name until a moment ago, and a replica may still take it for \
                              that one; send the same request again after `Retry-After` seconds.";
                Self { retry_after_seconds: Some(held_for), ..conflict("name_just_given_up", detail) }
            }
            ActError::NoKey => Self::new(
                StatusCode::NOT_FOUND,
                "key_not_found",
                "There is no key with that id; `/v1/keys` and `selfsame keys list` tell which there are.",
            ),
            ActError::NoWorkspace => Self::no_workspace(),
            ActError::DefaultStays => {
                conflict("default_stays", "The workspace `default` can't be renamed or erased.")
            }
            ActError::NoRandomness(cause) => Self { cause: Some(cause.into()), ..Self::internal() },
            ActError::Store(error) => error.into(),
        }
    }
}

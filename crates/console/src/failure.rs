//! Pages that tell what went wrong, and what to do.
//!
//! The codes are those of the API's problems: whoever watches log and numbers meets one set of words.

use std::error::Error;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Request, State};
use axum::http::header::{LOCATION, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use selfsame_service::{AskError, KnownKey, Refused, TooMuch, Unwelcome};
use selfsame_store::StoreError;

use crate::ask::address;
use crate::frame::{Frame, page};
use crate::router::ConsoleState;

/// Why there is no page, before it is told.
#[derive(Clone, Debug)]
pub(crate) struct Failure(Box<Told>);

#[derive(Clone, Debug)]
struct Told {
    status: StatusCode,
    code: &'static str,
    /// What is wrong and what to do, for the reader.
    sentence: String,
    /// Where the visitor signs in first.
    sign_in: Option<String>,
    key: Option<Arc<KnownKey>>,
    cause: Option<Box<str>>,
    retry_after_seconds: Option<u32>,
}

#[derive(Template)]
#[template(path = "failure.html")]
struct FailurePage<'failure> {
    frame: Frame,
    heading: &'failure str,
    sentence: &'failure str,
    request_id: &'failure str,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, code: &'static str, sentence: impl Into<String>) -> Self {
        Self(Box::new(Told {
            status,
            code,
            sentence: sentence.into(),
            sign_in: None,
            key: None,
            cause: None,
            retry_after_seconds: None,
        }))
    }

    fn later(code: &'static str, sentence: &str, retry_after_seconds: u32) -> Self {
        let mut failure = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, sentence);
        failure.0.retry_after_seconds = Some(retry_after_seconds);
        failure
    }

    fn caused_by(mut self, cause: &dyn Error) -> Self {
        self.0.cause = Some(cause.to_string().into());
        self
    }

    /// The key that the request came with, for the log.
    pub(crate) fn of(mut self, key: &Arc<KnownKey>) -> Self {
        self.0.key = Some(Arc::clone(key));
        self
    }

    pub(crate) fn not_found() -> Self {
        let sentence = "There is no such page. The box above finds customers.";
        Self::new(StatusCode::NOT_FOUND, "not_found", sentence)
    }

    pub(crate) fn no_contact() -> Self {
        let sentence =
            "No contact has that number here. Look for the customer's address or phone number instead.";
        Self::new(StatusCode::NOT_FOUND, "contact_not_found", sentence)
    }

    pub(crate) fn method_not_allowed() -> Self {
        let sentence = "This page is opened by a form of the console. Go back, and use that.";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", sentence)
    }

    /// A form from elsewhere.
    pub(crate) fn foreign_form() -> Self {
        let sentence = "This form was not sent by a page of this console, so nothing was changed. Open the console in this \
                        browser, and use the form there.";
        Self::new(StatusCode::FORBIDDEN, "foreign_page", sentence)
    }

    pub(crate) fn form_too_slow() -> Self {
        let sentence = "The form took too long to arrive, and nothing was changed. Send it again.";
        Self::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", sentence)
    }

    pub(crate) fn form_unreadable() -> Self {
        let sentence =
            "The form could not be read, and nothing was changed. It may be longer than 64 KiB; shorten it.";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", sentence)
    }

    pub(crate) fn too_much(too_much: TooMuch) -> Self {
        let (code, wait) = match too_much {
            TooMuch::Rate(left) => ("rate_limited", left.retry_after.unwrap_or_default()),
            TooMuch::AtOnce(_) => ("too_many_at_once", std::time::Duration::ZERO),
        };
        let sentence = "Your key is used more often than it may be. Wait a moment, and load the page again.";
        let mut failure = Self::new(StatusCode::TOO_MANY_REQUESTS, code, sentence);
        failure.0.retry_after_seconds = Some(u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).max(1));
        failure
    }

    /// A fault of ours.
    pub(crate) fn internal(cause: &dyn Error) -> Self {
        let sentence = "Something failed on our side. Tell whoever runs this server the number below.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", sentence).caused_by(cause)
    }

    /// Whom the door doesn't let in to that page.
    pub(crate) fn unwelcome(unwelcome: Unwelcome, uri: &Uri) -> Self {
        match unwelcome {
            Unwelcome::NoKey => Self::sign_in("key_required", uri, None),
            Unwelcome::UnknownKey => Self::sign_in("invalid_key", uri, Some("ended")),
            Unwelcome::WrongScope(scope) => {
                let sentence = format!(
                    "Your key may not do this: it lacks the right `{}`. Sign in with one that has it.",
                    scope.word()
                );
                Self::new(StatusCode::FORBIDDEN, "wrong_scope", sentence)
            }
            Unwelcome::NoWorkspace => Self::no_workspace(),
            Unwelcome::OtherWorkspace => {
                let sentence =
                    "Your key doesn't open the workspace in this address. Open the console without it.";
                Self::new(StatusCode::FORBIDDEN, "other_workspace", sentence)
            }
            Unwelcome::Store(error) => error.into(),
        }
    }

    fn no_workspace() -> Self {
        let sentence = "There is no workspace of that name. It may have been renamed or erased.";
        Self::new(StatusCode::NOT_FOUND, "workspace_not_found", sentence)
    }

    /// Leads to the page that asks for a key, and back to that one.
    fn sign_in(code: &'static str, uri: &Uri, why: Option<&str>) -> Self {
        let back = uri.path_and_query().map(axum::http::uri::PathAndQuery::as_str);
        let mut failure = Self::new(StatusCode::SEE_OTHER, code, "Sign in first.");
        failure.0.sign_in = Some(address("/console/sign-in", [("to", back), ("why", why)]));
        failure
    }

    fn into_page(self, request_id: &str) -> Response {
        let Told { status, code, sentence, sign_in, key, cause, retry_after_seconds } = *self.0;
        let heading = match status {
            StatusCode::NOT_FOUND => "Not found",
            StatusCode::GONE => "Not here any more",
            StatusCode::FORBIDDEN => "Not allowed",
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => "Not just now",
            StatusCode::INTERNAL_SERVER_ERROR => "Something failed",
            _ => "That didn't work",
        };
        let mut response = match sign_in.as_deref().and_then(|to| HeaderValue::from_str(to).ok()) {
            Some(to) => (status, [(LOCATION, to)]).into_response(),
            None => {
                let told =
                    FailurePage { frame: Frame::plain(heading), heading, sentence: &sentence, request_id };
                // A page that can't be written has nothing but its status to tell.
                page(status, &told).unwrap_or_else(|_| status.into_response())
            }
        };
        if let Some(seconds) = retry_after_seconds {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response.extensions_mut().insert(Refused { code, key, cause });
        response
    }
}

/// Written out by [`finish`], which knows the request.
impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.0.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Tells what failed, if something did.
pub(crate) async fn finish(State(_): State<Arc<ConsoleState>>, request: Request, next: Next) -> Response {
    let request_id = request_id(request.headers());
    let mut response = next.run(request).await;
    match response.extensions_mut().remove::<Failure>() {
        Some(failure) => failure.into_page(&request_id),
        None => response,
    }
}

fn request_id(headers: &HeaderMap) -> String {
    let id = headers.get("x-request-id").and_then(|id| id.to_str().ok());
    id.unwrap_or_default().to_owned()
}

impl From<AskError> for Failure {
    fn from(error: AskError) -> Self {
        match error {
            AskError::NoContact(_) => Self::no_contact(),
            AskError::Gone(_) => {
                let sentence = "That customer was deleted or erased, and nobody of them is left.";
                Self::new(StatusCode::GONE, "contact_gone", sentence)
            }
            AskError::Nobody => {
                Self::new(StatusCode::NOT_FOUND, "nobody", "Nobody has that address or number.")
            }
            AskError::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let failure = match &error {
            StoreError::NoSpace => Self::later(
                "no_space",
                "The server's disk is full, so nothing new can be stored. Tell whoever runs it.",
                10,
            ),
            StoreError::Unavailable(_) => Self::later(
                "store_unavailable",
                "The database can't answer now. Load the page again in a moment.",
                1,
            ),
            StoreError::OutcomeUnknown(_) => Self::later(
                "outcome_unknown",
                "The database failed while it stored this. Go back and look whether the change is there.",
                1,
            ),
            StoreError::NotWritable => Self::later(
                "shutting_down",
                "This server is being shut down. Load the page again in a moment.",
                1,
            ),
            StoreError::NoWorkspace(_) => Self::no_workspace(),
            StoreError::NewerSchema { .. } | StoreError::Incoherent(_) | StoreError::Failed(_) => {
                return Self::internal(&error);
            }
        };
        failure.caused_by(&error)
    }
}

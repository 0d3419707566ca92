//! Requests that no known key comes with: the answer, and a log line for many of them together.

use axum::http::header::WWW_AUTHENTICATE;
use axum::http::{HeaderValue, StatusCode};
use selfsame_service::{Seldom, Unwelcome};

use crate::problem::Problem;

/// What a client is told to bring.
static CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"selfsame\"");

/// The same, of Shopify, which brings no key.
static SIGNATURE_CHALLENGE: HeaderValue =
    HeaderValue::from_static("X-Shopify-Hmac-Sha256 realm=\"selfsame\"");

/// What a key that is good for nothing is answered with.
const UNKNOWN_KEY: &str = "invalid_key";

/// Counts those who were turned away.
#[derive(Default)]
pub(crate) struct Strangers(Seldom);

impl Strangers {
    /// The answer to a request without a key.
    pub(crate) fn no_key(&self) -> Problem {
        let detail = "A key is needed; send it as `Authorization: Bearer KEY`.";
        self.refuse("key_required", detail, &CHALLENGE)
    }

    /// The answer to a request with something that is no key, or none any more. It doesn't say which.
    pub(crate) fn unknown_key(&self) -> Problem {
        let detail = "The key is not valid: unknown, revoked or expired; ask your administrator for another.";
        self.refuse(UNKNOWN_KEY, detail, &CHALLENGE)
    }

    /// The answer to a webhook that was signed with none of our secrets, or not at all.
    pub(crate) fn wrong_signature(&self) -> Problem {
        let detail = "`X-Shopify-Hmac-Sha256` is not the signature of this body by a secret that the server was given; nothing \
                      was read. The secret is the app's, or the one that Shopify shows below the webhooks of a shop.";
        self.refuse("invalid_signature", detail, &SIGNATURE_CHALLENGE)
    }

    /// The answer to whoever the door doesn't let in.
    pub(crate) fn refuse_unwelcome(&self, unwelcome: Unwelcome) -> Problem {
        match unwelcome {
            Unwelcome::NoKey => self.no_key(),
            Unwelcome::UnknownKey => self.unknown_key(),
            Unwelcome::WrongScope(scope) => Problem::wrong_scope(scope),
            Unwelcome::NoWorkspace => Problem::no_workspace(),
            Unwelcome::OtherWorkspace => Problem::other_workspace(),
            Unwelcome::Store(error) => error.into(),
        }
    }

    /// Tells the log of one who was turned away by a page, if it is one of them.
    pub(crate) fn count(&self, code: &'static str) {
        if code == UNKNOWN_KEY {
            self.tell(code);
        }
    }

    fn tell(&self, code: &'static str) {
        if let Some(times) = self.0.times() {
            tracing::warn!(times, code, "requests without a valid key or signature were refused");
        }
    }

    fn refuse(&self, code: &'static str, detail: &str, challenge: &HeaderValue) -> Problem {
        self.tell(code);
        let headers = [(WWW_AUTHENTICATE, challenge.clone())].into();
        Problem { headers, ..Problem::new(StatusCode::UNAUTHORIZED, code, detail) }
    }
}

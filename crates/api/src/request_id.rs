//! The id of a request, by which its answer and the log name it.

use std::fmt;

use axum::http::HeaderValue;
use uuid::Uuid;
use uuid::fmt::Hyphenated;

/// Always ours: one taken from the request could carry anything into the log.
///
/// Made when a request is answered; by its endpoint if that writes it into the answer's body itself, which then
/// hands it on as an extension of the answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestId(Uuid);

impl RequestId {
    pub(crate) fn new() -> Self {
        Self(Uuid::now_v7())
    }

    pub(crate) fn header_value(self) -> HeaderValue {
        let mut text = [0; Hyphenated::LENGTH];
        let text = self.0.hyphenated().encode_lower(&mut text);
        HeaderValue::from_str(text).expect("a UUID is plain ASCII")
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

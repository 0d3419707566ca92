//! What an answer tells of a key's rate: the fields of the IETF draft "RateLimit header fields for HTTP".

use axum::http::{HeaderName, HeaderValue};
use selfsame_service::RateLeft;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LEFT: HeaderName = HeaderName::from_static("ratelimit");

/// `RateLimit-Policy: "key";q=10;w=1` and `RateLimit: "key";r=7;t=1`: ten requests a second, seven of them left, and in
/// one second all of them again.
pub(crate) fn of(left: RateLeft) -> [(HeaderName, HeaderValue); 2] {
    let policy = format!("\"key\";q={};w=1", left.requests_per_second);
    let left = format!("\"key\";r={};t=1", left.remaining);
    let value = |text: &str| HeaderValue::from_str(text).expect("digits and quotes are plain ASCII");
    [(POLICY, value(&policy)), (LEFT, value(&left))]
}

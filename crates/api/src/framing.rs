//! Requests that a proxy before us could read in another way than we do, and so take one for two or two for one.
//! hyper refuses most of them, or closes the connection behind its answer; these are the others.

use axum::http::header::{HOST, TRANSFER_ENCODING};
use axum::http::{HeaderMap, HeaderValue, Request, Version};
use axum::response::{IntoResponse, Response};
use hyper::header::CONNECTION;

use crate::problem::Problem;

/// The refusal of a request that can be read in two ways; its connection is closed behind it, since nobody can tell
/// where the next request begins.
pub(crate) fn refusal<B>(request: &Request<B>) -> Option<Response> {
    if is_clear(request.version(), request.headers()) {
        return None;
    }
    let detail = "The request can be read in more than one way; send one `Host`, and a body either with \
                  `Content-Length` or with `Transfer-Encoding: chunked`.";
    let mut response = Problem::bad_request("ambiguous_request", detail).into_response();
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    Some(response)
}

fn is_clear(version: Version, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let one_host = match (hosts.next(), hosts.next()) {
        (Some(_), None) => true,
        (None, _) => version < Version::HTTP_11,
        (Some(_), Some(_)) => false,
    };
    let mut encodings = headers.get_all(TRANSFER_ENCODING).iter();
    let chunked = match (encodings.next(), encodings.next()) {
        (None, _) => true,
        (Some(encoding), None) => encoding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    };
    one_host && chunked
}

//! Reading a JSON body: its type, its size, and the time that it takes.

use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;

use crate::problem::Problem;

/// A client that sends a little too much is read to the end, so that it sees the answer instead of a reset
/// connection; one that sends more than the next whole number of these beyond what it may is cut off.
const OVERLONG_READ_BYTES: usize = 1024 * 1024;

/// Lines of JSON have no registered type; these are in use.
pub(crate) const LINES_TYPES: [&str; 4] =
    ["application/x-ndjson", "application/ndjson", "application/jsonl", "application/json-lines"];

/// How much is read of a body that may have so many bytes.
fn read_bytes_max(length_bytes_max: usize) -> usize {
    (length_bytes_max / OVERLONG_READ_BYTES + 1) * OVERLONG_READ_BYTES
}

/// A JSON body of at most `length_bytes_max`, sent within `timeout`. What it holds may still be no JSON; if it is empty,
/// the client is told what is `wanted`.
pub(crate) async fn read_json(
    request: Request,
    length_bytes_max: usize,
    timeout: Duration,
    wanted: &str,
) -> Result<Bytes, Problem> {
    let (parts, body) = request.into_parts();
    let announced = announced_length(&parts.headers);
    if announced.is_some_and(|length| length > read_bytes_max(length_bytes_max)) {
        return Err(too_large(length_bytes_max));
    }
    check_encoding(&parts.headers)?;
    let content_type = parts.headers.get(CONTENT_TYPE);
    if content_type.is_some_and(|content_type| !is_utf8_of(content_type, is_json)) {
        return Err(unsupported_type());
    }
    let read = tokio::time::timeout(timeout, read(body, length_bytes_max));
    let bytes = read.await.unwrap_or_else(|_| Err(too_slow()))?;
    if bytes.is_empty() {
        let detail = format!("The body is empty; send {wanted}.");
        return Err(Problem::bad_request("empty_body", detail));
    }
    // No type at all is judged when the body is known.
    if content_type.is_none() { Err(unsupported_type()) } else { Ok(bytes) }
}

/// Refuses a body where none belongs, when a little of it was read.
pub(crate) async fn refuse_body(request: Request, timeout: Duration) -> Result<(), Problem> {
    let read = tokio::time::timeout(timeout, read(request.into_body(), 0));
    read.await.unwrap_or_else(|_| Err(too_slow())).map(|_| ()).map_err(|problem| match problem.status {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::bad_request("invalid_body", "This path takes no body; send the request without one.")
        }
        _ => problem,
    })
}

fn announced_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn read(mut body: Body, length_bytes_max: usize) -> Result<Bytes, Problem> {
    let first = next_data(&mut body).await?.unwrap_or_default();
    // Most bodies come in one piece, which is taken as it is.
    if body.is_end_stream() && first.len() <= length_bytes_max {
        return Ok(first);
    }
    let mut length_bytes = first.len();
    let mut bytes = BytesMut::from(first);
    while let Some(data) = next_data(&mut body).await? {
        length_bytes += data.len();
        if length_bytes > read_bytes_max(length_bytes_max) {
            break;
        }
        if length_bytes <= length_bytes_max {
            bytes.extend_from_slice(&data);
        }
    }
    if length_bytes > length_bytes_max { Err(too_large(length_bytes_max)) } else { Ok(bytes.freeze()) }
}

/// The body's next piece; nothing after its end.
pub(crate) async fn next_data(body: &mut Body) -> Result<Option<Bytes>, Problem> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Problem {
            cause: Some(error.to_string().into()),
            ..Problem::bad_request("body_broken_off", "The body broke off before its end; send it again.")
        })?;
        // Trailers say nothing to us.
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// The client took too long to send.
pub(crate) fn too_slow() -> Problem {
    let detail = "The body took too long to arrive; send it again in one go.";
    Problem::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", detail)
}

pub(crate) fn too_large(length_bytes_max: usize) -> Problem {
    let detail = format!("The body is larger than {length_bytes_max} bytes; send less in one request.");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
}

/// Refuses a compressed body.
pub(crate) fn check_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    let encoded = headers
        .get(CONTENT_ENCODING)
        .is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if encoded {
        let detail = "The body is compressed; send it without `Content-Encoding`.";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding", detail));
    }
    Ok(())
}

fn unsupported_type() -> Problem {
    let detail = "The body must be JSON in UTF-8; send it with `Content-Type: application/json`.";
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail)
}

fn is_json(essence: &str) -> bool {
    essence == "application/json"
        || essence.strip_prefix("application/").is_some_and(|subtype| subtype.ends_with("+json"))
}

/// Whether a content type's essence, in small letters, is `accepted`, and its character set, if it names one, is UTF-8.
pub(crate) fn is_utf8_of(content_type: &HeaderValue, accepted: impl Fn(&str) -> bool) -> bool {
    let Ok(content_type) = content_type.to_str() else { return false };
    // Nearly every client writes it so.
    if !content_type.contains(';') && accepted(content_type) {
        return true;
    }
    let mut parts = content_type.to_ascii_lowercase();
    parts.retain(|character| !matches!(character, ' ' | '\t' | '"'));
    let mut parts = parts.split(';');
    parts.next().is_some_and(accepted)
        && parts
            .filter_map(|parameter| parameter.strip_prefix("charset="))
            .all(|charset| charset == "utf-8" || charset == "utf8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_told_by_its_content_type() {
        for (content_type, want) in [
            ("application/json", true),
            ("Application/JSON; charset=UTF-8", true),
            ("application/json;charset=\"utf-8\"", true),
            ("application/vnd.shop+json", true),
            ("application/json; charset=latin1", false),
            ("application/x-www-form-urlencoded", false),
            ("text/json", false),
            ("text/plain", false),
            ("", false),
        ] {
            let got = is_utf8_of(&HeaderValue::from_static(content_type), is_json);
            assert_eq!(got, want, "{content_type:?}");
        }
    }
}

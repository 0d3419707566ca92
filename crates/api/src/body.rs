//! Reading a JSON body: its type, its size, the time that it takes, and how deep it nests.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use bytes::BytesMut;
use http_body_util::BodyExt;

use crate::problem::Problem;

/// How deep arrays and objects may nest within each other.
const DEPTH_MAX: usize = 64;

/// A client that sends a little too much is read to the end, so that it sees the answer instead of a reset
/// connection; one that sends more than this is cut off.
const OVERLONG_READ_BYTES_MAX: usize = 1024 * 1024;

/// The text of a JSON body of at most `length_bytes_max`, sent within `timeout`.
///
/// The text may still be no JSON; it is valid UTF-8 and nests no deeper than is sane.
pub(crate) async fn read_json(
    request: Request,
    length_bytes_max: usize,
    timeout: Duration,
) -> Result<String, Problem> {
    let (parts, body) = request.into_parts();
    let announced = announced_length(&parts.headers);
    if announced.is_some_and(|length| length > OVERLONG_READ_BYTES_MAX) {
        return Err(too_large(length_bytes_max));
    }
    check_type(&parts.headers)?;
    let bytes = tokio::time::timeout(timeout, read(body, length_bytes_max)).await.map_err(|_| {
        let detail = "The body took too long to arrive; send it again in one go.";
        Problem::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", detail)
    })??;
    if bytes.is_empty() {
        let detail = "The body is empty; send a JSON object with `email`, `phoneNumber` or both.";
        return Err(Problem::bad_request("empty_body", detail));
    }
    if !parts.headers.contains_key(CONTENT_TYPE) {
        return Err(unsupported_type());
    }
    let text = String::from_utf8(bytes.into()).map_err(|_| {
        Problem::bad_request("not_utf8", "The body is not valid UTF-8; encode the JSON as UTF-8.")
    })?;
    if depth(&text) > DEPTH_MAX {
        let detail = format!("The body nests deeper than {DEPTH_MAX} levels; send a flat JSON object.");
        return Err(Problem::bad_request("nested_too_deeply", detail));
    }
    Ok(text)
}

fn announced_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn read(mut body: Body, length_bytes_max: usize) -> Result<BytesMut, Problem> {
    let mut bytes = BytesMut::new();
    let mut length_bytes = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Problem {
            cause: Some(error.to_string()),
            ..Problem::bad_request("body_broken_off", "The body broke off before its end; send it again.")
        })?;
        let Ok(data) = frame.into_data() else { continue };
        length_bytes += data.len();
        if length_bytes > OVERLONG_READ_BYTES_MAX {
            break;
        }
        if length_bytes <= length_bytes_max {
            bytes.extend_from_slice(&data);
        }
    }
    if length_bytes > length_bytes_max { Err(too_large(length_bytes_max)) } else { Ok(bytes) }
}

fn too_large(length_bytes_max: usize) -> Problem {
    let detail = format!("The body is larger than {length_bytes_max} bytes; send one observation a request.");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
}

/// JSON by its content type, in UTF-8, and not compressed. No type at all is judged when the body is known.
fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let encoded = headers
        .get(CONTENT_ENCODING)
        .is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if encoded {
        let detail = "The body is compressed; send it without `Content-Encoding`.";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding", detail));
    }
    match headers.get(CONTENT_TYPE) {
        Some(content_type) if !content_type.to_str().is_ok_and(is_json) => Err(unsupported_type()),
        _ => Ok(()),
    }
}

fn unsupported_type() -> Problem {
    let detail = "The body must be JSON in UTF-8; send it with `Content-Type: application/json`.";
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail)
}

fn is_json(content_type: &str) -> bool {
    let mut parts = content_type.to_ascii_lowercase();
    parts.retain(|character| !matches!(character, ' ' | '\t' | '"'));
    let mut parts = parts.split(';');
    let essence = parts.next().unwrap_or_default();
    let json = essence == "application/json"
        || essence.strip_prefix("application/").is_some_and(|subtype| subtype.ends_with("+json"));
    json && parts
        .filter_map(|parameter| parameter.strip_prefix("charset="))
        .all(|charset| charset == "utf-8" || charset == "utf8")
}

/// How deep arrays and objects nest in a text that may or may not be JSON.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
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
            assert_eq!(is_json(content_type), want, "{content_type:?}");
        }
    }

    #[test]
    fn depth_counts_brackets_outside_of_strings() {
        for (text, want) in [("1", 0), ("{}", 1), ("[[],{}]", 2), (r#"{"[[[":"\"[["}"#, 1), ("]]][", 1)] {
            assert_eq!(depth(text), want, "{text}");
        }
    }
}

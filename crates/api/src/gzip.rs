//! Bodies that are compressed, for the few routes whose clients may do so.

use std::io::Read;
use std::time::Duration;

use axum::extract::Request;
use axum::http::header::CONTENT_ENCODING;
use axum::http::{HeaderValue, StatusCode};
use bytes::Bytes;
use flate2::read::MultiGzDecoder;

use crate::body::{read_json, too_large};
use crate::problem::Problem;

/// As [`read_json`], of a body that may be compressed with gzip. It may have at most `length_bytes_max` as it was sent, and as it was
/// before that.
pub(crate) async fn read_json_or_gzip(
    mut request: Request,
    length_bytes_max: usize,
    timeout: Duration,
    wanted: &str,
) -> Result<Bytes, Problem> {
    let mut encodings = request.headers().get_all(CONTENT_ENCODING).iter().map(HeaderValue::as_bytes);
    let is_compressed = match (encodings.next(), encodings.next()) {
        (None, _) => false,
        (Some(only), None) if only.eq_ignore_ascii_case(b"identity") => false,
        (Some(only), None) if only.eq_ignore_ascii_case(b"gzip") => true,
        (Some(_), _) => {
            let detail = "The body is compressed otherwise than with gzip; send it with `Content-Encoding: gzip`, or without.";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding", detail));
        }
    };
    if is_compressed {
        request.headers_mut().remove(CONTENT_ENCODING);
    }
    let body = read_json(request, length_bytes_max, timeout, wanted).await?;
    if is_compressed { inflated(&body, length_bytes_max) } else { Ok(body) }
}

/// No more is inflated than a body may have, however much a few bytes stand for.
fn inflated(compressed: &[u8], length_bytes_max: usize) -> Result<Bytes, Problem> {
    let mut inflated = Vec::new();
    let most = u64::try_from(length_bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(compressed).take(most).read_to_end(&mut inflated).map_err(|_| {
        let detail = "The body is not what its `Content-Encoding` says; send gzip, or what isn't compressed.";
        Problem::bad_request("malformed_gzip", detail)
    })?;
    if inflated.len() > length_bytes_max { Err(too_large(length_bytes_max)) } else { Ok(inflated.into()) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn compressed(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_was_compressed_comes_back_and_no_more_than_fits() {
        let text = vec![b' '; 1_000_000];
        let small = compressed(&text);
        assert!(small.len() < 2_000, "a thousand times as much");
        assert_eq!(inflated(&small, text.len()).unwrap(), text);
        assert_eq!(inflated(&small, text.len() - 1).unwrap_err().code, "body_too_large");
        let two = [compressed(b"{\"a\""), compressed(b":1}")].concat();
        assert_eq!(inflated(&two, 100).unwrap(), &b"{\"a\":1}"[..]);
    }

    #[test]
    fn what_is_no_gzip_is_refused() {
        let mut broken = compressed(b"{}");
        broken.truncate(broken.len() - 3);
        let mut changed = compressed(b"{}");
        let last = changed.len() - 8;
        changed[last] ^= 1;
        for bytes in [&b"{}"[..], &broken, &changed] {
            assert_eq!(inflated(bytes, 100).unwrap_err().code, "malformed_gzip");
        }
    }
}

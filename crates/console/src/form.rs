//! Forms: where they come from, and what they say.

use std::time::Duration;

use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, Uri};
use http_body_util::{BodyExt, Limited};
use tokio::time::timeout;

use crate::ask::Parameters;
use crate::failure::Failure;

/// By which a browser says where the page is from that sends a form.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The longest form.
const LENGTH_BYTES_MAX: usize = 64 * 1024;

/// Refuses a form that no page of ours sent. Browsers say so by `Sec-Fetch-Site`; where they leave that out, as they do
/// over plain HTTP, by `Origin`. A cookie alone would let every page of the web act as whoever is signed in.
pub(crate) fn refuse_foreign(headers: &HeaderMap) -> Result<(), Failure> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let own = match text(FETCH_SITE) {
        Some(site) => site == "same-origin",
        None => {
            let origin = text(ORIGIN).and_then(|origin| origin.parse::<Uri>().ok());
            let host = text(HOST).and_then(|host| host.parse::<Authority>().ok());
            origin.as_ref().and_then(Uri::authority).is_some_and(|origin| Some(origin) == host.as_ref())
        }
    };
    if own { Ok(()) } else { Err(Failure::foreign_form()) }
}

/// What a form says, sent in that time.
pub(crate) async fn read(request: Request, within: Duration) -> Result<Parameters, Failure> {
    let body = Limited::new(request.into_body(), LENGTH_BYTES_MAX).collect();
    let body = timeout(within, body).await.map_err(|_| Failure::form_too_slow())?;
    let body = body.map_err(|_| Failure::form_unreadable())?.to_bytes();
    Ok(Parameters::read(&body))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_form_of_ours_is_told_from_others() {
        for (site, origin, host, own) in [
            (Some("same-origin"), None, "shop.example", true),
            (Some("same-origin"), Some("null"), "shop.example", true),
            (Some("same-site"), Some("https://shop.example"), "shop.example", false),
            (Some("cross-site"), None, "shop.example", false),
            (Some("none"), None, "shop.example", false),
            (None, Some("https://shop.example"), "shop.example", true),
            (None, Some("http://127.0.0.1:3000"), "127.0.0.1:3000", true),
            (None, Some("http://127.0.0.1:3001"), "127.0.0.1:3000", false),
            (None, Some("null"), "shop.example", false),
            (None, None, "shop.example", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static(host));
            for (name, value) in [(FETCH_SITE, site), (ORIGIN, origin)] {
                if let Some(value) = value {
                    headers.insert(name, HeaderValue::from_static(value));
                }
            }
            assert_eq!(refuse_foreign(&headers).is_ok(), own, "{site:?} {origin:?}");
        }
    }
}

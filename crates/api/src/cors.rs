//! CORS: which web pages of other origins may read the answers. Off unless set, and never with cookies.
//!
//! No layer of the router's, for the reasons in `finish`; and beyond that, tower-http's would answer every `OPTIONS`,
//! also of paths and pages that it doesn't know. Here a preflight is answered after the router has said which methods
//! a path takes, so nothing has to be listed twice.

use std::str::FromStr;

use axum::body::Body;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ALLOW,
    CONTENT_LENGTH, ORIGIN, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::Response;

use crate::problem::Problem;

/// What a page may send beyond what every page may.
const ALLOWED_HEADERS: HeaderValue =
    HeaderValue::from_static("authorization,content-type,idempotency-key,selfsame-workspace");

/// What a page may read beyond what every page may.
const EXPOSED_HEADERS: HeaderValue = HeaderValue::from_static(
    "x-request-id,retry-after,ratelimit,ratelimit-policy,location,idempotent-replayed",
);

/// Seconds for which a browser need not ask again; short, so that another setting acts soon.
const MAX_AGE_SECONDS: HeaderValue = HeaderValue::from_static("600");

/// The pages that may read the answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cors {
    /// Those of every origin.
    Every,
    /// Those of these origins.
    Listed(Vec<HeaderValue>),
}

/// Why a text lists no origins.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOrigins {
    /// Nothing is listed.
    #[error("no origin is named\nhint: for example https://shop.example, or leave it out")]
    Empty,
    /// All, and some besides.
    #[error("`*` is every origin, so it stands alone\nhint: leave out either `*` or the others")]
    EveryAndMore,
    /// One that no browser would send.
    #[error(
        "`{origin}` is no origin: {reason}\n\
         hint: write it as browsers send it, for example https://shop.example or http://localhost:5173"
    )]
    NoOrigin {
        /// As it was written.
        origin: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl FromStr for Cors {
    type Err = InvalidOrigins;

    /// Reads `*`, or origins with commas between them.
    fn from_str(text: &str) -> Result<Self, InvalidOrigins> {
        let origins: Vec<&str> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
        match origins.as_slice() {
            [] => Err(InvalidOrigins::Empty),
            ["*"] => Ok(Self::Every),
            _ if origins.contains(&"*") => Err(InvalidOrigins::EveryAndMore),
            _ => origins.into_iter().map(origin).collect::<Result<_, _>>().map(Self::Listed),
        }
    }
}

/// An origin in exactly the spelling of browsers, since it is compared byte for byte.
fn origin(text: &str) -> Result<HeaderValue, InvalidOrigins> {
    let no = |reason| InvalidOrigins::NoOrigin { origin: text.to_owned(), reason };
    if text == "null" {
        return Err(no("any page can be made to send `null`"));
    }
    let (scheme, rest) = text.split_once("://").ok_or_else(|| no("it has no `https://` at its start"))?;
    if rest.contains(['/', '?', '#']) {
        return Err(no("it ends with its host or port, without a slash or path"));
    }
    if text.contains(|character: char| !character.is_ascii_graphic() || character.is_ascii_uppercase()) {
        return Err(no("it has other than small letters, digits and marks (`xn--…` stands for others)"));
    }
    if !scheme.starts_with(|character: char| character.is_ascii_lowercase()) {
        return Err(no("its scheme doesn't begin with a letter"));
    }
    // An address of IPv6 stands in brackets and has colons of its own.
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (rest, None),
    };
    if host.is_empty() || host.contains(['@', '*', ',']) {
        return Err(no("it has no host that is plain and whole (there are no wildcards)"));
    }
    match port.map(str::parse::<u16>) {
        Some(Err(_)) => Err(no("its port is no number up to 65535")),
        Some(Ok(443)) if scheme == "https" => Err(no("browsers leave out `:443` after `https://`")),
        Some(Ok(80)) if scheme == "http" => Err(no("browsers leave out `:80` after `http://`")),
        _ => HeaderValue::from_str(text).map_err(|_| no("it can't stand in a header")),
    }
}

/// What a request has to do with pages of other origins, where that is set at all.
#[derive(Debug)]
pub(crate) struct CrossOrigin {
    /// Who may read the answer; nobody, if the request is of no page or of a page that isn't allowed.
    allow_origin: Option<HeaderValue>,
    is_preflight: bool,
    /// Whether the next page may get another answer than this one.
    varies: bool,
}

impl Cors {
    /// Whether pages of that origin may use the interface.
    pub(crate) fn names(&self, origin: &HeaderValue) -> bool {
        match self {
            Self::Every => true,
            Self::Listed(origins) => origins.contains(origin),
        }
    }

    /// What a request with that method and these headers has to do with pages.
    pub(crate) fn asked(&self, method: &Method, headers: &HeaderMap) -> CrossOrigin {
        let origin = headers.get(ORIGIN);
        let (allow_origin, varies) = match self {
            Self::Every => (origin.map(|_| HeaderValue::from_static("*")), false),
            Self::Listed(origins) => {
                (origin.and_then(|origin| origins.iter().find(|listed| *listed == origin)).cloned(), true)
            }
        };
        let is_preflight = method == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        CrossOrigin { allow_origin, is_preflight, varies }
    }
}

impl CrossOrigin {
    /// Says in the answer who may read it, and makes a preflight's refusal its answer; before problems are written out.
    pub(crate) fn finish(&self, response: &mut Response) {
        if self.varies {
            // Another page's answer differs, so nobody may hand it this one.
            response.headers_mut().append(VARY, HeaderValue::from_static("origin"));
        }
        let Some(allow_origin) = &self.allow_origin else { return };
        // The router takes OPTIONS nowhere, and says in its refusal what a path takes instead.
        if self.is_preflight && response.status() == StatusCode::METHOD_NOT_ALLOWED {
            answer_preflight(response);
        } else {
            response.headers_mut().insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
        }
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, allow_origin.clone());
    }
}

fn answer_preflight(response: &mut Response) {
    response.extensions_mut().remove::<Problem>();
    *response.status_mut() = StatusCode::NO_CONTENT;
    *response.body_mut() = Body::empty();
    let headers = response.headers_mut();
    headers.remove(CONTENT_LENGTH);
    if let Some(methods) = headers.remove(ALLOW) {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
    }
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
    headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE_SECONDS);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_read_as_browsers_write_them() {
        for text in
            ["https://shop.example", "http://localhost:5173", "https://[::1]:8443", "capacitor://localhost"]
        {
            assert_eq!(text.parse(), Ok(Cors::Listed(vec![HeaderValue::from_static(text)])), "{text}");
        }
        assert_eq!("*".parse(), Ok(Cors::Every));
        let two: Cors = "https://shop.example, https://admin.example,".parse().expect("two origins");
        assert!(matches!(two, Cors::Listed(origins) if origins.len() == 2));
    }

    #[test]
    fn what_no_browser_sends_is_refused() {
        for text in [
            "shop.example",
            "https://shop.example/",
            "https://shop.example/admin",
            "https://Shop.example",
            "https://böse.example",
            "https://*.example",
            "https://ada@shop.example",
            "https://shop.example:443",
            "http://shop.example:80",
            "https://shop.example:",
            "https://shop.example:70000",
            "https://a b",
            "https://",
            "://shop.example",
            "null",
        ] {
            let refused = text.parse::<Cors>();
            assert!(matches!(refused, Err(InvalidOrigins::NoOrigin { .. })), "{text}: {refused:?}");
        }
        assert_eq!("".parse::<Cors>(), Err(InvalidOrigins::Empty));
        assert_eq!("https://shop.example,*".parse::<Cors>(), Err(InvalidOrigins::EveryAndMore));
    }
}

//! Web pages from elsewhere, which a browser on this machine may have open: where nobody is asked for a key because nobody
//! but this machine's users can come, they would come as one of them.

use std::net::IpAddr;

use axum::http::header::{HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderValue, Uri};

use crate::cors::Cors;
use crate::problem::Problem;

/// Refuses such a page, unless CORS names it. A browser tells where a page that writes is from. One that reads from its own
/// host sends no `Origin`: its name may lead to this machine since it was loaded, and then stands in `Host`. What `reads`
/// can't be told from other clients otherwise.
pub(crate) fn refuse_foreign_pages(parts: &Parts, cors: Option<&Cors>, reads: bool) -> Result<(), Problem> {
    if cors == Some(&Cors::Every) {
        return Ok(());
    }
    let foreign = match parts.headers.get(ORIGIN) {
        Some(origin) => !is_of_this_machine(origin) && !cors.is_some_and(|cors| cors.names(origin)),
        None => reads && host(parts).is_some_and(|host| is_public_name(&host)),
    };
    if foreign { Err(Problem::foreign_page()) } else { Ok(()) }
}

/// The host that a request is sent to, as its client names it.
fn host(parts: &Parts) -> Option<String> {
    let named = parts.headers.get(HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    let authority = named.as_ref().or(parts.uri.authority())?;
    Some(bare(authority.host()))
}

/// Without the brackets of an IPv6 address.
fn bare(host: &str) -> String {
    host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase()
}

fn is_of_this_machine(origin: &HeaderValue) -> bool {
    let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
    origin.as_ref().and_then(Uri::host).map(bare).is_some_and(|host| {
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    })
}

/// Whether somebody may have registered the name: it is no address, and has a dot in it.
fn is_public_name(host: &str) -> bool {
    host.contains('.') && !host.ends_with(".localhost") && host.parse::<IpAddr>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_this_machine_are_told_from_others() {
        for (origin, own) in [
            ("http://localhost:3000", true),
            ("http://127.0.0.1:3000", true),
            ("http://[::1]:8080", true),
            ("https://localhost", true),
            ("http://localhost.evil.example", false),
            ("http://evil.example:3000", false),
            ("http://192.168.1.5", false),
            ("null", false),
            ("", false),
        ] {
            assert_eq!(is_of_this_machine(&HeaderValue::from_static(origin)), own, "{origin}");
        }
    }

    #[test]
    fn a_name_that_may_be_anybodys_is_told_from_addresses_and_names_of_this_network() {
        for (host, public) in [
            ("evil.example:3000", true),
            ("EVIL.example", true),
            ("localhost.evil.example", true),
            ("localhost:3000", false),
            ("shop.localhost", false),
            ("127.0.0.1:3000", false),
            ("[::1]:3000", false),
            ("selfsame", false),
        ] {
            let request = axum::http::Request::get("/v1/keys").header(HOST, host).body(()).unwrap();
            let named = super::host(&request.into_parts().0).unwrap();
            assert_eq!(is_public_name(&named), public, "{host}");
        }
    }
}

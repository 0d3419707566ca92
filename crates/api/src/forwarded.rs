//! `Forwarded` (RFC 7239) and `X-Forwarded-For`: the way of a request through its proxies, each of which adds at the
//! right where it got the request from.
//!
//! Whatever stands left of what a trusted proxy added may be forged, so it is read from the right and no further than
//! to the first address that isn't trusted.

use std::net::{IpAddr, SocketAddr};

use axum::http::header::FORWARDED;
use axum::http::{HeaderMap, HeaderName};

use crate::trusted_proxies::TrustedProxies;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client that a request's headers name, which came from the trusted `peer`; as far back as can be believed.
///
/// A proxy that adds to one of the two headers hands the other on as the client sent it. So where they name different
/// clients, neither is believed.
pub(crate) fn forwarded_address(peer: IpAddr, headers: &HeaderMap, proxies: &TrustedProxies) -> IpAddr {
    let (standard, usual) = (headers.get_all(FORWARDED), headers.get_all(X_FORWARDED_FOR));
    let standard = standard.iter().rev().flat_map(|line| match line.to_str().ok().and_then(forwarded_hops) {
        Some(hops) => hops,
        None => vec![None],
    });
    let usual = usual.iter().rev().flat_map(|line| line.to_str().unwrap_or_default().rsplit(',').map(hop));
    match (way_back(peer, standard, proxies), way_back(peer, usual, proxies)) {
        (Some(client), Some(another)) if client != another => peer,
        (standard, usual) => standard.or(usual).unwrap_or(peer),
    }
}

/// The first address that isn't trusted, going back over `hops`, which are from the last to the first; nothing if there
/// are none. A hop that can't be read hides those before it.
fn way_back(
    peer: IpAddr,
    hops: impl Iterator<Item = Option<IpAddr>>,
    proxies: &TrustedProxies,
) -> Option<IpAddr> {
    let mut client = None;
    for hop in hops {
        let Some(address) = hop else { return client.or(Some(peer)) };
        client = Some(address);
        if !proxies.contains(address) {
            break;
        }
    }
    client
}

/// An address, perhaps in brackets, perhaps with a port.
fn hop(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().or_else(|_| text.parse().map(|address: SocketAddr| address.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

/// The `for` of each element of a `Forwarded` line, from the last to the first; nothing if the line breaks the rules.
///
/// Strict about quotes: one that a client left open would otherwise swallow what a proxy adds behind it.
fn forwarded_hops(line: &str) -> Option<Vec<Option<IpAddr>>> {
    let mut hops = Vec::new();
    let mut rest = line;
    loop {
        let mut found = None;
        loop {
            rest = rest.trim_start();
            let name = &rest[..rest.find(['=', ';', ',', '"', ' ', '\t']).unwrap_or(rest.len())];
            rest = &rest[name.len()..];
            // Two separators may have nothing between them.
            if !name.is_empty() {
                let (value, behind) = value(rest.strip_prefix('=')?)?;
                rest = behind;
                if name.eq_ignore_ascii_case("for") && found.replace(hop(value)).is_some() {
                    return None;
                }
            }
            rest = rest.trim_start();
            let Some(behind) = rest.strip_prefix(';') else { break };
            rest = behind;
        }
        hops.push(found.flatten());
        if rest.is_empty() {
            hops.reverse();
            return Some(hops);
        }
        rest = rest.strip_prefix(',')?;
    }
}

/// The value at the start of `text`, without its quotes, and what stands behind it.
fn value(text: &str) -> Option<(&str, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        return Some(text.split_at(text.find([',', ';', '"', ' ', '\t']).unwrap_or(text.len())));
    };
    let mut escaped = false;
    let end = quoted.find(|character| {
        let ends = character == '"' && !escaped;
        escaped = character == '\\' && !escaped;
        ends
    })?;
    // An address has nothing to escape, so one with escapes is none.
    Some((&quoted[..end], &quoted[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The client behind the peer 10.0.0.1, where 10.0.0.0/8 and fd00::/8 are trusted.
    fn client(lines: &[(&'static str, &str)]) -> String {
        let proxies: TrustedProxies = "10.0.0.0/8,fd00::/8".parse().expect("networks");
        let mut headers = HeaderMap::new();
        for (name, line) in lines {
            headers.append(*name, line.parse().expect("a header's value"));
        }
        forwarded_address("10.0.0.1".parse().expect("an address"), &headers, &proxies).to_string()
    }

    const PEER: &str = "10.0.0.1";

    #[test]
    fn the_right_most_address_that_is_not_a_proxy_is_the_client() {
        for (line, want) in [
            ("192.0.2.1", "192.0.2.1"),
            ("203.0.113.9, 192.0.2.1", "192.0.2.1"),
            ("203.0.113.9, 192.0.2.1, 10.0.0.7", "192.0.2.1"),
            ("192.0.2.1,10.0.0.8 ,\t10.0.0.7", "192.0.2.1"),
            ("192.0.2.1:5050", "192.0.2.1"),
            ("2001:db8::1, fd00::7", "2001:db8::1"),
            ("[2001:db8::1], fd00::7", "2001:db8::1"),
            ("[2001:db8::1]:5050", "2001:db8::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            // All of them trusted: the first is where it began.
            ("10.0.0.9, 10.0.0.8", "10.0.0.9"),
            // What can't be read hides what stands before it, and the proxy that told it is known at most.
            ("192.0.2.1, unknown", PEER),
            ("192.0.2.1, unknown, 10.0.0.7", "10.0.0.7"),
            ("192.0.2.1,", PEER),
            ("", PEER),
            ("zelda", PEER),
            ("192.0.2.1 203.0.113.9", PEER),
            ("[2001:db8::1", PEER),
            ("192.0.2.1:99999", PEER),
        ] {
            assert_eq!(client(&[("x-forwarded-for", line)]), want, "{line:?}");
        }
    }

    #[test]
    fn the_standard_header_says_the_same() {
        for (line, want) in [
            ("for=192.0.2.1", "192.0.2.1"),
            ("For=192.0.2.1;proto=http;by=203.0.113.43", "192.0.2.1"),
            ("by=_x ; for=\"192.0.2.1:5050\"; host=\"a, b\"", "192.0.2.1"),
            ("for=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("for=[2001:db8::1]", "2001:db8::1"),
            ("for=203.0.113.9, for=192.0.2.1;proto=https, for=10.0.0.7", "192.0.2.1"),
            ("for=192.0.2.1;;", "192.0.2.1"),
            ("for=unknown", PEER),
            ("for=_hidden, for=10.0.0.7", "10.0.0.7"),
            ("proto=http", PEER),
            ("192.0.2.1", PEER),
            ("for=203.0.113.9;for=192.0.2.1", PEER),
            ("for=\"192.0\\.2.1\"", PEER),
            ("for=192.0.2.1;x=\"", PEER),
            // What a client left open must not hide what its proxy added, and make its own word the last.
            ("for=203.0.113.9;x=\", for=192.0.2.1", PEER),
            ("for=203.0.113.9;x=\", for=\"[2001:db8::1]:80\"", PEER),
            ("for=203.0.113.9;x=\"\\, for=\"[2001:db8::1]:80\"", PEER),
        ] {
            assert_eq!(client(&[("forwarded", line)]), want, "{line:?}");
        }
    }

    #[test]
    fn lines_are_read_from_the_last_to_the_first() {
        let usual = [("x-forwarded-for", "203.0.113.9"), ("x-forwarded-for", "192.0.2.1, 10.0.0.7")];
        assert_eq!(client(&usual), "192.0.2.1");
        let standard = [("forwarded", "for=203.0.113.9;x=\""), ("forwarded", "for=192.0.2.1")];
        assert_eq!(client(&standard), "192.0.2.1");
    }

    #[test]
    fn two_headers_that_disagree_are_not_believed() {
        assert_eq!(client(&[("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.1")]), "192.0.2.1");
        assert_eq!(client(&[("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=203.0.113.9")]), PEER);
        assert_eq!(client(&[("x-forwarded-for", "192.0.2.1"), ("forwarded", "zelda")]), PEER);
        assert_eq!(client(&[]), PEER);
    }
}

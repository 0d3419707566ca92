//! The URL of a webhook's endpoint.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::http::Uri;

use crate::public_address::is_public;

/// The longest URL.
const LENGTH_BYTES_MAX: usize = 2048;

/// A URL that messages can be posted to. Prints as its host: its query may be a secret.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct WebhookUrl {
    pub(crate) is_tls: bool,
    /// A name, or an address without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// What the header `Host` says.
    pub(crate) authority: String,
    pub(crate) path_and_query: String,
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "WebhookUrl({}, …)", self.host)
    }
}

/// Why a text is no such URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnfitUrl {
    #[error("is longer than {LENGTH_BYTES_MAX} bytes")]
    TooLong,
    #[error("is no absolute URL, in ASCII and percent-encoded, such as https://shop.example/selfsame")]
    NoUrl,
    #[error("must begin with `https://`; only a server with --webhooks-allow-private takes `http://`, too")]
    NotHttps,
    #[error("must begin with `https://` or `http://`")]
    NotHttp,
    #[error(
        "has a host that is neither a name nor an address as it is usually written, such as 192.0.2.7 or [2001:db8::7]"
    )]
    NoHost,
    #[error("has a user name or a password, and can't")]
    UserInfo,
    #[error("has a fragment (`#`), and can't")]
    Fragment,
    #[error(
        "has an address that isn't a public one, and this server sends nothing there (--webhooks-allow-private)"
    )]
    PrivateAddress,
}

impl WebhookUrl {
    /// Reads it. `allow_private`: also one of a private address, and without TLS.
    pub(crate) fn parse(text: &str, allow_private: bool) -> Result<Self, UnfitUrl> {
        if text.len() > LENGTH_BYTES_MAX {
            return Err(UnfitUrl::TooLong);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(UnfitUrl::NoUrl);
        }
        if text.contains('#') {
            return Err(UnfitUrl::Fragment);
        }
        let uri: Uri = text.parse().map_err(|_| UnfitUrl::NoUrl)?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(UnfitUrl::NoUrl);
        };
        let (is_tls, port) = match scheme {
            "https" => (true, 443),
            "http" if allow_private => (false, 80),
            _ => return Err(if allow_private { UnfitUrl::NotHttp } else { UnfitUrl::NotHttps }),
        };
        if authority.as_str().contains('@') {
            return Err(UnfitUrl::UserInfo);
        }
        // A port that is none is read as no port; then the authority is longer than its host.
        let has_port = authority.as_str().len() > authority.host().len();
        let port = match authority.port_u16() {
            Some(0) => return Err(UnfitUrl::NoUrl),
            Some(port) => port,
            None if has_port => return Err(UnfitUrl::NoUrl),
            None => port,
        };
        let (host, address) = host(authority.host())?;
        if !allow_private && address.is_some_and(|address| !is_public(address)) {
            return Err(UnfitUrl::PrivateAddress);
        }
        // A query alone has no slash before it.
        let path = if uri.path().is_empty() { "/" } else { uri.path() };
        let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
        let path_and_query = format!("{path}{query}");
        Ok(Self { is_tls, host, port, authority: authority.as_str().to_owned(), path_and_query })
    }
}

/// A name, or an address without brackets, which is then read.
///
/// What resolvers would take for an address though it isn't spelt as one (`127.1`, `2130706433`, `0x7f.1`) is neither.
///
/// Source: WHATWG URL Standard, "Hosts", "ends in a number".
fn host(text: &str) -> Result<(String, Option<IpAddr>), UnfitUrl> {
    if text.is_empty() {
        return Err(UnfitUrl::NoUrl);
    }
    if let Some(address) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        let read: Ipv6Addr = address.parse().map_err(|_| UnfitUrl::NoHost)?;
        return Ok((address.to_owned(), Some(read.into())));
    }
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Ok((text.to_owned(), Some(address.into())));
    }
    // One dot at the end says that a name is whole.
    let labels = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let last = labels.rsplit('.').next().unwrap_or_default();
    if labels.split('.').all(is_label) && !is_number(last) {
        Ok((text.to_owned(), None))
    } else {
        Err(UnfitUrl::NoHost)
    }
}

/// Whether a label is a number, decimal, octal or hexadecimal.
fn is_number(label: &str) -> bool {
    let hexadecimal = label.strip_prefix("0x").or(label.strip_prefix("0X"));
    label.bytes().all(|byte| byte.is_ascii_digit())
        || hexadecimal.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_posted_to_is_told_from_what_cannot() {
        for (text, allow_private, want) in [
            ("https://shop.example/hook?key=1", false, Ok(("shop.example", 443, "/hook?key=1"))),
            ("https://shop.example", false, Ok(("shop.example", 443, "/"))),
            ("https://shop.example:8443?a", false, Ok(("shop.example", 8443, "/?a"))),
            ("https://[2606:4700::1]:1/", false, Ok(("2606:4700::1", 1, "/"))),
            ("https://1.1.1.1/", false, Ok(("1.1.1.1", 443, "/"))),
            ("http://127.0.0.1:3000/a", true, Ok(("127.0.0.1", 3000, "/a"))),
            ("http://shop.example/", false, Err(UnfitUrl::NotHttps)),
            ("ftp://shop.example/", true, Err(UnfitUrl::NotHttp)),
            ("https://127.0.0.1/", false, Err(UnfitUrl::PrivateAddress)),
            ("https://[::ffff:10.0.0.1]/", false, Err(UnfitUrl::PrivateAddress)),
            ("https://shop.example./", false, Ok(("shop.example.", 443, "/"))),
            ("https://1.shop_2.3-example/", false, Ok(("1.shop_2.3-example", 443, "/"))),
            ("https://0xshop/", false, Ok(("0xshop", 443, "/"))),
            ("https://2130706433/", false, Err(UnfitUrl::NoHost)),
            ("https://0x7f000001/", false, Err(UnfitUrl::NoHost)),
            ("https://0177.0.0.1/", false, Err(UnfitUrl::NoHost)),
            ("https://127.1/", true, Err(UnfitUrl::NoHost)),
            ("https://0/", false, Err(UnfitUrl::NoHost)),
            ("https://0x/", false, Err(UnfitUrl::NoHost)),
            ("https://1.1.1.1./", false, Err(UnfitUrl::NoHost)),
            ("https://shop.0X1f/", false, Err(UnfitUrl::NoHost)),
            ("https://256.1.1.1/", false, Err(UnfitUrl::NoHost)),
            ("https://[fe80::1%25eth0]/", true, Err(UnfitUrl::NoHost)),
            ("https://[shop.example]/", false, Err(UnfitUrl::NoHost)),
            ("https://a..b/", false, Err(UnfitUrl::NoHost)),
            ("https://.a/", false, Err(UnfitUrl::NoHost)),
            ("https://a../", false, Err(UnfitUrl::NoHost)),
            ("https://a%2eb/", false, Err(UnfitUrl::NoUrl)),
            ("https://user@shop.example/", false, Err(UnfitUrl::UserInfo)),
            ("https://user:word@shop.example/", true, Err(UnfitUrl::UserInfo)),
            ("https://shop.example/#top", false, Err(UnfitUrl::Fragment)),
            ("https://shop.example:0/", false, Err(UnfitUrl::NoUrl)),
            ("https://shop.example:x/", false, Err(UnfitUrl::NoUrl)),
            ("https://shop.example:99999/", false, Err(UnfitUrl::NoUrl)),
            ("https:///path", false, Err(UnfitUrl::NoUrl)),
            ("/path", false, Err(UnfitUrl::NoUrl)),
            ("shop.example", false, Err(UnfitUrl::NoUrl)),
            ("https://shop.example/ö", false, Err(UnfitUrl::NoUrl)),
            ("https://shop.example/a b", false, Err(UnfitUrl::NoUrl)),
            ("https://shop.example/a\r\nb: c", false, Err(UnfitUrl::NoUrl)),
            ("", false, Err(UnfitUrl::NoUrl)),
        ] {
            let read = WebhookUrl::parse(text, allow_private);
            let read = read.as_ref().map(|url| (&*url.host, url.port, &*url.path_and_query));
            assert_eq!(read.map_err(|unfit| *unfit), want, "{text}");
        }
        let long = format!("https://shop.example/{}", "a".repeat(LENGTH_BYTES_MAX));
        assert_eq!(WebhookUrl::parse(&long, false), Err(UnfitUrl::TooLong));
    }
}

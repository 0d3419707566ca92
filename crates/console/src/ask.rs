//! What a page is asked by its address: parameters, each once. What a page doesn't know it leaves unread, since people
//! edit addresses and mail them to each other.

use axum::http::Uri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands as it is in a parameter.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The parameters of an address or of a form.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(crate) fn of(uri: &Uri) -> Self {
        Self::read(uri.query().unwrap_or_default().as_bytes())
    }

    /// Those that a form sends.
    pub(crate) fn read(encoded: &[u8]) -> Self {
        Self(form_urlencoded::parse(encoded).into_owned().collect())
    }

    /// The first of that name, without surrounding white space; nothing where it is blank.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(own, _)| own == name)?;
        Some(value.trim()).filter(|value| !value.is_empty())
    }
}

/// A path of ours with these parameters; those without a value are left out.
pub(crate) fn address<'value>(
    path: &str,
    parameters: impl IntoIterator<Item = (&'value str, Option<&'value str>)>,
) -> String {
    let mut address = path.to_owned();
    for (name, value) in parameters {
        if let Some(value) = value {
            address.push(if address.contains('?') { '&' } else { '?' });
            address.push_str(name);
            address.push('=');
            address.push_str(&encoded(value));
        }
    }
    address
}

/// The text of a value in an address or a cookie.
pub(crate) fn encoded(value: &str) -> String {
    utf8_percent_encode(value, PLAIN).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_what_is_read_from_it() {
        let address = address("/console", [("q", Some("ada+b@x.org & co")), ("workspace", None)]);
        assert_eq!(address, "/console?q=ada%2Bb%40x.org%20%26%20co");
        let read = Parameters::of(&address.parse().unwrap());
        assert_eq!((read.get("q"), read.get("workspace")), (Some("ada+b@x.org & co"), None));
    }
}

//! The canonical e-mail address. Deliberately absent: folding of dots or plus-addresses, which would
//! join mailboxes that may belong to two people.

use std::fmt;

use unicode_normalization::UnicodeNormalization;

/// The most bytes that a canonical address may have.
const LENGTH_BYTES_MAX: usize = 254;

/// An e-mail address in its canonical spelling: from here on `==` is enough.
///
/// ```
/// use selfsame_rules::{Email, InvalidEmail};
///
/// let email = Email::parse("  Doc@Hill.edu ")?.expect("not blank");
/// assert_eq!(email.as_str(), "doc@hill.edu");
/// assert_eq!(Email::parse("   ")?, None);
/// assert_eq!(Email::parse("doc.hill.edu"), Err(InvalidEmail::NoAtSign));
/// # Ok::<(), InvalidEmail>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Email(String);

impl Email {
    /// The canonical form of `text`, or nothing if it is blank.
    ///
    /// Unicode NFC, surrounding white space removed, lower-cased, NFC again.
    ///
    /// # Errors
    ///
    /// A variant of [`InvalidEmail`] for each rule that the canonical form can break.
    ///
    /// Source: SEMANTICS, "Canonical values".
    pub fn parse(text: &str) -> Result<Option<Self>, InvalidEmail> {
        let canonical = canonical(text);
        if canonical.is_empty() {
            return Ok(None);
        }
        if canonical.len() > LENGTH_BYTES_MAX {
            return Err(InvalidEmail::TooLong);
        }
        if canonical.contains(char::is_whitespace) {
            return Err(InvalidEmail::WhiteSpace);
        }
        if canonical.contains(char::is_control) {
            return Err(InvalidEmail::ControlCharacter);
        }
        let (local, domain) = canonical.split_once('@').ok_or(InvalidEmail::NoAtSign)?;
        if domain.contains('@') {
            return Err(InvalidEmail::ManyAtSigns);
        }
        if local.is_empty() {
            return Err(InvalidEmail::NoLocalPart);
        }
        if !domain.contains('.') || domain.split('.').any(str::is_empty) {
            return Err(InvalidEmail::BadDomain);
        }
        Ok(Some(Self(canonical)))
    }

    /// The canonical spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn canonical(text: &str) -> String {
    // Nearly every address is lower-case ASCII already, which no step would change.
    if text.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase()) {
        return text.to_owned();
    }
    let composed: String = text.nfc().collect();
    composed.trim().to_lowercase().nfc().collect()
}

impl fmt::Debug for Email {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Email(…)")
    }
}

/// Why a text is no e-mail address. Says the rule, never the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEmail {
    /// There is no `@`.
    #[error("it has no `@`")]
    NoAtSign,
    /// There is more than one `@`.
    #[error("it has more than one `@`")]
    ManyAtSigns,
    /// Nothing stands before the `@`.
    #[error("nothing stands before the `@`")]
    NoLocalPart,
    /// The domain lacks a dot between two non-empty labels.
    #[error("its domain needs a dot between parts that are not empty")]
    BadDomain,
    /// White space within the address.
    #[error("it has white space inside")]
    WhiteSpace,
    /// A control character, NUL among them.
    #[error("it has a control character")]
    ControlCharacter,
    /// More than 254 bytes.
    #[error("it is longer than 254 bytes")]
    TooLong,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_address_become_equal() {
        for (sent, want) in [
            ("doc@hill.edu", "doc@hill.edu"),
            ("\u{a0} DOC@Hill.EDU\t\n", "doc@hill.edu"),
            ("doc+shop@hill.edu", "doc+shop@hill.edu"),
            ("JOSE\u{301}@x.es", "jos\u{e9}@x.es"),
            ("Ä@ö.de", "ä@ö.de"),
            ("\"a\"@b.c", "\"a\"@b.c"),
        ] {
            assert_eq!(Email::parse(sent).unwrap().unwrap().as_str(), want, "{sent:?}");
        }
    }

    #[test]
    fn a_blank_text_is_no_identifier() {
        for blank in ["", " ", "\t\r\n", "\u{a0}\u{3000}"] {
            assert_eq!(Email::parse(blank), Ok(None), "{blank:?}");
        }
    }

    #[test]
    fn each_broken_rule_has_its_own_error() {
        let overlong = format!("{}@b.c", "x".repeat(251));
        for (sent, want) in [
            ("plain", InvalidEmail::NoAtSign),
            ("a@b@c.d", InvalidEmail::ManyAtSigns),
            ("@b.c", InvalidEmail::NoLocalPart),
            ("hannah88opowersc@m", InvalidEmail::BadDomain),
            ("a@b..c", InvalidEmail::BadDomain),
            ("a@.b.c", InvalidEmail::BadDomain),
            ("a@b.c.", InvalidEmail::BadDomain),
            ("a@", InvalidEmail::BadDomain),
            ("a b@c.d", InvalidEmail::WhiteSpace),
            ("a\u{2003}b@c.d", InvalidEmail::WhiteSpace),
            ("a\0@b.c", InvalidEmail::ControlCharacter),
            ("a\u{7f}@b.c", InvalidEmail::ControlCharacter),
            (&overlong, InvalidEmail::TooLong),
        ] {
            assert_eq!(Email::parse(sent), Err(want), "{sent:?}");
        }
    }

    #[test]
    fn the_length_is_that_of_the_canonical_form_in_bytes() {
        let longest = format!("{}@b.c", "x".repeat(250));
        assert!(Email::parse(&format!("  {longest}  ")).unwrap().is_some());
        assert_eq!(Email::parse(&format!("é{}", &longest[1..])), Err(InvalidEmail::TooLong));
    }

    #[test]
    fn printing_one_for_a_log_shows_no_address() {
        let email = Email::parse("doc@hill.edu").unwrap().unwrap();
        assert_eq!(format!("{email:?}"), "Email(…)");
    }

    proptest::proptest! {
        #[test]
        fn a_canonical_address_is_its_own_canonical_form(text in "\\PC{0,8}@\\PC{1,8}\\.\\PC{1,4}") {
            if let Ok(Some(email)) = Email::parse(&text) {
                proptest::prop_assert_eq!(Email::parse(email.as_str()), Ok(Some(email.clone())));
            }
        }
    }
}

//! Any text as an e-mail address, a phone number and the value of a declared kind.
//!
//! Source of the rules that are held to here: SEMANTICS, "Canonical values".

use selfsame_rules::{DeclaredValue, Email, IdentifierKind, InvalidPhone, Phone, SeenIdentifier};
use unicode_normalization::UnicodeNormalization;

/// What is canonical once is so again, spellings of one value are one, and nothing that counts is lost.
pub(super) fn canonical_values(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    assert_email(&text);
    assert_phone(&text, |text| Phone::parse(text).map(|phone| phone.map(|phone| phone.as_str().to_owned())));
    assert_declared(&text);
    for kind in ["email", "phone", "customerId"] {
        let kind = IdentifierKind::from_name(kind).expect("a kind that can exist");
        if let Ok(Some(seen)) = SeenIdentifier::parse(&kind, &text) {
            assert_eq!(seen.as_sent().unwrap_or(seen.identifier().value()), text, "what was typed is lost");
            assert_eq!(format!("{seen:?}"), format!("{}(…)", kind.name()), "a value is printed");
        }
    }
}

fn assert_email(text: &str) {
    let parsed = Email::parse(text);
    let decomposed: String = text.nfd().collect();
    assert_eq!(Email::parse(&decomposed), parsed, "two spellings of one text in Unicode differ");
    assert_eq!(Email::parse(&format!("\t {text}\u{a0}\n")), parsed, "white space around it counts");
    let Ok(Some(email)) = &parsed else {
        assert!(parsed.is_err() || text.trim().is_empty(), "what isn't blank is no identifier");
        return;
    };
    assert_eq!(Email::parse(email.as_str()).as_ref(), Ok(&Some(email.clone())), "not canonical");
    if text.is_ascii() {
        assert_eq!(email.as_str(), text.trim().to_ascii_lowercase());
    }
    let (local, domain) = email.as_str().split_once('@').expect("an address has an `@`");
    let labels: Vec<&str> = domain.split('.').collect();
    assert!(!local.is_empty() && labels.len() > 1 && labels.iter().all(|label| !label.is_empty()));
    assert!(email.as_str().len() <= 254 && !domain.contains('@'));
    assert!(!email.as_str().contains(|character: char| character.is_whitespace() || character.is_control()));
}

/// Holds the rules of phone numbers for whatever `parse` makes of a text.
///
/// # Panics
///
/// If it breaks one.
pub fn assert_phone(text: &str, parse: impl Fn(&str) -> Result<Option<String>, InvalidPhone>) {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let plain = !digits.is_empty() && digits.len() == text.len() && digits.len() <= 32;
    match parse(text) {
        Ok(Some(phone)) => {
            let without_plus = phone.strip_prefix('+').unwrap_or(&phone);
            assert_eq!(without_plus, digits, "the digits are not those that were sent");
            assert_eq!(phone.starts_with('+'), text.contains('+'), "the plus sign is lost, or made up");
            assert!((1..=32).contains(&digits.len()));
            assert_eq!(parse(&phone), Ok(Some(phone.clone())), "not canonical");
        }
        Ok(None) => assert!(text.trim().is_empty(), "what isn't blank is no identifier"),
        Err(InvalidPhone::TooManyDigits) => assert!(digits.len() > 32),
        Err(InvalidPhone::NoDigits) => assert!(digits.is_empty()),
        Err(InvalidPhone::UnexpectedCharacter) => assert!(!plain, "digits alone are a number"),
    }
}

fn assert_declared(text: &str) {
    let parsed = DeclaredValue::parse(text);
    let decomposed: String = text.nfd().collect();
    assert_eq!(DeclaredValue::parse(&decomposed), parsed, "two spellings of one text in Unicode differ");
    if let Ok(None) = parsed {
        assert!(text.trim().is_empty(), "what isn't blank is no identifier");
    }
}

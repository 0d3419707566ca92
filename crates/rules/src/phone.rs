//! The canonical phone number. Deliberately absent: guessing a country; without a default region
//! `+44 20 …` and `020 …` are two numbers.

use std::fmt;

/// The most digits that a number may have.
const DIGITS_MAX: usize = 32;

/// A phone number in its canonical spelling: an optional `+` and 1 to 32 digits.
///
/// ```
/// use selfsame_rules::{InvalidPhone, Phone};
///
/// let phone = Phone::parse("+1 (702) 919-1300")?.expect("not blank");
/// assert_eq!(phone.as_str(), "+17029191300");
/// assert_eq!(Phone::parse(" ")?, None);
/// assert_eq!(Phone::parse("call me"), Err(InvalidPhone::UnexpectedCharacter));
/// # Ok::<(), InvalidPhone>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phone(String);

impl Phone {
    /// The canonical form of `text`, or nothing if it is blank.
    ///
    /// Spaces, dots, dashes, brackets and slashes are removed; the digits stand as they are, leading
    /// zeros too. A JSON integer comes in as its digits.
    ///
    /// # Errors
    ///
    /// A variant of [`InvalidPhone`] for each rule that what remains can break.
    ///
    /// Source: SEMANTICS, "Canonical values".
    pub fn parse(text: &str) -> Result<Option<Self>, InvalidPhone> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        let canonical: String = text.chars().filter(|character| !is_separator(*character)).collect();
        let digits = canonical.strip_prefix('+').unwrap_or(&canonical);
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(InvalidPhone::UnexpectedCharacter);
        }
        match digits.len() {
            0 => Err(InvalidPhone::NoDigits),
            1..=DIGITS_MAX => Ok(Some(Self(canonical))),
            _ => Err(InvalidPhone::TooManyDigits),
        }
    }

    /// The canonical spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What people put between the digits of a number, as keyboards, word processors and web pages write it.
fn is_separator(character: char) -> bool {
    matches!(character,
        '.' | '/' | '(' | ')' | '[' | ']' | '{' | '}'
        // The space separators of Unicode (category Zs); a line break or a tab is no space within a number.
        | ' ' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}'
        // The hyphen and the dashes that text programs put in its place, and the minus sign.
        | '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}')
}

impl fmt::Debug for Phone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Phone(…)")
    }
}

/// Why a text is no phone number. Says the rule, never the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPhone {
    /// Something besides digits, separators and one leading `+`.
    #[error("it has a character that is no digit, separator or leading `+`")]
    UnexpectedCharacter,
    /// Only separators or a `+`.
    #[error("it has no digits")]
    NoDigits,
    /// More than 32 digits.
    #[error("it has more than 32 digits")]
    TooManyDigits,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_number_become_equal() {
        for (sent, want) in [
            ("123456", "123456"),
            (" 702-919-1300 ", "7029191300"),
            ("702.919.1300", "7029191300"),
            ("(702) 919/1300", "7029191300"),
            ("[702]\u{a0}919\u{2013}1300", "7029191300"),
            ("+44 20 7946 0000", "+442079460000"),
            ("(+44) 20", "+4420"),
            ("007", "007"),
            ("0", "0"),
        ] {
            assert_eq!(Phone::parse(sent).unwrap().unwrap().as_str(), want, "{sent:?}");
        }
    }

    #[test]
    fn a_blank_text_is_no_identifier() {
        for blank in ["", " ", "\t\r\n", "\u{a0}"] {
            assert_eq!(Phone::parse(blank), Ok(None), "{blank:?}");
        }
    }

    #[test]
    fn each_broken_rule_has_its_own_error() {
        for (sent, want) in [
            ("abc", InvalidPhone::UnexpectedCharacter),
            ("12x", InvalidPhone::UnexpectedCharacter),
            ("1+2", InvalidPhone::UnexpectedCharacter),
            ("++12", InvalidPhone::UnexpectedCharacter),
            ("12\0", InvalidPhone::UnexpectedCharacter),
            ("12\n34", InvalidPhone::UnexpectedCharacter),
            ("\u{661}\u{662}\u{663}", InvalidPhone::UnexpectedCharacter),
            ("---", InvalidPhone::NoDigits),
            ("+", InvalidPhone::NoDigits),
            ("123456789012345678901234567890123", InvalidPhone::TooManyDigits),
        ] {
            assert_eq!(Phone::parse(sent), Err(want), "{sent:?}");
        }
        assert!(
            Phone::parse("+12345678901234567890123456789012").unwrap().is_some(),
            "32 digits are allowed"
        );
    }

    proptest::proptest! {
        #[test]
        fn a_canonical_number_is_its_own_canonical_form(text in "[+]?[0-9 ./()-]{1,40}") {
            if let Ok(Some(phone)) = Phone::parse(&text) {
                proptest::prop_assert_eq!(Phone::parse(phone.as_str()), Ok(Some(phone.clone())));
            }
        }
    }
}

//! An identifier: a kind and a canonical value, made only from values that were parsed.

use std::fmt;
use std::sync::Arc;

use unicode_normalization::UnicodeNormalization;

use crate::{DeclaredKind, Email, IdentifierKind, InvalidEmail, InvalidPhone, Phone};

/// Begins the token of an erased value. No canonical value begins with a space.
const ERASED: &str = " erased ";

/// A kind and a canonical value; two that are equal belong to the same person.
///
/// Prints redacted: the kind, never the value.
///
/// ```
/// use selfsame_rules::{Identifier, IdentifierKind};
///
/// let identifier = Identifier::parse(&IdentifierKind::Phone, "12-34")?.expect("not blank");
/// assert_eq!(identifier.value(), "1234");
/// assert_eq!(format!("{identifier:?}"), "phone(…)");
/// # Ok::<(), selfsame_rules::InvalidIdentifier>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier {
    kind: IdentifierKind,
    value: Arc<str>,
}

impl Identifier {
    /// The canonical identifier that `text` spells, or nothing if it is blank.
    ///
    /// # Errors
    ///
    /// [`InvalidIdentifier`] says which kind's rule the text breaks.
    pub fn parse(kind: &IdentifierKind, text: &str) -> Result<Option<Self>, InvalidIdentifier> {
        Ok(match kind {
            IdentifierKind::Email => Email::parse(text)?.map(Self::from),
            IdentifierKind::Phone => Phone::parse(text)?.map(Self::from),
            IdentifierKind::Declared(kind) => {
                DeclaredValue::parse(text)?.map(|value| Self::from((kind.clone(), value)))
            }
        })
    }

    /// The identifier that a store reads back from what it wrote.
    ///
    /// The value is not parsed again: the rules of the day when it was written made it canonical.
    pub fn from_stored(kind: IdentifierKind, value: &str) -> Self {
        Self { kind, value: value.into() }
    }

    /// What stands in events where an erased value was: the same for all events of a person, and no value that can be.
    ///
    /// `token`: random, and derived from nothing.
    ///
    /// ```
    /// use selfsame_rules::{Identifier, IdentifierKind};
    ///
    /// let erased = Identifier::erased(IdentifierKind::Email, "6f1c");
    /// assert!(erased.is_erased());
    /// assert!(!Identifier::from_stored(IdentifierKind::Email, "doc@hill.edu").is_erased());
    /// ```
    pub fn erased(kind: IdentifierKind, token: &str) -> Self {
        Self { kind, value: format!("{ERASED}{token}").into() }
    }

    /// Whether a value was here that is erased.
    pub fn is_erased(&self) -> bool {
        self.value.starts_with(ERASED)
    }

    /// What sort of identifier it is.
    pub fn kind(&self) -> &IdentifierKind {
        &self.kind
    }

    /// The canonical value.
    pub fn value(&self) -> &str {
        &self.value
    }
}

impl From<Email> for Identifier {
    fn from(email: Email) -> Self {
        Self { kind: IdentifierKind::Email, value: email.as_str().into() }
    }
}

impl From<Phone> for Identifier {
    fn from(phone: Phone) -> Self {
        Self { kind: IdentifierKind::Phone, value: phone.as_str().into() }
    }
}

impl From<(DeclaredKind, DeclaredValue)> for Identifier {
    fn from((kind, value): (DeclaredKind, DeclaredValue)) -> Self {
        Self { kind: IdentifierKind::Declared(kind), value: value.0.into() }
    }
}

impl fmt::Debug for Identifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}(…)", self.kind.name())
    }
}

/// The value of a declared kind: Unicode NFC, surrounding white space removed, otherwise as sent.
///
/// Letters keep their case: a shop's own ids are often told apart by nothing else.
///
/// ```
/// use selfsame_rules::{DeclaredValue, InvalidDeclaredValue};
///
/// assert_eq!(DeclaredValue::parse(" C7 "), DeclaredValue::parse("C7"));
/// assert_ne!(DeclaredValue::parse("c7"), DeclaredValue::parse("C7"));
/// assert_eq!(DeclaredValue::parse("a\0"), Err(InvalidDeclaredValue::ControlCharacter));
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeclaredValue(String);

impl DeclaredValue {
    /// The canonical form of `text`, or nothing if it is blank.
    ///
    /// # Errors
    ///
    /// [`InvalidDeclaredValue`] for a control character or more than 254 bytes.
    pub fn parse(text: &str) -> Result<Option<Self>, InvalidDeclaredValue> {
        let canonical: String = text.trim().nfc().collect();
        if canonical.is_empty() {
            Ok(None)
        } else if canonical.len() > 254 {
            Err(InvalidDeclaredValue::TooLong)
        } else if canonical.contains(char::is_control) {
            Err(InvalidDeclaredValue::ControlCharacter)
        } else {
            Ok(Some(Self(canonical)))
        }
    }
}

impl fmt::Debug for DeclaredValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("DeclaredValue(…)")
    }
}

/// Why a text is no value of a declared kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDeclaredValue {
    /// A control character, NUL among them.
    #[error("it has a control character")]
    ControlCharacter,
    /// More than 254 bytes.
    #[error("it is longer than 254 bytes")]
    TooLong,
}

/// Why a text is no identifier of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIdentifier {
    /// It breaks a rule of e-mail addresses.
    #[error(transparent)]
    Email(#[from] InvalidEmail),
    /// It breaks a rule of phone numbers.
    #[error(transparent)]
    Phone(#[from] InvalidPhone),
    /// It breaks a rule that all declared kinds share.
    #[error(transparent)]
    Declared(#[from] InvalidDeclaredValue),
}

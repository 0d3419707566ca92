//! The kinds of identifier: the two built in, and those that a policy declares.

use std::sync::Arc;

/// What sort of thing an identifier is.
///
/// The order is the one in which an answer prefers kinds and in which an observation lists them:
/// email, phone, then the declared kinds by name.
///
/// ```
/// use selfsame_rules::IdentifierKind;
///
/// let kind = IdentifierKind::from_name("customerId")?;
/// assert_eq!(kind.name(), "customerId");
/// assert!(IdentifierKind::Email < IdentifierKind::Phone && IdentifierKind::Phone < kind);
/// assert!(IdentifierKind::from_name("customer id").is_err());
/// assert!(IdentifierKind::from_name("limit").is_err());
/// # Ok::<(), selfsame_rules::InvalidKindName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdentifierKind {
    /// An e-mail address, [`crate::Email`].
    Email,
    /// A phone number, [`crate::Phone`].
    Phone,
    /// A kind of the shop's own, such as `customerId`.
    Declared(DeclaredKind),
}

/// The name of a kind that is not built in; see [`IdentifierKind::from_name`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeclaredKind(Arc<str>);

impl IdentifierKind {
    /// The name under which stores and documents know the kind.
    pub fn name(&self) -> &str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Declared(DeclaredKind(name)) => name,
        }
    }

    /// The kind of that name, built in or declared.
    ///
    /// # Errors
    ///
    /// [`InvalidKindName`] unless the name is 1 to 64 ASCII letters, digits, `_` or `-`, beginning with
    /// a letter, and none of those that a question asks something else with.
    pub fn from_name(name: &str) -> Result<Self, InvalidKindName> {
        match name {
            "email" => return Ok(Self::Email),
            "phone" => return Ok(Self::Phone),
            // Whoever asks for a customer names the kind where these stand, too.
            "at" | "cursor" | "limit" => return Err(InvalidKindName),
            _ => {}
        }
        let begins_with_letter = name.starts_with(|first: char| first.is_ascii_alphabetic());
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        if begins_with_letter && plain && name.len() <= 64 {
            Ok(Self::Declared(DeclaredKind(name.into())))
        } else {
            Err(InvalidKindName)
        }
    }
}

/// A name that no kind of identifier can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the name of a kind is 1 to 64 ASCII letters, digits, `_` or `-`, beginning with a letter, and not `at`, `cursor` or `limit`"
)]
pub struct InvalidKindName;

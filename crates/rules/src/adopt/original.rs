//! A row of the original's table, as it stands there. Prints redacted.

use std::fmt;
use std::sync::Arc;

use crate::Timestamp;

/// A row of the original's `"Contact"` table.
///
/// ```
/// use selfsame_rules::{OriginalRow, Precedence, Timestamp};
///
/// let at = Timestamp::from_milliseconds(7);
/// let row = OriginalRow {
///     id: 1,
///     email: Some("doc@hill.edu".to_owned()),
///     phone: None,
///     linked_id: None,
///     precedence: Precedence::from_word("primary"),
///     created_at: at,
///     updated_at: at,
///     deleted_at: None,
/// };
/// assert!(!format!("{row:?}").contains("hill"), "no log shows a value");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct OriginalRow {
    /// `id`.
    pub id: i64,
    /// `email`, as it was sent.
    pub email: Option<String>,
    /// `phoneNumber`, as it was sent.
    pub phone: Option<String>,
    /// `linkedId`, whatever it names.
    pub linked_id: Option<i64>,
    /// `linkPrecedence`.
    pub precedence: Precedence,
    /// `createdAt`.
    pub created_at: Timestamp,
    /// `updatedAt`.
    pub updated_at: Timestamp,
    /// `deletedAt`.
    pub deleted_at: Option<Timestamp>,
}

impl fmt::Debug for OriginalRow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, email, phone, linked_id, precedence, created_at, updated_at, deleted_at } = self;
        let hidden = |text: &Option<String>| text.as_ref().map(|_| "…");
        formatter
            .debug_struct("OriginalRow")
            .field("id", id)
            .field("email", &hidden(email))
            .field("phone", &hidden(phone))
            .field("linked_id", linked_id)
            .field("precedence", precedence)
            .field("created_at", created_at)
            .field("updated_at", updated_at)
            .field("deleted_at", deleted_at)
            .finish()
    }
}

/// What the original's `linkPrecedence` says.
///
/// ```
/// use selfsame_rules::Precedence;
///
/// assert_eq!(Precedence::from_word("secondary"), Precedence::Secondary);
/// assert_eq!(Precedence::from_word("Primary").word(), "Primary");
/// assert_ne!(Precedence::from_word("Primary"), Precedence::Primary);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub enum Precedence {
    /// `primary`.
    Primary,
    /// `secondary`.
    Secondary,
    /// Any other text: the column takes all.
    Other(Arc<str>),
}

impl Precedence {
    /// What the column's text says.
    pub fn from_word(word: &str) -> Self {
        match word {
            "primary" => Self::Primary,
            "secondary" => Self::Secondary,
            other => Self::Other(other.into()),
        }
    }

    /// The column's text.
    pub fn word(&self) -> &str {
        match self {
            Self::Primary => "primary",
            Self::Secondary => "secondary",
            Self::Other(other) => other,
        }
    }

    /// What belongs beside a link, or beside none.
    pub(crate) fn of_link(linked_id: Option<i64>) -> Self {
        if linked_id.is_none() { Self::Primary } else { Self::Secondary }
    }
}

impl fmt::Debug for Precedence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Primary => "Primary",
            Self::Secondary => "Secondary",
            Self::Other(_) => "Other(…)",
        })
    }
}

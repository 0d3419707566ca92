//! A stored row: the identifiers of an observation that brought something new.

use crate::{Identifier, Timestamp};

/// The number of a contact, counted per workspace from 1 and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContactId(pub i64);

impl std::fmt::Display for ContactId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

/// One stored row.
///
/// ```
/// use selfsame_rules::{Contact, ContactId, Timestamp};
///
/// let at = Timestamp::from_milliseconds(7);
/// let primary = Contact {
///     id: ContactId(1),
///     identifiers: Vec::new(),
///     linked_to: None,
///     created_at: at,
///     updated_at: at,
///     deleted_at: None,
/// };
/// let secondary = Contact { id: ContactId(2), linked_to: Some(ContactId(1)), ..primary.clone() };
/// assert_eq!(primary.primary(), secondary.primary());
/// assert!(primary.age() < secondary.age(), "a tie in time goes to the lower id");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Its number.
    pub id: ContactId,
    /// What the observation bore, in the order of kinds, at most one per kind.
    pub identifiers: Vec<Identifier>,
    /// The primary of its identity, directly; `None` if it is the primary.
    pub linked_to: Option<ContactId>,
    /// When the observation was accepted.
    pub created_at: Timestamp,
    /// When the row last changed.
    pub updated_at: Timestamp,
    /// When it was deleted; such a contact matches nothing.
    pub deleted_at: Option<Timestamp>,
}

impl Contact {
    /// The primary of its identity: itself, or the contact that it is linked to.
    pub fn primary(&self) -> ContactId {
        self.linked_to.unwrap_or(self.id)
    }

    /// What contacts are ordered by, oldest first: the time, then the id.
    pub fn age(&self) -> (Timestamp, ContactId) {
        (self.created_at, self.id)
    }
}

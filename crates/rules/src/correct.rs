//! Corrections by people: split, join, review, undo, delete, erase. Each is a function from what is stored to the one
//! event that makes it; a dry run is the event, not carried out.
//!
//! `register` is always at least every identity concerned, whole, deleted contacts too.

mod delete;
mod erase;
mod govern;
mod join;
mod refold;
mod replay;
mod split;
mod undo;

use crate::{Actor, ContactId, Event, Head, Incoherent, Outcome, Register, Rule, Sequence, Timestamp};

pub use delete::delete;
pub use erase::{Erasure, ErasureReceipt, erase};
pub use govern::{SpellsOtherwise, govern};
pub use join::{join, review};
pub use refold::{Refolding, refold};
use replay::Replay;
pub use split::split;
pub use undo::undo;

/// Who asks for a correction, why, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Who.
    pub by: Actor,
    /// Why, in their words.
    pub reason: Option<Box<str>>,
    /// The time now.
    pub clock: Timestamp,
}

/// Why a correction can't be made. Nothing is changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Correcting {
    /// A contact that no event made.
    #[error("there is no contact {0}")]
    NoContact(ContactId),
    /// A contact that was deleted, or whose identity has no live contact.
    #[error("contact {0} was deleted or erased")]
    Gone(ContactId),
    /// A contact that isn't of the identity.
    #[error("contact {0} is not of that identity; name contacts of it")]
    OfAnother(ContactId),
    /// No live contact would be left on one side.
    #[error("name some of an identity's live contacts, and not all of them")]
    NothingLeft,
    /// What is to be joined is one identity already.
    #[error("they are one identity already")]
    TogetherAlready,
    /// What is to be parted isn't together.
    #[error("event {0} holds nothing together any more")]
    ApartAlready(Sequence),
    /// A rule forbids it, for people too.
    #[error("the policy forbids it: {0}; correct the identities first, or change the policy")]
    Forbidden(Rule),
    /// An event that joins nothing, or isn't there.
    #[error("event {0} is no merge and no attachment; only those are undone")]
    NotUndoable(Sequence),
    /// A later decision of a person holds the sides together.
    #[error("event {by} holds them together by hand; split them instead")]
    HeldTogether {
        /// That decision.
        by: Sequence,
    },
    /// No refusal has that number, or it was reviewed before.
    #[error("event {0} is no refusal that waits for a review")]
    NotOpen(Sequence),
    /// A policy that spells values in another way than what is recorded, and no refold.
    #[error(
        "the policy spells values in another way than what is recorded; keep the spelling, or decide again what is recorded, with `refold`"
    )]
    SpeltOtherwise,
    /// The events that were handed in don't make the rows that were.
    #[error(transparent)]
    Incoherent(#[from] Incoherent),
}

/// The event of a correction: the next in the log. It has no evidence.
fn event_of(head: Head, asked: &Asked, outcome: Outcome) -> Event {
    Event {
        sequence: Sequence(head.last_sequence.0 + 1),
        at: head.last_event_at.max(asked.clock),
        caused_by: asked.by.clone(),
        evidence: Vec::new(),
        origin: None,
        outcome,
    }
}

/// The primary of a contact's identity.
fn resolve(register: &Register, contact: ContactId) -> Result<ContactId, Correcting> {
    register.contact(contact).ok_or(Correcting::NoContact(contact))?;
    register.resolve(contact).ok_or(Correcting::Gone(contact))
}

/// Contacts as [`crate::Move::Part`] lists them: the oldest live one, then the others by number.
fn primary_first(register: &Register, contacts: impl IntoIterator<Item = ContactId>) -> Vec<ContactId> {
    let mut contacts: Vec<ContactId> = contacts.into_iter().collect();
    contacts.sort_unstable();
    let live = contacts.iter().filter_map(|id| register.contact(*id)).filter(|row| row.deleted_at.is_none());
    if let Some(primary) = live.min_by_key(|row| row.age()).map(|row| row.id) {
        contacts.retain(|id| *id != primary);
        contacts.insert(0, primary);
    }
    contacts
}

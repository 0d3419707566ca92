//! What corrections, policies and refusals change: the parts of outcomes beside those of plain observations.

use std::fmt;

use crate::{Apart, ContactId, Identifier, IdentifierKind, Policy, SeenIdentifier, Sequence, Timestamp};

/// A rule that kept an observation, or a person, from joining identities or giving one a value.
///
/// The order is the one in which a refusal names the first rule that it broke.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// The identities are kept apart by a correction or a review.
    KeptApart,
    /// Two values of a unique kind would meet.
    Unique(IdentifierKind),
    /// An identity would own more identifiers of the kind than the policy lets it.
    Identifiers(IdentifierKind),
    /// An identity would have more contacts than the policy lets it.
    Contacts,
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeptApart => formatter.write_str("the identities are kept apart"),
            Self::Unique(kind) => write!(formatter, "two values of `{}` would meet", kind.name()),
            Self::Identifiers(kind) => {
                write!(formatter, "one identity would own too many values of `{}`", kind.name())
            }
            Self::Contacts => formatter.write_str("one identity would have too many contacts"),
        }
    }
}

/// Contacts that change to another identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// Contacts leave the identity that they all are of, and form one of their own.
    Part {
        /// Those that leave, not the whole of it: their primary first, then by number. Deleted ones follow a live one.
        contacts: Vec<ContactId>,
        /// The primary of what remains, where the former one leaves with them. Of a refold always: nothing else of it says whom
        /// they were with.
        rest: Option<ContactId>,
    },
    /// Two identities become one.
    Join {
        /// The primary that stays one.
        survivor: ContactId,
        /// The primary that links to it from now on, as does all that linked to that.
        former: ContactId,
    },
}

/// A contact owns its value of a kind, or doesn't.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ownership {
    /// The contact, which bears the value.
    pub contact: ContactId,
    /// Which of its values.
    pub kind: IdentifierKind,
}

/// What a correction changed. In this order: losses, moves, gains, lifted pairs, new pairs.
///
/// ```
/// let nothing = selfsame_rules::Correction::default();
/// assert!(nothing.moves.is_empty() && nothing.reason.is_none());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Correction {
    /// Why, in the words of who asked for it.
    pub reason: Option<Box<str>>,
    /// Values that a contact owns no longer.
    pub lost: Vec<Ownership>,
    /// Contacts that moved.
    pub moves: Vec<Move>,
    /// Values that a contact owns from now on.
    pub gained: Vec<Ownership>,
    /// Pairs that hold no longer, as they were recorded.
    pub lifted: Vec<Apart>,
    /// Pairs that hold from now on.
    pub kept_apart: Vec<Apart>,
    /// The primaries of the identities concerned, as they are after it.
    pub primaries: Vec<ContactId>,
}

/// What a reviewer decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// They are the same person.
    Merge,
    /// They are not.
    KeepApart,
}

/// A change of the tables that no plain observation makes.
///
/// Each names whole rows by number: carrying it out decides nothing and reads no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<'event> {
    /// As [`Move::Part`]. A row whose link changes moves its `updated_at`; no other does.
    Part {
        /// Those that leave: their primary first.
        contacts: &'event [ContactId],
        /// The primary of what remains, where that changes.
        rest: Option<ContactId>,
    },
    /// The contact, which bears it, becomes the owner of a value that nobody owns.
    Own(&'event Ownership),
    /// The contact, which owned it, owns the value no longer: nobody does.
    Disown(&'event Ownership),
    /// The pair is kept apart.
    KeepApart(&'event Apart),
    /// The pair, exactly as it was recorded, is kept apart no longer.
    Lift(&'event Apart),
    /// A refusal is recorded, and is an open entry of the review queue.
    Refuse {
        /// Its number: the event's.
        sequence: Sequence,
        /// What was refused, by which it is found again.
        evidence: &'event [SeenIdentifier],
        /// A contact of each identity that was concerned: the primaries at the time.
        identities: &'event [ContactId],
    },
    /// An entry of the review queue was decided. Its refusal stays recorded.
    Settle(Sequence),
    /// The contact is deleted: it matches nothing, is shown nowhere, and follows its identity. `updated_at` moves too.
    Delete {
        /// Which one.
        contact: ContactId,
        /// The primary of what remains, where the contact was that: all others, and it, link there.
        rest: Option<ContactId>,
    },
    /// The contact bears nothing from now on, and is deleted if it wasn't. It owned nothing any more.
    Erase(ContactId),
    /// The contact bears these from now on, in the order of kinds: what it bore, spelt otherwise. It owns none of those that
    /// are spelt otherwise. `updated_at` moves.
    Respell {
        /// Which one.
        contact: ContactId,
        /// All that it bears.
        identifiers: &'event [Identifier],
    },
    /// What an event saw is spelt so from now on, in the order of kinds: if it was refused, the refusal is found by that.
    RespellEvidence {
        /// The event.
        sequence: Sequence,
        /// All that it saw.
        identifiers: &'event [Identifier],
    },
    /// The policy of what comes after.
    Govern(&'event Policy),
}

/// A refusal that was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedRefusal {
    /// Its event.
    pub sequence: Sequence,
    /// The primaries that the identities of then have now, each once, in the order of numbers.
    pub identities: Vec<ContactId>,
}

/// A contact that a refold made of an observation for which no row was needed before. It is a primary until it moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefoldedContact {
    /// Its number.
    pub id: ContactId,
    /// What it bears: the evidence of an event of the log.
    pub evidence: Vec<SeenIdentifier>,
    /// That event.
    pub observed_in: Sequence,
    /// When it was made: the moment of the refold.
    pub created_at: Timestamp,
}

/// An observation of the log whose values are spelt otherwise since a refold. What its event says stays as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Respelt {
    /// The event that observed it.
    pub sequence: Sequence,
    /// The contact that bears it; none where no row was made of it before the refold, or its row was erased.
    pub contact: Option<ContactId>,
    /// All of its identifiers as they are spelt now, in the order of kinds.
    pub identifiers: Vec<Identifier>,
}

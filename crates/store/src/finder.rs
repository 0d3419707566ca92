//! Rows by which events are found, beside the contacts that they made.

use selfsame_rules::{ContactId, Event, Outcome, Sequence};

use crate::EvidenceDigest;
use crate::changes::concerned;
use crate::corrected::apart;

/// Something by which an event of the log is found.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Finder {
    /// The contact that it made (`contacts.event_sequence`).
    Made(ContactId, Sequence),
    /// A contact that it concerns and didn't make (`event_contacts`).
    Concerned(ContactId, Sequence),
    /// A contact that it keeps apart from others, or no longer (`kept_apart`).
    KeptApart(ContactId, Sequence),
    /// What it refused (`refusals`).
    Refused(EvidenceDigest, Sequence),
    /// The refusal that it settles (`refusals.settled_sequence`).
    Settled(Sequence, Sequence),
}

impl Finder {
    /// What the log says that an event is found by.
    ///
    /// ```
    /// use selfsame_rules::{Actor, ContactId, Head, IdentifierKind, Observation, Register, SeenIdentifier, Sequence, Timestamp, decide};
    /// use selfsame_store::Finder;
    ///
    /// let email = SeenIdentifier::parse(&IdentifierKind::Email, "doc@hill.edu").unwrap();
    /// let seen = Observation::new(Actor::named("example"), email).unwrap();
    /// let plan = decide(&Register::new(Head::EMPTY), &[seen], Timestamp::from_milliseconds(1));
    /// assert_eq!(Finder::of(&plan.events[0]), [Finder::Made(ContactId(1), Sequence(1))]);
    /// ```
    pub fn of(event: &Event) -> Vec<Self> {
        let sequence = event.sequence;
        let mut finders: Vec<Self> = event.made().map(|(contact, _)| Self::Made(contact, sequence)).collect();
        finders.extend(concerned(event).into_iter().map(|(contact, _)| Self::Concerned(contact, sequence)));
        finders.extend(apart(event).into_iter().map(|contact| Self::KeptApart(contact, sequence)));
        if let Outcome::Refused { .. } = &event.outcome {
            finders.push(Self::Refused(EvidenceDigest::of(&event.evidence), sequence));
        }
        if let Outcome::Reviewed { review, .. } = &event.outcome {
            finders.push(Self::Settled(*review, sequence));
        }
        finders
    }

    /// The event that it finds.
    pub fn event(&self) -> Sequence {
        match self {
            Self::Made(_, event)
            | Self::Concerned(_, event)
            | Self::KeptApart(_, event)
            | Self::Refused(_, event)
            | Self::Settled(_, event) => *event,
        }
    }
}

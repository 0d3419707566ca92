//! One accepted change. The log of these is the truth; contacts are what it adds up to.

use std::sync::Arc;

use crate::{
    Changed, ContactId, Correction, IdentifierKind, Judgement, KeyFacts, Origin, Ownership, Policy,
    Precedence, RefoldedContact, Respelt, Rule, SeenIdentifier, Timestamp, WorkspaceFacts,
};

/// The place of an event in its workspace's log, counted from 1 without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub i64);

impl std::fmt::Display for Sequence {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Who caused an event: a key's name, a route, a command. Never a customer.
///
/// ```
/// assert_eq!(selfsame_rules::Actor::named("POST /identify").name(), "POST /identify");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor(Arc<str>);

impl Actor {
    /// The actor of that name.
    pub fn named(name: &str) -> Self {
        Self(name.into())
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// One accepted change.
///
/// ```
/// use selfsame_rules::{
///     Actor, Head, IdentifierKind, Neighbourhood, Observation, SeenIdentifier, Sequence, Timestamp, decide,
/// };
///
/// let phone = SeenIdentifier::parse(&IdentifierKind::Phone, "12-34").unwrap();
/// let seen = Observation::new(Actor::named("example"), phone).unwrap();
/// let nobody = Neighbourhood::new(Head::EMPTY, [], []).unwrap();
/// let event = decide(&nobody, &[seen], Timestamp::from_milliseconds(5)).events.remove(0);
///
/// assert_eq!((event.sequence, event.at.as_milliseconds(), event.kind()), (Sequence(1), 5, "created"));
/// assert_eq!(event.evidence[0].as_sent(), Some("12-34"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its place in the log.
    pub sequence: Sequence,
    /// The moment of acceptance; never earlier than the event before.
    pub at: Timestamp,
    /// Who caused it.
    pub caused_by: Actor,
    /// The identifiers of the observation, canonical and as sent, in the order of kinds.
    pub evidence: Vec<SeenIdentifier>,
    /// What was said of where and when that was seen.
    pub origin: Option<Arc<Origin>>,
    /// What it changed, in enough detail to change it again without deciding anything.
    pub outcome: Outcome,
}

/// What an event changed.
///
/// Source: SEMANTICS, "identify", steps 3 to 5, and "Events".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nobody owned any of the identifiers: a new primary.
    Created {
        /// The new primary.
        contact: NewContact,
    },
    /// One identity was touched and learnt something new.
    Attached {
        /// The primary of that identity.
        primary: ContactId,
        /// The new secondary.
        contact: NewContact,
    },
    /// Several identities became one.
    Merged {
        /// The oldest primary, which stays one.
        survivor: ContactId,
        /// The other primaries, oldest first; they and all that linked to them now link to the survivor.
        former_primaries: Vec<ContactId>,
        /// The new secondary, if the observation also brought something new.
        contact: Option<NewContact>,
    },
    /// A rule kept an observation from joining identities, or from giving one all that it brought.
    Refused {
        /// The first rule that it broke.
        rule: Rule,
        /// The primaries of the identities concerned, oldest first.
        identities: Vec<ContactId>,
        /// The primary of the identity that is answered.
        home: ContactId,
        /// Primaries that became one with it all the same, because only a value was refused: oldest first.
        former_primaries: Vec<ContactId>,
        /// What was attached all the same.
        contact: Option<NewContact>,
    },
    /// A merge or an attachment was undone.
    Undone {
        /// The event that was undone.
        event: Sequence,
        /// What that changed.
        correction: Box<Correction>,
    },
    /// Contacts left their identity by hand.
    Split(Box<Correction>),
    /// Identities became one by hand.
    Joined(Box<Correction>),
    /// A refusal was reviewed.
    Reviewed {
        /// The refusal.
        review: Sequence,
        /// What the reviewer decided.
        judgement: Judgement,
        /// What that changed.
        correction: Box<Correction>,
    },
    /// A contact was deleted. Its values stay in the log.
    Deleted {
        /// Which one.
        contact: ContactId,
        /// The primary of what remains, where the contact was that.
        rest: Option<ContactId>,
        /// What it owned.
        lost: Vec<Ownership>,
        /// Which of that another contact of the identity owns now: the oldest that bears it.
        gained: Vec<Ownership>,
    },
    /// A person was erased: these contacts bear nothing any more. No value.
    Erased {
        /// All contacts of the identity, deleted ones too, by number.
        contacts: Vec<ContactId>,
        /// What they owned, which is free now.
        lost: Vec<Ownership>,
        /// The events that hold less since then, in their order. Whoever has read one before reads it again.
        rewritten: Vec<Sequence>,
    },
    /// Another policy holds for what comes after.
    PolicyChanged(Box<Changed<Policy>>),
    /// Another policy holds, and the recorded observations were decided again under it.
    Refolded {
        /// The policies.
        policy: Box<Changed<Policy>>,
        /// Rows that observations need under it, by number; made before anything moves.
        contacts: Vec<RefoldedContact>,
        /// Observations of the log that the policy spells otherwise than they were spelt before, by their events.
        respelt: Vec<Respelt>,
        /// What changed. What a contact owns in another spelling, it has lost and gained.
        correction: Box<Correction>,
    },
    /// A row of the original service's table became a contact of ours.
    Adopted {
        /// The contact: the row's id, and what it owns.
        contact: NewContact,
        /// The primary of its identity; `None` if it is the primary. A deleted contact's may be made by a
        /// later event.
        linked_to: Option<ContactId>,
        /// When the row last changed: the moment of adoption if that changed what the original shows of it.
        updated_at: Timestamp,
        /// When the row was deleted.
        deleted_at: Option<Timestamp>,
        /// When the row was made.
        observed_at: Timestamp,
        /// What else stood in the row.
        from: AdoptedFrom,
    },
    /// A key was made or revoked. Changes no contact.
    KeyChanged(Box<Changed<KeyFacts>>),
    /// The workspace was made, renamed or erased. Changes no contact by itself.
    WorkspaceChanged(Box<Changed<WorkspaceFacts>>),
}

/// What stood in an adopted row and can't be told from the rest of its event. Changes no table.
///
/// ```
/// let nothing_else = selfsame_rules::AdoptedFrom::default();
/// assert!(nothing_else.linked_id.is_none() && nothing_else.not_borne.is_empty());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdoptedFrom {
    /// Its `linkedId`, whatever that named.
    pub linked_id: Option<ContactId>,
    /// Its `linkPrecedence`, where that isn't what its `linkedId` says.
    pub precedence: Option<Precedence>,
    /// Its `updatedAt`, where the contact has another.
    pub updated_at: Option<Timestamp>,
    /// Its texts that are no identifier, blank or refused, in the order of kinds.
    pub not_borne: Vec<UnborneText>,
}

/// A text that stood where an identifier should, and is none. Prints redacted.
///
/// ```
/// use selfsame_rules::{IdentifierKind, UnborneText};
///
/// let text = UnborneText { kind: IdentifierKind::Phone, as_sent: "ask Clara".into() };
/// assert_eq!(format!("{text:?}"), "phone(…)");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct UnborneText {
    /// What it should have been.
    pub kind: IdentifierKind,
    /// The text as it stood there.
    pub as_sent: Arc<str>,
}

impl std::fmt::Debug for UnborneText {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}(…)", self.kind.name())
    }
}

impl Outcome {
    /// The contact that the event made of its evidence, if it made one.
    pub fn contact(&self) -> Option<&NewContact> {
        match self {
            Self::Created { contact } | Self::Attached { contact, .. } | Self::Adopted { contact, .. } => {
                Some(contact)
            }
            Self::Merged { contact, .. } | Self::Refused { contact, .. } => contact.as_ref(),
            Self::Undone { .. }
            | Self::Split(_)
            | Self::Joined(_)
            | Self::Reviewed { .. }
            | Self::Deleted { .. }
            | Self::Erased { .. }
            | Self::PolicyChanged(_)
            | Self::Refolded { .. }
            | Self::KeyChanged(_)
            | Self::WorkspaceChanged(_) => None,
        }
    }

    /// What a correction or a refold changed.
    pub fn correction(&self) -> Option<&Correction> {
        match self {
            Self::Undone { correction, .. }
            | Self::Split(correction)
            | Self::Joined(correction)
            | Self::Reviewed { correction, .. }
            | Self::Refolded { correction, .. } => Some(correction),
            Self::Created { .. }
            | Self::Attached { .. }
            | Self::Merged { .. }
            | Self::Refused { .. }
            | Self::Deleted { .. }
            | Self::Erased { .. }
            | Self::PolicyChanged(_)
            | Self::Adopted { .. }
            | Self::KeyChanged(_)
            | Self::WorkspaceChanged(_) => None,
        }
    }
}

/// A contact that an event made. It bears all of the event's evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewContact {
    /// Its number.
    pub id: ContactId,
    /// Which of the evidence's identifiers it owns: those that nobody owned before.
    pub owns: Vec<IdentifierKind>,
}

impl Event {
    /// The word for what happened: `created`, `attached`, `merged`, `imported`, `refused` and so on, as SEMANTICS lists them.
    pub fn kind(&self) -> &'static str {
        match self.outcome {
            _ if self.is_imported_contact() => "imported",
            Outcome::Created { .. } => "created",
            Outcome::Attached { .. } => "attached",
            Outcome::Merged { .. } => "merged",
            Outcome::Refused { .. } => "refused",
            Outcome::Undone { .. } => "undone",
            Outcome::Split(_) => "split",
            Outcome::Joined(_) => "joined",
            Outcome::Reviewed { .. } => "reviewed",
            Outcome::Deleted { .. } => "deleted",
            Outcome::Erased { .. } => "erased",
            Outcome::PolicyChanged(_) => "policyChanged",
            Outcome::Refolded { .. } => "refolded",
            Outcome::Adopted { .. } => "adopted",
            Outcome::KeyChanged(_) => "keyChanged",
            Outcome::WorkspaceChanged(_) => "workspaceChanged",
        }
    }

    /// Whether it is of a file's row that made a contact: what a file brought is told from what was seen as it happened. A merge
    /// that needs no contact is `merged`, and what is refused `refused`, wherever they come from.
    fn is_imported_contact(&self) -> bool {
        let of_an_observation = matches!(
            self.outcome,
            Outcome::Created { .. } | Outcome::Attached { .. } | Outcome::Merged { contact: Some(_), .. }
        );
        of_an_observation && self.origin.as_ref().is_some_and(|origin| origin.imported)
    }

    /// The contacts that it made, each with the evidence that it bears.
    pub fn made(&self) -> impl Iterator<Item = (ContactId, &[SeenIdentifier])> {
        self.observed().map(|(_, contact, evidence)| (contact, evidence))
    }

    /// The same, each with the event that observed it.
    pub fn observed(&self) -> impl Iterator<Item = (Sequence, ContactId, &[SeenIdentifier])> {
        let refolded: &[RefoldedContact] =
            if let Outcome::Refolded { contacts, .. } = &self.outcome { contacts } else { &[] };
        let seen = self.outcome.contact().map(|contact| (self.sequence, contact.id, &self.evidence[..]));
        let refolded =
            refolded.iter().map(|contact| (contact.observed_in, contact.id, &contact.evidence[..]));
        seen.into_iter().chain(refolded)
    }
}

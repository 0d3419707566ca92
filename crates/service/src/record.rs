//! Everything that is held about a person: the answer to their right of access.
//!
//! Deliberately absent: how it is written down.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use selfsame_rules::{
    Apart, ContactId, Event, Identifier, IdentifierKind, Identities, Move, Outcome, Ownership, Register,
    RegisterRow, SeenIdentifier, Sequence, Spelt,
};
use selfsame_store::{Recall, Recalled};

use crate::{AskError, Engine};

/// Everything that is held about the person of one identity as it is now, and nothing of anybody else but numbers of contacts.
///
/// What is theirs:
/// - *Contacts*: all of the identity, deleted and erased ones too, and whatever these bear.
/// - *Events*: those that name one of these contacts.
/// - *An event's observation*, with its evidence, source and time, is of whoever has the contact that the event made of it:
///   after an undo or a split, of the side that this contact is in now. An event that made no contact is theirs if it names
///   nobody but them.
/// - *A value* is known by its present spelling; how it was spelt and sent is told of their own observations.
/// - *Of an observation that isn't theirs*, those values that one of their contacts bears too; the others are withheld, and
///   with them how anything was spelt there, and where it was seen.
#[derive(Clone, Debug)]
pub struct PersonalRecord {
    /// The contact that stands for them, or did while one of them lived.
    pub primary: ContactId,
    /// The last event that the record knows.
    pub as_of: Sequence,
    /// Their contacts by number.
    pub contacts: Vec<RegisterRow>,
    /// Their values, in the order of kinds.
    pub values: Vec<PersonalValue>,
    /// The events that concern them, in the order of the log.
    pub events: Vec<PersonalEvent>,
    /// What they are kept apart from.
    pub kept_apart: Vec<Apart>,
    /// The refusals that concern them and wait for a review.
    pub reviews: Vec<Sequence>,
}

/// A value that is theirs.
#[derive(Clone, Debug)]
pub struct PersonalValue {
    /// The value.
    pub identifier: Identifier,
    /// Whether they own it, so that whoever is seen with it is taken for them.
    pub is_owned: bool,
    /// Whether an observation of theirs marked it as verified.
    pub is_verified: bool,
    /// How it was sent, where that was otherwise; each once.
    pub spellings: BTreeSet<Arc<str>>,
    /// Those of their contacts that bear it; none where it was refused.
    pub contacts: Vec<ContactId>,
}

/// An event that concerns them.
#[derive(Clone, Debug)]
pub struct PersonalEvent {
    /// The event without evidence; without origin where the observation isn't theirs. Of a refold, what it says of them.
    pub event: Event,
    /// Whether the observation is theirs.
    pub is_own: bool,
    /// What was seen, as it was spelt then where it is theirs alone.
    pub evidence: Vec<PersonalEvidence>,
    /// What is theirs alone, as it is spelt now.
    own: Vec<SeenIdentifier>,
}

/// An identifier that an event saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PersonalEvidence {
    /// Theirs.
    Shown(SeenIdentifier),
    /// Somebody else's; only the kind is told.
    Withheld(IdentifierKind),
}

impl Engine {
    /// Everything that is held about the person that the contact belongs to, be they erased.
    ///
    /// # Errors
    ///
    /// [`AskError`] if there is no such contact, or the store can't be read.
    pub async fn record(&self, contact: ContactId) -> Result<PersonalRecord, AskError> {
        let recalled = self.store().recall(self.workspace(), Recall::History(vec![contact])).await?;
        let row = recalled.register.contact(contact).ok_or(AskError::NoContact(contact))?;
        let primary = row.primary();
        Ok(PersonalRecord::of(primary, recalled))
    }
}

impl PersonalRecord {
    fn of(primary: ContactId, recalled: Recalled) -> Self {
        let Recalled { register, events, .. } = recalled;
        let person = Person::of(primary, &register, &events);
        let spelt = Spelt::of(&events);
        let concerning = events.iter().filter(|event| person.is_concerned(event));
        let events: Vec<PersonalEvent> = concerning.map(|event| person.own(event.clone(), &spelt)).collect();
        let reviewed: BTreeSet<Sequence> = events.iter().filter_map(|one| reviewed(&one.event)).collect();
        let refused = events.iter().filter(|one| matches!(one.event.outcome, Outcome::Refused { .. }));
        let waiting = refused.map(|one| one.event.sequence).filter(|number| !reviewed.contains(number));
        let reviews = waiting.collect();
        let theirs =
            |pair: &&Apart| pair.one.iter().chain(&pair.other).any(|id| person.contacts.contains(id));
        Self {
            primary,
            as_of: register.head().last_sequence,
            contacts: register.rows().filter(|row| person.contacts.contains(&row.contact.id)).collect(),
            values: values(primary, &register, &person, &events),
            kept_apart: register.kept_apart_pairs().filter(theirs).cloned().collect(),
            reviews,
            events,
        }
    }
}

/// Who somebody is.
struct Person {
    /// All of the identity.
    contacts: BTreeSet<ContactId>,
    /// What these bear.
    values: BTreeSet<Identifier>,
    /// The contacts that refolds made of earlier observations.
    refolded: BTreeMap<Sequence, ContactId>,
}

impl Person {
    fn of(primary: ContactId, register: &Register, events: &[Event]) -> Self {
        let mut contacts = register.everybody(primary);
        contacts.insert(primary);
        let rows = contacts.iter().filter_map(|id| register.contact(*id));
        let values = rows.flat_map(|row| row.identifiers.iter().cloned()).collect();
        let made = events.iter().filter_map(|event| {
            if let Outcome::Refolded { contacts, .. } = &event.outcome { Some(contacts) } else { None }
        });
        let refolded = made.flatten().map(|new| (new.observed_in, new.id)).collect();
        Self { contacts, values, refolded }
    }

    fn is_concerned(&self, event: &Event) -> bool {
        let observed = self.refolded.get(&event.sequence).into_iter().copied();
        event.contacts().into_iter().chain(observed).any(|contact| self.contacts.contains(&contact))
    }

    /// Whether the event's observation is theirs.
    fn has_observed(&self, event: &Event) -> bool {
        let made = event.outcome.contact().map(|contact| contact.id);
        match made.or_else(|| self.refolded.get(&event.sequence).copied()) {
            Some(made) => self.contacts.contains(&made),
            None => event.contacts().is_subset(&self.contacts),
        }
    }

    /// What of the event is theirs.
    fn own(&self, mut event: Event, spelt: &Spelt<'_>) -> PersonalEvent {
        let is_own = self.has_observed(&event);
        let now = spelt.evidence(event.sequence, &event.evidence).into_owned();
        let seen = std::mem::take(&mut event.evidence);
        let shown = seen.into_iter().zip(&now);
        let mut evidence: Vec<PersonalEvidence> =
            shown.map(|(seen, now)| self.seen(seen, now, is_own)).collect();
        let mut own = if is_own { now } else { Vec::new() };
        if !is_own {
            event.origin = None;
        }
        if let Outcome::Refolded { contacts, respelt, correction, .. } = &mut event.outcome {
            contacts.retain(|new| self.contacts.contains(&new.id));
            for new in contacts {
                own.extend(spelt.evidence(new.observed_in, &new.evidence).into_owned());
                evidence.extend(new.evidence.iter().cloned().map(PersonalEvidence::Shown));
            }
            respelt.retain(|one| one.contact.is_some_and(|contact| self.contacts.contains(&contact)));
            let owning = |one: &Ownership| self.contacts.contains(&one.contact);
            correction.lost.retain(owning);
            correction.gained.retain(owning);
            correction.moves.retain(|moved| self.moves(moved));
            correction.primaries.retain(|primary| self.contacts.contains(primary));
        }
        PersonalEvent { event, is_own, evidence, own }
    }

    /// `now`: as it is spelt now.
    fn seen(&self, seen: SeenIdentifier, now: &SeenIdentifier, is_own: bool) -> PersonalEvidence {
        if is_own {
            PersonalEvidence::Shown(seen)
        } else if self.values.contains(now.identifier()) {
            PersonalEvidence::Shown(SeenIdentifier::from_stored(now.identifier().clone(), None))
        } else {
            PersonalEvidence::Withheld(seen.identifier().kind().clone())
        }
    }

    fn moves(&self, moved: &Move) -> bool {
        match moved {
            Move::Part { contacts, rest } => {
                contacts.iter().chain(rest).any(|contact| self.contacts.contains(contact))
            }
            Move::Join { survivor, former } => [survivor, former].iter().any(|id| self.contacts.contains(id)),
        }
    }
}

fn reviewed(event: &Event) -> Option<Sequence> {
    if let Outcome::Reviewed { review, .. } = &event.outcome { Some(*review) } else { None }
}

/// What their contacts bear, and what their own observations saw.
fn values(
    primary: ContactId,
    register: &Register,
    person: &Person,
    events: &[PersonalEvent],
) -> Vec<PersonalValue> {
    let mut values: BTreeMap<Identifier, PersonalValue> = BTreeMap::new();
    let value = |identifier: &Identifier| PersonalValue {
        identifier: identifier.clone(),
        is_owned: register.owner(identifier) == Some(primary),
        is_verified: false,
        spellings: BTreeSet::new(),
        contacts: Vec::new(),
    };
    for row in person.contacts.iter().filter_map(|id| register.contact(*id)) {
        for borne in &row.identifiers {
            values.entry(borne.clone()).or_insert_with(|| value(borne)).contacts.push(row.id);
        }
    }
    for seen in events.iter().flat_map(|one| &one.own) {
        let held = values.entry(seen.identifier().clone()).or_insert_with(|| value(seen.identifier()));
        held.is_verified |= seen.is_verified();
        held.spellings.extend(seen.as_sent().map(Arc::from));
    }
    values.into_values().filter(|held| !held.identifier.is_erased()).collect()
}

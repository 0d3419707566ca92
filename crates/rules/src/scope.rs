//! Which events a correction must look at: those of every contact that was ever of an identity.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::{ContactId, Correction, Event, Move, Outcome, Ownership, Register};

impl Event {
    /// Every contact that the event made, moved, or named as a primary or as kept apart; by number, each once.
    ///
    /// A store that keeps these beside its events finds the events of a contact without reading the log.
    ///
    /// ```
    /// use selfsame_rules::{
    ///     Actor, ContactId, Event, NewContact, Outcome, Sequence, Timestamp,
    /// };
    ///
    /// let contact = NewContact { id: ContactId(7), owns: Vec::new() };
    /// let event = Event {
    ///     sequence: Sequence(9),
    ///     at: Timestamp::from_milliseconds(1),
    ///     caused_by: Actor::named("example"),
    ///     evidence: Vec::new(),
    ///     origin: None,
    ///     outcome: Outcome::Attached { primary: ContactId(3), contact },
    /// };
    /// assert_eq!(event.contacts().into_iter().collect::<Vec<_>>(), [ContactId(3), ContactId(7)]);
    /// ```
    pub fn contacts(&self) -> BTreeSet<ContactId> {
        let mut contacts: BTreeSet<ContactId> =
            self.outcome.contact().map(|contact| contact.id).into_iter().collect();
        match &self.outcome {
            Outcome::Created { .. }
            | Outcome::PolicyChanged(_)
            | Outcome::KeyChanged(_)
            | Outcome::WorkspaceChanged(_) => {}
            Outcome::Attached { primary, .. } => contacts.extend([*primary]),
            Outcome::Merged { survivor, former_primaries, .. } => {
                contacts.extend(former_primaries.iter().copied().chain([*survivor]));
            }
            Outcome::Refused { identities, home, former_primaries, .. } => {
                contacts.extend(identities.iter().chain(former_primaries).copied().chain([*home]));
            }
            Outcome::Adopted { linked_to, .. } => contacts.extend(*linked_to),
            Outcome::Undone { correction, .. }
            | Outcome::Split(correction)
            | Outcome::Joined(correction)
            | Outcome::Reviewed { correction, .. } => contacts.extend(named(correction)),
            Outcome::Refolded { correction, contacts: made, respelt, .. } => {
                contacts.extend(named(correction));
                contacts.extend(made.iter().map(|made| made.id));
                contacts.extend(respelt.iter().filter_map(|respelt| respelt.contact));
            }
            Outcome::Deleted { contact, rest, gained, .. } => {
                contacts.extend([*contact].into_iter().chain(*rest));
                contacts.extend(gained.iter().map(|gained| gained.contact));
            }
            Outcome::Erased { contacts: erased, .. } => contacts.extend(erased),
        }
        contacts
    }

    /// The contacts that it concerns, those together that it says something of together: a refold moves contacts all over
    /// the workspace, and joins no two of them by that; any other event concerns one person, or those whom it joins,
    /// parts or keeps apart.
    ///
    /// Whoever follows these, event by event, comes to everybody who was ever of one identity.
    pub fn groups(&self) -> Vec<BTreeSet<ContactId>> {
        let Outcome::Refolded { correction, .. } = &self.outcome else { return vec![self.contacts()] };
        let group = |moved: &Move| match moved {
            Move::Part { contacts, rest } => contacts.iter().chain(rest).copied().collect(),
            Move::Join { survivor, former } => BTreeSet::from([*survivor, *former]),
        };
        correction.moves.iter().map(group).collect()
    }

    /// Whether a replay needs it whatever the contacts: it says under which policy the others were decided.
    pub fn governs(&self) -> bool {
        matches!(self.outcome, Outcome::PolicyChanged(_) | Outcome::Refolded { .. })
    }
}

/// The events of every contact that was ever of the identity of one of `contacts`, or of one that such a contact was
/// ever of; and all that govern. In the order of `log`.
///
/// What [`crate::undo`] and [`crate::why`] ask for. A store with an index of [`Event::contacts`] follows the same steps:
/// the events of the contacts, the contacts of those events, until none is new.
///
/// ```
/// use selfsame_rules::{ContactId, scope};
///
/// assert!(scope(&[], [ContactId(1)]).is_empty());
/// ```
pub fn scope(log: &[Event], contacts: impl IntoIterator<Item = ContactId>) -> Vec<Event> {
    let mut known: BTreeSet<ContactId> = contacts.into_iter().collect();
    let groups: Vec<BTreeSet<ContactId>> = log.iter().flat_map(Event::groups).collect();
    loop {
        let before = known.len();
        for group in groups.iter().filter(|group| !group.is_empty()) {
            if !group.is_disjoint(&known) {
                known.extend(group);
            }
        }
        if known.len() == before {
            break;
        }
    }
    let concerned = log.iter().filter(|event| event.governs() || !event.contacts().is_disjoint(&known));
    concerned.cloned().collect()
}

/// The event as a part of a log has it, `register` being the contacts that the part is about: of a refold, which concerns
/// the whole workspace, what it says of those, and what it says of observations without a row.
///
/// ```
/// use selfsame_rules::{Actor, Asked, Head, Policy, PolicyDocument, Register, Timestamp, govern, within};
///
/// let asked = Asked { by: Actor::named("example"), reason: None, clock: Timestamp::from_milliseconds(1) };
/// let nobody = Register::new(Head::EMPTY);
/// let document = PolicyDocument { contacts_max: Some(50), ..PolicyDocument::default() };
/// let event = govern(&nobody, Policy::read(&document).unwrap(), &asked).unwrap().unwrap();
/// assert_eq!(*within(&event, &nobody), event, "it concerns nobody in particular");
/// ```
pub fn within<'event>(event: &'event Event, register: &Register) -> Cow<'event, Event> {
    let Outcome::Refolded { policy, contacts, respelt, correction } = &event.outcome else {
        return Cow::Borrowed(event);
    };
    let is_there = |contact: &ContactId| register.contact(*contact).is_some();
    let owning = |all: &[Ownership]| all.iter().filter(|one| is_there(&one.contact)).cloned().collect();
    let moved = |moved: &&Move| match moved {
        Move::Part { contacts, rest } => contacts.iter().chain(rest).all(is_there),
        Move::Join { survivor, former } => is_there(survivor) && is_there(former),
    };
    let correction = Correction {
        lost: owning(&correction.lost),
        moves: correction.moves.iter().filter(moved).cloned().collect(),
        gained: owning(&correction.gained),
        ..Correction::clone(correction)
    };
    let outcome = Outcome::Refolded {
        policy: policy.clone(),
        contacts: contacts.iter().filter(|contact| is_there(&contact.id)).cloned().collect(),
        respelt: respelt.iter().filter(|one| one.contact.as_ref().is_none_or(is_there)).cloned().collect(),
        correction: Box::new(correction),
    };
    Cow::Owned(Event { outcome, ..event.clone() })
}

fn named(correction: &Correction) -> impl Iterator<Item = ContactId> {
    let moved = correction.moves.iter().flat_map(|moved| match moved {
        Move::Part { contacts, rest } => contacts.iter().copied().chain(*rest).collect(),
        Move::Join { survivor, former } => vec![*survivor, *former],
    });
    let pairs = correction.kept_apart.iter().chain(&correction.lifted);
    let apart = pairs.flat_map(|pair| pair.one.iter().chain(&pair.other).copied());
    let owning = correction.gained.iter().chain(&correction.lost).map(|owning| owning.contact);
    moved.chain(apart).chain(owning).chain(correction.primaries.iter().copied())
}

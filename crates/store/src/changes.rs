//! What events add up to: the new rows in their final shape, and the old rows that move. Written then in a handful of
//! statements, however many events there are.

use std::collections::BTreeMap;
use std::convert::Infallible;

use selfsame_rules::{
    Change, Contact, ContactId, Event, Identifier, Outcome, SeenIdentifier, Sequence, Tables, Timestamp,
    apply,
};

use crate::Counts;

/// The net effect of observations' events on the tables. A person's correction is alone in its transaction, and is carried
/// out change by change ([`crate::Corrected`]).
///
/// ```
/// use selfsame_rules::{
///     Actor, Head, IdentifierKind, Neighbourhood, Observation, SeenIdentifier, Timestamp, decide,
/// };
/// use selfsame_store::Changes;
///
/// let phone = SeenIdentifier::parse(&IdentifierKind::Phone, "12-34").unwrap();
/// let seen = Observation::new(Actor::named("example"), phone).unwrap();
/// let nobody = Neighbourhood::new(Head::EMPTY, [], []).unwrap();
/// let changes = Changes::of(&decide(&nobody, &[seen], Timestamp::from_milliseconds(1)).events);
/// assert_eq!((changes.contacts.len(), changes.owners.len(), changes.moved.len()), (1, 1, 0));
/// ```
#[derive(Debug, Default)]
pub struct Changes {
    /// New contacts by id.
    pub contacts: BTreeMap<ContactId, Contact>,
    /// New owners.
    pub owners: Vec<(Identifier, ContactId)>,
    /// Former primaries that are stored already, and where they and all that linked to them now link, since when.
    pub moved: BTreeMap<ContactId, (ContactId, Timestamp)>,
    /// The event that made each new contact.
    pub made_by: BTreeMap<ContactId, Sequence>,
    /// Contacts that an event concerns and didn't make.
    pub concerned: Vec<(ContactId, Sequence)>,
    /// What was refused, by the refusal's event.
    pub refused: Vec<(Sequence, Vec<SeenIdentifier>)>,
}

impl Changes {
    /// The changes that `events` make, one after the other.
    pub fn of<'event>(events: impl IntoIterator<Item = &'event Event>) -> Self {
        let mut changes = Self::default();
        for event in events {
            let Ok(()) = apply(event, &mut changes);
            changes.made_by.extend(event.outcome.contact().map(|contact| (contact.id, event.sequence)));
            changes.concerned.extend(concerned(event));
        }
        changes
    }

    /// How many more customers there are than before.
    pub fn counts(&self) -> Counts {
        let live = || self.contacts.values().filter(|contact| contact.deleted_at.is_none());
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let primaries = live().filter(|contact| contact.linked_to.is_none()).count();
        Counts { contacts: count(live().count()), identities: count(primaries) - count(self.moved.len()) }
    }

    /// The highest id given, if any was.
    pub fn last_contact(&self) -> Option<ContactId> {
        self.contacts.keys().next_back().copied()
    }
}

/// The contacts by which an event is found, besides the one that it made.
///
/// That an observation attached a contact, or a row was adopted, is found by that contact: it is of the identity, or was
/// taken from it by an event that names one of each side.
pub(crate) fn concerned(event: &Event) -> Vec<(ContactId, Sequence)> {
    if matches!(
        event.outcome,
        Outcome::Created { .. }
            | Outcome::Attached { .. }
            | Outcome::Adopted { .. }
            | Outcome::PolicyChanged(_)
    ) {
        return Vec::new();
    }
    let made = event.outcome.contact().map(|contact| contact.id);
    let others = event.contacts().into_iter().filter(|contact| Some(*contact) != made);
    others.map(|contact| (contact, event.sequence)).collect()
}

impl Tables for Changes {
    type Error = Infallible;

    fn insert_contact(&mut self, contact: Contact) -> Result<(), Infallible> {
        self.contacts.insert(contact.id, contact);
        Ok(())
    }

    fn own(&mut self, identifier: &Identifier, contact: ContactId) -> Result<(), Infallible> {
        self.owners.push((identifier.clone(), contact));
        Ok(())
    }

    fn relink(&mut self, former: ContactId, survivor: ContactId, at: Timestamp) -> Result<(), Infallible> {
        for contact in self.contacts.values_mut().filter(|contact| contact.primary() == former) {
            contact.linked_to = Some(survivor);
            contact.updated_at = at;
        }
        // What moved to `former` before moves on with it.
        for target in self.moved.values_mut().filter(|(target, _)| *target == former) {
            *target = (survivor, at);
        }
        // A new contact is written with its final link, and no stored row can link to it yet.
        if !self.contacts.contains_key(&former) {
            self.moved.insert(former, (survivor, at));
        }
        Ok(())
    }

    fn change(&mut self, change: Change<'_>, _: Timestamp) -> Result<(), Infallible> {
        match change {
            Change::Refuse { sequence, evidence, identities: _ } => {
                self.refused.push((sequence, evidence.to_vec()));
            }
            Change::Part { .. }
            | Change::Own(_)
            | Change::Disown(_)
            | Change::KeepApart(_)
            | Change::Lift(_)
            | Change::Settle(_)
            | Change::Delete { .. }
            | Change::Erase(_)
            | Change::Respell { .. }
            | Change::RespellEvidence { .. }
            | Change::Govern(_) => unreachable!("no observation corrects, deletes or governs"),
        }
        Ok(())
    }
}

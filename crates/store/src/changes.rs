//! What events add up to: the new rows in their final shape, and the old rows that move. Written then in a handful of
//! statements, however many events there are.

use std::collections::BTreeMap;
use std::convert::Infallible;

use selfsame_rules::{Contact, ContactId, Event, Identifier, Tables, Timestamp, apply};

use crate::Counts;

/// The net effect of events on the tables.
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
}

impl Changes {
    /// The changes that `events` make, one after the other.
    pub fn of<'event>(events: impl IntoIterator<Item = &'event Event>) -> Self {
        let mut changes = Self::default();
        for event in events {
            let Ok(()) = apply(event, &mut changes);
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
}

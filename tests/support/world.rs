//! A database without a store: tables in memory, for tests of the bare rules.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use selfsame_rules::{
    Change, Contact, ContactId, Event, Head, Identifier, Neighbourhood, Observation, Plan, Sequence, Tables,
    Timestamp, apply, decide,
};

/// Contacts, owners and the log of one workspace.
#[derive(Clone, Debug, Default)]
pub struct World {
    pub contacts: BTreeMap<ContactId, Contact>,
    pub owners: BTreeMap<Identifier, ContactId>,
    pub events: Vec<Event>,
}

impl World {
    /// Adds a contact that is there before anything happens; it owns what no older one of its identity bears.
    pub fn given(&mut self, contact: Contact) {
        for identifier in &contact.identifiers {
            self.owners.entry(identifier.clone()).or_insert(contact.id);
        }
        self.contacts.insert(contact.id, contact);
    }

    /// Load, decide, write, as a store does it.
    pub fn identify(&mut self, batch: &[Observation], clock: Timestamp) -> Plan {
        let plan = decide(&self.load(batch), batch, clock);
        for event in &plan.events {
            let Ok(()) = apply(event, self);
        }
        self.events.extend(plan.events.iter().cloned());
        plan
    }

    /// Exactly the identities that the batch touches.
    fn load(&self, batch: &[Observation]) -> Neighbourhood {
        let owners: Vec<_> = batch
            .iter()
            .flat_map(Observation::identifiers)
            .filter_map(|identifier| Some((identifier.clone(), *self.owners.get(identifier)?)))
            .collect();
        let primaries: BTreeSet<_> = owners.iter().map(|(_, owner)| self.contacts[owner].primary()).collect();
        let contacts = self.contacts.values().filter(|contact| primaries.contains(&contact.primary()));
        Neighbourhood::new(self.head(), contacts.cloned(), owners).expect("the tables are coherent")
    }

    fn head(&self) -> Head {
        let given = self.contacts.values().map(|contact| contact.updated_at).max();
        let last_event_at = self.events.last().map(|event| event.at).max(given);
        Head {
            last_sequence: self.events.last().map_or(Sequence(0), |event| event.sequence),
            last_contact: self.contacts.keys().max().copied().unwrap_or(ContactId(0)),
            last_event_at: last_event_at.unwrap_or(Head::EMPTY.last_event_at),
        }
    }
}

impl Tables for World {
    type Error = Infallible;

    fn insert_contact(&mut self, contact: Contact) -> Result<(), Infallible> {
        self.contacts.insert(contact.id, contact);
        Ok(())
    }

    fn own(&mut self, identifier: &Identifier, contact: ContactId) -> Result<(), Infallible> {
        self.owners.insert(identifier.clone(), contact);
        Ok(())
    }

    fn relink(&mut self, former: ContactId, survivor: ContactId, at: Timestamp) -> Result<(), Infallible> {
        for contact in self.contacts.values_mut().filter(|contact| contact.primary() == former) {
            contact.linked_to = Some(survivor);
            contact.updated_at = at;
        }
        Ok(())
    }

    fn change(&mut self, change: Change<'_>, _: Timestamp) -> Result<(), Infallible> {
        unreachable!("nobody corrects anything here: {change:?}")
    }
}

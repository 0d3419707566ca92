//! How a register takes an event's changes.

use std::collections::BTreeSet;

use super::Register;
use crate::{
    Change, Contact, ContactId, Identifier, IdentifierKind, Incoherent, Ownership, Tables, Timestamp,
};

impl Tables for Register {
    type Error = Incoherent;

    fn insert_contact(&mut self, contact: Contact) -> Result<(), Incoherent> {
        let (id, primary) = (contact.id, contact.primary());
        if self.contacts.contains_key(&id) {
            return Err(Incoherent::Repeated { contact: id });
        }
        // A deleted one that was adopted may be older than its primary, which is then yet to come.
        if contact.deleted_at.is_none() && primary != id && !self.live.contains_key(&primary) {
            return Err(Incoherent::NoPrimary { contact: id, primary });
        }
        self.contacts.insert(id, contact);
        self.place(id);
        Ok(())
    }

    fn own(&mut self, identifier: &Identifier, contact: ContactId) -> Result<(), Incoherent> {
        if !self.is_live(contact) || self.owners.insert(identifier.clone(), contact).is_some() {
            return Err(Incoherent::NoOwner { owner: contact });
        }
        let owned = self.owned.entry(self.contacts[&contact].primary()).or_default();
        *owned.entry(identifier.kind().clone()).or_default() += 1;
        Ok(())
    }

    fn relink(&mut self, former: ContactId, survivor: ContactId, at: Timestamp) -> Result<(), Incoherent> {
        if former == survivor || !self.live.contains_key(&former) || !self.live.contains_key(&survivor) {
            return Err(Incoherent::NoPrimary { contact: former, primary: survivor });
        }
        let moved: Vec<ContactId> = self.everybody(former).into_iter().collect();
        self.link(&moved, survivor, at);
        Ok(())
    }

    fn change(&mut self, change: Change<'_>, at: Timestamp) -> Result<(), Incoherent> {
        match change {
            Change::Part { contacts, rest } => self.part(contacts, rest, at)?,
            Change::Own(ownership) => {
                let value = self.value(ownership)?;
                self.own(&value, ownership.contact)?;
            }
            Change::Disown(ownership) => {
                let value = self.value(ownership)?;
                if self.owners.get(&value) != Some(&ownership.contact) {
                    return Err(Incoherent::NoOwner { owner: ownership.contact });
                }
                self.owners.remove(&value);
                self.disown(self.contacts[&ownership.contact].primary(), value.kind());
            }
            Change::KeepApart(pair) => self.apart.add(pair),
            Change::Lift(pair) => self.apart.remove(pair),
            Change::Refuse { sequence, evidence, identities } => {
                self.refusals.record(sequence, evidence, identities);
            }
            Change::Settle(review) => self.refusals.settle(review),
            Change::Delete { contact, rest } => self.delete(contact, rest, at)?,
            Change::Erase(contact) => self.erase(contact, at)?,
            Change::Respell { contact, identifiers } => self.respell(contact, identifiers, at)?,
            Change::RespellEvidence { sequence, identifiers } => {
                self.refusals.respell(sequence, identifiers);
            }
            Change::Govern(policy) => {
                self.policy = Some(policy).filter(|policy| !policy.is_default()).cloned();
            }
        }
        Ok(())
    }
}

impl Register {
    /// Links contacts to a primary, one of them perhaps; a row that links there already stays as it is.
    fn link(&mut self, contacts: &[ContactId], primary: ContactId, at: Timestamp) {
        for id in contacts {
            self.displace(*id);
            self.hand_over(*id, primary);
            let contact = self.contacts.get_mut(id).expect("only contacts that are there move");
            let linked_to = (*id != primary).then_some(primary);
            if contact.linked_to != linked_to {
                contact.linked_to = linked_to;
                contact.updated_at = at;
            }
        }
        contacts.iter().for_each(|id| self.place(*id));
    }

    /// Counts what a contact owns for another identity.
    fn hand_over(&mut self, id: ContactId, primary: ContactId) {
        let contact = &self.contacts[&id];
        let former = contact.primary();
        if former == primary {
            return;
        }
        let owned = contact.identifiers.iter().filter(|value| self.owners.get(*value) == Some(&id));
        let kinds: Vec<IdentifierKind> = owned.map(|value| value.kind().clone()).collect();
        for kind in kinds {
            self.disown(former, &kind);
            *self.owned.entry(primary).or_default().entry(kind).or_default() += 1;
        }
    }

    /// Counts one identifier of the kind less.
    fn disown(&mut self, primary: ContactId, kind: &IdentifierKind) {
        if let Some(count) = self.owned.get_mut(&primary).and_then(|owned| owned.get_mut(kind)) {
            *count -= 1;
        }
    }

    fn part(
        &mut self,
        contacts: &[ContactId],
        rest: Option<ContactId>,
        at: Timestamp,
    ) -> Result<(), Incoherent> {
        let Some(primary) = contacts.first().copied() else { return Ok(()) };
        let former = self.resolve(primary).ok_or(Incoherent::NoOwner { owner: primary })?;
        let all = self.everybody(former);
        let leaving: BTreeSet<ContactId> = contacts.iter().copied().collect();
        let stay: Vec<ContactId> = all.difference(&leaving).copied().collect();
        let stranger = contacts.iter().find(|id| !all.contains(id));
        let head = rest.unwrap_or(former);
        if stranger.is_some() || !stay.contains(&head) || !self.is_live(head) {
            return Err(Incoherent::NoPrimary {
                contact: stranger.copied().unwrap_or(primary),
                primary: head,
            });
        }
        self.link(contacts, primary, at);
        if head != former {
            self.link(&stay, head, at);
        }
        Ok(())
    }

    fn delete(
        &mut self,
        contact: ContactId,
        rest: Option<ContactId>,
        at: Timestamp,
    ) -> Result<(), Incoherent> {
        let former = self.resolve(contact).filter(|_| self.is_live(contact));
        let former = former.ok_or(Incoherent::NoOwner { owner: contact })?;
        self.displace(contact);
        let row = self.contacts.get_mut(&contact).expect("it was found");
        (row.deleted_at, row.updated_at) = (Some(at), at);
        self.place(contact);
        if let Some(rest) = rest {
            let mut everybody = self.everybody(former);
            everybody.insert(contact);
            self.link(&everybody.into_iter().collect::<Vec<_>>(), rest, at);
        }
        Ok(())
    }

    fn erase(&mut self, contact: ContactId, at: Timestamp) -> Result<(), Incoherent> {
        if !self.contacts.contains_key(&contact) {
            return Err(Incoherent::NoOwner { owner: contact });
        }
        self.displace(contact);
        let row = self.contacts.get_mut(&contact).expect("it was found");
        row.identifiers.clear();
        row.deleted_at.get_or_insert(at);
        row.updated_at = at;
        self.place(contact);
        Ok(())
    }

    fn respell(
        &mut self,
        contact: ContactId,
        identifiers: &[Identifier],
        at: Timestamp,
    ) -> Result<(), Incoherent> {
        let missing = Incoherent::NoOwner { owner: contact };
        let row = self.contacts.get_mut(&contact).ok_or(missing)?;
        let kinds =
            |values: &[Identifier]| values.iter().map(|value| value.kind().clone()).collect::<Vec<_>>();
        let mut gone = row.identifiers.iter().filter(|value| !identifiers.contains(value));
        if kinds(&row.identifiers) != kinds(identifiers)
            || gone.any(|value| self.owners.get(value) == Some(&contact))
        {
            return Err(missing);
        }
        row.identifiers = identifiers.to_vec();
        row.updated_at = at;
        Ok(())
    }

    /// Takes a contact out of the lists of its identity.
    fn displace(&mut self, id: ContactId) {
        let (primary, age) = (self.contacts[&id].primary(), self.contacts[&id].age());
        if let Some(live) = self.live.get_mut(&primary) {
            live.remove(&age);
            if live.is_empty() {
                self.live.remove(&primary);
            }
        }
        if let Some(deleted) = self.deleted.get_mut(&primary) {
            deleted.remove(&id);
        }
    }

    fn value(&self, Ownership { contact, kind }: &Ownership) -> Result<Identifier, Incoherent> {
        let borne = self.contacts.get(contact).map_or(&[][..], |contact| &contact.identifiers);
        let value = borne.iter().find(|identifier| identifier.kind() == kind);
        value.cloned().ok_or(Incoherent::NoOwner { owner: *contact })
    }
}

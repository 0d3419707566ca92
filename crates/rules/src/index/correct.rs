//! What corrections, policies and refusals change in an index.

use std::collections::BTreeSet;

use super::IdentityIndex;
use super::contacts::Place;
use crate::{Change, ContactId, Identifier, IdentifierKind, Incoherent, Ownership};

impl IdentityIndex {
    /// Whether no rule can refuse an observation here: the default policy, and nothing kept apart.
    pub fn is_plain(&self) -> bool {
        self.policy.is_none() && self.apart.is_empty()
    }

    pub(super) fn carry_out_change(&mut self, change: Change<'_>) -> Result<(), Incoherent> {
        match change {
            Change::Part { contacts, rest } => self.part(contacts, rest),
            Change::Own(ownership) => {
                let (value, place) = self.borne_value(ownership)?;
                self.values.set_owner(value, place);
                Ok(())
            }
            Change::Disown(ownership) => {
                let (value, _) = self.borne_value(ownership)?;
                self.values.free(value);
                Ok(())
            }
            Change::KeepApart(pair) => {
                self.apart.add(pair);
                Ok(())
            }
            Change::Lift(pair) => {
                self.apart.remove(pair);
                Ok(())
            }
            Change::Refuse { sequence, evidence, identities } => {
                self.refusals.record(sequence, evidence, identities);
                Ok(())
            }
            Change::Settle(sequence) => {
                self.refusals.settle(sequence);
                Ok(())
            }
            Change::Delete { contact, rest } => self.delete(contact, rest),
            Change::Erase(contact) => {
                if let Some(place) = self.live(contact) {
                    let primary = self.contacts.id(self.contacts.primary(place));
                    self.contacts.regroup(&[place]);
                    self.gone.insert(contact);
                    // Its row goes on naming it.
                    if primary != contact {
                        self.deleted.entry(primary).or_default().push(contact);
                    }
                }
                Ok(())
            }
            Change::Respell { contact, identifiers } => self.respell(contact, identifiers),
            Change::RespellEvidence { sequence, identifiers } => {
                self.refusals.respell(sequence, identifiers);
                Ok(())
            }
            Change::Govern(policy) => {
                self.policy = Some(policy).filter(|policy| !policy.is_default()).cloned();
                Ok(())
            }
        }
    }

    /// The primary that a contact has now, also a deleted one: itself, where nobody knows better.
    pub(super) fn primary_now(&self, contact: ContactId) -> ContactId {
        if let Some(place) = self.live(contact) {
            return self.contacts.id(self.contacts.primary(place));
        }
        let holds = |followers: &&Vec<ContactId>| followers.contains(&contact);
        let found = self.deleted.iter().find(|(_, followers)| holds(followers));
        found.map_or(contact, |(primary, _)| *primary)
    }

    fn part(&mut self, contacts: &[ContactId], rest: Option<ContactId>) -> Result<(), Incoherent> {
        let primary = *contacts.first().ok_or(Incoherent::NoOwner { owner: ContactId(0) })?;
        let place = self.live(primary).ok_or(Incoherent::NoOwner { owner: primary })?;
        let former = self.contacts.primary(place);
        let leaving: BTreeSet<ContactId> = contacts.iter().copied().collect();
        let members = self.contacts.identity(former);
        let (leave, stay): (Vec<Place>, Vec<Place>) =
            members.partition(|place| leaving.contains(&self.contacts.id(*place)));
        let former = self.contacts.id(former);
        let head = stay.first().map(|place| self.contacts.id(*place));
        if head != Some(rest.unwrap_or(former)) || leave.first() != Some(&place) {
            return Err(Incoherent::NoPrimary { contact: primary, primary: rest.unwrap_or(former) });
        }
        self.contacts.regroup(&leave);
        self.contacts.regroup(&stay);
        let deleted = self.deleted.remove(&former).unwrap_or_default();
        for contact in deleted {
            let to = if leaving.contains(&contact) { primary } else { rest.unwrap_or(former) };
            self.deleted.entry(to).or_default().push(contact);
        }
        Ok(())
    }

    fn delete(&mut self, contact: ContactId, rest: Option<ContactId>) -> Result<(), Incoherent> {
        let place = self.live(contact).ok_or(Incoherent::NoOwner { owner: contact })?;
        let former = self.contacts.primary(place);
        let stay: Vec<Place> = self.contacts.identity(former).filter(|member| *member != place).collect();
        self.contacts.regroup(&[place]);
        self.gone.insert(contact);
        let Some(head) = stay.first().map(|place| self.contacts.id(*place)) else { return Ok(()) };
        let former = self.contacts.id(former);
        if head != rest.unwrap_or(former) {
            return Err(Incoherent::NoPrimary { contact, primary: head });
        }
        self.contacts.regroup(&stay);
        let mut followers = self.deleted.remove(&former).unwrap_or_default();
        followers.push(contact);
        self.deleted.entry(head).or_default().extend(followers);
        Ok(())
    }

    /// Of a deleted contact, nothing of what it bears is here.
    fn respell(&mut self, contact: ContactId, identifiers: &[Identifier]) -> Result<(), Incoherent> {
        let Some(place) = self.live(contact) else { return Ok(()) };
        let borne = identifiers.iter().map(|value| (value.kind(), value.value(), false));
        let too_large = |why| Incoherent::TooLarge { contact, why };
        let hashed = self.hashed(borne).map_err(too_large)?;
        let (borne, _) = self.borne(hashed).map_err(too_large)?;
        self.contacts.respell(place, borne);
        Ok(())
    }

    pub(super) fn live(&self, contact: ContactId) -> Option<Place> {
        self.contacts.place_of(contact).filter(|_| !self.gone.contains(&contact))
    }

    /// The value of a kind that a contact bears, and where the contact stands.
    fn borne_value(
        &self,
        Ownership { contact, kind }: &Ownership,
    ) -> Result<(super::values::ValueRef, Place), Incoherent> {
        let missing = Incoherent::NoOwner { owner: *contact };
        let place = self.live(*contact).ok_or(missing)?;
        let of_kind = |value: &super::values::ValueRef| self.kind_of(*value) == kind;
        let value = self.contacts.borne(place).find(of_kind).ok_or(missing)?;
        Ok((value, place))
    }

    fn kind_of(&self, value: super::values::ValueRef) -> &IdentifierKind {
        &self.kinds[usize::from(self.values.get(value).kind)]
    }
}

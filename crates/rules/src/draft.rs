//! A batch's own changes over what is stored: each observation sees those before it, and nobody else sees any.

use std::collections::HashMap;
use std::convert::Infallible;

use foldhash::fast::FixedState;

use crate::refusals::Refusals;
use crate::{
    Change, Contact, ContactId, Event, Head, Identifier, Identities, Members, Policy, RecordedRefusal,
    SeenIdentifier, Tables, Timestamp, apply,
};

/// A batch is bounded, and so is what values that collide could cost in it: a quick hash will do.
type Map<Key, Value> = HashMap<Key, Value, FixedState>;

/// What is stored, as it will be when the events drafted so far are carried out. What is stored is not copied: the
/// cost depends on the batch alone.
pub(crate) struct Draft<'stored, I: Identities + ?Sized> {
    stored: &'stored I,
    head: Head,
    made: Map<ContactId, Made>,
    owners: Map<Identifier, ContactId>,
    /// Where each primary went that a merge of this batch demoted.
    survivors: Map<ContactId, ContactId>,
    /// What makes up each identity that this batch changed, by its primary.
    changed: Map<ContactId, Parts>,
    /// What this batch was refused.
    refusals: Refusals,
}

/// A contact that the batch made.
struct Made {
    created_at: Timestamp,
    primary: ContactId,
    brought: Vec<Identifier>,
    bears: Vec<Identifier>,
}

/// An identity in pieces.
#[derive(Default)]
struct Parts {
    /// The primaries of the stored identities in it.
    stored: Vec<ContactId>,
    made: Vec<ContactId>,
}

impl<'stored, I: Identities + ?Sized> Draft<'stored, I> {
    pub(crate) fn over(stored: &'stored I) -> Self {
        Self {
            stored,
            head: stored.head(),
            made: Map::default(),
            owners: Map::default(),
            survivors: Map::default(),
            changed: Map::default(),
            refusals: Refusals::default(),
        }
    }

    /// Lets the draft follow an event.
    pub(crate) fn follow(&mut self, event: &Event) {
        let Ok(()) = apply(event, self);
        self.head = self.head.after(event);
    }

    /// The primary that stands for `primary` now.
    fn survivor(&self, mut primary: ContactId) -> ContactId {
        while let Some(survivor) = self.survivors.get(&primary) {
            primary = *survivor;
        }
        primary
    }

    /// The primaries of the stored identities in the identity of a primary.
    fn stored_parts(&self, primary: ContactId) -> &[ContactId] {
        self.changed.get(&primary).map_or(&[], |parts| &parts.stored)
    }

    /// The pieces of a primary's identity; before any change, what is stored of it.
    fn parts(&mut self, primary: ContactId) -> &mut Parts {
        let stored = if self.made.contains_key(&primary) { Vec::new() } else { vec![primary] };
        self.changed.entry(primary).or_insert_with(|| Parts { stored, made: Vec::new() })
    }
}

impl<I: Identities + ?Sized> Identities for Draft<'_, I> {
    fn head(&self) -> Head {
        self.head
    }

    fn owner(&self, identifier: &Identifier) -> Option<ContactId> {
        let primary = match self.owners.get(identifier) {
            Some(made) => self.made[made].primary,
            None => self.stored.owner(identifier)?,
        };
        Some(self.survivor(primary))
    }

    fn size(&self, primary: ContactId) -> usize {
        let Some(parts) = self.changed.get(&primary) else { return self.stored.size(primary) };
        parts.made.len() + parts.stored.iter().map(|stored| self.stored.size(*stored)).sum::<usize>()
    }

    fn is_larger(&self, primary: ContactId, than: usize) -> bool {
        let Some(parts) = self.changed.get(&primary) else { return self.stored.is_larger(primary, than) };
        let Some(mut room) = than.checked_sub(parts.made.len()) else { return true };
        parts.stored.iter().any(|stored| {
            // What is no larger than that is counted soon.
            let is_larger = self.stored.is_larger(*stored, room);
            room -= if is_larger { 0 } else { self.stored.size(*stored) };
            is_larger
        })
    }

    fn created_at(&self, primary: ContactId) -> Timestamp {
        self.made.get(&primary).map_or_else(|| self.stored.created_at(primary), |made| made.created_at)
    }

    fn members(&self, primary: ContactId, members: &mut Members) {
        let Some(parts) = self.changed.get(&primary) else { return self.stored.members(primary, members) };
        for stored in &parts.stored {
            self.stored.members(*stored, members);
        }
        for id in &parts.made {
            let made = &self.made[id];
            members.add(made.created_at, *id, made.brought.iter().cloned());
        }
    }

    fn bears(&self, primary: ContactId, identifier: &Identifier) -> bool {
        let Some(parts) = self.changed.get(&primary) else { return self.stored.bears(primary, identifier) };
        parts.stored.iter().any(|stored| self.stored.bears(*stored, identifier))
            || parts.made.iter().any(|made| self.made[made].bears.contains(identifier))
    }

    fn policy(&self) -> Option<&Policy> {
        self.stored.policy()
    }

    fn kept_apart(&self, one: ContactId, other: ContactId) -> bool {
        let changed = |primary| self.changed.contains_key(&primary) || self.made.contains_key(&primary);
        let one = if changed(one) { self.stored_parts(one) } else { &[one] };
        let other = if changed(other) { self.stored_parts(other) } else { &[other] };
        one.iter().any(|one| other.iter().any(|other| self.stored.kept_apart(*one, *other)))
    }

    fn refusals(&self, evidence: &[SeenIdentifier]) -> Vec<RecordedRefusal> {
        let mut found = self.stored.refusals(evidence);
        for refusal in &mut found {
            refusal.identities.iter_mut().for_each(|primary| *primary = self.survivor(*primary));
            refusal.identities.sort_unstable();
            refusal.identities.dedup();
        }
        found.extend(self.refusals.of(evidence, |primary| self.survivor(primary)));
        found
    }
}

impl<I: Identities + ?Sized> Tables for Draft<'_, I> {
    type Error = Infallible;

    fn insert_contact(&mut self, contact: Contact) -> Result<(), Infallible> {
        let (id, primary) = (contact.id, contact.primary());
        let bears = contact.identifiers;
        self.made.insert(id, Made { created_at: contact.created_at, primary, brought: Vec::new(), bears });
        self.parts(primary).made.push(id);
        Ok(())
    }

    fn own(&mut self, identifier: &Identifier, contact: ContactId) -> Result<(), Infallible> {
        self.owners.insert(identifier.clone(), contact);
        let made =
            self.made.get_mut(&contact).expect("an event gives ownership to the contact that it makes");
        made.brought.push(identifier.clone());
        Ok(())
    }

    fn relink(&mut self, former: ContactId, survivor: ContactId, _: Timestamp) -> Result<(), Infallible> {
        self.parts(former);
        let moved = self.changed.remove(&former).unwrap_or_default();
        let parts = self.parts(survivor);
        parts.stored.extend(moved.stored);
        parts.made.extend(moved.made);
        self.survivors.insert(former, survivor);
        Ok(())
    }

    fn change(&mut self, change: Change<'_>, _: Timestamp) -> Result<(), Infallible> {
        match change {
            Change::Refuse { sequence, evidence, identities } => {
                self.refusals.record(sequence, evidence, identities);
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

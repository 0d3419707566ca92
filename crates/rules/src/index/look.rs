//! What a decision sees of an index.

use super::{IdentityIndex, Place};
use crate::{
    ContactId, Head, Identifier, Identities, Members, Part, Policy, RecordedRefusal, SeenIdentifier,
    Sequence, Timestamp,
};

impl Identities for IdentityIndex {
    fn head(&self) -> Head {
        self.head
    }

    fn owner(&self, identifier: &Identifier) -> Option<ContactId> {
        let owner = self.owner_of(identifier.kind(), identifier.value())?;
        Some(self.contacts.id(self.contacts.primary(owner)))
    }

    fn size(&self, primary: ContactId) -> usize {
        self.contacts.identity(self.told(primary)).count()
    }

    fn created_at(&self, primary: ContactId) -> Timestamp {
        self.contacts.created_at(self.told(primary))
    }

    fn members(&self, primary: ContactId, members: &mut Members) {
        members.reserve(self.size(primary));
        for place in self.contacts.identity(self.told(primary)) {
            self.add_member(place, members);
        }
    }

    fn is_larger(&self, primary: ContactId, than: usize) -> bool {
        self.contacts.identity(self.told(primary)).nth(than).is_some()
    }

    fn some_members(
        &self,
        primary: ContactId,
        after: Option<ContactId>,
        most: usize,
        members: &mut Members,
    ) -> Part {
        let (place, last) =
            (self.live(primary), after.map_or(Some(None), |after| self.live(after).map(Some)));
        let (Some(place), Some(last)) = (place, last) else { return Part::Gone };
        if self.contacts.primary(place) != place
            || last.is_some_and(|last| self.contacts.primary(last) != place)
        {
            return Part::Gone;
        }
        let mut places = self.contacts.from(last.map_or(Some(place), |last| self.contacts.next(last)));
        places.by_ref().take(most).for_each(|place| self.add_member(place, members));
        if places.next().is_some() { Part::More } else { Part::Last }
    }

    fn corrected(&self) -> Sequence {
        self.corrected
    }

    fn identity_of(&self, contact: ContactId) -> Option<ContactId> {
        let primary = self.primary_now(contact);
        self.live(primary).map(|_| primary)
    }

    fn bears(&self, primary: ContactId, identifier: &Identifier) -> bool {
        let number = self.known_number_of(identifier.kind());
        let Some(value) = number.and_then(|number| self.values.find(number, identifier.value())) else {
            return false;
        };
        self.contacts
            .identity(self.told(primary))
            .any(|place| self.contacts.borne(place).any(|borne| borne == value))
    }

    fn policy(&self) -> Option<&Policy> {
        self.policy.as_ref()
    }

    fn kept_apart(&self, one: ContactId, other: ContactId) -> bool {
        !self.apart.is_empty() && self.apart.between(self.followers(one), self.followers(other))
    }

    fn refusals(&self, evidence: &[SeenIdentifier]) -> Vec<RecordedRefusal> {
        self.refusals.of(evidence, |contact| self.primary_now(contact))
    }
}

impl IdentityIndex {
    /// Adds the contact that stands there, with what it owns.
    fn add_member(&self, place: Place, members: &mut Members) {
        let borne = self.contacts.borne(place);
        let owned = borne.filter(|value| self.values.owner(*value) == Some(place));
        let brought = owned
            .map(|value| self.values.get(value))
            .map(|value| Identifier::from_stored(self.kinds[usize::from(value.kind)].clone(), value.text));
        members.add(self.contacts.created_at(place), self.contacts.id(place), brought);
    }

    /// The place of a primary that was told by [`Identities::owner`].
    pub(super) fn told(&self, primary: ContactId) -> Place {
        self.contacts.place_of(primary).expect("a decision asks of primaries that it was told")
    }
}

//! A whole workspace's identities in memory, in about 130 bytes a contact: for stores that answer without a look at
//! the disk, and for decisions on many observations at once.

mod contacts;
mod correct;
mod look;
mod reconcile;
mod values;

use std::collections::{BTreeMap, BTreeSet};

use contacts::{Borne, Contacts, Place};
use values::{Hash, ValueRef, Values};

use crate::apart::KeptApart;
use crate::refusals::Refusals;
use crate::{
    Change, Contact, ContactId, Event, Head, Identifier, IdentifierKind, Incoherent, Policy, Sequence, Spelt,
    Tables, Timestamp, apply,
};

/// A contact as an index takes it from a store: its place among the others. What it bears is told beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredContact {
    /// Its number.
    pub id: ContactId,
    /// Its primary; `None` if it is one.
    pub linked_to: Option<ContactId>,
    /// When the observation was accepted.
    pub created_at: Timestamp,
    /// Whether it was deleted: it matches nothing and is shown nowhere, but follows its identity.
    pub deleted: bool,
}

/// The live contacts of a workspace, who owns which identifier, and where the log stands.
///
/// ```
/// use selfsame_rules::{Actor, Head, IdentifierKind, IdentityIndex, Observation, SeenIdentifier, Timestamp, decide};
///
/// let mut index = IdentityIndex::new(Head::EMPTY, 7);
/// let email = SeenIdentifier::parse(&IdentifierKind::Email, "doc@hill.edu").unwrap();
/// let seen = [Observation::new(Actor::named("example"), email).unwrap()];
///
/// let plan = decide(&index, &seen, Timestamp::from_milliseconds(1));
/// for event in &plan.events {
///     index.follow(event).unwrap();
/// }
/// let again = decide(&index, &seen, Timestamp::from_milliseconds(2));
/// assert!(again.events.is_empty());
/// assert_eq!(again.answers[0].identity, plan.answers[0].identity);
/// ```
#[derive(Debug)]
pub struct IdentityIndex {
    head: Head,
    contacts: Contacts,
    /// Deleted contacts by the primary that they link to.
    deleted: BTreeMap<ContactId, Vec<ContactId>>,
    values: Values,
    /// The kinds by their numbers: email, phone, and then the declared ones as they came.
    kinds: Vec<IdentifierKind>,
    /// Contacts that were deleted or erased since they came.
    gone: BTreeSet<ContactId>,
    /// `None` while it is the default one.
    policy: Option<Policy>,
    apart: KeptApart,
    refusals: Refusals,
    /// The last event that changed identities otherwise than an observation does, or where the log stood before any.
    corrected: Sequence,
}

/// More than an index can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooLarge {
    /// A value of more than 65,535 bytes; no rule lets one be longer than 254.
    #[error("a value is longer than 65,535 bytes")]
    Value,
    /// More than 32 GiB of values.
    #[error("all values together are larger than 32 GiB")]
    Values,
    /// More than 2^31 contacts.
    #[error("there are more than 2^31 contacts")]
    Contacts,
    /// More than 256 kinds of identifiers.
    #[error("there are more than 256 kinds of identifiers")]
    Kinds,
}

impl IdentityIndex {
    /// An index without contacts, where the log stands at `head`.
    ///
    /// Its layout, and nothing else, depends on the seed: one that nobody can guess keeps strangers from sending
    /// values that are slow to tell apart.
    pub fn new(head: Head, seed: u64) -> Self {
        let kinds = vec![IdentifierKind::Email, IdentifierKind::Phone];
        let (contacts, deleted) = (Contacts::default(), BTreeMap::new());
        Self {
            head,
            contacts,
            deleted,
            values: Values::new(seed),
            kinds,
            gone: BTreeSet::new(),
            policy: None,
            apart: KeptApart::default(),
            refusals: Refusals::default(),
            corrected: head.last_sequence,
        }
    }

    /// Adds a stored contact: what it bears, in the order of kinds, and whether it owns that.
    ///
    /// Contacts best come in the order of their numbers: any other costs some memory. When all are there,
    /// [`Self::settle`] is called.
    ///
    /// # Errors
    ///
    /// [`Incoherent`] if the number is there already, or the index can't hold the contact.
    pub fn add_stored<'text>(
        &mut self,
        contact: StoredContact,
        bears: impl IntoIterator<Item = (&'text IdentifierKind, &'text str, bool)>,
    ) -> Result<(), Incoherent> {
        if contact.deleted {
            if let Some(primary) = contact.linked_to {
                self.deleted.entry(primary).or_default().push(contact.id);
            }
            return Ok(());
        }
        if self.contacts.place_of(contact.id).is_some() {
            return Err(Incoherent::Repeated { contact: contact.id });
        }
        self.add(contact, bears).map_err(|why| Incoherent::TooLarge { contact: contact.id, why })
    }

    /// Ends the adding of stored contacts.
    ///
    /// # Errors
    ///
    /// [`Incoherent`] if a contact links to one that isn't there or is no primary.
    pub fn settle(&mut self) -> Result<(), Incoherent> {
        self.contacts.settle()
    }

    /// Lets the index follow an event, which is the log's next.
    ///
    /// # Errors
    ///
    /// [`Incoherent`] if the event can't follow from what is here, or brings more than the index can hold. The index
    /// is then of no more use: a part of the event is in it.
    pub fn follow(&mut self, event: &Event) -> Result<(), Incoherent> {
        self.follow_all(std::slice::from_ref(event))
    }

    /// Lets the index follow events, which are the log's next, in their order: that many merges make one identity larger costs
    /// little more than one of them.
    ///
    /// # Errors
    ///
    /// As [`Self::follow`].
    pub fn follow_all(&mut self, events: &[Event]) -> Result<(), Incoherent> {
        for event in events {
            apply(event, self)?;
            self.head = self.head.after(event);
        }
        self.settle()
    }

    /// Finds refusals by what is left of their evidence, where values were erased from their events.
    pub fn rewrite_refusals<'event>(&mut self, rewritten: impl IntoIterator<Item = &'event Event>) {
        let rewritten: Vec<&Event> = rewritten.into_iter().collect();
        let spelt = Spelt::of(rewritten.iter().copied());
        for event in rewritten {
            self.refusals.rewrite(event.sequence, &spelt.evidence(event.sequence, &event.evidence));
        }
    }

    /// How many live contacts there are.
    pub fn len(&self) -> usize {
        self.contacts.count() - self.gone.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The numbers of a primary's contacts and of all that link to it, deleted ones too: those that move with it.
    pub fn followers(&self, primary: ContactId) -> impl Iterator<Item = ContactId> {
        let place = self.contacts.place_of(primary);
        let live = place.into_iter().flat_map(|place| self.contacts.identity(place));
        let deleted = self.deleted.get(&primary).into_iter().flatten().copied();
        live.map(|place| self.contacts.id(place)).chain(deleted)
    }

    /// How many live contacts the primary's identity has, and at most so many of them after that age, oldest first.
    pub fn page(
        &self,
        primary: ContactId,
        after: Option<(Timestamp, ContactId)>,
        most: usize,
    ) -> (usize, Vec<ContactId>) {
        let (mut count, mut page) = (0, Vec::new());
        for place in self.live(primary).into_iter().flat_map(|place| self.contacts.identity(place)) {
            let id = self.contacts.id(place);
            count += 1;
            if page.len() < most && after.is_none_or(|after| (self.contacts.created_at(place), id) > after) {
                page.push(id);
            }
        }
        (count, page)
    }

    fn add<'text>(
        &mut self,
        contact: StoredContact,
        bears: impl IntoIterator<Item = (&'text IdentifierKind, &'text str, bool)>,
    ) -> Result<(), TooLarge> {
        let hashed = self.hashed(bears)?;
        self.add_hashed(contact, hashed)
    }

    /// Each value with the number of its kind and its hash.
    fn hashed<'text>(
        &mut self,
        bears: impl IntoIterator<Item = (&'text IdentifierKind, &'text str, bool)>,
    ) -> Result<Vec<(u8, Hash, &'text str, bool)>, TooLarge> {
        let mut hashed = Vec::with_capacity(2);
        for (kind, text, owns) in bears {
            let number = self.number_of(kind)?;
            hashed.push((number, self.values.hash(number, text), text, owns));
        }
        Ok(hashed)
    }

    /// Adds a contact: the number of each kind that it bears, the hash of the value, the value, whether it owns it.
    fn add_hashed<'text>(
        &mut self,
        contact: StoredContact,
        bears: impl IntoIterator<Item = (u8, Hash, &'text str, bool)>,
    ) -> Result<(), TooLarge> {
        let (borne, owned) = self.borne(bears)?;
        let place = self.contacts.add(&contact, borne)?;
        for value in owned {
            self.values.set_owner(value, place);
        }
        Ok(())
    }

    /// The values that a contact bears, which are added where they are new, and those of them that it owns.
    fn borne<'text>(
        &mut self,
        bears: impl IntoIterator<Item = (u8, Hash, &'text str, bool)>,
    ) -> Result<(Borne, Vec<ValueRef>), TooLarge> {
        let (mut borne, mut owned) = (Borne::default(), Vec::new());
        for (number, hash, text, owns) in bears {
            let value = self.values.find_or_add(hash, number, text)?;
            match number {
                0 => borne.email = Some(value),
                1 => borne.phone = Some(value),
                _ => borne.declared.push(value),
            }
            if owns {
                owned.push(value);
            }
        }
        Ok((borne, owned))
    }

    /// The contact that owns a value.
    fn owner_of(&self, kind: &IdentifierKind, text: &str) -> Option<Place> {
        self.values.owner(self.values.find(self.known_number_of(kind)?, text)?)
    }

    /// Moves a primary, and all that link to it, to another.
    fn move_to(&mut self, former: ContactId, survivor: ContactId) -> Result<(), Incoherent> {
        let to = self.primary(former, survivor)?;
        let from = self.primary(former, former)?;
        self.contacts.relink(from, to);
        if let Some(deleted) = self.deleted.remove(&former) {
            self.deleted.entry(survivor).or_default().extend(deleted);
        }
        Ok(())
    }

    /// The number of a kind; a new one gets the next.
    fn number_of(&mut self, kind: &IdentifierKind) -> Result<u8, TooLarge> {
        if let Some(number) = self.known_number_of(kind) {
            return Ok(number);
        }
        let number = u8::try_from(self.kinds.len()).map_err(|_| TooLarge::Kinds)?;
        self.kinds.push(kind.clone());
        Ok(number)
    }

    fn known_number_of(&self, kind: &IdentifierKind) -> Option<u8> {
        let place = self.kinds.iter().position(|known| known == kind)?;
        u8::try_from(place).ok()
    }

    /// The place of a primary that `contact` links to.
    fn primary(&self, contact: ContactId, primary: ContactId) -> Result<Place, Incoherent> {
        let place = self.contacts.place_of(primary).filter(|place| self.contacts.primary(*place) == *place);
        place.ok_or(Incoherent::NoPrimary { contact, primary })
    }
}

impl Tables for IdentityIndex {
    type Error = Incoherent;

    fn insert_contact(&mut self, contact: Contact) -> Result<(), Incoherent> {
        let Contact { id, linked_to, created_at, .. } = contact;
        let deleted = contact.deleted_at.is_some();
        // A deleted one may be older than its primary, which is then yet to come.
        if let Some(primary) = linked_to.filter(|_| !deleted) {
            self.primary(id, primary)?;
        }
        let bears = contact.identifiers.iter().map(|borne| (borne.kind(), borne.value(), false));
        // An adopted contact may be older than those of its identity that are there; events settle that at their end.
        self.add_stored(StoredContact { id, linked_to, created_at, deleted }, bears)
    }

    fn own(&mut self, identifier: &Identifier, contact: ContactId) -> Result<(), Incoherent> {
        let owner = contact;
        let place = self.contacts.place_of(owner).ok_or(Incoherent::NoOwner { owner })?;
        let number = self.known_number_of(identifier.kind());
        let value = number.and_then(|number| self.values.find(number, identifier.value()));
        self.values.set_owner(value.ok_or(Incoherent::NoOwner { owner })?, place);
        Ok(())
    }

    fn relink(&mut self, former: ContactId, survivor: ContactId, _: Timestamp) -> Result<(), Incoherent> {
        self.move_to(former, survivor)
    }

    fn change(&mut self, change: Change<'_>, _: Timestamp) -> Result<(), Incoherent> {
        if !matches!(change, Change::Refuse { .. }) {
            self.corrected = Sequence(self.head.last_sequence.0 + 1);
            // Who parts from an identity is told by its order.
            self.settle()?;
        }
        self.carry_out_change(change)
    }
}

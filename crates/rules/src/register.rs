//! The tables in memory, deleted contacts and all: what a store loads where a policy, a correction or a deletion asks
//! for more than live contacts, and what a log is folded into.
//!
//! Deliberately absent: how they change ([`crate::apply`] says so), and any decision.

mod tables;

use std::collections::{BTreeMap, BTreeSet};

use crate::apart::{KeptApart, Lifting};
use crate::refusals::Refusals;
use crate::{
    Apart, Contact, ContactId, Event, Head, Identifier, IdentifierKind, Identities, Incoherent, Members,
    Policy, RecordedRefusal, SeenIdentifier, Sequence, Timestamp, apply,
};

/// A contact as a store keeps it, and which of its values it owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterRow {
    /// The contact; also a deleted one.
    pub contact: Contact,
    /// The kinds of those of its values that it owns.
    pub owns: Vec<IdentifierKind>,
}

/// Contacts, the owners of identifiers, what is kept apart and what was refused: of a whole workspace, or of all
/// identities that a decision touches, whole.
///
/// ```
/// use selfsame_rules::{
///     Actor, Head, IdentifierKind, Identities, Observation, Register, SeenIdentifier, Timestamp, decide,
/// };
///
/// let email = SeenIdentifier::parse(&IdentifierKind::Email, "doc@hill.edu").unwrap();
/// let seen = Observation::new(Actor::named("example"), email).unwrap();
/// let mut register = Register::new(Head::EMPTY);
/// for event in decide(&register, &[seen], Timestamp::from_milliseconds(1)).events {
///     register.follow(&event).unwrap();
/// }
/// assert_eq!(register.rows().count(), 1);
/// assert_eq!(register.head().last_sequence.0, 1);
/// ```
#[derive(Clone, Debug)]
pub struct Register {
    head: Head,
    policy: Option<Policy>,
    contacts: BTreeMap<ContactId, Contact>,
    /// The live contacts of each identity by its primary, oldest first.
    live: BTreeMap<ContactId, BTreeSet<(Timestamp, ContactId)>>,
    /// Deleted contacts by the primary that they link to.
    deleted: BTreeMap<ContactId, BTreeSet<ContactId>>,
    owners: BTreeMap<Identifier, ContactId>,
    /// How many identifiers of each kind each identity owns, by its primary.
    owned: BTreeMap<ContactId, BTreeMap<IdentifierKind, usize>>,
    apart: KeptApart,
    refusals: Refusals,
}

impl Register {
    /// A register without contacts under the default policy.
    pub fn new(head: Head) -> Self {
        Self {
            head,
            policy: None,
            contacts: BTreeMap::new(),
            live: BTreeMap::new(),
            deleted: BTreeMap::new(),
            owners: BTreeMap::new(),
            owned: BTreeMap::new(),
            apart: KeptApart::default(),
            refusals: Refusals::default(),
        }
    }

    /// A register of these rows, in any order. What is kept apart, refusals and the policy are told afterwards, with
    /// [`crate::Tables::change`].
    ///
    /// # Errors
    ///
    /// [`Incoherent`] if a number is there twice, or a live contact links to one that isn't there or is no live primary.
    pub fn load(head: Head, rows: impl IntoIterator<Item = RegisterRow>) -> Result<Self, Incoherent> {
        let mut register = Self::new(head);
        for RegisterRow { contact, owns } in rows {
            let id = contact.id;
            let owned = contact.identifiers.iter().filter(|identifier| owns.contains(identifier.kind()));
            register.owners.extend(owned.map(|identifier| (identifier.clone(), id)));
            if register.contacts.insert(id, contact).is_some() {
                return Err(Incoherent::Repeated { contact: id });
            }
        }
        let ids: Vec<ContactId> = register.contacts.keys().copied().collect();
        for id in ids {
            let (primary, live) = (register.contacts[&id].primary(), register.is_live(id));
            let leads = |primary: &Contact| primary.linked_to.is_none() && primary.deleted_at.is_none();
            if live && !register.contacts.get(&primary).is_some_and(leads) {
                return Err(Incoherent::NoPrimary { contact: id, primary });
            }
            register.place(id);
        }
        for (value, owner) in &register.owners {
            let primary = register.contacts[owner].primary();
            *register.owned.entry(primary).or_default().entry(value.kind().clone()).or_default() += 1;
        }
        Ok(register)
    }

    /// The register that the log adds up to; the events of a whole workspace, from the first.
    ///
    /// # Errors
    ///
    /// [`Incoherent`] if an event can't follow from those before it.
    pub fn fold<'event>(events: impl IntoIterator<Item = &'event Event>) -> Result<Self, Incoherent> {
        let mut register = Self::new(Head::EMPTY);
        for event in events {
            register.follow(event)?;
        }
        Ok(register)
    }

    /// Lets the register follow an event, which is the log's next.
    ///
    /// # Errors
    ///
    /// [`Incoherent`] if the event can't follow from what is here.
    pub fn follow(&mut self, event: &Event) -> Result<(), Incoherent> {
        apply(event, self)?;
        self.head = self.head.after(event);
        Ok(())
    }

    /// All contacts, deleted ones too, by number, each with what it owns.
    pub fn rows(&self) -> impl Iterator<Item = RegisterRow> {
        self.contacts.values().map(|contact| {
            let owned =
                contact.identifiers.iter().filter(|value| self.owners.get(*value) == Some(&contact.id));
            RegisterRow { contact: contact.clone(), owns: owned.map(|value| value.kind().clone()).collect() }
        })
    }

    /// The contact of that number, also a deleted one.
    pub fn contact(&self, id: ContactId) -> Option<&Contact> {
        self.contacts.get(&id)
    }

    /// The primary of the identity that the contact is in now; nothing if it isn't there, or nobody of it lives.
    pub fn resolve(&self, id: ContactId) -> Option<ContactId> {
        let primary = self.contacts.get(&id)?.primary();
        self.live.contains_key(&primary).then_some(primary)
    }

    /// The primaries of all identities, by number.
    pub fn primaries(&self) -> impl Iterator<Item = ContactId> {
        self.live.keys().copied()
    }

    /// All contacts of the primary's identity, deleted ones too.
    pub fn everybody(&self, primary: ContactId) -> BTreeSet<ContactId> {
        self.followers(primary).collect()
    }

    fn followers(&self, primary: ContactId) -> impl Iterator<Item = ContactId> {
        self.live_of(primary).chain(self.deleted.get(&primary).into_iter().flatten().copied())
    }

    /// The contact that owns the identifier itself.
    pub fn owning_contact(&self, identifier: &Identifier) -> Option<ContactId> {
        self.owners.get(identifier).copied()
    }

    /// Values that live contacts of the primary's identity bear, and that it doesn't own: blocked, claimed, or left
    /// behind. Each once, in order.
    pub fn unowned(&self, primary: ContactId) -> Vec<Identifier> {
        let borne = self.live_of(primary).flat_map(|id| &self.contacts[&id].identifiers);
        let unowned: BTreeSet<&Identifier> =
            borne.filter(|identifier| self.owner(identifier) != Some(primary)).collect();
        unowned.into_iter().cloned().collect()
    }

    /// What is kept apart, in order.
    pub fn kept_apart_pairs(&self) -> impl Iterator<Item = &Apart> {
        self.apart.iter()
    }

    /// The refusals that wait for a review, oldest first.
    pub fn open_reviews(&self) -> impl Iterator<Item = Sequence> {
        self.refusals.open()
    }

    /// What was refused, as it is spelt now; nothing if no refusal of that number was recorded.
    pub fn refused_evidence(&self, refusal: Sequence) -> Option<Vec<SeenIdentifier>> {
        self.refusals.evidence(refusal)
    }

    /// The primaries of those whom a refusal concerned, as they are now; nothing if none of that number was recorded.
    pub(crate) fn refused(&self, review: Sequence) -> Option<RecordedRefusal> {
        self.refusals.recorded(review, |contact| self.primary_now(contact))
    }

    fn primary_now(&self, contact: ContactId) -> ContactId {
        self.contacts.get(&contact).map_or(contact, Contact::primary)
    }

    pub(crate) fn is_open(&self, review: Sequence) -> bool {
        self.refusals.is_open(review)
    }

    /// Whether a contact, which need not be here yet, is kept apart from an identity.
    pub(crate) fn is_apart_from(&self, contact: ContactId, primary: ContactId) -> bool {
        self.apart.between([contact], self.followers(primary))
    }

    /// What joining the identities of these primaries by hand lifts.
    pub(crate) fn lifting(&self, primaries: &[ContactId]) -> Lifting {
        let everybody: Vec<_> = primaries.iter().map(|primary| self.everybody(*primary)).collect();
        self.apart.lifting(&everybody)
    }

    /// The pairs of these identities, each with each, that aren't recorded yet.
    pub(crate) fn pairs_of(&self, identities: &[BTreeSet<ContactId>]) -> Vec<Apart> {
        let mut pairs = BTreeSet::new();
        for (place, one) in identities.iter().enumerate() {
            for other in &identities[place + 1..] {
                pairs.insert(Apart::new(one.iter().copied().collect(), other.iter().copied().collect()));
            }
        }
        pairs.into_iter().filter(|pair| !self.apart.contains(pair)).collect()
    }

    /// The live contacts of an identity, oldest first.
    pub(crate) fn live_of(&self, primary: ContactId) -> impl Iterator<Item = ContactId> {
        self.live.get(&primary).into_iter().flatten().map(|(_, id)| *id)
    }

    pub(crate) fn is_live(&self, id: ContactId) -> bool {
        self.contacts.get(&id).is_some_and(|contact| contact.deleted_at.is_none())
    }

    fn place(&mut self, id: ContactId) {
        let contact = &self.contacts[&id];
        let (age, primary, live) = (contact.age(), contact.primary(), contact.deleted_at.is_none());
        if live {
            self.live.entry(primary).or_default().insert(age);
        } else if primary != id {
            self.deleted.entry(primary).or_default().insert(id);
        }
    }
}

impl Identities for Register {
    fn head(&self) -> Head {
        self.head
    }

    fn owner(&self, identifier: &Identifier) -> Option<ContactId> {
        self.owners.get(identifier).map(|owner| self.contacts[owner].primary())
    }

    fn size(&self, primary: ContactId) -> usize {
        self.live[&primary].len()
    }

    fn created_at(&self, primary: ContactId) -> Timestamp {
        self.contacts[&primary].created_at
    }

    fn members(&self, primary: ContactId, members: &mut Members) {
        members.reserve(self.size(primary));
        for (created_at, id) in &self.live[&primary] {
            let borne = self.contacts[id].identifiers.iter();
            members.add(*created_at, *id, borne.filter(|value| self.owners.get(*value) == Some(id)).cloned());
        }
    }

    fn owned_kinds(&self, primary: ContactId) -> BTreeMap<IdentifierKind, usize> {
        self.owned.get(&primary).cloned().unwrap_or_default()
    }

    fn bears(&self, primary: ContactId, identifier: &Identifier) -> bool {
        self.live_of(primary).any(|id| self.contacts[&id].identifiers.contains(identifier))
    }

    fn policy(&self) -> Option<&Policy> {
        self.policy.as_ref()
    }

    fn kept_apart(&self, one: ContactId, other: ContactId) -> bool {
        // What the smaller one is kept apart from is soon known, and mostly nothing.
        let (small, large) = if self.size(one) <= self.size(other) { (one, other) } else { (other, one) };
        self.apart.between(self.followers(small), self.followers(large))
    }

    fn refusals(&self, evidence: &[SeenIdentifier]) -> Vec<RecordedRefusal> {
        self.refusals.of(evidence, |contact| self.primary_now(contact))
    }
}

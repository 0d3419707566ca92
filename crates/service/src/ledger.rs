//! The log folded in little memory: what each contact must look like, as numbers and digests.
//!
//! A second way, beside every store's SQL, to carry out what `rules::apply` says; `check` compares the two.
//! Values are kept as 64-bit digests: two rows that differ pass for equal once in 2^64.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{Hash, Hasher};

use selfsame_rules::{
    Change, Contact, ContactId, Event, Identifier, IdentifierKind, Ownership, Sequence, Tables, Timestamp,
};

/// No contact: ids begin at 1.
const NONE: i64 = 0;

/// What one contact must look like: the same few bytes, whatever its identifiers.
#[derive(Clone, Copy, Debug)]
struct Folded {
    id: ContactId,
    /// The primary, or [`NONE`] for a primary.
    linked_to: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
    deleted_at: Option<Timestamp>,
    bears: u64,
    owns: u64,
    /// Of its e-mail and its phone number, for they may change hands; 0 for none.
    borne: [u64; 2],
    /// The event that made it.
    made_by: Sequence,
    /// The next contact of the same identity, in no particular order; [`NONE`] at the end.
    next: i64,
    /// The end of that list; right for primaries only.
    last: i64,
}

/// The contacts that the log makes. An adopted log leaves out as many ids as it likes, and so may a damaged number:
/// only contacts cost memory.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// In the order of the log.
    contacts: Vec<Folded>,
    /// Where each is in that order.
    places: HashMap<ContactId, u32>,
    /// Deleted contacts by the primary that they link to and that no event made yet: an adopted one may be older.
    waiting: BTreeMap<ContactId, Vec<ContactId>>,
    /// Of the identifiers of declared kinds that contacts bear.
    declared: HashMap<ContactId, BTreeMap<IdentifierKind, u64>>,
}

/// An event that can't follow from those before it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Impossible {
    /// Ids are never given twice, and begin at 1.
    #[error("it makes contact {0}, whose id was given before or is none")]
    IdTaken(ContactId),
    /// More contacts than a check can hold.
    #[error("it makes contact {0}, and a check holds no more than the 2^32 before it")]
    TooMany(ContactId),
    /// It names a contact that no event made.
    #[error("it names contact {0}, which no event before it made")]
    NoSuchContact(ContactId),
    /// It makes a secondary of a contact that an earlier event linked to.
    #[error("it makes contact {0} a secondary, to which an event before it linked")]
    LinkedToBefore(ContactId),
    /// It moves a contact that isn't of the identity that it divides, or leaves nobody there.
    #[error("it takes contact {0} out of an identity that it is not of, or leaves nobody there")]
    NotOfIt(ContactId),
    /// It names a value that a contact doesn't bear.
    #[error("it names an identifier of contact {0}, which bears none of that kind")]
    NotBorne(ContactId),
    /// It names a contact as primary that is none.
    #[error("it takes contact {0} for a primary, which it is not")]
    NotPrimary(ContactId),
}

impl Ledger {
    /// How the stored contact differs from what the log adds up to, if it does.
    pub(crate) fn difference(&self, stored: &Contact) -> Option<&'static str> {
        let Some(folded) = self.get(stored.id) else { return Some("no event made it") };
        let bears = stored.identifiers.iter().map(digest).fold(0, u64::wrapping_add);
        if stored.linked_to.map_or(NONE, |primary| primary.0) != folded.linked_to {
            Some("the log links it elsewhere")
        } else if stored.created_at != folded.created_at {
            Some("the log has another `createdAt`")
        } else if stored.updated_at != folded.updated_at {
            Some("the log has another `updatedAt`")
        } else if stored.deleted_at != folded.deleted_at {
            Some("the log has another `deletedAt`")
        } else if bears != folded.bears {
            Some("the log has other identifiers")
        } else {
            None
        }
    }

    /// Notes which contacts an event made, once it was applied.
    pub(crate) fn follow_made(&mut self, event: &Event) {
        for (contact, _) in event.made() {
            if let Some(folded) = self.get_mut(contact) {
                folded.made_by = event.sequence;
            }
        }
    }

    /// The event that made the contact.
    pub(crate) fn made_by(&self, contact: ContactId) -> Option<Sequence> {
        self.get(contact).map(|folded| folded.made_by)
    }

    /// Whether the log gives the contact all that it bears.
    pub(crate) fn owns_all(&self, stored: &Contact) -> bool {
        self.get(stored.id).is_some_and(|folded| {
            folded.owns == stored.identifiers.iter().map(digest).fold(0, u64::wrapping_add)
        })
    }

    /// The ids that the log made, in its order.
    pub(crate) fn ids(&self) -> impl Iterator<Item = ContactId> {
        self.contacts.iter().map(|folded| folded.id)
    }

    /// The highest id that the log gave; 0 before the first.
    pub(crate) fn last_id(&self) -> ContactId {
        self.ids().max().unwrap_or(ContactId(NONE))
    }

    /// Takes a stored ownership off what the log says that the contact owns; tells if there is such a contact.
    ///
    /// When all were taken off, [`Self::wrongly_owning`] names the contacts where something is left.
    pub(crate) fn take_owned(&mut self, identifier: &Identifier, contact: ContactId) -> bool {
        let Some(folded) = self.get_mut(contact) else { return false };
        folded.owns = folded.owns.wrapping_sub(digest(identifier));
        true
    }

    /// The deleted contacts that link to one that no event made, each with that one.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = (ContactId, ContactId)> {
        self.waiting.iter().flat_map(|(primary, ids)| ids.iter().map(|id| (*id, *primary)))
    }

    /// The contacts whose stored ownerships are not those of the log, in its order.
    pub(crate) fn wrongly_owning(&self) -> impl Iterator<Item = ContactId> {
        self.contacts.iter().filter(|folded| folded.owns != 0).map(|folded| folded.id)
    }

    fn get(&self, id: ContactId) -> Option<&Folded> {
        self.contacts.get(usize::try_from(*self.places.get(&id)?).ok()?)
    }

    fn get_mut(&mut self, id: ContactId) -> Option<&mut Folded> {
        self.contacts.get_mut(usize::try_from(*self.places.get(&id)?).ok()?)
    }

    fn primary_mut(&mut self, id: ContactId) -> Result<&mut Folded, Impossible> {
        let folded = self.get_mut(id).ok_or(Impossible::NoSuchContact(id))?;
        if folded.linked_to == NONE { Ok(folded) } else { Err(Impossible::NotPrimary(id)) }
    }

    /// Appends the list that begins at `first` and ends at `last` to the identity of `primary`.
    fn join(&mut self, primary: ContactId, first: ContactId, last: i64) -> Result<(), Impossible> {
        let end = std::mem::replace(&mut self.primary_mut(primary)?.last, last);
        self.get_mut(ContactId(end)).ok_or(Impossible::NoSuchContact(ContactId(end)))?.next = first.0;
        Ok(())
    }
}

impl Tables for Ledger {
    type Error = Impossible;

    fn insert_contact(&mut self, contact: Contact) -> Result<(), Impossible> {
        let id = contact.id;
        if id.0 <= NONE || self.get(id).is_some() {
            return Err(Impossible::IdTaken(id));
        }
        let place = u32::try_from(self.contacts.len()).map_err(|_| Impossible::TooMany(id))?;
        self.places.insert(id, place);
        self.contacts.push(Folded {
            id,
            linked_to: contact.linked_to.map_or(NONE, |primary| primary.0),
            created_at: contact.created_at,
            updated_at: contact.updated_at,
            deleted_at: contact.deleted_at,
            bears: contact.identifiers.iter().map(digest).fold(0, u64::wrapping_add),
            owns: 0,
            borne: built_in(&contact.identifiers),
            made_by: Sequence(0),
            next: NONE,
            last: id.0,
        });
        self.declare(id, &contact.identifiers);
        let early = self.waiting.remove(&id).unwrap_or_default();
        match contact.linked_to {
            Some(_) if !early.is_empty() => Err(Impossible::LinkedToBefore(id)),
            // No live contact is older than its primary, but a deleted one may be.
            Some(primary) if contact.deleted_at.is_some() && self.get(primary).is_none() => {
                self.waiting.entry(primary).or_default().push(id);
                Ok(())
            }
            Some(primary) => self.join(primary, id, id.0),
            None => early.into_iter().try_for_each(|deleted| self.join(id, deleted, deleted.0)),
        }
    }

    fn own(&mut self, identifier: &Identifier, contact: ContactId) -> Result<(), Impossible> {
        let folded = self.get_mut(contact).ok_or(Impossible::NoSuchContact(contact))?;
        folded.owns = folded.owns.wrapping_add(digest(identifier));
        Ok(())
    }

    fn relink(&mut self, former: ContactId, survivor: ContactId, at: Timestamp) -> Result<(), Impossible> {
        let last = self.primary_mut(former)?.last;
        let mut id = former.0;
        while id != NONE {
            let contact = ContactId(id);
            let folded = self.get_mut(contact).ok_or(Impossible::NoSuchContact(contact))?;
            folded.linked_to = survivor.0;
            folded.updated_at = at;
            id = folded.next;
        }
        self.join(survivor, former, last)
    }

    fn change(&mut self, change: Change<'_>, at: Timestamp) -> Result<(), Impossible> {
        match change {
            Change::Part { contacts, rest } => self.part(contacts, rest, at),
            Change::Own(ownership) => {
                let digest = self.borne(ownership)?;
                let folded = self.known_mut(ownership.contact)?;
                folded.owns = folded.owns.wrapping_add(digest);
                Ok(())
            }
            Change::Disown(ownership) => {
                let digest = self.borne(ownership)?;
                let folded = self.known_mut(ownership.contact)?;
                folded.owns = folded.owns.wrapping_sub(digest);
                Ok(())
            }
            Change::Delete { contact, rest } => {
                let folded = self.known_mut(contact)?;
                (folded.deleted_at, folded.updated_at) = (Some(at), at);
                let Some(rest) = rest else { return Ok(()) };
                let everybody = self.identity_of(contact)?;
                self.chain(rest, &everybody, at)
            }
            Change::Erase(contact) => {
                self.declared.remove(&contact);
                let folded = self.known_mut(contact)?;
                (folded.bears, folded.borne, folded.updated_at) = (0, [0; 2], at);
                folded.deleted_at.get_or_insert(at);
                Ok(())
            }
            Change::Respell { contact, identifiers } => self.respell(contact, identifiers, at),
            // Of these no contact knows.
            Change::RespellEvidence { .. }
            | Change::KeepApart(_)
            | Change::Lift(_)
            | Change::Refuse { .. }
            | Change::Settle(_)
            | Change::Govern(_) => Ok(()),
        }
    }
}

/// What a correction makes of lists.
impl Ledger {
    fn declare(&mut self, id: ContactId, identifiers: &[Identifier]) {
        let is_declared = |value: &&Identifier| matches!(value.kind(), IdentifierKind::Declared(_));
        for identifier in identifiers.iter().filter(is_declared) {
            let borne = self.declared.entry(id).or_default();
            borne.insert(identifier.kind().clone(), digest(identifier));
        }
    }

    /// What it owned otherwise, it has lost before.
    fn respell(
        &mut self,
        contact: ContactId,
        identifiers: &[Identifier],
        at: Timestamp,
    ) -> Result<(), Impossible> {
        let folded = self.known_mut(contact)?;
        folded.bears = identifiers.iter().map(digest).fold(0, u64::wrapping_add);
        (folded.borne, folded.updated_at) = (built_in(identifiers), at);
        self.declared.remove(&contact);
        self.declare(contact, identifiers);
        Ok(())
    }

    fn part(
        &mut self,
        contacts: &[ContactId],
        rest: Option<ContactId>,
        at: Timestamp,
    ) -> Result<(), Impossible> {
        let Some(primary) = contacts.first().copied() else { return Ok(()) };
        let everybody = self.identity_of(primary)?;
        let leaving: BTreeSet<ContactId> = contacts.iter().copied().collect();
        let stay: Vec<ContactId> =
            everybody.iter().copied().filter(|contact| !leaving.contains(contact)).collect();
        let head = rest.or_else(|| everybody.first().copied()).filter(|head| stay.contains(head));
        let Some(head) = head.filter(|_| stay.len() + leaving.len() == everybody.len()) else {
            return Err(Impossible::NotOfIt(primary));
        };
        self.chain(primary, contacts, at)?;
        self.chain(head, &stay, at)
    }

    /// Makes contacts one identity under `primary`, which is one of them. A row whose link changes is updated.
    fn chain(&mut self, primary: ContactId, contacts: &[ContactId], at: Timestamp) -> Result<(), Impossible> {
        let others = contacts.iter().copied().filter(|contact| *contact != primary);
        let list: Vec<ContactId> = std::iter::once(primary).chain(others).collect();
        for (place, contact) in list.iter().enumerate() {
            let next = list.get(place + 1).map_or(NONE, |next| next.0);
            let folded = self.known_mut(*contact)?;
            let linked_to = if *contact == primary { NONE } else { primary.0 };
            if folded.linked_to != linked_to {
                (folded.linked_to, folded.updated_at) = (linked_to, at);
            }
            folded.next = next;
        }
        self.known_mut(primary)?.last = list.last().map_or(primary.0, |last| last.0);
        Ok(())
    }

    /// Everybody of a contact's identity, the primary first.
    fn identity_of(&self, contact: ContactId) -> Result<Vec<ContactId>, Impossible> {
        let folded = self.get(contact).ok_or(Impossible::NoSuchContact(contact))?;
        let mut id = if folded.linked_to == NONE { contact.0 } else { folded.linked_to };
        let mut everybody = Vec::new();
        while id != NONE {
            let contact = ContactId(id);
            everybody.push(contact);
            id = self.get(contact).ok_or(Impossible::NoSuchContact(contact))?.next;
        }
        Ok(everybody)
    }

    fn known_mut(&mut self, contact: ContactId) -> Result<&mut Folded, Impossible> {
        self.get_mut(contact).ok_or(Impossible::NoSuchContact(contact))
    }

    /// The digest of a value that a contact bears.
    pub(crate) fn borne(&self, Ownership { contact, kind }: &Ownership) -> Result<u64, Impossible> {
        let folded = self.get(*contact).ok_or(Impossible::NoSuchContact(*contact))?;
        let digest = match kind {
            IdentifierKind::Email => folded.borne[0],
            IdentifierKind::Phone => folded.borne[1],
            IdentifierKind::Declared(_) => {
                let borne = self.declared.get(contact).and_then(|borne| borne.get(kind));
                borne.copied().unwrap_or_default()
            }
        };
        if digest == 0 { Err(Impossible::NotBorne(*contact)) } else { Ok(digest) }
    }
}

/// The digests of a contact's e-mail and phone number.
fn built_in(identifiers: &[Identifier]) -> [u64; 2] {
    [IdentifierKind::Email, IdentifierKind::Phone].map(|kind| {
        let value = identifiers.iter().find(|identifier| *identifier.kind() == kind);
        value.map(digest).unwrap_or_default()
    })
}

/// What stands for an identifier: two that differ pass for equal once in 2^64.
pub(crate) fn digest(identifier: &Identifier) -> u64 {
    let mut hasher = DefaultHasher::new();
    identifier.hash(&mut hasher);
    hasher.finish()
}

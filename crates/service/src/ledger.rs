//! The log folded in little memory: what each contact must look like, as numbers and digests.
//!
//! A second way, beside every store's SQL, to carry out what `rules::apply` says; `check` compares the two.
//! Values are kept as 64-bit digests: two rows that differ pass for equal once in 2^64.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};

use selfsame_rules::{Contact, ContactId, Identifier, Tables, Timestamp};

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
            next: NONE,
            last: id.0,
        });
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
}

/// What stands for an identifier: two that differ pass for equal once in 2^64.
pub(crate) fn digest(identifier: &Identifier) -> u64 {
    let mut hasher = DefaultHasher::new();
    identifier.hash(&mut hasher);
    hasher.finish()
}

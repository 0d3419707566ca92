//! The log folded in little memory: what each contact must look like, as numbers and digests.
//!
//! A second way, beside every store's SQL, to carry out what `rules::apply` says; `check` compares the two.
//! Values are kept as 64-bit digests: two rows that differ pass for equal once in 2^64.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use selfsame_rules::{Contact, ContactId, Identifier, Tables, Timestamp};

/// No contact: ids begin at 1.
const NONE: i64 = 0;

/// The most ids that may be left out before one. Only a damaged number leaves out more, and it must not cost its
/// size in memory.
const IDS_LEFT_OUT_MAX: usize = 10_000_000;

/// What one contact must look like: the same few bytes, whatever its identifiers.
#[derive(Clone, Copy, Debug)]
struct Folded {
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

/// Contacts by id from 1. Ids that the log skips stay empty.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    contacts: Vec<Option<Folded>>,
    /// Deleted contacts by the primary that they link to and that no event made yet: an adopted one may be older.
    waiting: BTreeMap<ContactId, Vec<ContactId>>,
}

/// An event that can't follow from those before it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Impossible {
    /// Ids are never given twice, and begin at 1.
    #[error("it makes contact {0}, whose id was given before or is none")]
    IdTaken(ContactId),
    /// Ids follow each other.
    #[error("it makes contact {0}, whose id is far from all before it")]
    IdOutOfReach(ContactId),
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

    /// The ids that the log made, in order.
    pub(crate) fn ids(&self) -> impl Iterator<Item = ContactId> {
        self.contacts.iter().zip(0..).filter(|(folded, _)| folded.is_some()).map(|(_, id)| ContactId(id))
    }

    /// The highest id that the log gave; 0 before the first.
    pub(crate) fn last_id(&self) -> ContactId {
        self.ids().last().unwrap_or(ContactId(NONE))
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

    /// The contacts whose stored ownerships are not those of the log.
    pub(crate) fn wrongly_owning(&self) -> impl Iterator<Item = ContactId> {
        self.ids().filter(|id| self.get(*id).is_some_and(|folded| folded.owns != 0))
    }

    /// The place of an id in a list by id; none for an id that no list of this length should reach.
    pub(crate) fn place(&self, id: ContactId) -> Option<usize> {
        let place = usize::try_from(id.0).ok()?;
        (place <= self.contacts.len().saturating_add(IDS_LEFT_OUT_MAX)).then_some(place)
    }

    fn get(&self, id: ContactId) -> Option<&Folded> {
        self.contacts.get(usize::try_from(id.0).ok()?)?.as_ref()
    }

    fn get_mut(&mut self, id: ContactId) -> Option<&mut Folded> {
        self.contacts.get_mut(usize::try_from(id.0).ok()?)?.as_mut()
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
        if id.0 == NONE || self.get(id).is_some() {
            return Err(Impossible::IdTaken(id));
        }
        let place = self.place(id).ok_or(Impossible::IdOutOfReach(id))?;
        if self.contacts.len() <= place {
            self.contacts.resize(place + 1, None);
        }
        self.contacts[place] = Some(Folded {
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

fn digest(identifier: &Identifier) -> u64 {
    let mut hasher = DefaultHasher::new();
    identifier.hash(&mut hasher);
    hasher.finish()
}

//! What a decision looks at: every identity that a batch touches, whole, and where the log stands.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::{Contact, ContactId, Identifier, Identities, Members, Sequence, Timestamp, TooLarge};

/// Where a workspace's log and counters stand.
///
/// ```
/// use selfsame_rules::{ContactId, Head, Sequence};
///
/// assert_eq!(Head::EMPTY.last_sequence, Sequence(0));
/// assert_eq!(Head::EMPTY.last_contact, ContactId(0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The sequence of the last event; 0 before the first.
    pub last_sequence: Sequence,
    /// The highest contact id ever given; 0 before the first.
    pub last_contact: ContactId,
    /// The moment of the last event.
    pub last_event_at: Timestamp,
}

impl Head {
    /// The head of a log without events.
    pub const EMPTY: Self = Self {
        last_sequence: Sequence(0),
        last_contact: ContactId(0),
        last_event_at: Timestamp::from_milliseconds(i64::MIN),
    };
}

/// The live contacts of every identity that a batch touches, and who owns the batch's identifiers.
///
/// It is for a workspace of the default policy in which nothing was ever corrected, refused or deleted: there, what a
/// contact bears is owned within its identity. Of any other, a [`crate::Register`] is made.
///
/// [`Neighbourhood::new`] refuses rows that can't be: a decision on half an identity would be wrong for good.
///
/// ```
/// use selfsame_rules::{Contact, ContactId, Head, Incoherent, Neighbourhood, Timestamp};
///
/// let at = Timestamp::from_milliseconds(7);
/// let orphan = Contact {
///     id: ContactId(2),
///     identifiers: Vec::new(),
///     linked_to: Some(ContactId(1)),
///     created_at: at,
///     updated_at: at,
///     deleted_at: None,
/// };
/// let refused = Neighbourhood::new(Head::EMPTY, [orphan], []).unwrap_err();
/// assert_eq!(refused, Incoherent::NoPrimary { contact: ContactId(2), primary: ContactId(1) });
/// ```
#[derive(Clone, Debug)]
pub struct Neighbourhood {
    head: Head,
    contacts: BTreeMap<ContactId, Contact>,
    /// The contacts of each identity, by its primary, oldest first.
    identities: BTreeMap<ContactId, BTreeSet<(Timestamp, ContactId)>>,
    owners: BTreeMap<Identifier, ContactId>,
}

impl Neighbourhood {
    /// A neighbourhood of these rows, in any order.
    ///
    /// `contacts`: all live contacts of each identity touched. `owners`: for each identifier of the batch that
    /// somebody owns, the contact that owns it.
    ///
    /// # Errors
    ///
    /// [`Incoherent`] if a contact links to one that isn't there or is no primary, or if an owner isn't there.
    pub fn new(
        head: Head,
        contacts: impl IntoIterator<Item = Contact>,
        owners: impl IntoIterator<Item = (Identifier, ContactId)>,
    ) -> Result<Self, Incoherent> {
        let contacts: BTreeMap<_, _> = contacts.into_iter().map(|contact| (contact.id, contact)).collect();
        let owners: BTreeMap<_, _> = owners.into_iter().collect();
        let mut identities: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for contact in contacts.values() {
            let primary = contact.primary();
            if contacts.get(&primary).is_none_or(|primary| primary.linked_to.is_some()) {
                return Err(Incoherent::NoPrimary { contact: contact.id, primary });
            }
            identities.entry(primary).or_default().insert(contact.age());
        }
        if let Some(missing) = owners.values().find(|owner| !contacts.contains_key(owner)) {
            return Err(Incoherent::NoOwner { owner: *missing });
        }
        Ok(Self { head, contacts, identities, owners })
    }
}

impl Identities for Neighbourhood {
    fn head(&self) -> Head {
        self.head
    }

    fn owner(&self, identifier: &Identifier) -> Option<ContactId> {
        self.owners.get(identifier).map(|owner| self.contacts[owner].primary())
    }

    fn size(&self, primary: ContactId) -> usize {
        self.identities[&primary].len()
    }

    fn created_at(&self, primary: ContactId) -> Timestamp {
        self.contacts[&primary].created_at
    }

    fn members(&self, primary: ContactId, members: &mut Members) {
        members.reserve(self.identities[&primary].len());
        let mut seen = HashSet::new();
        for (created_at, id) in &self.identities[&primary] {
            let borne = &self.contacts[id].identifiers;
            let brought = borne.iter().filter(|identifier| seen.insert(*identifier));
            members.add(*created_at, *id, brought.cloned());
        }
    }

    fn bears(&self, primary: ContactId, identifier: &Identifier) -> bool {
        self.identities[&primary].iter().any(|(_, id)| self.contacts[id].identifiers.contains(identifier))
    }
}

/// Rows that no sequence of events could have made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Incoherent {
    /// A secondary without its primary.
    #[error("contact {contact} is linked to contact {primary}, which is no live primary")]
    NoPrimary {
        /// The secondary.
        contact: ContactId,
        /// What it links to.
        primary: ContactId,
    },
    /// A contact whose number another has.
    #[error("contact {contact} is there twice")]
    Repeated {
        /// The number.
        contact: ContactId,
    },
    /// A contact that an index can't hold.
    #[error("contact {contact} can't be held in memory: {why}")]
    TooLarge {
        /// The contact.
        contact: ContactId,
        /// What is too large.
        why: TooLarge,
    },
    /// An identifier whose owner is no live contact.
    #[error("an identifier is owned by contact {owner}, which is no live contact")]
    NoOwner {
        /// The owner that isn't there.
        owner: ContactId,
    },
}

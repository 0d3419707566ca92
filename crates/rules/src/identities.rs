//! What a decision looks at: identities, whichever way they are held.

use std::collections::BTreeMap;

use crate::{
    ContactId, Event, Head, Identifier, IdentifierKind, Policy, RecordedRefusal, SeenIdentifier, Sequence,
    Timestamp,
};

/// Identities that a decision can look at: at least every one that owns an identifier of the batch, whole.
///
/// A [`crate::Neighbourhood`] holds just those, an [`crate::IdentityIndex`] a whole workspace. The rules don't see
/// which: [`crate::decide`] is the same function on both.
pub trait Identities {
    /// Where the log stands.
    fn head(&self) -> Head;

    /// The primary of the identity that owns the identifier.
    fn owner(&self, identifier: &Identifier) -> Option<ContactId>;

    /// How many contacts the primary's identity has.
    fn size(&self, primary: ContactId) -> usize;

    /// When a primary was made.
    fn created_at(&self, primary: ContactId) -> Timestamp;

    /// Whether the primary's identity has more contacts than that.
    fn is_larger(&self, primary: ContactId, than: usize) -> bool {
        self.size(primary) > than
    }

    /// Adds the contacts of the primary's identity, oldest first, to `members`.
    fn members(&self, primary: ContactId, members: &mut Members);

    /// Adds at most so many contacts of the primary's identity, oldest first: those after `after`, or the oldest. Where there is
    /// nothing to gain by parts, all at once.
    fn some_members(
        &self,
        primary: ContactId,
        _after: Option<ContactId>,
        _most: usize,
        members: &mut Members,
    ) -> Part {
        self.members(primary, members);
        Part::Last
    }

    /// The primary of the identity that a contact is in now; `None` if that has no live one.
    fn identity_of(&self, contact: ContactId) -> Option<ContactId> {
        Some(contact)
    }

    /// The last event that changed identities otherwise than observations do, so that contacts may have left them; or any later one.
    fn corrected(&self) -> Sequence {
        self.head().last_sequence
    }

    /// Whether a contact of the primary's identity bears the identifier, whoever owns it.
    fn bears(&self, primary: ContactId, identifier: &Identifier) -> bool;

    /// How many identifiers of each kind the primary's identity owns.
    fn owned_kinds(&self, primary: ContactId) -> BTreeMap<IdentifierKind, usize> {
        let (mut members, mut counts) = (Members::default(), BTreeMap::new());
        self.members(primary, &mut members);
        for identifier in members.iter().flat_map(|(_, _, owned)| owned) {
            *counts.entry(identifier.kind().clone()).or_default() += 1;
        }
        counts
    }

    /// The workspace's policy; `None` while that is the default one.
    fn policy(&self) -> Option<&Policy> {
        None
    }

    /// Whether a correction or a review keeps the identities of two primaries apart.
    fn kept_apart(&self, _one: ContactId, _other: ContactId) -> bool {
        false
    }

    /// The recorded refusals of exactly this evidence, in any order.
    fn refusals(&self, _evidence: &[SeenIdentifier]) -> Vec<RecordedRefusal> {
        Vec::new()
    }
}

/// What came of asking for some contacts of an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// There are more.
    More,
    /// These were the youngest.
    Last,
    /// The primary is none any more, or the contact is no longer with it.
    Gone,
}

/// The contacts of an identity, each with the identifiers that no older one brought.
///
/// ```
/// use selfsame_rules::{ContactId, Identifier, IdentifierKind, Members, Timestamp};
///
/// let phone = Identifier::parse(&IdentifierKind::Phone, "12-34").unwrap();
/// let mut members = Members::default();
/// members.add(Timestamp::from_milliseconds(7), ContactId(1), phone);
/// let (at, id, brought) = members.iter().next().unwrap();
/// assert_eq!((at.as_milliseconds(), id, brought[0].value()), (7, ContactId(1), "1234"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Members {
    members: Vec<Member>,
    identifiers: Vec<Identifier>,
}

#[derive(Clone, Copy, Debug)]
struct Member {
    age: (Timestamp, ContactId),
    /// Where its identifiers end; they begin where those of the member before it end.
    end: usize,
}

impl Members {
    /// Makes room for so many more contacts at once, with two identifiers each: of very many, growing by and by costs more than
    /// all else that is done with them.
    pub fn reserve(&mut self, contacts: usize) {
        self.members.reserve(contacts);
        self.identifiers.reserve(contacts.saturating_mul(2));
    }

    /// Adds a contact, and the identifiers that it brought to its identity.
    pub fn add(
        &mut self,
        created_at: Timestamp,
        id: ContactId,
        brought: impl IntoIterator<Item = Identifier>,
    ) {
        self.identifiers.extend(brought);
        self.members.push(Member { age: (created_at, id), end: self.identifiers.len() });
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The contact that was added last.
    pub(crate) fn last(&self) -> Option<ContactId> {
        self.members.last().map(|member| member.age.1)
    }

    /// Each contact: when it was made, its number, and the identifiers that it brought.
    pub fn iter(&self) -> impl Iterator<Item = (Timestamp, ContactId, &[Identifier])> {
        let begins = std::iter::once(0).chain(self.members.iter().map(|member| member.end));
        self.members.iter().zip(begins).map(|(member, begin)| {
            let (created_at, id) = member.age;
            (created_at, id, &self.identifiers[begin..member.end])
        })
    }

    /// The numbers of the contacts and the identifiers, both in the order of age.
    pub(crate) fn in_order(self) -> (Vec<ContactId>, Vec<Identifier>) {
        if self.members.is_sorted_by_key(|member| member.age) {
            return (self.members.iter().map(|member| member.age.1).collect(), self.identifiers);
        }
        let mut sorted = Vec::with_capacity(self.members.len());
        sorted.extend(self.iter());
        // Stable and quick on what it is: a few runs that are each in order.
        sorted.sort_by_key(|(created_at, id, _)| (*created_at, *id));
        let mut identifiers = Vec::with_capacity(self.identifiers.len());
        sorted.iter().for_each(|(_, _, brought)| identifiers.extend_from_slice(brought));
        (sorted.into_iter().map(|(_, id, _)| id).collect(), identifiers)
    }
}

impl Head {
    /// Where the log stands after `event`, which is its next.
    pub fn after(self, event: &Event) -> Self {
        let given = event.made().last().map(|(contact, _)| contact);
        Self {
            last_sequence: event.sequence,
            last_contact: self.last_contact.max(given.unwrap_or(self.last_contact)),
            last_event_at: event.at,
        }
    }
}

//! A page of a person's contacts, which is read without the others.

use std::collections::BTreeSet;

use selfsame_rules::{Contact, ContactId, Identifier, Identities, Register, RegisterRow, Timestamp};

/// Whose contacts are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageOf {
    /// The person of that contact: any of their numbers, a deleted one's too.
    Contact(ContactId),
    /// Whoever owns the identifier.
    Owner(Identifier),
}

/// Which of a person's live contacts are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageAsked {
    /// Whose.
    pub whom: PageOf,
    /// Those after that age ([`Contact::age`]); from the oldest on where there is none.
    pub after: Option<(Timestamp, ContactId)>,
    /// So many at most.
    pub most: usize,
}

/// A page of a person's live contacts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonPage {
    /// The contact that stands for them.
    pub primary: ContactId,
    /// How many of their contacts live, on all pages; 0 if they have none left, and there is no page then.
    pub count: usize,
    /// The contacts of the page, oldest first.
    pub contacts: Vec<Contact>,
    /// Whether others come after these.
    pub more: bool,
    /// What these bear and the person owns.
    pub owned: BTreeSet<Identifier>,
}

impl PersonPage {
    /// The page of whom a register has whole; nothing where it doesn't have the contact, or nobody of it owns the identifier.
    ///
    /// ```
    /// use selfsame_rules::{Actor, ContactId, Head, IdentifierKind, Observation, Register, SeenIdentifier, Timestamp, decide};
    /// use selfsame_store::{PageAsked, PageOf, PersonPage};
    ///
    /// let email = SeenIdentifier::parse(&IdentifierKind::Email, "doc@hill.edu").unwrap();
    /// let seen = Observation::new(Actor::named("example"), email).unwrap();
    /// let mut register = Register::new(Head::EMPTY);
    /// for event in decide(&register, &[seen], Timestamp::from_milliseconds(1)).events {
    ///     register.follow(&event).unwrap();
    /// }
    /// let asked = PageAsked { whom: PageOf::Contact(ContactId(1)), after: None, most: 10 };
    /// let page = PersonPage::of(&register, &asked).unwrap();
    /// assert_eq!((page.count, page.contacts.len(), page.owned.len(), page.more), (1, 1, 1, false));
    /// ```
    pub fn of(register: &Register, asked: &PageAsked) -> Option<Self> {
        let primary = match &asked.whom {
            PageOf::Contact(contact) => register.contact(*contact)?.primary(),
            PageOf::Owner(identifier) => register.owner(identifier)?,
        };
        let everybody = register.everybody(primary);
        let everybody = everybody.iter().filter_map(|id| register.contact(*id));
        let mut live: Vec<&Contact> = everybody.filter(|row| row.deleted_at.is_none()).collect();
        live.sort_by_key(|row| row.age());
        let count = live.len();
        let begin = asked.after.map_or(0, |after| live.partition_point(|row| row.age() <= after));
        let contacts: Vec<Contact> =
            live[begin..].iter().take(asked.most).map(|row| (*row).clone()).collect();
        let borne = contacts.iter().flat_map(|row| &row.identifiers);
        let owned = borne.filter(|value| register.owner(value) == Some(primary)).cloned().collect();
        Some(Self { primary, count, more: begin + contacts.len() < count, contacts, owned })
    }

    /// The page of these rows, oldest first; `others`: what they bear and another contact of the person owns.
    pub fn of_rows(
        primary: ContactId,
        count: usize,
        rows: Vec<RegisterRow>,
        more: bool,
        others: impl IntoIterator<Item = Identifier>,
    ) -> Self {
        let (mut contacts, mut owned) = (Vec::with_capacity(rows.len()), BTreeSet::from_iter(others));
        for RegisterRow { contact, owns } in rows {
            owned.extend(contact.identifiers.iter().filter(|value| owns.contains(value.kind())).cloned());
            contacts.push(contact);
        }
        Self { primary, count, contacts, more, owned }
    }
}

/// What rows bear and do not own themselves, each once: another contact of their person may.
pub fn left_to_others(rows: &[RegisterRow]) -> Vec<Identifier> {
    let borne = rows.iter().flat_map(|RegisterRow { contact, owns }| {
        contact.identifiers.iter().filter(|value| !owns.contains(value.kind()))
    });
    borne.collect::<BTreeSet<_>>().into_iter().cloned().collect()
}

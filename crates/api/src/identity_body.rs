//! A person as JSON: their contacts in pages, each with what it bears.

use std::collections::BTreeSet;

use selfsame_rules::{Contact, ContactId, Identifier, Register, Timestamp};
use selfsame_store::{PageAsked, PageOf, PersonPage};
use serde::Serialize;
use utoipa::ToSchema;

use crate::event_body::IdentifierBody;
use crate::page::{Page, Place, invalid_cursor};
use crate::problem::Problem;
use crate::times;

/// The name of the list that a person's contacts are.
pub(crate) const CONTACTS: &str = "contacts";

/// A person, and a page of their contacts.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Identity)]
pub(crate) struct IdentityBody {
    /// The oldest of their contacts, which stands for them.
    primary_contact_id: i64,
    /// How many contacts they have, on all pages.
    contact_count: usize,
    /// What they own, of the contacts of this page: each once, the oldest contact's first.
    identifiers: Vec<IdentifierBody>,
    /// What the contacts of this page bear and they don't own: blocked, claimed, or left behind by a correction.
    unowned_identifiers: Vec<IdentifierBody>,
    /// Oldest first.
    contacts: Vec<ContactBody>,
    /// Leads to the next page of contacts; null after the last.
    #[schema(required = true)]
    next_cursor: Option<String>,
}

/// A contact: what was seen at one moment.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Contact)]
pub(crate) struct ContactBody {
    id: i64,
    /// RFC 3339, UTC.
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
    identifiers: Vec<IdentifierBody>,
}

impl IdentityBody {
    /// The page that was asked for.
    pub(crate) fn of(found: &PersonPage, page: &Page) -> Self {
        let (mut seen, mut owned, mut unowned) = (BTreeSet::new(), Vec::new(), Vec::new());
        for value in found.contacts.iter().flat_map(|row| &row.identifiers) {
            if seen.insert(value) {
                let is_theirs = found.owned.contains(value);
                if is_theirs { &mut owned } else { &mut unowned }.push(IdentifierBody::of(value));
            }
        }
        let last = found.contacts.last().filter(|_| found.more);
        Self {
            primary_contact_id: found.primary.0,
            contact_count: found.count,
            identifiers: owned,
            unowned_identifiers: unowned,
            contacts: found.contacts.iter().map(ContactBody::of).collect(),
            next_cursor: last.map(|row| page.cursor(&place_of(row.age()))),
        }
    }

    /// The first page of whom a register has whole.
    pub(crate) fn first_of(register: &Register, primary: ContactId) -> Option<Self> {
        let page = Page::first(CONTACTS);
        let asked = PageAsked { whom: PageOf::Contact(primary), after: None, most: page.limit() };
        PersonPage::of(register, &asked).map(|found| Self::of(&found, &page))
    }
}

/// Where a contact of that age stands in the list, and in its cursors.
fn place_of((created_at, id): (Timestamp, ContactId)) -> Place {
    (created_at.as_milliseconds(), id.0.to_string())
}

/// The age that a page of contacts begins after.
pub(crate) fn age_before(page: &Page) -> Result<Option<(Timestamp, ContactId)>, Problem> {
    let Some((created_at, id)) = page.after_place() else { return Ok(None) };
    let id = id.parse().map_err(|_| invalid_cursor())?;
    Ok(Some((Timestamp::from_milliseconds(*created_at), ContactId(id))))
}

impl ContactBody {
    fn of(row: &Contact) -> Self {
        let identifier = |value: &Identifier| IdentifierBody::of(value);
        Self {
            id: row.id.0,
            created_at: times::write(row.created_at),
            updated_at: times::write(row.updated_at),
            identifiers: row.identifiers.iter().map(identifier).collect(),
        }
    }
}

//! A person as JSON: their contacts in pages, each with what it bears.

use std::collections::BTreeSet;

use selfsame_rules::{Contact, ContactId, Identifier, Identities, Register};
use serde::Serialize;
use utoipa::ToSchema;

use crate::event_body::IdentifierBody;
use crate::page::Page;
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
    /// The person whose primary it is.
    pub(crate) fn of(register: &Register, primary: ContactId, page: &Page) -> Self {
        let live = register.everybody(primary);
        let live = live.iter().filter_map(|id| register.contact(*id)).filter(|row| row.deleted_at.is_none());
        let all: Vec<&Contact> = live.collect();
        let contact_count = all.len();
        // As long as all of a number, so that they sort as numbers do.
        let place = |row: &&Contact| (row.created_at.as_milliseconds(), format!("{:020}", row.id.0));
        let (rows, next_cursor) = page.of(all, place);
        let (mut seen, mut owned, mut unowned) = (BTreeSet::new(), Vec::new(), Vec::new());
        for value in rows.iter().flat_map(|row| &row.identifiers) {
            if seen.insert(value) {
                let is_theirs = register.owner(value) == Some(primary);
                if is_theirs { &mut owned } else { &mut unowned }.push(IdentifierBody::of(value));
            }
        }
        Self {
            primary_contact_id: primary.0,
            contact_count,
            identifiers: owned,
            unowned_identifiers: unowned,
            contacts: rows.into_iter().map(ContactBody::of).collect(),
            next_cursor,
        }
    }
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

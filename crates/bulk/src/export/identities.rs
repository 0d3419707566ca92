//! A customer as a row: who they are, by all that they own.

use std::borrow::Cow;

use selfsame_rules::{IdentifierKind, RegisterRow};
use serde::Serialize;

use super::ExportError;
use super::contacts::time;
use super::table::{Row, number};

pub(super) const HEADER: [&str; 7] = [
    "primaryContactId",
    "emails",
    "phoneNumbers",
    "otherIdentifiers",
    "secondaryContactIds",
    "createdAt",
    "updatedAt",
];

/// Lists are in the order of SEMANTICS: the primary's own first, the rest in the order of their contacts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct IdentityRow<'identity> {
    primary_contact_id: i64,
    emails: Vec<&'identity str>,
    phone_numbers: Vec<&'identity str>,
    /// Of the kinds that the policy declares.
    other_identifiers: Vec<OtherIdentifier<'identity>>,
    secondary_contact_ids: Vec<i64>,
    /// The primary's.
    created_at: String,
    /// The latest of a live contact's.
    updated_at: String,
}

#[derive(Serialize)]
struct OtherIdentifier<'identity> {
    kind: &'identity str,
    value: &'identity str,
}

impl<'identity> IdentityRow<'identity> {
    /// `contacts`: the live ones, oldest first, at least one.
    pub(super) fn of(contacts: &'identity [RegisterRow]) -> Result<Self, ExportError> {
        let (primary, secondaries) = contacts.split_first().expect("an identity has a live contact");
        let updated_at = contacts.iter().map(|row| row.contact.updated_at).max();
        let mut row = Self {
            primary_contact_id: primary.contact.id.0,
            emails: Vec::new(),
            phone_numbers: Vec::new(),
            other_identifiers: Vec::new(),
            secondary_contact_ids: secondaries.iter().map(|row| row.contact.id.0).collect(),
            created_at: time(primary.contact.created_at)?,
            updated_at: time(updated_at.unwrap_or(primary.contact.updated_at))?,
        };
        for RegisterRow { contact, owns } in contacts {
            // What was erased since an earlier moment stands there as a token, which is nobody's value.
            let owned =
                contact.identifiers.iter().filter(|value| owns.contains(value.kind()) && !value.is_erased());
            for value in owned {
                match value.kind() {
                    IdentifierKind::Email => row.emails.push(value.value()),
                    IdentifierKind::Phone => row.phone_numbers.push(value.value()),
                    kind @ IdentifierKind::Declared(_) => {
                        row.other_identifiers
                            .push(OtherIdentifier { kind: kind.name(), value: value.value() });
                    }
                }
            }
        }
        Ok(row)
    }
}

/// E-mail addresses, phone numbers and ids have no space in them, so one stands between each two. Other values may have any
/// character: their list is JSON, or empty.
impl Row for IdentityRow<'_> {
    fn cells(&self) -> Vec<Cow<'_, str>> {
        let secondaries: Vec<String> = self.secondary_contact_ids.iter().map(i64::to_string).collect();
        let others = match &self.other_identifiers[..] {
            [] => String::new(),
            others => serde_json::to_string(others).expect("they are texts"),
        };
        vec![
            number(Some(self.primary_contact_id)),
            self.emails.join(" ").into(),
            self.phone_numbers.join(" ").into(),
            others.into(),
            secondaries.join(" ").into(),
            self.created_at.as_str().into(),
            self.updated_at.as_str().into(),
        ]
    }
}

//! A contact as a row of the original's table, its fields in the original's order.

use std::borrow::Cow;

use selfsame_rules::{Contact, Identifier, IdentifierKind, Timestamp};
use serde::Serialize;

use super::ExportError;
use super::table::{Row, number};
use crate::rfc3339;

pub(super) const HEADER: [&str; 8] =
    ["id", "phoneNumber", "email", "linkedId", "linkPrecedence", "createdAt", "updatedAt", "deletedAt"];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ContactRow<'contact> {
    id: i64,
    phone_number: Option<&'contact str>,
    email: Option<&'contact str>,
    linked_id: Option<i64>,
    link_precedence: &'static str,
    created_at: String,
    updated_at: String,
    deleted_at: Option<String>,
}

impl<'contact> ContactRow<'contact> {
    pub(super) fn of(contact: &'contact Contact) -> Result<Self, ExportError> {
        let value = |kind| {
            let of_kind = |identifier: &&Identifier| *identifier.kind() == kind;
            contact.identifiers.iter().find(of_kind).map(Identifier::value)
        };
        Ok(Self {
            id: contact.id.0,
            phone_number: value(IdentifierKind::Phone),
            email: value(IdentifierKind::Email),
            linked_id: contact.linked_to.map(|primary| primary.0),
            link_precedence: if contact.linked_to.is_none() { "primary" } else { "secondary" },
            created_at: time(contact.created_at)?,
            updated_at: time(contact.updated_at)?,
            deleted_at: contact.deleted_at.map(time).transpose()?,
        })
    }
}

impl Row for ContactRow<'_> {
    fn cells(&self) -> Vec<Cow<'_, str>> {
        vec![
            number(Some(self.id)),
            self.phone_number.unwrap_or_default().into(),
            self.email.unwrap_or_default().into(),
            number(self.linked_id),
            self.link_precedence.into(),
            self.created_at.as_str().into(),
            self.updated_at.as_str().into(),
            self.deleted_at.as_deref().unwrap_or_default().into(),
        ]
    }
}

pub(super) fn time(time: Timestamp) -> Result<String, ExportError> {
    rfc3339::write(time).ok_or(ExportError::Time)
}

//! A contact as a row of `contacts`, both ways.

use rusqlite::types::Type;
use rusqlite::{Row, ToSql};
use selfsame_rules::{Contact, ContactId, Identifier, IdentifierKind, Timestamp};
use selfsame_store::declared_text;

/// The columns that [`contact`] and [`owned`] read, in their order.
pub(crate) const CONTACTS: &str =
    "SELECT id, email, phone, declared, linked_id, created_at_ms, updated_at_ms,
        deleted_at_ms, owns_email, owns_phone, owns_declared
    FROM contacts WHERE workspace = ?1 ORDER BY id";

/// Reads a contact from a row of [`CONTACTS`].
pub(crate) fn contact(row: &Row<'_>) -> rusqlite::Result<Contact> {
    let mut identifiers = Vec::with_capacity(2);
    if let Some(email) = text(row, 1)? {
        identifiers.push(Identifier::from_stored(IdentifierKind::Email, email));
    }
    if let Some(phone) = text(row, 2)? {
        identifiers.push(Identifier::from_stored(IdentifierKind::Phone, phone));
    }
    if let Some(declared) = text(row, 3)? {
        identifiers.extend(declared_text::read(declared).map_err(|_| unreadable(3))?);
    }
    Ok(Contact {
        id: ContactId(row.get(0)?),
        identifiers,
        linked_to: row.get::<_, Option<i64>>(4)?.map(ContactId),
        created_at: Timestamp::from_milliseconds(row.get(5)?),
        updated_at: Timestamp::from_milliseconds(row.get(6)?),
        deleted_at: row.get::<_, Option<i64>>(7)?.map(Timestamp::from_milliseconds),
    })
}

/// Those of a contact's identifiers that its row says it owns.
pub(crate) fn owned(row: &Row<'_>, contact: &Contact) -> rusqlite::Result<Vec<Identifier>> {
    let (email, phone): (bool, bool) = (row.get(8)?, row.get(9)?);
    let declared = kinds_in(text(row, 10)?)?;
    let owns = |kind: &IdentifierKind| match kind {
        IdentifierKind::Email => email,
        IdentifierKind::Phone => phone,
        IdentifierKind::Declared(_) => declared.contains(kind),
    };
    Ok(contact.identifiers.iter().filter(|identifier| owns(identifier.kind())).cloned().collect())
}

/// The kinds that the text of `owns_declared` lists.
pub(crate) fn kinds_in(text: Option<&str>) -> rusqlite::Result<Vec<IdentifierKind>> {
    let Some(text) = text else { return Ok(Vec::new()) };
    let names: Vec<String> = serde_json::from_str(text).map_err(|_| unreadable(10))?;
    names.iter().map(|name| IdentifierKind::from_name(name).map_err(|_| unreadable(10))).collect()
}

/// The text of `owns_declared` for these kinds; nothing if none of them is a declared one.
pub(crate) fn kinds_text(kinds: &[IdentifierKind]) -> Option<String> {
    let declared = kinds.iter().filter(|kind| matches!(kind, IdentifierKind::Declared(_)));
    let names: Vec<&str> = declared.map(IdentifierKind::name).collect();
    (!names.is_empty()).then(|| serde_json::Value::from(names).to_string())
}

/// The value that a built-in kind has among these identifiers: its column.
pub(crate) fn column<'contact>(
    identifiers: &'contact [Identifier],
    kind: &IdentifierKind,
) -> impl ToSql + use<'contact> {
    identifiers.iter().find(|identifier| identifier.kind() == kind).map(Identifier::value)
}

/// The error of a column that isn't what this version writes. Without the text: that is somebody's data.
pub(crate) fn unreadable(column: usize) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, "not what this version writes".into())
}

/// The text of a column, or nothing where it is null.
pub(crate) fn text<'row>(row: &'row Row<'_>, column: usize) -> rusqlite::Result<Option<&'row str>> {
    Ok(row.get_ref(column)?.as_str_or_null()?)
}

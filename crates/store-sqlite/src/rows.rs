//! A contact as a row of `contacts`, both ways.

use rusqlite::types::Type;
use rusqlite::{Row, ToSql};
use selfsame_rules::{Contact, ContactId, Identifier, IdentifierKind, Timestamp};
use selfsame_store::declared_text;

/// The columns that [`contact`] reads, in its order.
macro_rules! contact_columns {
    () => {
        "id, email, phone, declared, linked_id, created_at_ms, updated_at_ms, deleted_at_ms"
    };
}
pub(crate) use contact_columns;

/// Reads a contact from a row of [`contact_columns`].
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
fn text<'row>(row: &'row Row<'_>, column: usize) -> rusqlite::Result<Option<&'row str>> {
    Ok(row.get_ref(column)?.as_str_or_null()?)
}

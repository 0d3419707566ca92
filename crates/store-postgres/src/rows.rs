//! Rows of the tables as the rules' values.

use selfsame_rules::{Contact, ContactId, Head, Identifier, IdentifierKind, Sequence, Timestamp};
use selfsame_store::{Counts, StoreError, declared_text};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

/// Reads a column by name.
pub(crate) fn get<'row, T: FromSql<'row>>(row: &'row Row, column: &str) -> Result<T, StoreError> {
    // A column of another type is what a newer or a strange schema has; the error says why, not what is in it.
    row.try_get(column)
        .map_err(|error| StoreError::failed(format!("the column `{column}` can't be read: {error}")))
}

/// The columns in which a row bears identifiers.
pub(crate) struct Bearing<'row> {
    pub(crate) email: Option<&'row str>,
    pub(crate) phone: Option<&'row str>,
    pub(crate) declared: Option<&'row str>,
}

/// The identifiers in them, in the order of kinds.
pub(crate) fn identifiers(bearing: &Bearing<'_>) -> Result<Vec<Identifier>, StoreError> {
    let mut identifiers = Vec::with_capacity(2);
    if let Some(email) = bearing.email {
        identifiers.push(Identifier::from_stored(IdentifierKind::Email, email));
    }
    if let Some(phone) = bearing.phone {
        identifiers.push(Identifier::from_stored(IdentifierKind::Phone, phone));
    }
    if let Some(declared) = bearing.declared {
        identifiers.extend(declared_text::read(declared).map_err(StoreError::failed)?);
    }
    Ok(identifiers)
}

/// A row of `contacts`, all its columns under their own names.
pub(crate) fn contact(row: &Row) -> Result<Contact, StoreError> {
    let bearing =
        Bearing { email: get(row, "email")?, phone: get(row, "phone")?, declared: get(row, "declared")? };
    Ok(Contact {
        id: ContactId(get(row, "id")?),
        identifiers: identifiers(&bearing)?,
        linked_to: get::<Option<i64>>(row, "linked_id")?.map(ContactId),
        created_at: time(row, "created_at_ms")?,
        updated_at: time(row, "updated_at_ms")?,
        deleted_at: time_if_any(row, "deleted_at_ms")?,
    })
}

/// Where the log of a row of `workspaces` stands.
pub(crate) fn head(row: &Row) -> Result<Head, StoreError> {
    Ok(Head {
        last_sequence: Sequence(get(row, "last_sequence")?),
        last_contact: ContactId(get(row, "last_contact_id")?),
        last_event_at: time(row, "last_event_at_ms")?,
    })
}

/// What a row of `workspaces` counts.
pub(crate) fn counts(row: &Row) -> Result<Counts, StoreError> {
    Ok(Counts { contacts: get(row, "contact_count")?, identities: get(row, "identity_count")? })
}

/// A column of Unix milliseconds.
pub(crate) fn time(row: &Row, column: &str) -> Result<Timestamp, StoreError> {
    get(row, column).map(Timestamp::from_milliseconds)
}

/// The same, which may be empty.
pub(crate) fn time_if_any(row: &Row, column: &str) -> Result<Option<Timestamp>, StoreError> {
    Ok(get::<Option<i64>>(row, column)?.map(Timestamp::from_milliseconds))
}

//! The rows that new events add up to, many at once, by COPY: PostgreSQL's bulk way in.
//!
//! Only for rows that are not there yet: COPY changes none.

use std::pin::pin;

use selfsame_rules::{Event, IdentifierKind, Timestamp};
use selfsame_store::{Changes, WorkspaceKey, declared_text, event_text};
use tokio_postgres::Client;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};

use crate::carry_out::{made_by, value};
use crate::statements::bulk::{COPY_CONTACTS, COPY_EVENTS, COPY_IDENTIFIERS};

/// As many rows are written between two reports.
const REPORTED_ROWS: u64 = 10_000;

/// Writes `events`, and the contacts and owners among `changes`, which are what the events add up to.
///
/// Within a transaction that the caller began. `written` is told from time to time how many rows that are so far.
pub(crate) async fn copy_in(
    client: &Client,
    workspace: WorkspaceKey,
    events: &[Event],
    changes: &Changes,
    written: &(dyn Fn(u64) + Sync),
) -> Result<(), tokio_postgres::Error> {
    let mut rows = Rows { count: 0, written };
    rows.copy(client, COPY_EVENTS, &EVENTS, events, |event| event_columns(workspace, event)).await?;
    let contacts = changes.contacts.values();
    rows.copy(client, COPY_CONTACTS, &CONTACTS, contacts, |contact| {
        vec![
            Box::new(workspace.0),
            Box::new(contact.id.0),
            Box::new(value(contact, &IdentifierKind::Email).map(str::to_owned)),
            Box::new(value(contact, &IdentifierKind::Phone).map(str::to_owned)),
            Box::new(declared_text::write(&contact.identifiers)),
            Box::new(contact.linked_to.map(|primary| primary.0)),
            Box::new(contact.created_at.as_milliseconds()),
            Box::new(contact.updated_at.as_milliseconds()),
            Box::new(contact.deleted_at.map(Timestamp::as_milliseconds)),
            Box::new(made_by(changes, contact.id)),
        ]
    })
    .await?;
    // In the order of their index, whose neighbours are then taken one after the other.
    let mut owners: Vec<_> =
        changes.owners.iter().map(|(owned, owner)| (owned.kind().name(), owned.value(), owner)).collect();
    owners.sort_unstable();
    rows.copy(client, COPY_IDENTIFIERS, &IDENTIFIERS, owners, |(kind, value, owner)| {
        vec![Box::new(workspace.0), Box::new(kind.to_owned()), Box::new(value.to_owned()), Box::new(owner.0)]
    })
    .await
}

/// A row's columns, in their order.
type Columns = Vec<Box<dyn ToSql + Sync + Send>>;

const EVENTS: [Type; 9] = [
    Type::INT8,
    Type::INT8,
    Type::INT8,
    Type::TEXT,
    Type::INT8,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
];
const CONTACTS: [Type; 10] = [
    Type::INT8,
    Type::INT8,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::INT8,
    Type::INT8,
    Type::INT8,
    Type::INT8,
    Type::INT8,
];
const IDENTIFIERS: [Type; 4] = [Type::INT8, Type::TEXT, Type::TEXT, Type::INT8];

/// How far the writing has come, over all tables.
struct Rows<'written> {
    count: u64,
    written: &'written (dyn Fn(u64) + Sync),
}

impl Rows<'_> {
    async fn copy<T>(
        &mut self,
        client: &Client,
        statement: &str,
        types: &[Type],
        rows: impl IntoIterator<Item = T>,
        columns: impl Fn(T) -> Columns,
    ) -> Result<(), tokio_postgres::Error> {
        let sink = client.copy_in(statement).await?;
        let mut writer = pin!(BinaryCopyInWriter::new(sink, types));
        for row in rows {
            writer.as_mut().write_raw(columns(row)).await?;
            self.count += 1;
            if self.count.is_multiple_of(REPORTED_ROWS) {
                (self.written)(self.count);
            }
        }
        writer.finish().await.map(|_| ())
    }
}

fn event_columns(workspace: WorkspaceKey, event: &Event) -> Columns {
    let row = event_text::write(event);
    vec![
        Box::new(workspace.0),
        Box::new(row.sequence),
        Box::new(row.at_ms),
        Box::new(row.kind),
        Box::new(row.format),
        Box::new(row.caused_by),
        Box::new(row.evidence),
        Box::new(row.outcome),
        Box::new(row.origin),
    ]
}

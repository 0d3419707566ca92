//! Writing many rows at once into an empty workspace, by COPY.

use std::pin::pin;

use selfsame_rules::{Adoption, Event, IdentifierKind, Timestamp};
use selfsame_store::{WorkspaceKey, declared_text, event_text};
use tokio_postgres::Client;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};

use crate::adopt::AdoptionStep;
use crate::carry_out::{advance, made_by, value};
use crate::statements::adoption::{COPY_CONTACTS, COPY_EVENTS, COPY_IDENTIFIERS};
use selfsame_store::Changes;

/// Writes the events of an adoption and what they add up to, within a transaction that the caller began.
pub(crate) async fn fill(
    client: &Client,
    adoption: &Adoption,
    progress: &(dyn Fn(AdoptionStep) + Sync),
) -> Result<(), tokio_postgres::Error> {
    let workspace = WorkspaceKey::DEFAULT;
    let Some(last) = adoption.events.last() else { return Ok(()) };
    let changes = Changes::of(&adoption.events);
    let total = (adoption.events.len() + changes.contacts.len() + changes.owners.len()) as u64;
    let mut rows = Rows { written: 0, total, progress };
    rows.copy(client, COPY_EVENTS, &EVENTS, &adoption.events, |event| event_columns(workspace, event))
        .await?;
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
            Box::new(made_by(&changes, contact.id)),
        ]
    })
    .await?;
    rows.copy(client, COPY_IDENTIFIERS, &IDENTIFIERS, &changes.owners, |(identifier, owner)| {
        vec![
            Box::new(workspace.0),
            Box::new(identifier.kind().name().to_owned()),
            Box::new(identifier.value().to_owned()),
            Box::new(owner.0),
        ]
    })
    .await?;
    advance(workspace, last, &changes).send(client).await
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
struct Rows<'progress> {
    written: u64,
    total: u64,
    progress: &'progress (dyn Fn(AdoptionStep) + Sync),
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
            self.written += 1;
            if self.written.is_multiple_of(10_000) {
                (self.progress)(AdoptionStep::Written(self.written, self.total));
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

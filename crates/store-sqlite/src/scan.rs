//! Scans: whole tables from one snapshot, in bounded memory.

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use selfsame_rules::{Contact, ContactId, Head, Identifier, IdentifierKind, Sequence};
use selfsame_store::event_text::{self, EventRow};
use selfsame_store::{Record, Scan, StoreError, WorkspaceKey};
use tokio::sync::mpsc;

use crate::error::store_error;
use crate::load::head;
use crate::rows::{self, contact_columns};

/// How many rows go to the receiver at once.
const ROWS_AT_ONCE: usize = 1_000;

const CONTACTS: &str =
    concat!("SELECT ", contact_columns!(), " FROM contacts WHERE workspace = ?1 ORDER BY id");

/// Why a scan ended early.
enum Stop {
    /// The receiver was dropped: it has seen enough.
    NobodyListens,
    Failed(rusqlite::Error),
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error)
    }
}

/// Sends what `what` names, in one read transaction.
pub(crate) fn scan(
    connection: &mut Connection,
    workspace: WorkspaceKey,
    what: Scan,
    into: mpsc::Sender<Vec<Record>>,
) -> Result<Head, StoreError> {
    let transaction = connection.transaction().map_err(store_error)?;
    let head = head(&transaction, workspace)?;
    let mut sink = Sink { rows: Vec::with_capacity(ROWS_AT_ONCE), into };
    let sent = match what {
        Scan::Contacts => contacts(&transaction, workspace, false, &mut sink),
        Scan::Everything => events(&transaction, workspace, &mut sink)
            .and_then(|()| contacts(&transaction, workspace, true, &mut sink))
            .and_then(|()| owners(&transaction, workspace, &mut sink)),
    };
    match sent.and_then(|()| sink.flush()) {
        Ok(()) | Err(Stop::NobodyListens) => Ok(head),
        Err(Stop::Failed(error)) => Err(store_error(error)),
    }
}

/// Gathers rows and sends them by the thousand; waits while the receiver is behind.
struct Sink {
    rows: Vec<Record>,
    into: mpsc::Sender<Vec<Record>>,
}

impl Sink {
    fn push(&mut self, record: Record) -> Result<(), Stop> {
        self.rows.push(record);
        if self.rows.len() == ROWS_AT_ONCE { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Stop> {
        let rows = std::mem::replace(&mut self.rows, Vec::with_capacity(ROWS_AT_ONCE));
        self.into.blocking_send(rows).map_err(|_| Stop::NobodyListens)
    }
}

fn events(transaction: &Transaction<'_>, workspace: WorkspaceKey, sink: &mut Sink) -> Result<(), Stop> {
    let mut statement = transaction.prepare(
        "SELECT sequence, at_ms, kind, format, caused_by, evidence, outcome
         FROM events WHERE workspace = ?1 ORDER BY sequence",
    )?;
    let mut rows = statement.query([workspace.0])?;
    while let Some(row) = rows.next()? {
        let row = EventRow {
            sequence: row.get(0)?,
            at_ms: row.get(1)?,
            kind: row.get(2)?,
            format: row.get(3)?,
            caused_by: row.get(4)?,
            evidence: row.get(5)?,
            outcome: row.get(6)?,
        };
        sink.push(match event_text::read(&row) {
            Ok(event) => Record::Event(event),
            Err(error) => Record::UnreadableEvent(Sequence(row.sequence), error.to_string()),
        })?;
    }
    Ok(())
}

fn contacts(
    transaction: &Transaction<'_>,
    workspace: WorkspaceKey,
    with_owners: bool,
    sink: &mut Sink,
) -> Result<(), Stop> {
    let mut statement = transaction.prepare(CONTACTS)?;
    let mut rows = statement.query([workspace.0])?;
    while let Some(row) = rows.next()? {
        let contact = rows::contact(row)?;
        let owners = if with_owners { owners_of(transaction, workspace, &contact)? } else { Vec::new() };
        sink.push(Record::Contact(contact, owners))?;
    }
    Ok(())
}

fn owners_of(
    transaction: &Transaction<'_>,
    workspace: WorkspaceKey,
    contact: &Contact,
) -> rusqlite::Result<Vec<Option<ContactId>>> {
    let mut statement = transaction.prepare_cached(
        "SELECT contact_id FROM identifiers WHERE workspace = ?1 AND kind = ?2 AND value = ?3",
    )?;
    contact
        .identifiers
        .iter()
        .map(|identifier| {
            let key = params![workspace.0, identifier.kind().name(), identifier.value()];
            statement.query_row(key, |row| Ok(ContactId(row.get(0)?))).optional()
        })
        .collect()
}

fn owners(transaction: &Transaction<'_>, workspace: WorkspaceKey, sink: &mut Sink) -> Result<(), Stop> {
    let mut statement =
        transaction.prepare("SELECT kind, value, contact_id FROM identifiers WHERE workspace = ?1")?;
    let mut rows = statement.query([workspace.0])?;
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let kind = IdentifierKind::from_name(&name).map_err(|_| rows::unreadable(0))?;
        let value: String = row.get(1)?;
        sink.push(Record::Owner(Identifier::from_stored(kind, &value), ContactId(row.get(2)?)))?;
    }
    Ok(())
}

//! Scans: whole tables from one snapshot, in bounded memory.

use rusqlite::{Connection, Transaction};
use selfsame_rules::{ContactId, Sequence};
use selfsame_store::{EvidenceDigest, Finder, Record, Scan, Scanned, StoreError, WorkspaceKey, event_text};
use tokio::sync::mpsc;

use crate::error::store_error;
use crate::identities::identities;
use crate::load::{Standing, standing};
use crate::merges::{EVENTS_AFTER, UnfinishedMerges, event_row};
use crate::rows::{self, text};

/// How many rows go to the receiver at once.
const ROWS_AT_ONCE: usize = 1_000;

const MADE: &str = "SELECT id, event_sequence FROM contacts WHERE workspace = ?1";
const CONCERNED: &str = "SELECT contact_id, sequence FROM event_contacts WHERE workspace = ?1";
const APART: &str = "SELECT contact_id, sequence FROM kept_apart WHERE workspace = ?1";
const REFUSALS: &str = "SELECT sequence, evidence, settled_sequence FROM refusals WHERE workspace = ?1";

/// Why a scan ended early.
pub(crate) enum Stop {
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
) -> Result<Scanned, StoreError> {
    // Sorting may take more than memory; what is sorted are numbers.
    connection.pragma_update(None, "temp_store", "FILE").map_err(store_error)?;
    let transaction = connection.transaction().map_err(store_error)?;
    let Standing { head, linked, counts } = standing(&transaction, workspace)?;
    let merges = UnfinishedMerges::read(&transaction, workspace, linked)?;
    let mut sink = Sink { rows: Vec::with_capacity(ROWS_AT_ONCE), into };
    let sent = match what {
        Scan::Contacts => contacts(&transaction, workspace, &merges, &mut sink),
        Scan::Identities => identities(&transaction, workspace, &merges, &mut sink),
        Scan::Events => event_rows(&transaction, workspace, &mut sink),
        Scan::Everything => events(&transaction, workspace, &mut sink)
            .and_then(|()| contacts(&transaction, workspace, &merges, &mut sink))
            .and_then(|()| owners(&transaction, workspace, &mut sink))
            .and_then(|()| finders(&transaction, workspace, &mut sink)),
    };
    match sent.and_then(|()| sink.flush()) {
        Ok(()) | Err(Stop::NobodyListens) => Ok(Scanned { head, counts }),
        Err(Stop::Failed(error)) => Err(store_error(error)),
    }
}

/// Gathers rows and sends them by the thousand; waits while the receiver is behind.
pub(crate) struct Sink {
    rows: Vec<Record>,
    into: mpsc::Sender<Vec<Record>>,
}

impl Sink {
    pub(crate) fn push(&mut self, record: Record) -> Result<(), Stop> {
        self.rows.push(record);
        if self.rows.len() == ROWS_AT_ONCE { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Stop> {
        let rows = std::mem::replace(&mut self.rows, Vec::with_capacity(ROWS_AT_ONCE));
        self.into.blocking_send(rows).map_err(|_| Stop::NobodyListens)
    }
}

fn events(transaction: &Transaction<'_>, workspace: WorkspaceKey, sink: &mut Sink) -> Result<(), Stop> {
    let mut statement = transaction.prepare(EVENTS_AFTER)?;
    let mut rows = statement.query([workspace.0, i64::MIN])?;
    while let Some(row) = rows.next()? {
        let row = event_row(row)?;
        sink.push(match event_text::read(&row) {
            Ok(event) => Record::Event(event),
            Err(error) => Record::UnreadableEvent(Sequence(row.sequence), error.to_string()),
        })?;
    }
    Ok(())
}

/// The log as it is stored, whatever its texts say.
fn event_rows(transaction: &Transaction<'_>, workspace: WorkspaceKey, sink: &mut Sink) -> Result<(), Stop> {
    let mut statement = transaction.prepare(EVENTS_AFTER)?;
    let mut rows = statement.query([workspace.0, i64::MIN])?;
    while let Some(row) = rows.next()? {
        sink.push(Record::EventRow(event_row(row)?))?;
    }
    Ok(())
}

fn contacts(
    transaction: &Transaction<'_>,
    workspace: WorkspaceKey,
    merges: &UnfinishedMerges,
    sink: &mut Sink,
) -> Result<(), Stop> {
    let mut statement = transaction.prepare(rows::CONTACTS)?;
    let mut rows = statement.query([workspace.0])?;
    while let Some(row) = rows.next()? {
        sink.push(Record::Contact(merges.moved(rows::contact(row)?)))?;
    }
    Ok(())
}

fn owners(transaction: &Transaction<'_>, workspace: WorkspaceKey, sink: &mut Sink) -> Result<(), Stop> {
    let mut statement = transaction.prepare(rows::CONTACTS)?;
    let mut rows = statement.query([workspace.0])?;
    while let Some(row) = rows.next()? {
        let contact = rows::contact(row)?;
        for identifier in rows::owned(row, &contact)? {
            sink.push(Record::Owner(identifier, contact.id))?;
        }
    }
    Ok(())
}

/// All that events are found by, beside the log.
fn finders(transaction: &Transaction<'_>, workspace: WorkspaceKey, sink: &mut Sink) -> Result<(), Stop> {
    let kinds = [
        (MADE, Finder::Made as fn(ContactId, Sequence) -> Finder),
        (CONCERNED, Finder::Concerned),
        (APART, Finder::KeptApart),
    ];
    for (statement, finder) in kinds {
        let mut statement = transaction.prepare(statement)?;
        let mut rows = statement.query([workspace.0])?;
        while let Some(row) = rows.next()? {
            sink.push(Record::Finder(finder(ContactId(row.get(0)?), Sequence(row.get(1)?))))?;
        }
    }
    let mut statement = transaction.prepare(REFUSALS)?;
    let mut rows = statement.query([workspace.0])?;
    while let Some(row) = rows.next()? {
        let (event, evidence) =
            (Sequence(row.get(0)?), EvidenceDigest::from_stored(text(row, 1)?.unwrap_or_default()));
        sink.push(Record::Finder(Finder::Refused(evidence, event)))?;
        if let Some(review) = row.get(2)? {
            sink.push(Record::Finder(Finder::Settled(event, Sequence(review))))?;
        }
    }
    Ok(())
}

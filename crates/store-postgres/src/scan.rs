//! Scans: whole tables from one snapshot, in bounded memory.

use std::pin::pin;

use deadpool_postgres::{ClientWrapper, Pool};
use futures_util::TryStreamExt;
use selfsame_rules::{ContactId, Identifier, IdentifierKind, RegisterRow, Sequence};
use selfsame_store::{EvidenceDigest, Finder, Record, Scan, Scanned, StoreError, WorkspaceKey, event_text};
use tokio::sync::mpsc;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use crate::connections::Loan;
use crate::error::Fault;
use crate::recall::{event_row, register_row};
use crate::rows::{self, get};
use crate::statements::history::SCAN_IDENTITIES;
use crate::statements::{
    BEGIN_SCAN, COMMIT, HEAD, SCAN_APART, SCAN_CONCERNED, SCAN_CONTACTS, SCAN_EVENTS, SCAN_MADE, SCAN_OWNERS,
    SCAN_REFUSALS,
};

/// How many rows go to the receiver at once.
const ROWS_AT_ONCE: usize = 1_000;

/// Why a scan ended early.
enum Stop {
    /// The receiver was dropped: it has seen enough.
    NobodyListens,
    Failed(StoreError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl From<tokio_postgres::Error> for Stop {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Failed(Fault::from(error).into())
    }
}

/// Sends what `what` names, in one transaction that only reads.
pub(crate) async fn scan(
    pool: &Pool,
    workspace: WorkspaceKey,
    what: Scan,
    into: mpsc::Sender<Vec<Record>>,
) -> Result<Scanned, StoreError> {
    let client = Loan::from(pool).await?;
    client.batch_execute(BEGIN_SCAN).await.map_err(Fault::from)?;
    let scanned = workspace_row(&client, workspace).await?;
    let mut sink = Sink { rows: Vec::with_capacity(ROWS_AT_ONCE), into };
    match tables(&client, workspace, what, &mut sink).await {
        Ok(()) => {
            client.batch_execute(COMMIT).await.map_err(Fault::from)?;
            client.give_back();
            Ok(scanned)
        }
        // The rest of the rows is not read: the connection is closed with them in it.
        Err(Stop::NobodyListens) => Ok(scanned),
        Err(Stop::Failed(error)) => Err(error),
    }
}

async fn workspace_row(client: &ClientWrapper, workspace: WorkspaceKey) -> Result<Scanned, StoreError> {
    let key: [(&(dyn ToSql + Sync), Type); 1] = [(&workspace.0, Type::INT8)];
    let rows = client.query_typed(HEAD, &key).await.map_err(Fault::from)?;
    let row = rows.first().ok_or(StoreError::NoWorkspace(workspace))?;
    Ok(Scanned { head: rows::head(row)?, counts: rows::counts(row)? })
}

async fn tables(
    client: &ClientWrapper,
    workspace: WorkspaceKey,
    what: Scan,
    sink: &mut Sink,
) -> Result<(), Stop> {
    match what {
        Scan::Contacts => {
            sink.send_all(client, workspace, SCAN_CONTACTS, contact).await?;
        }
        Scan::Identities => return identities(client, workspace, sink).await,
        Scan::Events => {
            sink.send_all(client, workspace, SCAN_EVENTS, row_of_event).await?;
        }
        Scan::Everything => {
            sink.send_all(client, workspace, SCAN_EVENTS, event).await?;
            sink.send_all(client, workspace, SCAN_CONTACTS, contact).await?;
            sink.send_all(client, workspace, SCAN_OWNERS, owner).await?;
            sink.send_all(client, workspace, SCAN_MADE, made).await?;
            sink.send_all(client, workspace, SCAN_CONCERNED, concerned).await?;
            sink.send_all(client, workspace, SCAN_APART, kept_apart).await?;
            sink.send_all(client, workspace, SCAN_REFUSALS, refusal).await?;
        }
    }
    sink.flush().await
}

/// Gathers rows and sends them by the thousand; waits while the receiver is behind.
struct Sink {
    rows: Vec<Record>,
    into: mpsc::Sender<Vec<Record>>,
}

impl Sink {
    async fn send_all<R: IntoIterator<Item = Record>>(
        &mut self,
        client: &ClientWrapper,
        workspace: WorkspaceKey,
        statement: &str,
        records: impl Fn(&Row) -> Result<R, StoreError>,
    ) -> Result<(), Stop> {
        let rows = client.query_typed_raw(statement, [(workspace.0, Type::INT8)]).await?;
        let mut rows = pin!(rows);
        while let Some(row) = rows.try_next().await? {
            self.rows.extend(records(&row)?);
            if self.rows.len() >= ROWS_AT_ONCE {
                self.flush().await?;
            }
        }
        Ok(())
    }

    async fn push(&mut self, record: Record) -> Result<(), Stop> {
        self.rows.push(record);
        if self.rows.len() >= ROWS_AT_ONCE { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), Stop> {
        let rows = std::mem::replace(&mut self.rows, Vec::with_capacity(ROWS_AT_ONCE));
        self.into.send(rows).await.map_err(|_| Stop::NobodyListens)
    }
}

/// The live contacts of each identity come one behind the other.
async fn identities(client: &ClientWrapper, workspace: WorkspaceKey, sink: &mut Sink) -> Result<(), Stop> {
    let rows = client.query_typed_raw(SCAN_IDENTITIES, [(workspace.0, Type::INT8)]).await?;
    let mut rows = pin!(rows);
    let mut identity: Vec<RegisterRow> = Vec::new();
    while let Some(row) = rows.try_next().await? {
        let member = register_row(&row)?;
        if identity.first().is_some_and(|first| first.contact.primary() != member.contact.primary()) {
            sink.push(Record::Identity(std::mem::take(&mut identity))).await?;
        }
        identity.push(member);
    }
    if !identity.is_empty() {
        sink.push(Record::Identity(identity)).await?;
    }
    sink.flush().await
}

fn row_of_event(row: &Row) -> Result<[Record; 1], StoreError> {
    Ok([Record::EventRow(event_row(row)?)])
}

fn event(row: &Row) -> Result<[Record; 1], StoreError> {
    let row = event_row(row)?;
    Ok(match event_text::read(&row) {
        Ok(event) => [Record::Event(event)],
        Err(error) => [Record::UnreadableEvent(Sequence(row.sequence), error.to_string())],
    })
}

fn contact(row: &Row) -> Result<[Record; 1], StoreError> {
    Ok([Record::Contact(rows::contact(row)?)])
}

fn owner(row: &Row) -> Result<[Record; 1], StoreError> {
    let kind = IdentifierKind::from_name(get(row, "kind")?).map_err(StoreError::failed)?;
    let identifier = Identifier::from_stored(kind, get(row, "value")?);
    Ok([Record::Owner(identifier, ContactId(get(row, "contact_id")?))])
}

fn made(row: &Row) -> Result<[Record; 1], StoreError> {
    let (contact, event) = (ContactId(get(row, "id")?), Sequence(get(row, "event_sequence")?));
    Ok([Record::Finder(Finder::Made(contact, event))])
}

fn concerned(row: &Row) -> Result<[Record; 1], StoreError> {
    let (contact, event) = (ContactId(get(row, "contact_id")?), Sequence(get(row, "sequence")?));
    Ok([Record::Finder(Finder::Concerned(contact, event))])
}

fn kept_apart(row: &Row) -> Result<[Record; 1], StoreError> {
    let (contact, event) = (ContactId(get(row, "contact_id")?), Sequence(get(row, "sequence")?));
    Ok([Record::Finder(Finder::KeptApart(contact, event))])
}

fn refusal(row: &Row) -> Result<impl Iterator<Item = Record> + use<>, StoreError> {
    let event = Sequence(get(row, "sequence")?);
    let refused = Finder::Refused(EvidenceDigest::from_stored(get(row, "evidence")?), event);
    let settled = get::<Option<i64>>(row, "settled_sequence")?;
    let settled = settled.map(|review| Finder::Settled(event, Sequence(review)));
    Ok([Some(refused), settled].into_iter().flatten().map(Record::Finder))
}

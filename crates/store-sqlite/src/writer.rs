//! The one thread that writes, and its connection.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;

use rusqlite::{Connection, TransactionBehavior};
use selfsame_rules::{Identifier, Plan};
use selfsame_store::{Decision, StoreError, WorkspaceKey};
use tokio::sync::{mpsc, oneshot};

use crate::carry_out::carry_out;
use crate::error::{commit_error, store_error};
use crate::file::OpenedFile;
use crate::load::load;

/// A write that waits for its turn.
pub(crate) struct Job {
    pub(crate) workspace: WorkspaceKey,
    pub(crate) identifiers: Vec<Identifier>,
    pub(crate) decision: Decision,
    pub(crate) answer: oneshot::Sender<Result<Plan, StoreError>>,
}

/// Starts the thread. It ends, and closes its connection, when every sender of `jobs` is gone.
pub(crate) fn start(
    mut connection: Connection,
    file: OpenedFile,
    mut jobs: mpsc::Receiver<Job>,
) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("selfsame-writer".to_owned()).spawn(move || {
        while let Some(mut job) = jobs.blocking_recv() {
            let result = write_or_survive(&mut connection, &file, &mut job);
            // Nobody waits any more if the server is being torn down; what was committed stays so.
            let _ = job.answer.send(result);
        }
        close(connection);
    })
}

/// A panic on the way, in a decision for example, is a fault of ours; it costs its own batch, not the writer.
/// The transaction is rolled back as the stack unwinds.
fn write_or_survive(
    connection: &mut Connection,
    file: &OpenedFile,
    job: &mut Job,
) -> Result<Plan, StoreError> {
    catch_unwind(AssertUnwindSafe(|| write(connection, file, job)))
        .unwrap_or_else(|_| Err(StoreError::failed("the write panicked")))
}

/// Load, decide, write, in one transaction that holds SQLite's write lock from its start.
fn write(connection: &mut Connection, file: &OpenedFile, job: &mut Job) -> Result<Plan, StoreError> {
    file.still_there()?;
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(store_error)?;
    let neighbourhood = load(&transaction, job.workspace, &job.identifiers)?;
    let plan = (job.decision)(neighbourhood);
    if plan.events.is_empty() {
        transaction.rollback().map_err(store_error)?;
        return Ok(plan);
    }
    carry_out(&transaction, job.workspace, &plan).map_err(store_error)?;
    transaction.commit().map_err(commit_error)?;
    Ok(plan)
}

/// Copies the log back into the file, so that what is left is one file, and says so if it can't.
fn close(connection: Connection) {
    let checkpoint = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    if let Err(error) = checkpoint {
        tracing::warn!(%error, "could not fold the write-ahead log into the database; the next start will");
    }
    if let Err((_, error)) = connection.close() {
        tracing::warn!(%error, "could not close the database; the next start recovers it");
    }
}

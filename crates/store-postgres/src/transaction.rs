//! Transactions that change something: each is begun anew where that may help, until it is committed or the time is up.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use deadpool_postgres::{ClientWrapper, Pool};
use futures_util::future::{join, try_join_all};
use metrics::Counter;
use selfsame_store::{StoreError, WorkspaceKey};
use tokio::time::{Instant, timeout_at};

use crate::carry_out::Statement;
use crate::connections::Loan;
use crate::error::Fault;
use crate::repeat::{Limits, pause};
use crate::statements::{COMMIT, ROLLBACK};

/// Carries out transactions of this process.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    pub(crate) pool: Pool,
    pub(crate) limits: Limits,
    /// [`crate::statements::begin_write`], as the server's settings ask for.
    pub(crate) begin: String,
    pub(crate) repeats: Counter,
}

/// What one transaction does.
pub(crate) trait Transaction: Send {
    /// What comes of it.
    type Done: Send + 'static;

    /// How long it may take.
    fn limits(usual: Limits) -> Limits {
        usual
    }

    /// One attempt, from its beginning to its commit. `commit_sent` is set before the first byte of that goes out.
    ///
    /// A commit whose answer was lost is settled by the next attempt: it waits for the lock, which the lost transaction
    /// holds until it has ended one way or the other, and decides on what is there then.
    fn attempt(
        &mut self,
        writer: &Writer,
        commit_sent: &mut bool,
    ) -> impl Future<Output = Result<Self::Done, Stopped>> + Send;
}

/// Why an attempt did not come to its end.
pub(crate) enum Stopped {
    /// PostgreSQL, or the way to it.
    Fault(Fault),
    /// Something that no repeat would mend.
    Store(StoreError),
}

impl From<Fault> for Stopped {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<tokio_postgres::Error> for Stopped {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Fault(error.into())
    }
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Writer {
    /// Attempts the transaction, again and again where a repeat may help, until the time is up.
    pub(crate) async fn carry_out<T: Transaction>(&self, mut transaction: T) -> Result<T::Done, StoreError> {
        let limits = T::limits(self.limits);
        let deadline = Instant::now() + limits.answer;
        let mut outcome_unknown = false;
        for attempt in 0.. {
            let mut commit_sent = false;
            let attempted = transaction.attempt(self, &mut commit_sent);
            let fault = match timeout_at(limits.of_attempt(attempt, deadline), attempted).await {
                Ok(Ok(done)) => return Ok(done),
                // What an earlier attempt may have committed, this one could not settle.
                Ok(Err(Stopped::Store(error))) if outcome_unknown => {
                    return Err(StoreError::OutcomeUnknown(Arc::new(error)));
                }
                Ok(Err(Stopped::Store(error))) => return Err(error),
                Ok(Err(Stopped::Fault(fault))) => fault,
                Err(_) => Fault::TimedOut,
            };
            outcome_unknown |= commit_sent && !fault.is_certain();
            if fault.may_pass() && pause(attempt, deadline).await {
                self.repeats.increment(1);
                tracing::debug!(%fault, attempt, "a transaction is repeated");
                continue;
            }
            return Err(if outcome_unknown {
                StoreError::OutcomeUnknown(Arc::new(fault))
            } else {
                fault.into()
            });
        }
        unreachable!("attempts are counted without end")
    }
}

/// Sends the statements and the commit behind each other, without waiting in between: one round trip.
pub(crate) async fn carry_out_and_commit(
    client: &ClientWrapper,
    statements: &[Statement],
    commit_sent: &mut bool,
) -> Result<(), tokio_postgres::Error> {
    let mut carrying_out = pin!(try_join_all(statements.iter().map(|statement| statement.send(client))));
    // Polled once, all statements are sent. One that could not even be sent must not be followed by a commit.
    let early = poll_fn(|context| Poll::Ready(carrying_out.as_mut().poll(context))).await;
    if let Poll::Ready(Err(error)) = early {
        return Err(error);
    }
    *commit_sent = true;
    // Where a statement failed, PostgreSQL takes this commit for a rollback.
    let carried_out = async { if early.is_ready() { Ok(Vec::new()) } else { carrying_out.await } };
    let (carried_out, committed) = join(carried_out, client.batch_execute(COMMIT)).await;
    carried_out?;
    committed
}

/// Ends a transaction that found no row to lock: the workspace was never made, or is erased.
pub(crate) async fn no_workspace(client: Loan, workspace: WorkspaceKey) -> Stopped {
    match client.batch_execute(ROLLBACK).await {
        Ok(()) => {
            client.give_back();
            StoreError::NoWorkspace(workspace).into()
        }
        Err(error) => error.into(),
    }
}

//! Writing: lock the workspace, load, decide, carry out, commit, in two round trips; and what is done when one of
//! them fails.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use deadpool_postgres::{ClientWrapper, Pool};
use futures_util::future::{join, join3, try_join_all};
use metrics::Counter;
use selfsame_rules::{Identifier, Plan};
use selfsame_store::{Decision, StoreError, WorkspaceKey};
use tokio::time::{Instant, timeout_at};
use tokio_postgres::types::Type;

use crate::apart::apart;
use crate::carry_out::{Statement, statements};
use crate::connections::Loan;
use crate::error::Fault;
use crate::load::{self, Loaded, no_workspace};
use crate::repeat::{Limits, pause};
use crate::statements::{COMMIT, LOCK, ROLLBACK};

/// Carries out writes of this process; each has its own transaction.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    pub(crate) pool: Pool,
    pub(crate) limits: Limits,
    /// [`crate::statements::begin_write`], as the server's settings ask for.
    pub(crate) begin: String,
    pub(crate) repeats: Counter,
}

/// Why an attempt did not come to its end.
enum Stopped {
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
    /// Writes, again and again where a repeat may help, until the time is up.
    ///
    /// A commit whose answer was lost is settled by the repeat: it waits for the lock, which the lost transaction
    /// holds until it has ended one way or the other, and decides on what is there then.
    pub(crate) async fn write(
        &self,
        workspace: WorkspaceKey,
        identifiers: &[Identifier],
        decision: Decision,
    ) -> Result<Plan, StoreError> {
        let decision = Arc::new(Mutex::new(decision));
        let deadline = Instant::now() + self.limits.answer;
        let mut outcome_unknown = false;
        for attempt in 0.. {
            let mut commit_sent = false;
            let attempted = self.attempt(workspace, identifiers, &decision, &mut commit_sent);
            let fault = match timeout_at(self.limits.of_attempt(deadline), attempted).await {
                Ok(Ok(plan)) => return Ok(plan),
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
                tracing::debug!(%fault, attempt, "a write is repeated");
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

    /// One transaction. `commit_sent` is set before the first byte of its commit goes out.
    async fn attempt(
        &self,
        workspace: WorkspaceKey,
        identifiers: &[Identifier],
        decision: &Arc<Mutex<Decision>>,
        commit_sent: &mut bool,
    ) -> Result<Plan, Stopped> {
        let client = Loan::from(&self.pool).await?;
        // The load is sent behind the lock without waiting for it, and runs after it: at READ COMMITTED each
        // statement has a snapshot of its own, taken when its turn comes.
        let key: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 1] = [(&workspace.0, Type::INT8)];
        let (begun, locked, loaded) = join3(
            client.batch_execute(&self.begin),
            client.query_typed(LOCK, &key),
            load::send(&client, workspace, identifiers),
        )
        .await;
        begun?;
        if locked?.is_empty() {
            return Err(no_workspace(workspace).into());
        }
        let rows = loaded?;
        let (identifiers, decision) = (identifiers.to_vec(), Arc::clone(decision));
        let (plan, statements) = apart(rows.len(), move || {
            let loaded = Loaded::read(&rows, &identifiers, workspace)?;
            let mut decision = decision.lock().expect("a decision that panics ends its write");
            let plan = decision(&loaded.neighbourhood(&identifiers)?);
            let statements = statements(workspace, &plan);
            Ok::<_, StoreError>((plan, statements))
        })
        .await?;
        if statements.is_empty() {
            client.batch_execute(ROLLBACK).await?;
            client.give_back();
            return Ok(plan);
        }
        carry_out_and_commit(&client, &statements, commit_sent).await?;
        client.give_back();
        Ok(plan)
    }
}

/// Sends the statements and the commit behind each other, without waiting in between: one round trip.
async fn carry_out_and_commit(
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

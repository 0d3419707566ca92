//! Sweeping: what is left of an erased workspace goes, some thousand rows at a time.

use futures_util::future::join;
use selfsame_store::WorkspaceKey;
use tokio_postgres::types::{ToSql, Type};

use crate::carry_out::Statement;
use crate::clock::now_ms;
use crate::connections::Loan;
use crate::statements::ROLLBACK;
use crate::statements::administration::{SWEEPS, SWEPT, UNSWEPT};
use crate::transaction::{Stopped, Transaction, Writer, carry_out_and_commit};

/// How many rows one transaction deletes at most: the server's disk is free for others again after it.
const ROWS_MAX: u64 = 5_000;

/// One of the transactions that sweep a workspace.
///
/// Under the workspace's lock, which nobody else asks for any more: so those who sweep at once take turns, and one that
/// finds fewer rows than it may delete has found the last. Whoever wrote held it, and the erasure waited for that: nothing
/// comes to the workspace after it.
pub(crate) struct Sweep(pub(crate) WorkspaceKey);

impl Transaction for Sweep {
    /// Whether there is nothing to do any more; so it is with a workspace that isn't erased, and with none at all.
    type Done = bool;

    async fn attempt(&mut self, writer: &Writer, commit_sent: &mut bool) -> Result<bool, Stopped> {
        let Self(workspace) = *self;
        let client = Loan::from(&writer.pool).await?;
        let key: [(&(dyn ToSql + Sync), Type); 1] = [(&workspace.0, Type::INT8)];
        let (begun, unswept) =
            join(client.batch_execute(&writer.begin), client.query_typed(UNSWEPT, &key)).await;
        begun?;
        if unswept?.is_empty() {
            client.batch_execute(ROLLBACK).await?;
            client.give_back();
            return Ok(true);
        }
        let mut may_go = ROWS_MAX;
        for (_, text) in SWEEPS {
            let most = i64::try_from(may_go).expect("it is small");
            let parameters: [(&(dyn ToSql + Sync), Type); 2] =
                [(&workspace.0, Type::INT8), (&most, Type::INT8)];
            may_go = may_go.saturating_sub(client.execute_typed(text, &parameters).await?);
        }
        // With room for more, there was no more.
        let done = may_go > 0;
        let swept = Statement::new(SWEPT, workspace).with(now_ms(), Type::INT8);
        let last = if done { vec![swept] } else { Vec::new() };
        carry_out_and_commit(&client, &last, commit_sent).await?;
        client.give_back();
        Ok(done)
    }
}

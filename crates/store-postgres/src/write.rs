//! A write: lock the workspace, load, decide, carry out, commit, in two round trips.

use std::sync::{Arc, Mutex};

use futures_util::future::join3;
use selfsame_rules::{Identifier, Plan};
use selfsame_store::{Decision, StoreError, WorkspaceKey};
use tokio_postgres::types::Type;

use crate::apart::apart;
use crate::carry_out::statements;
use crate::connections::Loan;
use crate::load::{self, Loaded};
use crate::statements::{LOCK, ROLLBACK};
use crate::transaction::{Stopped, Transaction, Writer, carry_out_and_commit, no_workspace};

/// What a write was asked for.
pub(crate) struct Write {
    workspace: WorkspaceKey,
    /// Sorted, each once.
    identifiers: Vec<Identifier>,
    decision: Arc<Mutex<Decision>>,
}

impl Write {
    /// Decides on whoever owns one of `identifiers`.
    pub(crate) fn new(workspace: WorkspaceKey, mut identifiers: Vec<Identifier>, decision: Decision) -> Self {
        identifiers.sort_unstable();
        identifiers.dedup();
        Self { workspace, identifiers, decision: Arc::new(Mutex::new(decision)) }
    }
}

impl Transaction for Write {
    type Done = Plan;

    async fn attempt(&mut self, writer: &Writer, commit_sent: &mut bool) -> Result<Plan, Stopped> {
        let workspace = self.workspace;
        let client = Loan::from(&writer.pool).await?;
        // The load is sent behind the lock without waiting for it, and runs after it: at READ COMMITTED each
        // statement has a snapshot of its own, taken when its turn comes.
        let key: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 1] = [(&workspace.0, Type::INT8)];
        let (begun, locked, loaded) = join3(
            client.batch_execute(&writer.begin),
            client.query_typed(LOCK, &key),
            load::send(&client, workspace, &self.identifiers),
        )
        .await;
        begun?;
        if locked?.is_empty() {
            return Err(no_workspace(client, workspace).await);
        }
        let rows = loaded?;
        let (identifiers, decision) = (self.identifiers.clone(), Arc::clone(&self.decision));
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

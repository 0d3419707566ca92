//! A write: lock the workspace, load, decide, carry out, commit, in two round trips.

use std::sync::{Arc, Mutex};

use futures_util::future::join4;
use selfsame_rules::{Identifier, Identities, Observation, Plan};
use selfsame_store::{Once, OnceDecision, Planned, Recall, Recalled, StoreError, WorkspaceKey};
use tokio_postgres::types::Type;

use crate::answers::{KeptOf, keep_all};
use crate::apart::apart;
use crate::carry_out::{Statement, statements};
use crate::connections::Loan;
use crate::imports::note_import;
use crate::load::{self, Loaded};
use crate::recall::recall_on;
use crate::statements::{LOCK, ROLLBACK};
use crate::transaction::{Stopped, Transaction, Writer, carry_out_and_commit, no_workspace};

/// What a write was asked for.
pub(crate) struct Write {
    workspace: WorkspaceKey,
    observations: Vec<Observation>,
    /// Of the observations, sorted, each once.
    identifiers: Vec<Identifier>,
    once: Vec<Once>,
    decision: Arc<Mutex<OnceDecision>>,
}

impl Write {
    /// Decides on whoever owns an identifier of `observations`, and on which of `once` are kept.
    pub(crate) fn new(
        workspace: WorkspaceKey,
        observations: Vec<Observation>,
        once: Vec<Once>,
        decision: OnceDecision,
    ) -> Self {
        let mut identifiers = identifiers_in_plain(&observations);
        identifiers.sort_unstable();
        identifiers.dedup();
        Self { workspace, observations, identifiers, once, decision: Arc::new(Mutex::new(decision)) }
    }
}

/// The identifiers as the default policy spells them: what is loaded for them is decided on in a plain workspace only.
pub(crate) fn identifiers_in_plain(observations: &[Observation]) -> Vec<Identifier> {
    let mut identifiers = Vec::new();
    for observation in observations {
        identifiers.extend(observation.as_spelt_by(None).identifiers().cloned());
    }
    identifiers
}

impl Transaction for Write {
    type Done = Plan;

    async fn attempt(&mut self, writer: &Writer, commit_sent: &mut bool) -> Result<Plan, Stopped> {
        let workspace = self.workspace;
        let client = Loan::from(&writer.pool).await?;
        // The load is sent behind the lock without waiting for it, and runs after it: at READ COMMITTED each
        // statement has a snapshot of its own, taken when its turn comes.
        let key: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 1] = [(&workspace.0, Type::INT8)];
        let (begun, locked, loaded, kept) = join4(
            client.batch_execute(&writer.begin),
            client.query_typed(LOCK, &key),
            load::send(&client, workspace, &self.identifiers),
            KeptOf::load(&client, workspace, &self.once),
        )
        .await;
        begun?;
        if locked?.is_empty() {
            return Err(no_workspace(client, workspace).await);
        }
        let (rows, kept) = (loaded?, Arc::new(kept?));
        let (identifiers, decision) = (self.identifiers.clone(), Arc::clone(&self.decision));
        let known = Arc::clone(&kept);
        let decided = apart(rows.len(), move || {
            let loaded = Loaded::read(&rows, &identifiers, workspace)?;
            if !loaded.is_plain() {
                return Ok(None);
            }
            let neighbourhood = loaded.neighbourhood(&identifiers)?;
            Ok::<_, StoreError>(Some(decide(&decision, &neighbourhood, &known, workspace)))
        });
        let (plan, statements) = match decided.await? {
            Some(decided) => decided,
            None => {
                let recall = Recall::Observations(self.observations.clone());
                let Recalled { register, .. } = recall_on(&client, workspace, recall).await?;
                let decision = Arc::clone(&self.decision);
                apart(register.rows().count(), move || decide(&decision, &register, &kept, workspace)).await
            }
        };
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

fn decide(
    decision: &Mutex<OnceDecision>,
    identities: &dyn Identities,
    kept: &KeptOf,
    workspace: WorkspaceKey,
) -> (Plan, Vec<Statement>) {
    let mut decision = decision.lock().expect("a decision that panics ends its write");
    let Planned { plan, keep, note } = decision(identities, &|once| kept.has(once));
    let mut statements = statements(workspace, &plan);
    if !statements.is_empty() {
        statements.extend(keep_all(workspace, &keep));
        statements.extend(note_import(workspace, note));
    }
    (plan, statements)
}

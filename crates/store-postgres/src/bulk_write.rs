//! Writes of very many observations, one behind the other: each decided on a workspace in memory that follows the log, so that
//! nothing is looked up but whether others wrote meanwhile, and its new rows written by COPY.

use std::sync::{Arc, Mutex};

use futures_util::future::join3;
use selfsame_rules::{Plan, Sequence};
use selfsame_store::{Changes, Following, OnceDecision, Planned, StoreError, WorkspaceKey, event_text};
use tokio_postgres::types::{ToSql, Type};

use crate::apart::apart;
use crate::carry_out::{Statement, behind_rows, relink};
use crate::connections::Loan;
use crate::copy_in::copy_in;
use crate::imports::note_import;
use crate::recall::event_row;
use crate::repeat::Limits;
use crate::rows;
use crate::statements::history::LOG_AFTER;
use crate::statements::{HEAD, LOCK, ROLLBACK};
use crate::transaction::{Stopped, Transaction, Writer, carry_out_and_commit, no_workspace};

/// How many events of others are read at once.
const EVENTS_AT_ONCE: i64 = 5_000;

/// Of this many, much is to be sent and read, whatever it is.
const LARGE: usize = 100_000;

/// What a write was asked for.
pub(crate) struct BulkWrite {
    workspace: WorkspaceKey,
    following: Following,
    decision: Arc<Mutex<OnceDecision>>,
}

impl BulkWrite {
    pub(crate) fn new(workspace: WorkspaceKey, following: Following, decision: OnceDecision) -> Self {
        Self { workspace, following, decision: Arc::new(Mutex::new(decision)) }
    }

    /// Decides on what is followed; nothing if that is stale.
    fn decide(&self) -> impl FnOnce() -> Option<Decided> + Send + use<> {
        let (workspace, following, decision) =
            (self.workspace, self.following.clone(), Arc::clone(&self.decision));
        move || {
            let followed = following.lock();
            if followed.is_stale() {
                return None;
            }
            let mut decision = decision.lock().expect("a decision that panics ends its write");
            // Nothing is kept of rows of a file, but how far it came.
            let Planned { plan, note, .. } = decision(followed.index(), &|_| false);
            let changes = Changes::of(&plan.events);
            let mut behind = Vec::new();
            if let Some(last) = plan.events.last() {
                behind = behind_rows(workspace, last, &changes);
                behind.extend(note_import(workspace, note));
            }
            Some(Decided { plan, changes, behind })
        }
    }
}

/// What is to be written.
struct Decided {
    plan: Plan,
    /// What its events add up to.
    changes: Changes,
    /// What follows the new rows.
    behind: Vec<Statement>,
}

impl Transaction for BulkWrite {
    type Done = Option<Plan>;

    fn limits(usual: Limits) -> Limits {
        usual.patient()
    }

    async fn attempt(&mut self, writer: &Writer, commit_sent: &mut bool) -> Result<Option<Plan>, Stopped> {
        let workspace = self.workspace;
        let client = Loan::from(&writer.pool).await?;
        let key: [(&(dyn ToSql + Sync), Type); 1] = [(&workspace.0, Type::INT8)];
        let (begun, locked, head) = join3(
            client.batch_execute(&writer.begin),
            client.query_typed(LOCK, &key),
            client.query_typed(HEAD, &key),
        )
        .await;
        begun?;
        let (locked, head) = (locked?, head?);
        let Some(head) = head.first().filter(|_| !locked.is_empty()) else {
            return Err(no_workspace(client, workspace).await);
        };
        let Sequence(last) = rows::head(head)?.last_sequence;
        loop {
            let Sequence(followed) = self.following.lock().last();
            if followed >= last {
                break;
            }
            let after: [(&(dyn ToSql + Sync), Type); 3] =
                [(&workspace.0, Type::INT8), (&followed, Type::INT8), (&EVENTS_AT_ONCE, Type::INT8)];
            let events = client.query_typed(LOG_AFTER, &after).await?;
            let events =
                events.iter().map(|row| event_text::read(&event_row(row)?).map_err(StoreError::failed));
            let events = events.collect::<Result<Vec<_>, StoreError>>()?;
            if events.is_empty() {
                return Err(StoreError::failed("the log lacks events").into());
            }
            let following = self.following.clone();
            apart(LARGE, move || following.lock().follow(&events)).await;
        }
        let Some(Decided { plan, changes, behind }) = apart(LARGE, self.decide()).await else {
            client.batch_execute(ROLLBACK).await?;
            client.give_back();
            return Ok(None);
        };
        if plan.events.is_empty() {
            client.batch_execute(ROLLBACK).await?;
            client.give_back();
            return Ok(Some(plan));
        }
        // Old rows move before new ones come, which already have their final links.
        if let Some(moves) = relink(workspace, &changes) {
            moves.send(&client).await?;
        }
        copy_in(&client, workspace, &plan.events, &changes, &|_| ()).await?;
        carry_out_and_commit(&client, &behind, commit_sent).await?;
        client.give_back();
        let (following, events) = (self.following.clone(), plan.events);
        let events = apart(LARGE, move || {
            following.lock().follow(&events);
            events
        })
        .await;
        Ok(Some(Plan { events, answers: plan.answers }))
    }
}

//! The one thread that writes, and its connection.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;

use metrics::Gauge;
use rusqlite::{Connection, TransactionBehavior, params};
use selfsame_rules::{Event, Head, IdentityIndex, Outcome, Plan, Sequence};
use selfsame_store::{
    AccessChange, AccessDecision, AccessEffect, Carried, Changes, Corrected, CorrectionDecision, Decided,
    ErasedTexts, Once, OnceDecision, Planned, Recall, StoreError, WorkspaceKey,
};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;

use crate::access::{access, carry_out_access, sweep};
use crate::answers::{
    Asking, answered, forget, keep_all, keep_alone, keep_if_wanted, keep_instead, take_bodies,
};
use crate::carry_out::{Advance, advance, append, insert_contacts, note};
use crate::checkpoint::Checkpoints;
use crate::correct::carry_out_correction;
use crate::error::{commit_error, store_error};
use crate::file::OpenedFile;
use crate::imports::{forget_imports, note_import};
use crate::indexes::Indexes;
use crate::job::Job;
use crate::load::{Loaded, Standing, load, standing, workspaces};
use crate::metrics::moves_waiting;
use crate::moves::{LastCommit, Move, Moves};
use crate::recall::recall;
use crate::scrub::{Debt, Owed, mark, pack};
use crate::webhooks::{change_webhooks, note_webhook};

const ADVANCE_LINKS: &str = "UPDATE workspaces SET linked_sequence = ?2 WHERE workspace = ?1";

/// Everything that the thread has.
pub(crate) struct Writer {
    connection: Connection,
    indexes: Arc<Indexes>,
    /// What merges have yet to move.
    moves: BTreeMap<WorkspaceKey, Moves>,
    last_commit: LastCommit,
    moves_told: Gauge,
    checkpoints: Checkpoints,
    /// A workspace whose index may not be what is stored: a commit's outcome is unknown, or a fault of ours struck.
    doubtful: Option<WorkspaceKey>,
    owed: Arc<Owed>,
}

/// What came of trying to move rows that wait.
enum Moved {
    Some,
    Failed,
}

impl Writer {
    /// Reads everything into memory.
    pub(crate) fn new(
        mut connection: Connection,
        checkpoints: Checkpoints,
        owed: Arc<Owed>,
    ) -> Result<Self, StoreError> {
        let (mut indexes, mut moves) = (Vec::new(), BTreeMap::new());
        let transaction = connection.transaction().map_err(store_error)?;
        for workspace in workspaces(&transaction)? {
            let loaded = load(&transaction, workspace)?;
            indexes.push((workspace, loaded.index));
            moves.insert(workspace, Moves::from(loaded.moves));
        }
        drop(transaction);
        let indexes = Arc::new(Indexes::new(indexes));
        Ok(Self {
            connection,
            indexes,
            moves,
            last_commit: LastCommit::default(),
            moves_told: moves_waiting(),
            checkpoints,
            doubtful: None,
            owed,
        })
    }

    /// What others look at.
    pub(crate) fn indexes(&self) -> Arc<Indexes> {
        Arc::clone(&self.indexes)
    }

    /// Starts the thread. It ends, and closes its connection, when every sender of `jobs` is gone.
    pub(crate) fn start(
        self,
        jobs: mpsc::Receiver<Job>,
        files: [OpenedFile; 2],
    ) -> std::io::Result<JoinHandle<()>> {
        std::thread::Builder::new().name("selfsame-writer".to_owned()).spawn(move || self.run(jobs, &files))
    }

    fn run(mut self, mut jobs: mpsc::Receiver<Job>, files: &[OpenedFile]) {
        let mut moving = true;
        loop {
            // Rows that wait are moved while nobody else waits. After a failure, not before somebody writes again.
            let job = if moving && self.moves_wait() {
                match jobs.try_recv() {
                    Ok(job) => job,
                    Err(TryRecvError::Empty | TryRecvError::Disconnected) => {
                        moving = matches!(self.move_rows(), Moved::Some);
                        continue;
                    }
                }
            } else {
                let Some(job) = jobs.blocking_recv() else { break };
                job
            };
            moving = true;
            self.answer(job, files);
        }
        self.close();
    }

    fn answer(&mut self, job: Job, files: &[OpenedFile]) {
        // Nobody waits any more if the server is being torn down; what was committed stays so.
        match job {
            Job::Write { workspace, mut decision, answer } => {
                let written = self.guarded(workspace, files, |writer| writer.write(workspace, &mut decision));
                let _ = answer.send(written);
            }
            Job::Correct { workspace, recall, once, mut decision, answer } => {
                let corrected = self.guarded(workspace, files, |writer| {
                    writer.correct(workspace, recall, once.as_ref(), &mut decision)
                });
                let _ = answer.send(corrected);
            }
            Job::Administer { workspace, once, mut decision, answer } => {
                let changed = self.guarded(workspace, files, |writer| {
                    writer.administer(workspace, once.as_ref(), &mut decision)
                });
                let _ = answer.send(changed);
            }
            Job::KeepInstead { once, kept, answer } => {
                let replaced = self.guarded(once.workspace(), files, |writer| {
                    keep_instead(&writer.connection, &once, &kept).map_err(store_error)
                });
                let _ = answer.send(replaced);
            }
            Job::Forget { workspace, since, answer } => {
                let forgotten =
                    self.guarded(workspace, files, |writer| forget(&mut writer.connection, workspace, since));
                let _ = answer.send(forgotten);
            }
            Job::ChangeWebhooks { workspace, once, mut decision, answer } => {
                let changed = self.guarded(workspace, files, |writer| {
                    change_webhooks(&mut writer.connection, workspace, once.as_ref(), &mut decision)
                });
                let _ = answer.send(changed);
            }
            Job::NoteWebhook { note, answer } => {
                let noted = self.guarded(note.workspace, files, |writer| {
                    note_webhook(&writer.connection, &note).map_err(store_error)
                });
                let _ = answer.send(noted);
            }
            Job::Sweep { workspace, answer } => {
                let swept = self.guarded(workspace, files, |writer| sweep(&mut writer.connection, workspace));
                let _ = answer.send(swept);
            }
            Job::Pack { answer } => {
                let _ = answer.send(pack(&self.connection).map_err(store_error));
            }
            Job::Settle { debt, answer } => {
                let _ = answer.send(self.settle(&debt));
            }
        }
        self.after_commit();
    }

    /// Runs `work`. A panic on the way, in a decision for example, is a fault of ours; it costs its own batch, not the
    /// writer. The transaction is rolled back as the stack unwinds.
    fn guarded<T>(
        &mut self,
        workspace: WorkspaceKey,
        files: &[OpenedFile],
        work: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        files.iter().try_for_each(OpenedFile::still_there)?;
        self.read_anew_if_doubtful()?;
        catch_unwind(AssertUnwindSafe(|| work(self))).unwrap_or_else(|_| {
            self.doubtful = Some(workspace);
            Err(StoreError::failed("the write panicked"))
        })
    }

    fn settle(&self, debt: &Debt) -> Result<(), StoreError> {
        if self.owed.settle(debt) { mark(&self.connection, false).map_err(store_error) } else { Ok(()) }
    }

    /// What nobody waits for.
    fn after_commit(&self) {
        let moves: usize = self.moves.values().map(Moves::length).sum();
        self.moves_told.set(moves as f64);
        self.checkpoints.after_commit(&self.connection);
    }

    /// Decide on what is in memory, write, and only then show it.
    fn write(&mut self, workspace: WorkspaceKey, decision: &mut OnceDecision) -> Result<Plan, StoreError> {
        let asking = Asking::of(&self.connection);
        let planned = self.indexes.look(workspace, |index| decision(index, &|once| asking.is_kept(once)))?;
        let Planned { plan, keep, note: import } = asking.and(planned)?;
        let Some(last) = plan.events.last() else { return Ok(plan) };
        let changes = Changes::of(&plan.events);
        let new_moves = self.indexes.look(workspace, |index| moves_of(&changes, index, &plan))?;
        let moves = self.moves.entry(workspace).or_default();

        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(store_error)?;
        append(&transaction, workspace, &plan.events).map_err(store_error)?;
        insert_contacts(&transaction, workspace, &changes).map_err(store_error)?;
        note(&transaction, workspace, &changes).map_err(store_error)?;
        keep_all(&transaction, &keep)?;
        note_import(&transaction, workspace, import.as_ref()).map_err(store_error)?;
        let (written, linked) = moves
            .write(&transaction, workspace, &new_moves, last.sequence, self.last_commit)
            .map_err(store_error)?;
        let to = Advance { last, last_contact: changes.last_contact(), linked, counts: changes.counts() };
        advance(&transaction, workspace, &to).map_err(store_error)?;
        self.last_commit.commit(transaction).map_err(|error| {
            self.doubtful = Some(workspace);
            commit_error(error)
        })?;

        moves.extend(new_moves);
        moves.forget(written);
        self.follow(workspace, &plan.events);
        Ok(plan)
    }

    /// Look at what is stored, decide, write, and only then show it. Rows that wait to be moved go first: a correction
    /// names them where they are.
    fn correct(
        &mut self,
        workspace: WorkspaceKey,
        wanted: Recall,
        once: Option<&Once>,
        decision: &mut CorrectionDecision,
    ) -> Result<Carried<Corrected>, StoreError> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(store_error)?;
        if let Some(before) = answered(&transaction, once)? {
            return Ok(Carried::Before(before));
        }
        let recalled = recall(&transaction, workspace, wanted, Some(self.indexes.knowledge(workspace)))?;
        let Decided { change, answer } = decision(&recalled);
        let Some(corrected) = change else {
            keep_alone(transaction, once, answer.as_ref())?;
            return Ok(Carried::Now(None));
        };
        let moves = self.moves.entry(workspace).or_default();
        moves.write_all(&transaction, workspace).map_err(store_error)?;
        carry_out_correction(&transaction, workspace, &corrected).map_err(store_error)?;
        if matches!(corrected.event.outcome, Outcome::Erased { .. }) {
            mark(&transaction, true).map_err(store_error)?;
            let texts = ErasedTexts::between(&recalled, &corrected);
            take_bodies(&transaction, workspace, &texts).map_err(store_error)?;
            forget_imports(&transaction, workspace).map_err(store_error)?;
            self.owed.add(texts);
        }
        keep_if_wanted(&transaction, once, answer.as_ref())?;
        transaction.commit().map_err(|error| {
            self.doubtful = Some(workspace);
            commit_error(error)
        })?;
        moves.forget(moves.length());
        self.follow(workspace, std::slice::from_ref(&corrected.event));
        if !corrected.rewritten.is_empty() {
            self.indexes.rewrite_refusals(workspace, &corrected.rewritten)?;
        }
        Ok(Carried::Now(Some(corrected)))
    }

    /// Read the access, decide, write, and only then show it.
    fn administer(
        &mut self,
        workspace: WorkspaceKey,
        once: Option<&Once>,
        decision: &mut AccessDecision,
    ) -> Result<Carried<AccessChange>, StoreError> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(store_error)?;
        if let Some(before) = answered(&transaction, once)? {
            return Ok(Carried::Before(before));
        }
        standing(&transaction, workspace)?;
        let Decided { change, answer } = decision(&access(&transaction).map_err(store_error)?);
        let Some(change) = change else {
            keep_alone(transaction, once, answer.as_ref())?;
            return Ok(Carried::Now(None));
        };
        // Rows that wait to be moved go on waiting.
        let last = change.event.sequence;
        let moves = self.moves.get(&change.workspace);
        let linked = moves.and_then(Moves::first).map_or(last, |first| Sequence(first.0 - 1));
        carry_out_access(&transaction, &change, linked).map_err(store_error)?;
        keep_if_wanted(&transaction, once, answer.as_ref())?;
        transaction.commit().map_err(|error| {
            self.doubtful = Some(change.workspace);
            commit_error(error)
        })?;
        self.show(&change);
        Ok(Carried::Now(Some(change)))
    }

    /// Shows a change of access that is committed.
    fn show(&mut self, change: &AccessChange) {
        let workspace = change.workspace;
        match change.effect {
            AccessEffect::WorkspaceMade(_) => {
                let seed = RandomState::new().hash_one(workspace);
                self.indexes.add(workspace, IdentityIndex::new(Head::EMPTY.after(&change.event), seed));
            }
            AccessEffect::WorkspaceErased(_) => {
                self.indexes.remove(workspace);
                self.moves.remove(&workspace);
            }
            AccessEffect::WorkspaceRenamed(..) | AccessEffect::KeyMade(_) | AccessEffect::KeyEnded(_) => {
                self.follow(workspace, std::slice::from_ref(&change.event));
            }
        }
    }

    /// Shows what is committed. That it can't be shown changes nothing in that: it is read anew from the rows.
    fn follow(&mut self, workspace: WorkspaceKey, events: &[Event]) {
        let followed = self.indexes.follow(workspace, events).or_else(|error| {
            tracing::warn!(%error, "what is held in memory can't follow what was written, and is read anew");
            self.doubtful = Some(workspace);
            self.read_anew_if_doubtful()
        });
        if let Err(error) = followed {
            tracing::error!(%error, "what is held in memory could not be read anew; the next change tries again");
        }
    }

    fn moves_wait(&self) -> bool {
        self.moves.values().any(|moves| !moves.is_empty())
    }

    /// One transaction that moves rows, and nothing else.
    fn move_rows(&mut self) -> Moved {
        let waiting = self.moves.iter_mut().find(|(_, moves)| !moves.is_empty());
        let Some((workspace, moves)) = waiting else { return Moved::Some };
        let moved = move_rows(&mut self.connection, *workspace, moves, &mut self.last_commit);
        self.after_commit();
        match moved {
            Ok(()) => Moved::Some,
            Err(error) => {
                tracing::warn!(%error, "could not move the rows of a merge yet; answers are right all the same");
                Moved::Failed
            }
        }
    }

    /// Reads a workspace anew whose index may differ from what is stored.
    fn read_anew_if_doubtful(&mut self) -> Result<(), StoreError> {
        let Some(workspace) = self.doubtful else { return Ok(()) };
        let transaction = self.connection.transaction().map_err(store_error)?;
        match load(&transaction, workspace) {
            Ok(Loaded { index, moves }) => {
                self.indexes.add(workspace, index);
                self.moves.insert(workspace, Moves::from(moves));
            }
            // It was not made after all, or was erased.
            Err(StoreError::NoWorkspace(_)) => {
                self.indexes.remove(workspace);
                self.moves.remove(&workspace);
            }
            Err(error) => return Err(error),
        }
        self.doubtful = None;
        Ok(())
    }

    /// Copies the log back into the file, so that what is left is one file, and says so if it can't.
    fn close(self) {
        self.checkpoints.end();
        let checkpoint = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        if let Err(error) = checkpoint {
            tracing::warn!(%error, "could not fold the write-ahead log into the database; the next start will");
        }
        if let Err((_, error)) = self.connection.close() {
            tracing::warn!(%error, "could not close the database; the next start recovers it");
        }
    }
}

/// The stored rows that the plan's merges move: each former primary and all that link to it.
fn moves_of(changes: &Changes, index: &IdentityIndex, plan: &Plan) -> Vec<Move> {
    let Some(first) = plan.events.first() else { return Vec::new() };
    let count = changes.moved.keys().map(|former| index.followers(*former).count()).sum();
    // All at once: growing by and by costs more than the moves.
    let mut moves = Vec::with_capacity(count);
    for (former, (survivor, at)) in &changes.moved {
        let (survivor, at, sequence) = (*survivor, *at, first.sequence);
        moves.extend(index.followers(*former).map(|id| Move { id, survivor, at, sequence }));
    }
    moves
}

fn move_rows(
    connection: &mut Connection,
    workspace: WorkspaceKey,
    moves: &mut Moves,
    last_commit: &mut LastCommit,
) -> Result<(), StoreError> {
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(store_error)?;
    let Standing { head, .. } = standing(&transaction, workspace)?;
    let (written, Sequence(linked)) =
        moves.write(&transaction, workspace, &[], head.last_sequence, *last_commit).map_err(store_error)?;
    transaction.execute(ADVANCE_LINKS, params![workspace.0, linked]).map_err(store_error)?;
    last_commit.commit(transaction).map_err(commit_error)?;
    moves.forget(written);
    Ok(())
}

//! Rows of a file: very many observations, some thousands of them in a transaction, each with how far the file has come.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex};

use selfsame_rules::{
    Head, Identities, IdentityIndex, Observation, Plan, Sequence, Timestamp, decide_showing,
};
use selfsame_store::{
    Following, ImportCounts, ImportNote, IsKept, OnceDecision, Planned, Record, Scan, StoreError,
};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use crate::Engine;
use crate::metrics::Operation;

/// The number of the last event where there is none.
const NONE: Sequence = Sequence(0);

/// Rows that are stored together.
#[derive(Clone, Debug)]
pub struct ImportBatch {
    /// What somebody was seen with, in the order of the rows.
    pub observations: Vec<Observation>,
    /// How far the import is once they are stored, its counts being those of the rows before them.
    pub note: ImportNote,
    /// Whether they are the first of an import into a workspace without history, and are accepted as of their own times.
    pub begins_history: bool,
}

/// Why rows were not stored. None of their batch was.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Somebody else wrote the first event of a workspace that had none when the import began.
    #[error("the workspace was empty when the import began, and is not any more")]
    NotEmpty,
    /// The store could not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Engine {
    /// How far the import of that file is ([`ImportNote::file`]); nothing if none of it was stored.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store can't be read.
    pub async fn import_note(&self, file: &str) -> Result<Option<ImportNote>, StoreError> {
        self.store().import_note(self.workspace(), file).await
    }

    /// Whether nothing ever happened in the workspace.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store can't be read.
    pub async fn is_without_history(&self) -> Result<bool, StoreError> {
        let mut last = None;
        let mut look = |identities: &dyn Identities| last = Some(identities.head().last_sequence);
        self.store().look(self.workspace(), Vec::new(), &mut look).await?;
        Ok(last == Some(NONE))
    }

    /// The time now, by the engine's clock.
    pub fn now(&self) -> Timestamp {
        self.clock().now()
    }

    /// Stores rows as one transaction, as if each was sent by itself, and with them how far their import is; gives what that is
    /// then. Where none of them changes anything, nothing is stored.
    ///
    /// # Errors
    ///
    /// [`ImportError`]; except for [`StoreError::OutcomeUnknown`], nothing was stored.
    pub async fn import(
        &self,
        batch: ImportBatch,
        importing: &mut Importing,
    ) -> Result<ImportNote, ImportError> {
        let ImportBatch { observations, note, begins_history } = batch;
        let observations = Arc::new(observations);
        let decided = Arc::new(Mutex::new(Decided::default()));
        loop {
            let following = match &importing.following {
                Some(following) => following.clone(),
                None => importing.following.insert(self.follow().await?).clone(),
            };
            let decision = self.decision(&observations, &note, begins_history, &decided);
            let begun = Instant::now();
            let written = self.store().write_following(self.workspace(), &following, decision).await;
            self.wrote(begun, &written, observations.len());
            if written?.is_none() {
                // Somebody was erased, say: the log is read anew.
                importing.following = None;
                continue;
            }
            let decided = decided.lock().expect("nothing panics while it holds this");
            if decided.is_late {
                return Err(ImportError::NotEmpty);
            }
            let counts = note.counts.and(decided.counts.unwrap_or_default());
            return Ok(ImportNote { counts, ..note });
        }
    }

    /// What is decided of a batch, under the lock.
    fn decision(
        &self,
        observations: &Arc<Vec<Observation>>,
        note: &ImportNote,
        begins_history: bool,
        decided: &Arc<Mutex<Decided>>,
    ) -> OnceDecision {
        let (observations, note, decided) = (Arc::clone(observations), note.clone(), Arc::clone(decided));
        let clock = self.clock();
        Box::new(move |identities: &dyn Identities, _: &IsKept<'_>| {
            let mut decided = decided.lock().expect("nothing panics while it holds this");
            decided.is_late =
                begins_history && identities.head().last_sequence != NONE && decided.counts.is_none();
            if decided.is_late {
                return Plan { events: Vec::new(), answers: Vec::new() }.into();
            }
            let plan = decide_showing(identities, &observations, clock.now(), 0);
            // Decided once more because an answer was lost: then what was decided first is there.
            let counts = match decided.counts {
                Some(counts) if plan.events.is_empty() => counts,
                _ => ImportCounts::of(&plan),
            };
            decided.counts = Some(counts);
            let note = ImportNote { counts: note.counts.and(counts), ..note.clone() };
            Planned { plan, keep: Vec::new(), note: Some(note) }
        })
    }

    /// What batches are decided on: nothing, where the store shows everything.
    async fn follow(&self) -> Result<Following, StoreError> {
        let index = if self.store().shows_everything() { empty() } else { self.index().await? };
        Ok(Following::new(index))
    }

    /// Tells metrics, readiness and the feed what came of a batch.
    fn wrote(&self, begun: Instant, written: &Result<Option<Plan>, StoreError>, count: usize) {
        let metrics = self.metrics();
        metrics.commit.record(begun.elapsed());
        metrics.batch.record(count as f64);
        self.standing().written(written.as_ref().map(|_| ()));
        match written {
            Ok(Some(plan)) => metrics.count_plan(plan, count),
            Ok(None) => {}
            Err(error) => {
                metrics.count_error(Operation::Write, error);
                metrics.failed.increment(count as u64);
            }
        }
        // Also where it isn't known: then it may have grown.
        let grew = |plan: &Option<Plan>| plan.as_ref().is_some_and(|plan| !plan.events.is_empty());
        if written.as_ref().map_or(true, grew) {
            self.feed().tell();
        }
    }

    /// A copy of the workspace in memory, in which an import can be tried: some 150 bytes a contact.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store can't be read, or its log can't be followed.
    pub async fn rehearse(&self) -> Result<Rehearsal, StoreError> {
        Ok(Rehearsal { index: self.index().await?, clock: self.clock() })
    }

    /// What the log adds up to.
    async fn index(&self) -> Result<IdentityIndex, StoreError> {
        let (sender, records) = mpsc::channel::<Vec<Record>>(4);
        let following = spawn_blocking(move || follow(records));
        let scanned = self.store().scan(self.workspace(), Scan::Everything, sender).await;
        let index = following.await.map_err(StoreError::failed)??;
        scanned.map(|_| index)
    }
}

fn empty() -> IdentityIndex {
    IdentityIndex::new(Head::EMPTY, RandomState::new().hash_one("an import"))
}

/// Follows events as they come, until something else does: the log comes first, and says all.
fn follow(mut records: mpsc::Receiver<Vec<Record>>) -> Result<IdentityIndex, StoreError> {
    let mut index = empty();
    while let Some(records) = records.blocking_recv() {
        let mut events = Vec::with_capacity(records.len());
        for record in records {
            match record {
                Record::Event(event) => events.push(event),
                Record::UnreadableEvent(sequence, why) => {
                    return Err(StoreError::failed(format!("event {}: {why}", sequence.0)));
                }
                Record::Contact(_)
                | Record::Owner(..)
                | Record::Finder(_)
                | Record::EventRow(_)
                | Record::Identity(_) => {
                    index.follow_all(&events)?;
                    return Ok(index);
                }
            }
        }
        index.follow_all(&events)?;
    }
    Ok(index)
}

/// What is kept between the batches of an import.
#[derive(Default)]
pub struct Importing {
    following: Option<Following>,
}

/// What was decided of a batch, however often.
#[derive(Default)]
struct Decided {
    counts: Option<ImportCounts>,
    is_late: bool,
}

/// A workspace in memory, of which nothing is stored.
pub struct Rehearsal {
    index: IdentityIndex,
    clock: Arc<dyn crate::Clock>,
}

impl Rehearsal {
    /// What rows would come to, after those before them.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if there is no room in memory for what they bring.
    pub fn import(&mut self, observations: &[Observation]) -> Result<ImportCounts, StoreError> {
        let plan = decide_showing(&self.index, observations, self.clock.now(), 0);
        self.index.follow_all(&plan.events)?;
        Ok(ImportCounts::of(&plan))
    }
}

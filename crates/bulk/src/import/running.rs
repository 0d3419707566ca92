//! An import on its way: what was read becomes durable, batch after batch, as whoever imports asks for the next.

use std::sync::Arc;

use selfsame_rules::Observation;
use selfsame_service::{Engine, ImportBatch, Importing, Rehearsal};
use selfsame_store::{ImportCounts, ImportNote};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

use super::reading::{Batch, Plan, read};
use super::rows::Rejected;
use super::{ImportStopped, Opened};
use crate::reader::Progress;

/// How many batches wait for the store, besides the one that it has.
const BATCHES_WAITING: usize = 2;

/// How far an import is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// How far the file is read.
    pub read: Progress,
    /// How many of its rows are decided, those before included.
    pub rows: i64,
    /// How many of these an earlier attempt has stored.
    pub rows_before: i64,
    /// What all of these came to.
    pub counts: ImportCounts,
}

/// What happens on the way.
#[derive(Debug)]
pub enum Told {
    /// Rows that are not taken.
    Rejected(Vec<Rejected>),
    /// Some more rows are decided, and durable.
    Stored(Standing),
}

/// An import on its way. Dropped, it ends where it is.
pub struct Running {
    engine: Engine,
    deed: Deed,
    batches: mpsc::Receiver<Batch>,
    reading: Option<JoinHandle<Result<(), ImportStopped>>>,
    /// Of the batch whose rejected rows were told, those that are to be stored.
    waiting: Option<(Vec<Observation>, i64, Box<str>)>,
    standing: Standing,
}

/// What is done with the rows.
enum Deed {
    /// They are stored; `begins_history`: as the first of all.
    Store { note: Box<ImportNote>, begins_history: bool, importing: Importing },
    /// They are tried; nothing while they are.
    Rehearse(Option<Box<Rehearsal>>),
}

impl Opened {
    /// Begins to store the rows, or goes on where an earlier attempt ended.
    ///
    /// # Errors
    ///
    /// [`ImportStopped`].
    pub async fn start(self, engine: &Engine) -> Result<Running, ImportStopped> {
        if let Some(stopped) = self.unread_times()
            && engine.is_without_history().await?
        {
            return Err(stopped);
        }
        let file = self.file();
        let before = engine.import_note(&file).await?.filter(|_| !self.import.again);
        let by_time = match &before {
            Some(note) => note.by_time,
            None => self.says_when() && engine.is_without_history().await?,
        };
        let note = before.clone().unwrap_or_else(|| ImportNote {
            file,
            rows: 0,
            digest: "".into(),
            by_time,
            counts: ImportCounts::default(),
            began_at: engine.now(),
        });
        let begins_history = by_time && before.is_none();
        let deed = Deed::Store { note: Box::new(note), begins_history, importing: Importing::default() };
        Ok(self.run(engine, by_time, before, deed))
    }

    /// Begins to read the whole file for what it would come to; nothing is stored.
    ///
    /// # Errors
    ///
    /// [`ImportStopped`].
    pub async fn rehearse(self, engine: &Engine) -> Result<Running, ImportStopped> {
        if let Some(stopped) = self.unread_times()
            && engine.is_without_history().await?
        {
            return Err(stopped);
        }
        let by_time = self.says_when() && engine.is_without_history().await?;
        let rehearsal = engine.rehearse().await?;
        Ok(self.run(engine, by_time, None, Deed::Rehearse(Some(Box::new(rehearsal)))))
    }

    fn run(self, engine: &Engine, by_time: bool, before: Option<ImportNote>, deed: Deed) -> Running {
        let (sender, batches) = mpsc::channel(BATCHES_WAITING);
        let stored = before.as_ref();
        let standing = Standing {
            rows: stored.map_or(0, |note| note.rows),
            rows_before: stored.map_or(0, |note| note.rows),
            counts: stored.map_or_else(ImportCounts::default, |note| note.counts),
            ..Standing::default()
        };
        let plan = Plan { by_time, before, policy: Arc::clone(&self.import.policy), now: engine.now() };
        let reading = spawn_blocking(move || read(self.reader, self.head, &plan, &sender));
        Running { engine: engine.clone(), deed, batches, reading: Some(reading), waiting: None, standing }
    }
}

impl Running {
    /// How far it is.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// What happens next; nothing when all rows are durable.
    ///
    /// # Errors
    ///
    /// [`ImportStopped`]; what was stored before stays stored.
    pub async fn next(&mut self) -> Result<Option<Told>, ImportStopped> {
        loop {
            if let Some((observations, rows, digest)) = self.waiting.take()
                && !observations.is_empty()
            {
                self.decide(observations, rows, digest).await?;
                return Ok(Some(Told::Stored(self.standing)));
            }
            let Some(batch) = self.batches.recv().await else {
                // The thread has ended, one way or the other.
                if let Some(reading) = self.reading.take() {
                    reading.await??;
                }
                return Ok(None);
            };
            let Batch { observations, rejected, rows, digest, progress } = batch;
            self.standing.read = progress;
            self.waiting = Some((observations, rows, digest));
            if !rejected.is_empty() {
                return Ok(Some(Told::Rejected(rejected)));
            }
        }
    }

    async fn decide(
        &mut self,
        observations: Vec<Observation>,
        rows: i64,
        digest: Box<str>,
    ) -> Result<(), ImportStopped> {
        match &mut self.deed {
            Deed::Store { note, begins_history, importing } => {
                let next = ImportNote { rows, digest, ..ImportNote::clone(note) };
                let batch = ImportBatch { observations, note: next, begins_history: *begins_history };
                **note = self.engine.import(batch, importing).await?;
                *begins_history = false;
                self.standing.counts = note.counts;
            }
            Deed::Rehearse(rehearsal) => {
                let mut tried = rehearsal.take().ok_or(ImportStopped::Panicked)?;
                let trying = spawn_blocking(move || {
                    let counts = tried.import(&observations);
                    (tried, counts)
                });
                let (tried, counts) = trying.await?;
                *rehearsal = Some(tried);
                self.standing.counts = self.standing.counts.and(counts?);
            }
        }
        self.standing.rows = rows;
        Ok(())
    }
}

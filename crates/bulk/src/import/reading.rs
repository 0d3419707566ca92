//! The thread that reads: rows become batches, those that were stored before are skipped.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use selfsame_rules::{Observation, Origin, Policy, Timestamp};
use selfsame_store::ImportNote;
use tokio::sync::mpsc;

use super::ImportStopped;
use super::by_time::ByTime;
use super::rows::{Rejected, RowsDigest};
use crate::input::ReadError;
use crate::reader::{Progress, Row, RowReader};
use crate::reject::{Reason, Reject};
use crate::rejects_file::RejectsWriter;

/// How many rows are stored as one transaction: some dozens of milliseconds, for which nobody else can write.
const BATCH_ROWS: usize = 5_000;

/// How many rejected rows are told at once.
const REJECTED_TOLD: usize = 1_000;

/// By how many of its first rows a file is known again.
const HEAD_ROWS: usize = 100;

/// Rows on their way to the store.
pub(super) struct Batch {
    pub(super) observations: Vec<Observation>,
    pub(super) rejected: Vec<Rejected>,
    /// How many rows that can be used there were, these included.
    pub(super) rows: i64,
    /// What those say.
    pub(super) digest: Box<str>,
    pub(super) progress: Progress,
}

/// What is known before the rows are read.
pub(super) struct Plan {
    /// Whether rows are put in the order of their own times, and accepted as of these.
    pub(super) by_time: bool,
    /// How far an earlier attempt came.
    pub(super) before: Option<ImportNote>,
    pub(super) policy: Arc<Policy>,
    /// No row is accepted as of a later time.
    pub(super) now: Timestamp,
}

/// What a row of a file is to an import.
enum Read {
    Taken(Observation),
    Rejected(Rejected),
}

/// The first rows of a file, read before it is known whether it came before.
pub(super) struct Head {
    rows: Vec<Read>,
    rejects: Rejects,
}

impl Head {
    pub(super) fn read(reader: &mut RowReader, policy: &Policy) -> Result<Self, ReadError> {
        let mut rejects = Rejects::of(reader);
        let mut rows = Vec::with_capacity(HEAD_ROWS);
        let mut taken = 0;
        while taken < HEAD_ROWS
            && let Some(row) = reader.next()
        {
            let row = rejects.read(reader, row?, policy);
            taken += usize::from(matches!(row, Read::Taken(_)));
            rows.push(row);
        }
        Ok(Self { rows, rejects })
    }

    pub(super) fn rejects_header(&self) -> &str {
        &self.rejects.header
    }

    /// By what the file is known when it comes again.
    pub(super) fn name_of_file<'column>(
        &self,
        columns: impl Iterator<Item = (&'column str, &'column str)>,
        source: Option<&str>,
    ) -> Box<str> {
        let mut digest = RowsDigest::default();
        for (meaning, header) in columns {
            digest.text(meaning);
            digest.text(header);
        }
        digest.text(source.unwrap_or_default());
        for row in &self.rows {
            if let Read::Taken(observation) = row {
                digest.add(observation);
            }
        }
        digest.hexadecimal()
    }
}

/// Writes rejected rows as a file of them has them.
struct Rejects {
    written: Shared,
    writer: RejectsWriter<Shared>,
    header: String,
    /// How many rows are good in themselves, and not taken because nothing of them can link.
    linkless: u64,
}

/// What a writer wrote, to be taken out.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn take(&self) -> String {
        let bytes = std::mem::take(&mut *self.0.lock().expect("nothing panics while it holds this"));
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nothing panics while it holds this").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Rejects {
    fn of(reader: &RowReader) -> Self {
        let written = Shared::default();
        let mut writer = RejectsWriter::new(written.clone(), reader).expect("memory can be written");
        writer.flush().expect("memory can be written");
        let header = written.take();
        Self { written, writer, header, linkless: 0 }
    }

    /// How far the reading is.
    fn progress(&self, reader: &RowReader) -> Progress {
        let progress = reader.progress();
        Progress { rejected: progress.rejected + self.linkless, ..progress }
    }

    /// What the row that was read last is. One of which nothing can link is nobody's, and rejected.
    fn read(&mut self, reader: &RowReader, row: Row, policy: &Policy) -> Read {
        let line = row.line;
        let reject = match row.outcome {
            Ok(observation) if observation.seen().iter().any(|seen| policy.links(seen)) => {
                let origin = observation.origin().map(|origin| Origin::clone(origin)).unwrap_or_default();
                return Read::Taken(observation.with_origin(Origin { imported: true, ..origin }));
            }
            Ok(_) => {
                self.linkless += 1;
                Reject { line, column: None, reason: Reason::NothingLinks }
            }
            Err(reject) => reject,
        };
        self.writer.write(reader, &reject).expect("memory can be written");
        self.writer.flush().expect("memory can be written");
        Read::Rejected(Rejected {
            line,
            column: reject.column.as_deref().map(Box::from),
            reason: reject.reason.to_string().into(),
            row: self.written.take().into(),
        })
    }
}

/// Rows that come together.
struct Gathering<'plan> {
    plan: &'plan Plan,
    batches: &'plan mpsc::Sender<Batch>,
    observations: Vec<Observation>,
    rejected: Vec<Rejected>,
    rows: i64,
    digest: RowsDigest,
}

/// Reads all rows, and sends them in batches. Ends early, without an error, where nobody takes them any more.
pub(super) fn read(
    mut reader: RowReader,
    head: Head,
    plan: &Plan,
    batches: &mpsc::Sender<Batch>,
) -> Result<(), ImportStopped> {
    let Head { rows: head, mut rejects } = head;
    let mut gathering = Gathering {
        plan,
        batches,
        observations: Vec::new(),
        rejected: Vec::new(),
        rows: 0,
        digest: RowsDigest::default(),
    };
    let mut by_time = plan.by_time.then(ByTime::default);
    let mut head = head.into_iter();
    loop {
        let row = match head.next() {
            Some(row) => row,
            None => match reader.next() {
                Some(row) => rejects.read(&reader, row?, &plan.policy),
                None => break,
            },
        };
        let is_open = match (row, &mut by_time) {
            (Read::Taken(row), Some(by_time)) => {
                by_time.add(&row).map(|()| true).map_err(ImportStopped::Spool)?
            }
            (Read::Taken(row), None) => gathering.take(row, || rejects.progress(&reader))?,
            (Read::Rejected(row), _) => gathering.reject(row, || rejects.progress(&reader)),
        };
        if !is_open {
            return Ok(());
        }
    }
    let progress = rejects.progress(&reader);
    if let Some(by_time) = by_time {
        let template = reader.template();
        for row in by_time.in_order(template).map_err(ImportStopped::Spool)? {
            let row = row.map_err(ImportStopped::Spool)?;
            let at = row.origin().and_then(|origin| origin.observed_at);
            let row = row.accepted_at(at.unwrap_or(plan.now).min(plan.now));
            if !gathering.take(row, || progress)? {
                return Ok(());
            }
        }
    }
    gathering.end(progress)
}

impl Gathering<'_> {
    /// Takes a row, unless it was stored before; false if nobody takes more.
    fn take(&mut self, row: Observation, progress: impl FnOnce() -> Progress) -> Result<bool, ImportStopped> {
        self.rows += 1;
        self.digest.add(&row);
        let stored = self.plan.before.as_ref();
        match stored {
            Some(before) if self.rows < before.rows => return Ok(true),
            Some(before) if self.rows == before.rows => {
                let is_same = self.digest.hexadecimal() == before.digest;
                return if is_same {
                    Ok(true)
                } else {
                    Err(ImportStopped::Changed { rows: before.rows, by_time: before.by_time })
                };
            }
            Some(_) | None => self.observations.push(row),
        }
        Ok(self.observations.len() < BATCH_ROWS || self.send(progress()))
    }

    fn reject(&mut self, row: Rejected, progress: impl FnOnce() -> Progress) -> bool {
        self.rejected.push(row);
        self.rejected.len() < REJECTED_TOLD || self.send(progress())
    }

    fn send(&mut self, progress: Progress) -> bool {
        let batch = Batch {
            observations: std::mem::take(&mut self.observations),
            rejected: std::mem::take(&mut self.rejected),
            rows: self.rows,
            digest: self.digest.hexadecimal(),
            progress,
        };
        self.batches.blocking_send(batch).is_ok()
    }

    fn end(mut self, progress: Progress) -> Result<(), ImportStopped> {
        if let Some(before) = &self.plan.before
            && self.rows < before.rows
        {
            return Err(ImportStopped::Changed { rows: before.rows, by_time: before.by_time });
        }
        self.send(progress);
        Ok(())
    }
}

//! Copying the write-ahead log back into the file, beside the thread that writes: a copy takes tens of milliseconds, and
//! no commit waits for it.
//!
//! A thread of its own copies what the log holds. The writer then copies the little that was added meanwhile, which
//! lets SQLite begin the log anew; without that it would grow for as long as writes come.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Instant;

use metrics::{Gauge, Histogram};
use rusqlite::Connection;

use crate::metrics::{checkpoint_duration, log_pages};

/// A log of as many pages is copied back: 16 MiB. Fewer copies of the same pages, still a quick recovery.
const PAGES: u64 = 4_096;

/// The writer's side.
pub(crate) struct Checkpoints {
    /// How many pages the log has.
    pages: Arc<AtomicU64>,
    pages_told: Gauge,
    /// The log was copied, but for what was added since.
    copied: Arc<AtomicBool>,
    requests: SyncSender<()>,
    duration: Histogram,
    thread: JoinHandle<()>,
}

impl Checkpoints {
    /// Takes over from SQLite's own checkpoints, which would run within a commit of `writing`; `copying` is another
    /// connection to the same file.
    pub(crate) fn start(writing: &mut Connection, copying: Connection) -> Result<Self, StartError> {
        let pages = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&pages);
        writing.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages| {
            counter.store(u64::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))?;
        let copied = Arc::new(AtomicBool::new(false));
        let (requests, requested) = sync_channel(1);
        let (done, duration) = (Arc::clone(&copied), checkpoint_duration());
        let timed = duration.clone();
        let thread = std::thread::Builder::new()
            .name("selfsame-checkpoint".to_owned())
            .spawn(move || copy_when_requested(&copying, &requested, &done, &timed))?;
        Ok(Self { pages, pages_told: log_pages(), copied, requests, duration, thread })
    }

    /// What the writer does after each commit: asks for a copy, or ends one.
    pub(crate) fn after_commit(&self, writing: &Connection) {
        let pages = self.pages.load(Ordering::Relaxed);
        self.pages_told.set(pages as f64);
        if self.copied.swap(false, Ordering::Acquire) {
            copy(writing, &self.duration);
        } else if pages >= PAGES {
            // Refused if a copy is asked for or under way, which is as good.
            let _ = self.requests.try_send(());
        }
    }

    /// Ends the thread.
    pub(crate) fn end(self) {
        drop(self.requests);
        if self.thread.join().is_err() {
            tracing::error!("the thread that copies the write-ahead log ended in a panic");
        }
    }
}

/// Why checkpoints can't start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error(transparent)]
    Thread(#[from] std::io::Error),
}

fn copy_when_requested(
    copying: &Connection,
    requested: &Receiver<()>,
    copied: &AtomicBool,
    duration: &Histogram,
) {
    while requested.recv().is_ok() {
        copy(copying, duration);
        copied.store(true, Ordering::Release);
    }
}

/// Copies what no reader needs in the log, without waiting for anybody.
fn copy(connection: &Connection, duration: &Histogram) {
    let begun = Instant::now();
    if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
        tracing::warn!(%error, "could not copy the write-ahead log into the database yet; it grows meanwhile");
    }
    duration.record(begun.elapsed());
}

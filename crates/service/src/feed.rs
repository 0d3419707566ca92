//! Following a workspace's log: whoever listens is woken by what this process commits at once, and by what other replicas
//! commit within a second.
//!
//! Nothing that was erased is handed out: a [`Page`] knows whether it is current, and is read again when it isn't. Where this
//! process erases somebody, that is so before the erasure is acknowledged. Where another replica does, a page is current for a
//! moment only, and the erasure is acknowledged after that ([`sent_by_nobody`]).
//!
//! Deliberately absent: who reads what is new ([`LogReader`]), HTTP, and how long anybody listens.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use selfsame_rules::{Event, Identities, Sequence};
use selfsame_store::{Recall, Store, StoreError, WorkspaceKey};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::Engine;
use crate::log_reader::{End, LogReader};

/// The most events that are read at once.
const PAGE_EVENTS_MAX: usize = 100;

/// How long what was read is kept, and, where others write, sent without being read again.
pub(crate) const KEPT_FOR: Duration = Duration::from_millis(250);

/// After how long nobody sends what was read before: what is kept, and as long again for an answer of the store to arrive.
const SENT_WITHIN: Duration = Duration::from_millis(500);

/// A workspace's log.
pub(crate) struct Log {
    store: Arc<dyn Store>,
    workspace: WorkspaceKey,
    /// How often this process took something out of events.
    rewritten: Arc<AtomicU64>,
}

impl Log {
    pub(crate) fn workspace(&self) -> WorkspaceKey {
        self.workspace
    }

    pub(crate) fn is_written_elsewhere(&self) -> bool {
        self.store.is_written_elsewhere()
    }

    /// Reads what comes behind that event.
    pub(crate) async fn page_after(&self, after: Sequence) -> Result<Page, StoreError> {
        let before = self.rewritten.load(Ordering::SeqCst);
        let recalled = self.store.recall(self.workspace, Recall::Log(after, PAGE_EVENTS_MAX)).await?;
        let read = Read {
            after,
            log_end: recalled.register.head().last_sequence,
            events: recalled.events,
            at: Instant::now(),
            is_kept_short: self.store.is_written_elsewhere(),
            rewritten_before: before,
            rewritten: Arc::clone(&self.rewritten),
        };
        Ok(Page { read: Arc::new(read), first: 0 })
    }
}

/// Events as they were read together.
struct Read {
    after: Sequence,
    /// The last event that the log then had.
    log_end: Sequence,
    events: Vec<Event>,
    at: Instant,
    is_kept_short: bool,
    rewritten_before: u64,
    rewritten: Arc<AtomicU64>,
}

/// A part of a workspace's log: events in its order, none left out. Clones share them.
#[derive(Clone)]
pub struct Page {
    read: Arc<Read>,
    first: usize,
}

impl Page {
    /// The events, perhaps none.
    pub fn events(&self) -> &[Event] {
        &self.read.events[self.first..]
    }

    /// Whether they may still be sent. Otherwise somebody in them may have been erased since they were read, and they are to be
    /// read again.
    pub fn is_current(&self) -> bool {
        let Read { rewritten, rewritten_before, at, is_kept_short, .. } = &*self.read;
        rewritten.load(Ordering::SeqCst) == *rewritten_before && !(*is_kept_short && at.elapsed() > KEPT_FOR)
    }

    /// When it was read.
    pub(crate) fn read_at(&self) -> Instant {
        self.read.at
    }

    /// Its last event; the one that it was read behind, if it has none.
    pub(crate) fn last(&self) -> Sequence {
        self.read.events.last().map_or(self.read.after, |event| event.sequence)
    }

    /// The last event that the log had when it was read.
    pub(crate) fn log_end(&self) -> Sequence {
        self.read.log_end
    }

    /// What it has behind that event; nothing, if it doesn't have what comes next.
    pub(crate) fn behind(&self, after: Sequence) -> Option<Self> {
        let next = self.read.events.partition_point(|event| event.sequence <= after);
        (self.read.after <= after && next < self.read.events.len())
            .then(|| Self { read: Arc::clone(&self.read), first: next })
    }
}

/// Waits until no replica sends what it read before `committed`, when events were rewritten.
pub(crate) async fn sent_by_nobody(store: &dyn Store, committed: Instant) {
    if store.is_written_elsewhere() {
        sleep_until(committed + SENT_WITHIN).await;
    }
}

/// A workspace's log, and whom to tell when it changes.
pub(crate) struct Feed {
    log: Arc<Log>,
    told: watch::Sender<()>,
    /// All listeners share it, and it ends with the last of them.
    reader: Mutex<Weak<LogReader>>,
}

impl Feed {
    pub(crate) fn new(store: Arc<dyn Store>, workspace: WorkspaceKey) -> Self {
        let log = Arc::new(Log { store, workspace, rewritten: Arc::default() });
        Self { log, told: watch::Sender::new(()), reader: Mutex::default() }
    }

    /// Says that the log may have grown.
    pub(crate) fn tell(&self) {
        self.told.send_replace(());
    }

    /// Says that events of the log may hold less than before. What was read until now is sent to nobody from here on.
    pub(crate) fn tell_rewritten(&self) {
        self.log.rewritten.fetch_add(1, Ordering::SeqCst);
        let reader = self.reader.lock().expect("nothing panics while it holds this").upgrade();
        if let Some(reader) = reader {
            reader.forget();
        }
        self.tell();
    }

    fn reader(&self) -> Arc<LogReader> {
        let mut shared = self.reader.lock().expect("nothing panics while it holds this");
        if let Some(reader) = shared.upgrade() {
            return reader;
        }
        let reader = LogReader::start(Arc::clone(&self.log), self.told.subscribe());
        *shared = Arc::downgrade(&reader);
        reader
    }
}

/// Somebody who follows a workspace's log. Dropped, it listens no more.
pub struct Listener {
    log: Arc<Log>,
    reader: Arc<LogReader>,
    end: watch::Receiver<End>,
    after: Sequence,
}

impl Engine {
    /// Follows the log from behind that event; one that isn't there yet is waited for.
    pub fn listen(&self, after: Sequence) -> Listener {
        let feed = self.feed();
        let reader = feed.reader();
        Listener { log: Arc::clone(&feed.log), end: reader.end(), reader, after }
    }
}

impl Listener {
    /// What comes next, and is current; nothing if there is nothing yet. It is the same until [`Listener::passed`].
    ///
    /// Whoever stands at the end of the log, or not far behind it, gets what was read once for all; others read for themselves.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the log can't be read; the same call goes on from where it stood.
    pub async fn read(&mut self) -> Result<Option<Page>, StoreError> {
        // Before the reading: what is found while it goes on wakes it again.
        let end = *self.end.borrow_and_update();
        match end {
            End::Gone => return Err(StoreError::NoWorkspace(self.log.workspace())),
            End::At(end) if end <= self.after => return Ok(None),
            End::At(_) | End::Unknown => {}
        }
        if let Some(page) = self.reader.kept_after(self.after) {
            return Ok(Some(page));
        }
        loop {
            let page = self.log.page_after(self.after).await?;
            if page.is_current() {
                self.reader.offer(&page);
                return Ok(Some(page).filter(|page| !page.events().is_empty()));
            }
        }
    }

    /// Goes on behind that event.
    pub fn passed(&mut self, event: Sequence) {
        self.after = event;
    }

    /// Waits until there may be more than at the last reading.
    pub async fn grown(&mut self) {
        self.reader.want();
        // The reader, and with it the sender, is there for as long as this is.
        let _ = self.end.changed().await;
    }
}

//! The one who reads what is new in a workspace's log, for all who follow it on this replica.
//!
//! It reads when the log may have grown and somebody waits for it, a page at a time, and keeps what it read for a moment: whoever
//! is a little slower than the first finds it there. Whoever is further behind reads pages of its own until it is where the
//! reader is, or was a moment ago. The numbers of events are without gaps, so that nobody who changes over can miss one or get
//! one twice.
//!
//! Nobody is waited for, and what is kept is bounded, by time and by number. With the last listener it ends.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use selfsame_rules::Sequence;
use selfsame_store::StoreError;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};

use crate::Seldom;
use crate::feed::{KEPT_FOR, Log, Page};

/// How often the log is looked at for what other replicas wrote.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long to wait after the log could not be read.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The most events that are kept, but for the last page.
const KEPT_EVENTS_MAX: usize = 1_000;

/// How far the log is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Nobody has come to its end yet.
    Unknown,
    /// Up to this event. What comes after it, the reader reads.
    At(Sequence),
    /// The workspace is erased, or its engine has ended.
    Gone,
}

/// What is shared by all who listen.
pub(crate) struct LogReader {
    log: Arc<Log>,
    kept: Mutex<Kept>,
    end: watch::Sender<End>,
    /// Wakes the reader: somebody waits for it, or nobody is there any more.
    wanted: Arc<Notify>,
    unread: Seldom,
}

#[derive(Default)]
struct Kept {
    /// Each ends behind the one before, and the last at [`End::At`].
    pages: VecDeque<Page>,
    /// Whether somebody has waited since the last page.
    is_wanted: bool,
}

impl LogReader {
    /// One that has read nothing yet. It ends when it is dropped.
    ///
    /// `told`: changes when the log may have grown.
    pub(crate) fn start(log: Arc<Log>, told: watch::Receiver<()>) -> Arc<Self> {
        let wanted = Arc::new(Notify::new());
        let reader = Arc::new(Self {
            log,
            kept: Mutex::default(),
            end: watch::Sender::new(End::Unknown),
            wanted: Arc::clone(&wanted),
            unread: Seldom::default(),
        });
        tokio::spawn(run(Arc::downgrade(&reader), told, wanted));
        reader
    }

    /// How far the log is read, and will be.
    pub(crate) fn end(&self) -> watch::Receiver<End> {
        self.end.subscribe()
    }

    /// Takes what a listener read for itself, if that leads to the end of the log.
    pub(crate) fn offer(&self, page: &Page) {
        if page.last() < page.log_end() {
            return;
        }
        let mut kept = self.kept();
        let known = *self.end.borrow();
        match known {
            End::Unknown if page.events().is_empty() => {
                self.end.send_replace(End::At(page.log_end()));
            }
            End::Unknown => self.keep(&mut kept, page.clone()),
            // What others wait for is not left out.
            End::At(end) if page.behind(end).is_some() || (!kept.is_wanted && page.last() > end) => {
                self.keep(&mut kept, page.clone());
            }
            End::At(_) | End::Gone => {}
        }
        self.wanted.notify_one();
    }

    /// Says that somebody waits for what comes next.
    pub(crate) fn want(&self) {
        if !std::mem::replace(&mut self.kept().is_wanted, true) {
            self.wanted.notify_one();
        }
    }

    /// What is kept from behind that event on, and is current.
    pub(crate) fn kept_after(&self, after: Sequence) -> Option<Page> {
        let kept = self.kept();
        let page = kept.pages.iter().find(|page| page.last() > after)?;
        page.behind(after).filter(Page::is_current)
    }

    /// Keeps nothing any more of what was read until now.
    pub(crate) fn forget(&self) {
        self.kept().pages.clear();
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().expect("nothing panics while it holds this")
    }

    /// Whether somebody waits, and it is known where.
    fn is_wanted(&self) -> bool {
        self.kept().is_wanted && *self.end.borrow() != End::Unknown
    }

    /// Reads on, if there is more; whether there may be still more.
    async fn read_on(&self) -> Result<bool, StoreError> {
        let End::At(end) = *self.end.borrow() else { return Ok(true) };
        let page = self.log.page_after(end).await?;
        if page.events().is_empty() {
            return Ok(false);
        }
        let is_all = page.last() >= page.log_end();
        let mut kept = self.kept();
        // A listener may have been quicker.
        if page.is_current() && *self.end.borrow() == End::At(end) {
            self.keep(&mut kept, page);
            return Ok(!is_all);
        }
        Ok(true)
    }

    /// Keeps a page that ends behind all that was read before, and wakes who waits for it.
    fn keep(&self, kept: &mut Kept, page: Page) {
        let end = page.last();
        kept.is_wanted = false;
        kept.pages.push_back(page);
        let mut events: usize = kept.pages.iter().map(|page| page.events().len()).sum();
        while events > KEPT_EVENTS_MAX && kept.pages.len() > 1 {
            events -= kept.pages.pop_front().map_or(0, |page| page.events().len());
        }
        self.end.send_replace(End::At(end));
    }

    /// When something that is kept has been so for long enough.
    fn forgets_at(&self) -> Option<Instant> {
        self.kept().pages.front().map(|page| page.read_at() + KEPT_FOR)
    }
}

impl Drop for LogReader {
    fn drop(&mut self) {
        self.wanted.notify_one();
    }
}

async fn run(reader: Weak<LogReader>, mut told: watch::Receiver<()>, wanted: Arc<Notify>) {
    let (mut may_have_grown, mut look_at) = (false, Instant::now() + LOOK_EVERY);
    while let Some(reading) = reader.upgrade() {
        if may_have_grown && reading.is_wanted() {
            // Before the reading: what is committed while it goes on is read by the next.
            told.borrow_and_update();
            match reading.read_on().await {
                Ok(more) => may_have_grown = more,
                Err(StoreError::NoWorkspace(_)) => {
                    reading.end.send_replace(End::Gone);
                    return;
                }
                Err(error) => {
                    if let Some(times) = reading.unread.times() {
                        tracing::warn!(%error, times, "the log could not be read for who follows it; trying again");
                    }
                    drop(reading);
                    sleep(RETRY_AFTER).await;
                    continue;
                }
            }
            look_at = Instant::now() + LOOK_EVERY;
            continue;
        }
        let (looks, forgets_at) = (reading.log.is_written_elsewhere(), reading.forgets_at());
        drop(reading);
        let forget = async {
            match forgets_at {
                Some(moment) => sleep_until(moment).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            changed = told.changed() => match changed {
                Ok(()) => may_have_grown = true,
                // The workspace's engine has ended.
                Err(_) => {
                    if let Some(reader) = reader.upgrade() {
                        reader.end.send_replace(End::Gone);
                    }
                    return;
                }
            },
            () = wanted.notified() => {}
            () = sleep_until(look_at), if looks => {
                (may_have_grown, look_at) = (true, Instant::now() + LOOK_EVERY);
            }
            () = forget => {
                if let Some(reader) = reader.upgrade() {
                    reader.kept().pages.retain(|page| page.read_at().elapsed() < KEPT_FOR);
                }
            }
        }
    }
}

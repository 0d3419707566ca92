//! Following a workspace's log: whoever listens is woken by what this process commits at once, and by what other replicas
//! commit within a second.
//!
//! Deliberately absent: HTTP, and how long anybody listens.

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use selfsame_rules::{Event, Identities, Sequence};
use selfsame_store::{Recall, Store, StoreError, WorkspaceKey};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::Engine;

/// How often the log is looked at for what other replicas wrote, while anybody listens.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What wakes the listeners of one workspace.
pub(crate) struct Feed {
    store: Arc<dyn Store>,
    workspace: WorkspaceKey,
    told: watch::Sender<()>,
    /// What looks for other replicas' events; all listeners share it, and it ends with the last of them.
    looking: Mutex<Weak<Looking>>,
}

/// Held by each listener.
struct Looking;

impl Feed {
    pub(crate) fn new(store: Arc<dyn Store>, workspace: WorkspaceKey) -> Self {
        Self { store, workspace, told: watch::Sender::new(()), looking: Mutex::default() }
    }

    /// Says that the log may have grown.
    pub(crate) fn tell(&self) {
        self.told.send_replace(());
    }

    /// What looks for other replicas' events: nothing where there are none.
    fn looking(&self) -> Option<Arc<Looking>> {
        if !self.store.is_written_elsewhere() {
            return None;
        }
        let mut shared = self.looking.lock().expect("nothing panics while it holds this");
        if let Some(looking) = shared.upgrade() {
            return Some(looking);
        }
        let looking = Arc::new(Looking);
        *shared = Arc::downgrade(&looking);
        let (store, workspace, told) = (Arc::clone(&self.store), self.workspace, self.told.clone());
        tokio::spawn(look(store, workspace, told, Arc::downgrade(&looking)));
        Some(looking)
    }
}

/// Looks where the log stands, again and again, for as long as anybody listens; tells when it stands elsewhere.
async fn look(
    store: Arc<dyn Store>,
    workspace: WorkspaceKey,
    told: watch::Sender<()>,
    listeners: Weak<Looking>,
) {
    let mut last = None;
    while listeners.strong_count() > 0 {
        // Whoever can't be asked now has nothing to tell; listeners read for themselves, and see the error.
        if let Ok(recalled) = store.recall(workspace, Recall::Identities(Vec::new())).await {
            let head = recalled.register.head().last_sequence;
            if last.replace(head) != Some(head) {
                told.send_replace(());
            }
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Somebody who follows a workspace's log. Dropped, it listens no more.
pub struct Listener {
    engine: Engine,
    after: Sequence,
    told: watch::Receiver<()>,
    _looking: Option<Arc<Looking>>,
}

impl Engine {
    /// Follows the log from behind that event; one that isn't there yet is waited for.
    pub fn listen(&self, after: Sequence) -> Listener {
        let feed = self.feed();
        // Its first reading sees whatever was told before.
        let (told, looking) = (feed.told.subscribe(), feed.looking());
        Listener { engine: self.clone(), after, told, _looking: looking }
    }
}

impl Listener {
    /// The next events in the order of the log, `most` at most; none if there are none yet.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the log can't be read; the same call goes on from where it stood.
    pub async fn read(&mut self, most: usize) -> Result<Vec<Event>, StoreError> {
        // Before the reading: what is committed while it goes on is read by the next.
        self.told.borrow_and_update();
        let events = self.engine.events(self.after, most).await?;
        if let Some(last) = events.last() {
            self.after = last.sequence;
        }
        Ok(events)
    }

    /// Waits until the log may have grown since the last reading.
    pub async fn grown(&mut self) {
        // The engine, and with it the sender, is there for as long as this is.
        let _ = self.told.changed().await;
    }
}

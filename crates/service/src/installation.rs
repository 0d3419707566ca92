//! Everything that runs over one store: an engine for each workspace, and who may ask it.
//!
//! Workspaces and keys are read anew every two seconds, so that no request waits for them. What was read longer ago than
//! five seconds is not believed where another replica may have changed it: then requests wait, and are refused in the end.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use selfsame_rules::{Identities, Policy, Sequence, Timestamp};
use selfsame_store::{
    ANSWERS_KEPT_FOR, Access, AccessChange, AccessDecision, Carried, Kept, Once, Recall, Store, StoreError,
    WorkspaceKey,
};
use tokio::sync::{Mutex, Notify, watch};
use tokio::time::timeout;

use crate::engine::EngineParts;
use crate::in_flight::{Flight, InFlight};
use crate::metrics::WorkspaceMetrics;
use crate::snapshot::Snapshot;
use crate::{Clock, Engine, EngineSettings, Readiness, Seldom, Workspace};

/// How often workspaces and keys are read.
const READ_EVERY: Duration = Duration::from_secs(2);

/// How often answers are forgotten that were kept for long enough. Nobody is told them in between.
const FORGET_EVERY: Duration = Duration::from_secs(10 * 60);

/// How old what was read may be, where others may have changed it since.
pub(crate) const BELIEVED_FOR: Duration = Duration::from_secs(5);

/// How often they are read at most for the sake of requests that name what isn't known.
const READ_FOR_THE_UNKNOWN_EVERY: Duration = Duration::from_millis(250);

/// A running installation. Clones are handles on the same one.
#[derive(Clone)]
pub struct Installation(Arc<Inner>);

struct Inner {
    parts: EngineParts,
    /// The engine of the default workspace, which is there always.
    default: Engine,
    snapshot: watch::Sender<Arc<Snapshot>>,
    /// Held while the access is read, so that what was read later is shown later.
    reading: Mutex<()>,
    metrics: WorkspaceMetrics,
    in_flight: InFlight,
    unread: Seldom,
    webhooks_changed: Notify,
}

/// Tells when workspaces and keys were read anew.
pub struct AccessChanges(watch::Receiver<Arc<Snapshot>>);

impl AccessChanges {
    /// Waits until they were read anew, which is every two seconds, and whenever this process changes them.
    pub async fn read_anew(&mut self) {
        if self.0.changed().await.is_err() {
            // The installation is gone, and nothing will be read any more.
            std::future::pending::<()>().await;
        }
    }
}

/// What was read is too old, and can't be read anew.
#[derive(Debug, thiserror::Error)]
#[error("keys could not be read for {0:?}")]
struct Stale(Duration);

impl Installation {
    /// Starts the engines of all workspaces of `store`, on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if workspaces and keys can't be read.
    pub async fn start(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        settings: EngineSettings,
    ) -> Result<Self, StoreError> {
        let parts = EngineParts::new(store, clock, settings);
        let read_began = Instant::now();
        let access = parts.store.access().await?;
        let policies = policies(&*parts.store, &access, None).await?;
        let snapshot = Snapshot::of(access, read_began, None, &policies, |workspace| parts.engine(workspace));
        let default = snapshot
            .workspace(WorkspaceKey::DEFAULT)
            .ok_or(StoreError::NoWorkspace(WorkspaceKey::DEFAULT))?
            .engine
            .clone();
        let metrics = WorkspaceMetrics::new();
        metrics.tell(snapshot.access());
        let installation = Self(Arc::new(Inner {
            parts,
            default,
            snapshot: watch::Sender::new(Arc::new(snapshot)),
            reading: Mutex::new(()),
            metrics,
            in_flight: InFlight::default(),
            unread: Seldom::default(),
            webhooks_changed: Notify::new(),
        }));
        tokio::spawn(keep_reading(Arc::downgrade(&installation.0)));
        Ok(installation)
    }

    /// Workspaces and keys, as they are now or were a few seconds ago at most.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if they can't be read in time: what can't be known is not guessed.
    pub async fn current(&self) -> Result<Arc<Snapshot>, StoreError> {
        let current = Arc::clone(&self.0.snapshot.borrow());
        if self.0.believes(&current) {
            return Ok(current);
        }
        let mut snapshots = self.0.snapshot.subscribe();
        let fresh = snapshots.wait_for(|snapshot| self.0.believes(snapshot));
        match timeout(self.0.parts.settings.answer_timeout, fresh).await {
            Ok(Ok(fresh)) => Ok(Arc::clone(&fresh)),
            _ => Err(StoreError::Unavailable(Arc::new(Stale(BELIEVED_FOR)))),
        }
    }

    /// Workspaces and keys as they were at `moment` or later, for a request that names what isn't known: another replica
    /// may have made it since the last time. Those who ask so together wait for one reading.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if they can't be read in time.
    pub async fn since(&self, moment: Instant) -> Result<Arc<Snapshot>, StoreError> {
        if self.0.parts.store.is_written_elsewhere() {
            let read = timeout(self.0.parts.settings.answer_timeout, self.0.read_since(moment));
            read.await.unwrap_or_else(|_| Err(StoreError::Unavailable(Arc::new(Stale(BELIEVED_FOR)))))?;
        }
        Ok(Arc::clone(&self.0.snapshot.borrow()))
    }

    /// Follows what is read of workspaces and keys, for whoever stays for long.
    pub fn access_changes(&self) -> AccessChanges {
        AccessChanges(self.0.snapshot.subscribe())
    }

    /// The engine of the default workspace.
    pub fn default_engine(&self) -> &Engine {
        &self.0.default
    }

    /// The moment now, as the installation's clock has it.
    pub fn now(&self) -> Timestamp {
        self.0.parts.clock.now()
    }

    pub(crate) fn is_written_elsewhere(&self) -> bool {
        self.0.parts.store.is_written_elsewhere()
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.0.parts.store
    }

    /// Tells whoever delivers to webhooks that one was added, changed or removed.
    pub(crate) fn webhooks_changed(&self) -> &Notify {
        &self.0.webhooks_changed
    }

    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.0.parts.clock)
    }

    /// Whether requests should be sent here now: asks the store.
    pub async fn readiness(&self) -> Readiness {
        self.0.default.readiness().await
    }

    /// From here on it isn't ready, so that requests are sent elsewhere; those that come are answered as before.
    pub fn retire(&self) {
        self.0.default.retire();
    }

    /// Refuses new changes, commits those that wait, and closes the store.
    ///
    /// # Errors
    ///
    /// What the store says as it closes; everything acknowledged is durable all the same.
    pub async fn drain(&self) -> Result<(), StoreError> {
        let snapshot = Arc::clone(&self.0.snapshot.borrow());
        for workspace in snapshot.workspaces() {
            workspace.engine.end().await;
        }
        self.0.parts.store.close().await
    }

    /// Changes workspaces or keys, and shows the change before it returns.
    pub(crate) async fn administer(
        &self,
        workspace: WorkspaceKey,
        once: Option<Once>,
        decision: AccessDecision,
    ) -> Result<Carried<AccessChange>, StoreError> {
        let carried = self.0.parts.store.administer(workspace, once, decision).await?;
        let running = Arc::clone(&self.0.snapshot.borrow());
        for changed in [workspace, WorkspaceKey::DEFAULT].iter().filter_map(|key| running.workspace(*key)) {
            // Of one that was erased, nothing is sent from here on.
            changed.engine.feed().tell_rewritten();
        }
        if matches!(carried, Carried::Now(Some(_)))
            && let Err(error) = self.0.read().await
        {
            tracing::warn!(%error, "a change of keys or workspaces is stored, and will be seen in a moment");
        }
        Ok(carried)
    }

    /// Counts a request as under way; nothing if one with its key is, in this process.
    pub fn begin(&self, once: &Once) -> Option<Flight> {
        self.0.in_flight.begin(once)
    }

    /// What is kept under the key of that request.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store can't be read.
    pub async fn kept(&self, once: &Once) -> Result<Option<Kept>, StoreError> {
        self.0.parts.store.kept(once).await
    }

    /// Deletes what erased workspaces have left, to the end. A server does so by and by.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if it can't be read or deleted; what is left is deleted by the next that runs.
    pub async fn sweep(&self) -> Result<(), StoreError> {
        self.0.read().await?;
        self.0.sweep().await
    }

    /// Workspaces and keys as they are now: asks the store.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if they can't be read.
    pub async fn read(&self) -> Result<Arc<Snapshot>, StoreError> {
        self.0.read().await?;
        Ok(Arc::clone(&self.0.snapshot.borrow()))
    }
}

/// The policies that aren't the default one. One that holds since the same event as before is not read again.
async fn policies(
    store: &dyn Store,
    access: &Access,
    before: Option<&Snapshot>,
) -> Result<BTreeMap<WorkspaceKey, Arc<Policy>>, StoreError> {
    let mut policies = BTreeMap::new();
    for row in access.workspaces.iter().filter(|row| row.facts.erased_at.is_none()) {
        if row.policy_since == Sequence(0) {
            continue;
        }
        let known = before.and_then(|before| before.policy_since(row.key, row.policy_since));
        let policy = match known {
            Some(known) => Arc::clone(known),
            None => match store.recall(row.key, Recall::Identities(Vec::new())).await {
                Ok(recalled) => Arc::new(recalled.register.policy().cloned().unwrap_or_default()),
                // It was erased in the meantime.
                Err(StoreError::NoWorkspace(_)) => continue,
                Err(error) => return Err(error),
            },
        };
        policies.insert(row.key, policy);
    }
    Ok(policies)
}

impl Inner {
    fn believes(&self, snapshot: &Snapshot) -> bool {
        !self.parts.store.is_written_elsewhere() || snapshot.read_began.elapsed() <= BELIEVED_FOR
    }

    async fn read(&self) -> Result<(), StoreError> {
        let _one_at_a_time = self.reading.lock().await;
        self.read_alone().await
    }

    async fn read_since(&self, moment: Instant) -> Result<(), StoreError> {
        let _one_at_a_time = self.reading.lock().await;
        let last = self.snapshot.borrow().read_began;
        if last >= moment {
            return Ok(());
        }
        tokio::time::sleep(READ_FOR_THE_UNKNOWN_EVERY.saturating_sub(last.elapsed())).await;
        self.read_alone().await
    }

    /// Reads; whoever calls it holds `reading`.
    async fn read_alone(&self) -> Result<(), StoreError> {
        let read_began = Instant::now();
        let access = self.parts.store.access().await?;
        self.metrics.tell(&access);
        let before = Arc::clone(&self.snapshot.borrow());
        let policies = policies(&*self.parts.store, &access, Some(&before)).await?;
        let start = |workspace| self.parts.engine(workspace);
        let next = Snapshot::of(access, read_began, Some(&before), &policies, start);
        for gone in before.workspaces().filter(|workspace| next.workspace(workspace.key).is_none()) {
            let Workspace { engine, .. } = gone.clone();
            tokio::spawn(async move { engine.end().await });
        }
        self.snapshot.send_replace(Arc::new(next));
        Ok(())
    }

    /// Deletes what erased workspaces have left.
    async fn sweep(&self) -> Result<(), StoreError> {
        let snapshot = Arc::clone(&self.snapshot.borrow());
        let erased = snapshot.access().workspaces.iter();
        for workspace in erased.filter(|workspace| workspace.facts.erased_at.is_some() && !workspace.swept) {
            while !self.parts.store.sweep(workspace.key).await? {}
            tracing::info!(workspace = %workspace.key, "what was in an erased workspace is deleted");
        }
        Ok(())
    }
}

impl Inner {
    /// Goes on with what an erasure left in files, where it could not be done at once.
    async fn scrub(&self) -> Result<(), StoreError> {
        self.parts.store.scrub().await.map(|_| ())
    }
}

impl Inner {
    /// Deletes answers that were kept for as long as is promised.
    async fn forget_answers(&self) -> Result<(), StoreError> {
        let snapshot = Arc::clone(&self.snapshot.borrow());
        let kept_for_ms = i64::try_from(ANSWERS_KEPT_FOR.as_millis()).unwrap_or(i64::MAX);
        let now_ms = self.parts.clock.now().as_milliseconds();
        let since = Timestamp::from_milliseconds(now_ms.saturating_sub(kept_for_ms));
        for workspace in snapshot.workspaces() {
            loop {
                match self.parts.store.forget_answers(workspace.key, since).await {
                    Ok(false) => {}
                    // One that only reads keeps none, and one that was erased in the meantime is swept.
                    Ok(true) | Err(StoreError::NotWritable | StoreError::NoWorkspace(_)) => break,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }
}

/// Reads again and again for as long as the installation is there, sweeps, and forgets.
async fn keep_reading(installation: Weak<Inner>) {
    let mut forgotten: Option<Instant> = None;
    loop {
        let Some(running) = installation.upgrade() else { break };
        let read = match running.read().await {
            Ok(()) => running.sweep().await.and(running.scrub().await),
            Err(error) => Err(error),
        };
        let read = match read {
            Ok(()) if forgotten.is_none_or(|last| last.elapsed() >= FORGET_EVERY) => {
                forgotten = Some(Instant::now());
                running.forget_answers().await
            }
            read => read,
        };
        match read {
            Ok(()) => {}
            Err(StoreError::NotWritable) => break,
            Err(error) => {
                if let Some(times) = running.unread.times() {
                    tracing::warn!(%error, times, "could not read the keys, or remove what is erased or no longer kept; trying again");
                }
            }
        }
        drop(running);
        tokio::time::sleep(READ_EVERY).await;
    }
}

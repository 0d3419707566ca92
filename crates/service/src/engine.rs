//! What the doors call: observations in, the customers that they belong to out.

use std::sync::Arc;
use std::time::Duration;

use selfsame_rules::{
    Answer, Event, Identities, Observation, Plan, contacts_in_answers, decide, recognise_showing,
};
use selfsame_store::{Once, Store, StoreError, WorkspaceKey};
use tokio::time::{Instant, timeout_at};
use tracing::{Instrument, info_span};

use crate::Clock;
use crate::feed::Feed;
use crate::marked::{Marks, marks};
use crate::metrics::{EngineMetrics, Operation};
use crate::queue::Queue;
use crate::readiness::{Readiness, Standing, WATCH_EVERY};
use crate::shown::{show, shown_max};

/// How much the engine takes on.
#[derive(Clone, Copy, Debug)]
pub struct EngineSettings {
    /// The most changes that wait; one more is refused with [`IdentifyError::QueueFull`].
    pub queue_length_max: usize,
    /// The longest that a change may have to wait for its turn, by what the last batches took; one that would wait
    /// longer is refused with [`IdentifyError::Overloaded`].
    pub queue_wait_max: Duration,
    /// The most changes that are committed as one transaction.
    pub batch_observations_max: usize,
    /// How long an observation may take, its waits and its commit included.
    pub answer_timeout: Duration,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            queue_length_max: 10_000,
            queue_wait_max: Duration::from_secs(2),
            batch_observations_max: 1_000,
            answer_timeout: Duration::from_secs(10),
        }
    }
}

/// The most contacts that the answers of one look-up or one transaction hold, if more than one observation asked: some
/// megabytes, and some milliseconds in which nothing else is decided.
pub const ANSWER_CONTACTS_MAX: usize = 100_000;

/// What became of observations that came together.
#[derive(Debug)]
pub enum Together {
    /// Each has its answer.
    Answered(Vec<Answer>),
    /// Their answers are too much to be held at once. Nothing was done; fewer of them are to be asked at a time.
    TooMuch(Vec<Observation>),
}

/// The engine of one workspace. Clones are handles on the same engine.
#[derive(Clone)]
pub struct Engine {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    workspace: WorkspaceKey,
    queue: Arc<Queue>,
    job_observations_max: usize,
    answer_timeout: Duration,
    metrics: Arc<EngineMetrics>,
    standing: Arc<Standing>,
    feed: Arc<Feed>,
}

/// What the engines of an installation share.
#[derive(Clone)]
pub(crate) struct EngineParts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: EngineSettings,
    metrics: Arc<EngineMetrics>,
    standing: Arc<Standing>,
}

impl EngineParts {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, settings: EngineSettings) -> Self {
        let metrics = Arc::new(EngineMetrics::new(settings.queue_length_max));
        Self { store, clock, settings, metrics, standing: Arc::new(Standing::new()) }
    }

    /// Starts the engine of `workspace` on the current tokio runtime.
    pub(crate) fn engine(&self, workspace: WorkspaceKey) -> Engine {
        let Self { store, clock, settings, metrics, standing } = self.clone();
        let feed = Arc::new(Feed::new(Arc::clone(&store), workspace));
        let told = (Arc::clone(&metrics), Arc::clone(&standing), Arc::clone(&feed));
        let queue = Arc::new(Queue::start(Arc::clone(&store), Arc::clone(&clock), workspace, settings, told));
        Engine {
            store,
            clock,
            workspace,
            queue,
            job_observations_max: settings.batch_observations_max.min(settings.queue_length_max),
            answer_timeout: settings.answer_timeout,
            metrics,
            standing,
            feed,
        }
    }
}

/// The time of [`EngineSettings::answer_timeout`] is over.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {0:?}")]
struct TooSlow(Duration);

/// Why an observation got no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum IdentifyError {
    /// More changes wait than the queue holds; a moment later there may be room. Nothing was stored.
    #[error("the queue of changes is full")]
    QueueFull,
    /// Its turn would come too late. Nothing was stored.
    #[error("a change would wait for {wait:?}")]
    Overloaded {
        /// How long it would have waited.
        wait: Duration,
    },
    /// The engine is being drained; another one, or this one after its restart, will take it.
    #[error("the engine is shutting down")]
    ShuttingDown,
    /// The store could not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Engine {
    /// Starts the engine of `workspace` on the current tokio runtime.
    pub fn start(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        workspace: WorkspaceKey,
        settings: EngineSettings,
    ) -> Self {
        EngineParts::new(store, clock, settings).engine(workspace)
    }

    /// The customer that the observation belongs to, after whatever it changes is durable.
    ///
    /// An observation that changes nothing is answered from one read: no lock, no write, no queue.
    ///
    /// # Errors
    ///
    /// [`IdentifyError`]; except for [`StoreError::OutcomeUnknown`], nothing was stored. Sending the same
    /// observation again is always safe.
    pub async fn identify(&self, observation: Observation) -> Result<Answer, IdentifyError> {
        match self.identify_all(vec![observation]).await? {
            Together::Answered(mut answers) => Ok(answers.pop().expect("one observation has one answer")),
            Together::TooMuch(_) => unreachable!("one observation is never too much"),
        }
    }

    /// The customers that the observations belong to, each as of its observation, as if they came one by one;
    /// after whatever they change is durable.
    ///
    /// They are one job: one read; and if they change anything, one entry of the queue and one transaction. More
    /// than [`Engine::job_observations_max`] are refused as soon as they change something. Several whose answers hold
    /// more than [`ANSWER_CONTACTS_MAX`] contacts are handed back.
    ///
    /// # Errors
    ///
    /// As for [`Engine::identify`], for all of them alike.
    pub async fn identify_all(&self, observations: Vec<Observation>) -> Result<Together, IdentifyError> {
        self.answer_or_count(observations, Marks::new()).await
    }

    /// As [`Engine::identify_all`], for observations of which some are to have their effect once, however often they are sent:
    /// `once` has a place for each. Those that change something are kept as carried out, in the same transaction. One that was
    /// carried out before changes nothing, and its answer may tell of nobody.
    ///
    /// # Errors
    ///
    /// As for [`Engine::identify`], for all of them alike.
    pub async fn identify_all_once(
        &self,
        observations: Vec<Observation>,
        once: Vec<Option<Once>>,
    ) -> Result<Together, IdentifyError> {
        self.answer_or_count(observations, marks(once)).await
    }

    async fn answer_or_count(
        &self,
        observations: Vec<Observation>,
        marks: Marks,
    ) -> Result<Together, IdentifyError> {
        let count = observations.len();
        let answered = self.answer_all(observations, marks).await;
        if answered.is_err() {
            self.metrics.failed.increment(count as u64);
        }
        answered
    }

    /// What the observation would be answered, and the event that it would cause; nothing is stored.
    ///
    /// # Errors
    ///
    /// [`IdentifyError`] if the store can't be read.
    pub async fn would_identify(
        &self,
        observation: Observation,
    ) -> Result<(Answer, Option<Event>), IdentifyError> {
        let (now, mut plan) = (self.clock.now(), None);
        let one = [observation];
        let mut look = |identities: &dyn Identities| plan = Some(decide(identities, &one, now));
        self.store.look(self.workspace, one.to_vec(), &mut look).await?;
        let Plan { mut events, mut answers } = plan.ok_or_else(|| StoreError::failed("it showed nothing"))?;
        Ok((answers.pop().expect("one observation has one answer"), events.pop()))
    }

    async fn answer_all(
        &self,
        observations: Vec<Observation>,
        marks: Marks,
    ) -> Result<Together, IdentifyError> {
        let begun = Instant::now();
        let deadline = begun + self.answer_timeout;
        let too_slow = || Arc::new(TooSlow(self.answer_timeout));
        let asked = if self.store.shows_everything() { Vec::new() } else { observations.clone() };
        let (mut known, mut contacts) = (None, 0);
        let shown_max = shown_max(&*self.store);
        let mut look = |identities: &dyn Identities| {
            if observations.len() > 1 {
                contacts = contacts_in_answers(identities, &observations);
                if contacts > ANSWER_CONTACTS_MAX {
                    return;
                }
            }
            known = recognise_showing(identities, &observations, shown_max);
            if known.is_none() && observations.len() == 1 {
                contacts = contacts_in_answers(identities, &observations);
            }
        };
        let looking = self.store.look(self.workspace, asked, &mut look);
        let span = info_span!(target: "selfsame_trace", "look-up", observations = observations.len());
        let looked = timeout_at(deadline, looking.instrument(span)).await;
        self.metrics.look.record(begun.elapsed());
        let looked = looked.unwrap_or_else(|_| Err(StoreError::Unavailable(too_slow())));
        looked.inspect_err(|error| self.metrics.count_error(Operation::Look, error))?;
        if let Some(answers) = known {
            self.metrics.known.increment(observations.len() as u64);
            return self.shown(answers, deadline).await;
        }
        if contacts > ANSWER_CONTACTS_MAX && observations.len() > 1 {
            return Ok(Together::TooMuch(observations));
        }
        // What was decided on this load may be stale by the time that it is our turn: decided again under the lock.
        let changed = timeout_at(deadline, self.queue.change(observations, marks, contacts)).await;
        // Its batch may be under way, and be committed all the same.
        let changed = changed.unwrap_or_else(|_| Err(StoreError::OutcomeUnknown(too_slow()).into()));
        self.shown(changed?, deadline).await
    }

    /// The answers, with the customers that were left out because they are large.
    async fn shown(&self, answers: Vec<Answer>, deadline: Instant) -> Result<Together, IdentifyError> {
        if answers.iter().all(|answer| answer.larger.is_none()) {
            return Ok(Together::Answered(answers));
        }
        let showing = show(Arc::clone(&self.store), self.workspace, answers);
        // What they changed is durable.
        let too_slow = || StoreError::OutcomeUnknown(Arc::new(TooSlow(self.answer_timeout)));
        Ok(Together::Answered(timeout_at(deadline, showing).await.map_err(|_| too_slow())??))
    }

    /// The most observations that may come together as one job: what one transaction takes, and what the queue
    /// holds when it is empty.
    pub fn job_observations_max(&self) -> usize {
        self.job_observations_max
    }

    /// Whether requests should be sent here now: asks the store.
    pub async fn readiness(&self) -> Readiness {
        self.standing.judge(&*self.store).await
    }

    /// Goes on telling how things stand, for as long as it is polled: the gauges of [`Engine::readiness`] each second,
    /// the log when it changes.
    pub async fn watch(&self) {
        let mut reasons = Vec::new();
        loop {
            let readiness = self.readiness().await;
            if readiness.reasons != reasons {
                readiness.log();
                reasons = readiness.reasons;
            }
            tokio::time::sleep(WATCH_EVERY).await;
        }
    }

    /// From here on it isn't ready, so that requests are sent elsewhere; those that come are answered as before.
    pub fn retire(&self) {
        self.standing.retire();
    }

    /// Refuses new changes, commits those that wait, and closes the store.
    ///
    /// # Errors
    ///
    /// What the store says as it closes; everything acknowledged is durable all the same.
    pub async fn drain(&self) -> Result<(), StoreError> {
        self.end().await;
        self.store.close().await
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.store
    }

    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    pub(crate) fn metrics(&self) -> &EngineMetrics {
        &self.metrics
    }

    pub(crate) fn standing(&self) -> &Standing {
        &self.standing
    }

    pub(crate) fn feed(&self) -> &Feed {
        &self.feed
    }

    pub(crate) fn workspace(&self) -> WorkspaceKey {
        self.workspace
    }

    /// Refuses new changes, and commits those that wait.
    pub(crate) async fn end(&self) {
        self.queue.drain().await;
    }
}

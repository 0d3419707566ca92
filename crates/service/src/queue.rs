//! The queue of changes and group commit: whatever waits, up to a bound, is one transaction and one sync.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join;
use futures_util::stream::FuturesOrdered;
use selfsame_rules::{Answer, Observation};
use selfsame_store::{Once, OnceDecision, Store, StoreError, WorkspaceKey};
use tokio::sync::{Notify, Semaphore, TryAcquireError, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::feed::Feed;
use crate::marked::{Marks, decide_marked};
use crate::metrics::{EngineMetrics, Operation, Places};
use crate::pace::Pace;
use crate::readiness::Standing;
use crate::shown::shown_max;
use crate::steps::{WaitingStep, WritingStep};
use crate::{ANSWER_CONTACTS_MAX, Clock, EngineSettings, IdentifyError, Seldom};

/// Observations that came together, of which at least one changes something, and who waits for their answers.
struct Job {
    observations: Vec<Observation>,
    marks: Marks,
    /// How many contacts their answers held when they came.
    contacts: usize,
    /// Their places in the queue; free again when the job is taken out of it.
    places: Places,
    came: Instant,
    step: WaitingStep,
    answer: oneshot::Sender<Result<Vec<Answer>, IdentifyError>>,
}

/// The changes that wait for one workspace, and the one task that writes them.
pub(crate) struct Queue {
    waiting: Arc<Waiting>,
    /// What bounds the queue: a place for each observation, however many come together.
    places: Arc<Semaphore>,
    metrics: Arc<EngineMetrics>,
    pace: Arc<Mutex<Pace>>,
    settings: EngineSettings,
    refused: Seldom,
    committer: Mutex<Option<JoinHandle<()>>>,
}

/// The jobs in the order in which they came.
#[derive(Default)]
struct Waiting {
    jobs: Mutex<VecDeque<Job>>,
    /// Told when a job came, and at the end.
    changed: Notify,
    ended: AtomicBool,
}

/// The task's side: lets the store write what waits, and answers.
struct Committer {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    workspace: WorkspaceKey,
    batch_observations_max: usize,
    waiting: Arc<Waiting>,
    metrics: Arc<EngineMetrics>,
    standing: Arc<Standing>,
    feed: Arc<Feed>,
    pace: Arc<Mutex<Pace>>,
}

impl Queue {
    /// Starts the committer on the current runtime.
    pub(crate) fn start(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        workspace: WorkspaceKey,
        settings: EngineSettings,
        (metrics, standing, feed): (Arc<EngineMetrics>, Arc<Standing>, Arc<Feed>),
    ) -> Self {
        let waiting = Arc::new(Waiting::default());
        let pace = Arc::new(Mutex::new(Pace::new()));
        let committer = Committer {
            store,
            clock,
            workspace,
            batch_observations_max: settings.batch_observations_max,
            waiting: Arc::clone(&waiting),
            metrics: Arc::clone(&metrics),
            standing,
            feed,
            pace: Arc::clone(&pace),
        };
        let committer = Mutex::new(Some(tokio::spawn(committer.run())));
        let places = Arc::new(Semaphore::new(settings.queue_length_max));
        Self { waiting, places, metrics, pace, settings, refused: Seldom::default(), committer }
    }

    /// Waits for a turn at the end of the queue, and for the commit; the observations stay together. Refused at once,
    /// if that turn would come too late: whoever is refused may ask elsewhere, and whoever waits gets an answer in time.
    pub(crate) async fn change(
        &self,
        observations: Vec<Observation>,
        marks: Marks,
        contacts: usize,
    ) -> Result<Vec<Answer>, IdentifyError> {
        // More than fit into the number are more than the queue holds.
        let count = u32::try_from(observations.len()).map_err(|_| IdentifyError::QueueFull)?;
        let places = Arc::clone(&self.places).try_acquire_many_owned(count).map_err(|error| match error {
            TryAcquireError::NoPermits => {
                self.log_refusal("the queue is full");
                IdentifyError::QueueFull
            }
            TryAcquireError::Closed => IdentifyError::ShuttingDown,
        })?;
        let wait = self.wait();
        if wait > self.settings.queue_wait_max {
            self.log_refusal("they would wait too long");
            return Err(IdentifyError::Overloaded { wait });
        }
        let (answer, answered) = oneshot::channel();
        let (places, came) = (self.metrics.waiting(places), Instant::now());
        let step = WaitingStep::begin(observations.len());
        if !self.waiting.add(Job { observations, marks, contacts, places, came, step, answer }) {
            return Err(IdentifyError::ShuttingDown);
        }
        answered.await.unwrap_or(Err(IdentifyError::ShuttingDown))
    }

    /// An overload refuses thousands a second.
    fn log_refusal(&self, why: &str) {
        if let Some(times) = self.refused.times() {
            tracing::warn!(times, why, "changes were refused");
        }
    }

    /// How long those who just took places would wait until the store comes to their batch. Places are those of the
    /// observations that wait; a batch that the store was given has none any more.
    fn wait(&self) -> Duration {
        let taken = self.settings.queue_length_max - self.places.available_permits();
        let full_batches = taken.saturating_sub(1) / self.settings.batch_observations_max;
        let pace = self.pace.lock().expect("nothing panics while it holds this");
        pace.wait(Instant::now(), full_batches)
    }

    /// Refuses new changes and returns when those that wait are committed and answered.
    pub(crate) async fn drain(&self) {
        self.places.close();
        self.waiting.end();
        let committer = self.committer.lock().expect("nothing panics while it holds this").take();
        if let Some(committer) = committer
            && let Err(error) = committer.await
        {
            tracing::error!(%error, "the task that commits changes ended in a panic");
        }
    }
}

impl Waiting {
    /// Adds a job at the end, unless the end has come.
    fn add(&self, job: Job) -> bool {
        let mut jobs = self.jobs();
        if self.ended.load(Ordering::Acquire) {
            return false;
        }
        jobs.push_back(job);
        drop(jobs);
        self.changed.notify_one();
        true
    }

    /// The job that comes first, if it is one that `fits`.
    fn take(&self, fits: impl FnOnce(&Job) -> bool) -> Option<Job> {
        let mut jobs = self.jobs();
        if fits(jobs.front()?) { jobs.pop_front() } else { None }
    }

    /// Waits for the job that comes first; nothing if there is none, and none will come.
    async fn first(&self) -> Option<Job> {
        loop {
            let ended = self.ended.load(Ordering::Acquire);
            if let Some(job) = self.take(|_| true) {
                return Some(job);
            }
            if ended {
                return None;
            }
            self.changed.notified().await;
        }
    }

    fn end(&self) {
        let jobs = self.jobs();
        self.ended.store(true, Ordering::Release);
        drop(jobs);
        self.changed.notify_one();
    }

    fn jobs(&self) -> MutexGuard<'_, VecDeque<Job>> {
        self.jobs.lock().expect("nothing panics while it holds this")
    }
}

impl Committer {
    /// Lets the store write batch after batch. Those of one are answered while the next is on its way to the store,
    /// which so has something to do.
    async fn run(self) {
        // A store that shows everything is told no observations, so it can close a batch itself, when its turn comes:
        // one batch waits behind the other, and whoever comes until then rides along.
        let on_their_way_max = if self.store.shows_everything() { 2 } else { 1 };
        let mut on_their_way = FuturesOrdered::new();
        let mut done: Option<Done> = None;
        loop {
            let free = on_their_way.len() < on_their_way_max;
            let next = async {
                tokio::select! {
                    biased;
                    Some(done) = on_their_way.next() => Next::Written(done),
                    first = self.waiting.first(), if free => first.map_or(Next::Ended, Next::Begins),
                }
            };
            // What is on its way is begun first, and then those are answered who wait for what is done.
            let answering = async { done.take().into_iter().for_each(Done::answer) };
            match join(next, answering).await.0 {
                Next::Written(written) => done = Some(written),
                Next::Begins(first) => on_their_way.push_back(self.commit(first)),
                Next::Ended => break,
            }
        }
        while let Some(done) = on_their_way.next().await {
            done.answer();
        }
    }

    /// Lets the store write the first job, and those behind it, as one transaction.
    fn commit(&self, first: Job) -> impl Future<Output = Done> + use<> {
        let (metrics, standing) = (Arc::clone(&self.metrics), Arc::clone(&self.standing));
        let waiting = Arc::clone(&self.waiting);
        let mut batch = Batch::of(first, waiting, self.batch_observations_max, Arc::clone(&metrics));
        let (asked, once) = if self.store.shows_everything() { Default::default() } else { batch.asked() };
        let (store, workspace, clock) = (Arc::clone(&self.store), self.workspace, Arc::clone(&self.clock));
        let (askers, pace) = (Arc::clone(&batch.askers), Arc::clone(&self.pace));
        let feed = Arc::clone(&self.feed);
        pace.lock().expect("nothing panics while it holds this").begun(Instant::now());
        async move {
            let shown_max = shown_max(&*store);
            let decision: OnceDecision = Box::new(move |identities, is_kept| {
                batch.close();
                let (observations, marks) = (&batch.observations, &batch.marks);
                decide_marked(identities, observations, marks, is_kept, clock.now(), shown_max)
            });
            let begun = Instant::now();
            let written = store.write_once(workspace, asked, once, decision).await;
            let ended = Instant::now();
            pace.lock().expect("nothing panics while it holds this").ended(ended, written.is_ok());
            metrics.commit.record(ended - begun);
            standing.written(written.as_ref().map(|_| ()));
            // Also where it isn't known: then it may have grown.
            if written.as_ref().map_or(true, |plan| !plan.events.is_empty()) {
                feed.tell();
            }
            let askers = std::mem::take(&mut *askers.lock().expect("nothing panics while it holds this"));
            let count: usize = askers.iter().map(|asker| asker.count).sum();
            metrics.batch.record(count as f64);
            let result = match written {
                Ok(plan) => {
                    metrics.count_plan(&plan, count);
                    tracing::debug!(observations = count, events = plan.events.len(), "committed a batch");
                    Ok(plan.answers)
                }
                Err(error) => {
                    metrics.count_error(Operation::Write, &error);
                    // Of the first two the log is told otherwise; a workspace that is erased is no fault.
                    let told = matches!(error, StoreError::NoSpace | StoreError::Unavailable(_));
                    if !told && !matches!(error, StoreError::NoWorkspace(_)) {
                        tracing::error!(%error, observations = count, "could not commit a batch");
                    }
                    Err(error)
                }
            };
            Done { askers, result }
        }
    }
}

/// What the committer does next.
enum Next {
    /// Answers what was written.
    Written(Done),
    /// Lets the store write this, and what comes behind it.
    Begins(Job),
    /// Nothing: all was written, and no more will come.
    Ended,
}

/// What is written together. It takes on what waits until it is closed.
struct Batch {
    observations: Vec<Observation>,
    marks: Marks,
    /// How many contacts their answers held when they came.
    contacts: usize,
    askers: Arc<Mutex<Vec<Asker>>>,
    observations_max: usize,
    /// Where more comes from; nowhere once it is closed.
    waiting: Option<Arc<Waiting>>,
    metrics: Arc<EngineMetrics>,
}

impl Batch {
    fn of(first: Job, waiting: Arc<Waiting>, observations_max: usize, metrics: Arc<EngineMetrics>) -> Self {
        let (observations, marks, askers) = (Vec::new(), Marks::new(), Arc::default());
        let waiting = Some(waiting);
        let mut batch = Self { observations, marks, contacts: 0, askers, observations_max, waiting, metrics };
        batch.add(first);
        batch
    }

    /// Closes it, if it isn't yet.
    fn close(&mut self) {
        if let Some(waiting) = self.waiting.take() {
            while let Some(job) = waiting.take(|job| self.has_room_for(job)) {
                self.add(job);
            }
        }
    }

    /// What is told to a store that has to know beforehand what is asked of it.
    fn asked(&mut self) -> (Vec<Observation>, Vec<Once>) {
        self.close();
        (self.observations.clone(), self.marks.values().cloned().collect())
    }

    fn has_room_for(&self, job: &Job) -> bool {
        self.observations.len() + job.observations.len() <= self.observations_max
            && self.contacts + job.contacts <= ANSWER_CONTACTS_MAX
    }

    fn add(&mut self, Job { observations, marks, contacts, places, came, step, answer }: Job) {
        let before = self.observations.len();
        self.marks.extend(marks.into_iter().map(|(place, once)| (before + place, once)));
        self.contacts += contacts;
        drop(places);
        self.metrics.queue_wait.record(came.elapsed());
        let mut askers = self.askers.lock().expect("nothing panics while it holds this");
        askers.push(Asker { count: observations.len(), step: step.write(), answer });
        self.observations.extend(observations);
    }
}

/// A batch that the store has written, or not, and that nobody was told of yet.
struct Done {
    askers: Vec<Asker>,
    result: Result<Vec<Answer>, StoreError>,
}

impl Done {
    /// Tells those who wait for it. Whoever asked may have gone; the change is made all the same.
    fn answer(self) {
        let together = self.askers.iter().map(|asker| asker.count).sum();
        let mut result = self.result.map(Vec::into_iter);
        for Asker { count, step, answer } in self.askers {
            step.end(together);
            let own = result.as_mut().map(|views| views.by_ref().take(count).collect());
            let _ = answer.send(own.map_err(|error| error.clone().into()));
        }
    }
}

/// Who waits for a batch: how many of its observations they brought, and where their answers go.
struct Asker {
    count: usize,
    step: WritingStep,
    answer: oneshot::Sender<Result<Vec<Answer>, IdentifyError>>,
}

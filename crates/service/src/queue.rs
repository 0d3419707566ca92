//! The queue of changes and group commit: whatever waits, up to a bound, is one transaction and one sync.

use std::sync::{Arc, Mutex};

use futures_util::future::join;
use selfsame_rules::{Identifier, IdentityView, Observation, decide};
use selfsame_store::{Decision, Store, StoreError, WorkspaceKey};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, TryAcquireError, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::{Clock, EngineSettings, IdentifyError};

/// Observations that came together, of which at least one changes something, and who waits for their answers.
struct Job {
    observations: Vec<Observation>,
    /// Their places in the queue; free again when the job is taken out of it.
    places: OwnedSemaphorePermit,
    answer: oneshot::Sender<Result<Vec<IdentityView>, IdentifyError>>,
}

/// The changes that wait for one workspace, and the one task that writes them.
pub(crate) struct Queue {
    jobs: mpsc::UnboundedSender<Job>,
    /// What bounds the queue: a place for each observation, however many come together.
    places: Arc<Semaphore>,
    stop: Arc<Notify>,
    committer: Mutex<Option<JoinHandle<()>>>,
}

/// The task's side: takes what waits, writes it, answers.
struct Committer {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    workspace: WorkspaceKey,
    batch_observations_max: usize,
    waiting: mpsc::UnboundedReceiver<Job>,
    /// The next in turn, which the last batch had no room for. It keeps its places.
    next: Option<Job>,
}

impl Queue {
    /// Starts the committer on the current runtime.
    pub(crate) fn start(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        workspace: WorkspaceKey,
        settings: EngineSettings,
    ) -> Self {
        let (jobs, waiting) = mpsc::unbounded_channel();
        let stop = Arc::new(Notify::new());
        let batch_observations_max = settings.batch_observations_max;
        let committer = Committer { store, clock, workspace, batch_observations_max, waiting, next: None };
        let task = tokio::spawn(committer.run(Arc::clone(&stop)));
        let places = Arc::new(Semaphore::new(settings.queue_length_max));
        Self { jobs, places, stop, committer: Mutex::new(Some(task)) }
    }

    /// Waits for a turn at the end of the queue, and for the commit; the observations stay together.
    pub(crate) async fn change(
        &self,
        observations: Vec<Observation>,
    ) -> Result<Vec<IdentityView>, IdentifyError> {
        // More than fit into the number are more than the queue holds.
        let count = u32::try_from(observations.len()).map_err(|_| IdentifyError::QueueFull)?;
        let places = Arc::clone(&self.places).try_acquire_many_owned(count).map_err(|error| match error {
            TryAcquireError::NoPermits => IdentifyError::QueueFull,
            TryAcquireError::Closed => IdentifyError::ShuttingDown,
        })?;
        let (answer, answered) = oneshot::channel();
        self.jobs.send(Job { observations, places, answer }).map_err(|_| IdentifyError::ShuttingDown)?;
        answered.await.unwrap_or(Err(IdentifyError::ShuttingDown))
    }

    /// Refuses new changes and returns when those that wait are committed and answered.
    pub(crate) async fn drain(&self) {
        self.places.close();
        self.stop.notify_one();
        let committer = self.committer.lock().expect("nothing panics while it holds this").take();
        if let Some(committer) = committer
            && let Err(error) = committer.await
        {
            tracing::error!(%error, "the task that commits changes ended in a panic");
        }
    }
}

impl Committer {
    /// Commits batch after batch. Those of one are answered while the next is on its way to the store, which so has
    /// something to do.
    async fn run(mut self, stop: Arc<Notify>) {
        let mut done: Option<Done> = None;
        loop {
            let Some(first) = self.take_waiting() else {
                done.take().into_iter().for_each(Done::answer);
                match self.wait(&stop).await {
                    Some(job) => self.next = Some(job),
                    None => return,
                }
                continue;
            };
            let (observations, askers) = self.batch(first);
            // The first of both is begun first.
            let answering = async { done.take().into_iter().for_each(Done::answer) };
            let (result, ()) = join(self.commit(observations), answering).await;
            done = Some(Done { askers, result });
        }
    }

    /// A job that waits already.
    fn take_waiting(&mut self) -> Option<Job> {
        self.next.take().or_else(|| self.waiting.try_recv().ok())
    }

    /// The next job; nothing after the end.
    async fn wait(&mut self, stop: &Notify) -> Option<Job> {
        loop {
            tokio::select! {
                job = self.waiting.recv() => return job,
                // Closed, the queue still gives out what waits in it, and then nothing.
                () = stop.notified() => self.waiting.close(),
            }
        }
    }

    /// What is committed together: the first job, and those behind it as far as they fit, none of them cut in two.
    ///
    /// The observations, and whom to answer how many of them.
    fn batch(&mut self, first: Job) -> (Vec<Observation>, Vec<Asker>) {
        let Job { mut observations, places, answer } = first;
        drop(places);
        let mut askers = vec![(observations.len(), answer)];
        while observations.len() < self.batch_observations_max
            && let Ok(job) = self.waiting.try_recv()
        {
            let count = job.observations.len();
            if observations.len() + count > self.batch_observations_max {
                self.next = Some(job);
                break;
            }
            observations.extend(job.observations);
            askers.push((count, job.answer));
        }
        (observations, askers)
    }

    /// Writes a batch as one transaction; as many answers as observations, in their order.
    async fn commit(&self, observations: Vec<Observation>) -> Result<Vec<IdentityView>, StoreError> {
        let count = observations.len();
        let identifiers: Vec<Identifier> =
            observations.iter().flat_map(Observation::identifiers).cloned().collect();
        let clock = Arc::clone(&self.clock);
        let decision: Decision = Box::new(move |identities| decide(identities, &observations, clock.now()));
        match self.store.write(self.workspace, identifiers, decision).await {
            Ok(plan) => {
                tracing::debug!(observations = count, events = plan.events.len(), "committed a batch");
                Ok(plan.answers)
            }
            Err(error) => {
                if !matches!(error, StoreError::NoSpace | StoreError::Unavailable(_)) {
                    tracing::error!(%error, observations = count, "could not commit a batch");
                }
                Err(error)
            }
        }
    }
}

/// A batch that the store has written, or not, and that nobody was told of yet.
struct Done {
    askers: Vec<Asker>,
    result: Result<Vec<IdentityView>, StoreError>,
}

impl Done {
    /// Tells those who wait for it. Whoever asked may have gone; the change is made all the same.
    fn answer(self) {
        match self.result {
            Ok(views) => {
                let mut views = views.into_iter();
                for (count, answer) in self.askers {
                    let _ = answer.send(Ok(views.by_ref().take(count).collect()));
                }
            }
            Err(error) => {
                for (_, answer) in self.askers {
                    let _ = answer.send(Err(error.clone().into()));
                }
            }
        }
    }
}

/// How many of a batch's observations somebody brought, and where their answers go.
type Asker = (usize, oneshot::Sender<Result<Vec<IdentityView>, IdentifyError>>);

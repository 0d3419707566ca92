//! The queue of changes and group commit: whatever waits, up to a bound, is one transaction and one sync.

use std::sync::{Arc, Mutex};

use selfsame_rules::{Identifier, IdentityView, Observation, decide};
use selfsame_store::{Decision, Store, StoreError, WorkspaceKey};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::{Clock, EngineSettings, IdentifyError};

/// An observation that changes something, and who waits for its answer.
struct Change {
    observation: Observation,
    answer: oneshot::Sender<Result<IdentityView, IdentifyError>>,
}

/// The changes that wait for one workspace, and the one task that writes them.
pub(crate) struct Queue {
    changes: mpsc::Sender<Change>,
    stop: Arc<Notify>,
    committer: Mutex<Option<JoinHandle<()>>>,
}

/// The task's side: takes what waits, writes it, answers.
struct Committer {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    workspace: WorkspaceKey,
    batch_observations_max: usize,
}

impl Queue {
    /// Starts the committer on the current runtime.
    pub(crate) fn start(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        workspace: WorkspaceKey,
        settings: EngineSettings,
    ) -> Self {
        let (changes, waiting) = mpsc::channel(settings.queue_length_max);
        let stop = Arc::new(Notify::new());
        let committer =
            Committer { store, clock, workspace, batch_observations_max: settings.batch_observations_max };
        let task = tokio::spawn(committer.run(waiting, Arc::clone(&stop)));
        Self { changes, stop, committer: Mutex::new(Some(task)) }
    }

    /// Waits for a turn at the end of the queue, and for the commit.
    pub(crate) async fn change(&self, observation: Observation) -> Result<IdentityView, IdentifyError> {
        let (answer, answered) = oneshot::channel();
        self.changes.try_send(Change { observation, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => IdentifyError::QueueFull,
            mpsc::error::TrySendError::Closed(_) => IdentifyError::ShuttingDown,
        })?;
        answered.await.unwrap_or(Err(IdentifyError::ShuttingDown))
    }

    /// Refuses new changes and returns when those that wait are committed and answered.
    pub(crate) async fn drain(&self) {
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
    async fn run(self, mut waiting: mpsc::Receiver<Change>, stop: Arc<Notify>) {
        let mut batch = Vec::with_capacity(self.batch_observations_max);
        loop {
            let taken = tokio::select! {
                taken = waiting.recv_many(&mut batch, self.batch_observations_max) => taken,
                // Closed, the queue still gives out what waits in it, and then nothing.
                () = stop.notified() => { waiting.close(); continue }
            };
            if taken == 0 {
                return;
            }
            let (observations, answers): (Vec<_>, Vec<_>) =
                batch.drain(..).map(|change| (change.observation, change.answer)).unzip();
            for (answer, result) in answers.into_iter().zip(self.commit(observations).await) {
                // Whoever asked may have gone; the change is made all the same.
                let _ = answer.send(result);
            }
        }
    }

    /// Writes a batch as one transaction; as many results as observations, in their order.
    async fn commit(&self, observations: Vec<Observation>) -> Vec<Result<IdentityView, IdentifyError>> {
        let count = observations.len();
        let mut identifiers: Vec<Identifier> =
            observations.iter().flat_map(Observation::identifiers).cloned().collect();
        identifiers.sort();
        identifiers.dedup();
        let clock = Arc::clone(&self.clock);
        let decision: Decision = Box::new(move |identities| decide(identities, &observations, clock.now()));
        match self.store.write(self.workspace, identifiers, decision).await {
            Ok(plan) => {
                tracing::debug!(observations = count, events = plan.events.len(), "committed a batch");
                plan.answers.into_iter().map(Ok).collect()
            }
            Err(error) => {
                if !matches!(error, StoreError::NoSpace | StoreError::Unavailable(_)) {
                    tracing::error!(%error, observations = count, "could not commit a batch");
                }
                vec![Err(error.into()); count]
            }
        }
    }
}

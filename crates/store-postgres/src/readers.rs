//! Look-ups. Those that arrive while a round trip is under way share the next one; a look-up never joins one that has
//! been sent, so what it sees was true after it was asked.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use deadpool_postgres::Pool;
use metrics::Counter;
use selfsame_rules::{Identifier, Neighbourhood};
use selfsame_store::{
    Access, ImportNote, Kept, Once, PageAsked, PersonPage, Recall, Recalled, StoreError, WebhookRow,
    WorkspaceKey,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tokio_postgres::Row;

use crate::access;
use crate::answers::kept_alone;
use crate::apart::apart;
use crate::connections::Loan;
use crate::error::Fault;
use crate::imports::import_note_alone;
use crate::load::{self, Loaded};
use crate::metrics::repeated_looks;
use crate::page::page_alone;
use crate::recall::recall_alone;
use crate::repeat::{Limits, pause};
use crate::transaction::Stopped;
use crate::webhooks::webhooks_alone;

/// The most identifiers that one round trip asks for.
const IDENTIFIERS_MAX: usize = 500;

/// The most round trips under way at once; others wait, and share the next. More of them are smaller and cost more for
/// each look-up; fewer let many customers wait for one whose identity is large.
const AT_ONCE_MAX: usize = 3;

/// The most identifiers that look-ups which wait ask for: more than a server answers within the usual patience of a
/// client. One look-up alone is never too much.
const WAITING_IDENTIFIERS_MAX: u32 = 50_000;

/// More look-ups wait than will be answered in time.
#[derive(Debug, thiserror::Error)]
#[error("too many look-ups wait for the database")]
struct TooManyWait;

/// A look-up that waits for its round trip.
struct Lookup {
    workspace: WorkspaceKey,
    identifiers: Vec<Identifier>,
    /// A place for each identifier, given back when the round trip begins.
    places: OwnedSemaphorePermit,
    answer: oneshot::Sender<Result<Arc<Loaded>, StoreError>>,
}

/// The way to the server and back.
#[derive(Clone, Debug)]
struct Way {
    pool: Pool,
    limits: Limits,
    /// Whether look-ups go by a plan that the server keeps; until it once had none.
    keeps_plans: Arc<AtomicBool>,
    repeats: Counter,
}

/// The way in for look-ups.
#[derive(Debug)]
pub(crate) struct Readers {
    way: Way,
    /// Bounded by the places.
    lookups: mpsc::UnboundedSender<Lookup>,
    places: Arc<Semaphore>,
}

impl Readers {
    /// Starts taking look-ups. One of the pool's connections is left to the writer, where there are several.
    /// `keeps_plans`: whether statements may be prepared by name.
    pub(crate) fn start(pool: Pool, limits: Limits, keeps_plans: bool) -> Self {
        let (lookups, waiting) = mpsc::unbounded_channel();
        let at_once = (pool.status().max_size - 1).clamp(1, AT_ONCE_MAX);
        let keeps_plans = Arc::new(AtomicBool::new(keeps_plans));
        let way = Way { pool, limits, keeps_plans, repeats: repeated_looks() };
        tokio::spawn(dispatch(way.clone(), waiting, Arc::new(Semaphore::new(at_once))));
        Self { way, lookups, places: Arc::new(Semaphore::new(WAITING_IDENTIFIERS_MAX as usize)) }
    }

    /// The neighbourhood of `identifiers`, from a round trip that begins after this call; nothing where a decision looks at
    /// more than that. Refused at once where too many wait for theirs.
    pub(crate) async fn load(
        &self,
        workspace: WorkspaceKey,
        identifiers: Vec<Identifier>,
    ) -> Result<Option<Neighbourhood>, StoreError> {
        let count = u32::try_from(identifiers.len()).unwrap_or(u32::MAX).min(WAITING_IDENTIFIERS_MAX);
        let places = Arc::clone(&self.places)
            .try_acquire_many_owned(count)
            .map_err(|_| StoreError::Unavailable(Arc::new(TooManyWait)))?;
        let (answer, answered) = oneshot::channel();
        let lookup = Lookup { workspace, identifiers: identifiers.clone(), places, answer };
        self.lookups.send(lookup).map_err(|_| StoreError::NotWritable)?;
        let loaded =
            answered.await.map_err(|_| StoreError::failed("the look-up ended before it answered"))??;
        if !loaded.is_plain() {
            return Ok(None);
        }
        // Here, and not where the round trip ends: there, each would wait for those before it.
        apart(loaded.contacts(), move || loaded.neighbourhood(&identifiers)).await.map(Some)
    }

    /// What `recall` asks for, from a transaction of its own.
    pub(crate) async fn recall(
        &self,
        workspace: WorkspaceKey,
        recall: Recall,
    ) -> Result<Recalled, StoreError> {
        self.way.recall(workspace, recall).await
    }

    /// The same for whoever asks about the past, which may take its time.
    pub(crate) async fn recall_patiently(
        &self,
        workspace: WorkspaceKey,
        recall: Recall,
    ) -> Result<Recalled, StoreError> {
        self.way.patient().recall(workspace, recall).await
    }

    /// The page that is asked for, from a transaction of its own.
    pub(crate) async fn page(
        &self,
        workspace: WorkspaceKey,
        asked: PageAsked,
    ) -> Result<Option<PersonPage>, StoreError> {
        self.way.repeated(|| page_alone(&self.way.pool, workspace, &asked)).await
    }

    /// What is kept under the request's key.
    pub(crate) async fn kept(&self, once: &Once) -> Result<Option<Kept>, StoreError> {
        self.way.repeated(|| kept_alone(&self.way.pool, once)).await
    }

    /// How far the import of that file is.
    pub(crate) async fn import_note(
        &self,
        workspace: WorkspaceKey,
        file: &str,
    ) -> Result<Option<ImportNote>, StoreError> {
        self.way.repeated(|| import_note_alone(&self.way.pool, workspace, file)).await
    }

    /// The webhooks of all workspaces.
    pub(crate) async fn webhooks(&self) -> Result<Vec<WebhookRow>, StoreError> {
        self.way.repeated(|| webhooks_alone(&self.way.pool)).await
    }

    /// All workspaces and keys, from a round trip of its own.
    pub(crate) async fn access(&self) -> Result<Access, StoreError> {
        let rows = self.way.repeated(|| access_once(&self.way.pool)).await?;
        apart(rows.len(), move || access::read(&rows)).await
    }
}

/// Sends a round trip whenever one may go, for all that wait by then, up to a bound.
async fn dispatch(way: Way, mut arriving: mpsc::UnboundedReceiver<Lookup>, permits: Arc<Semaphore>) {
    let mut waiting = VecDeque::new();
    loop {
        if waiting.is_empty() {
            let Some(first) = arriving.recv().await else { return };
            waiting.push_back(first);
        }
        let permit = Arc::clone(&permits).acquire_owned().await.expect("nobody closes the permits");
        while let Ok(next) = arriving.try_recv() {
            waiting.push_back(next);
        }
        // Whoever asked may have gone while it waited.
        waiting.retain(|lookup: &Lookup| !lookup.answer.is_closed());
        let together = take_together(&mut waiting);
        let way = way.clone();
        tokio::spawn(async move {
            answer_all(&way, together).await;
            drop(permit);
        });
    }
}

/// Takes the first look-up that waits, and others of its workspace up to the bound.
fn take_together(waiting: &mut VecDeque<Lookup>) -> Vec<Lookup> {
    let Some(workspace) = waiting.front().map(|first| first.workspace) else { return Vec::new() };
    let (mut together, mut later, mut count) = (Vec::new(), VecDeque::new(), 0);
    for lookup in waiting.drain(..) {
        let fits = together.is_empty() || count + lookup.identifiers.len() <= IDENTIFIERS_MAX;
        if lookup.workspace == workspace && fits {
            count += lookup.identifiers.len();
            together.push(lookup);
        } else {
            later.push_back(lookup);
        }
    }
    *waiting = later;
    together
}

async fn answer_all(way: &Way, lookups: Vec<Lookup>) {
    let Some(workspace) = lookups.first().map(|first| first.workspace) else { return };
    let (mut identifiers, mut answers) = (Vec::new(), Vec::with_capacity(lookups.len()));
    for lookup in lookups {
        identifiers.extend(lookup.identifiers);
        answers.push(lookup.answer);
        drop(lookup.places);
    }
    identifiers.sort();
    identifiers.dedup();
    let loaded = way.load_within(workspace, &identifiers).await.map(Arc::new);
    for answer in answers {
        // Whoever asked may have gone.
        let _ = answer.send(loaded.clone());
    }
}

impl Way {
    async fn recall(&self, workspace: WorkspaceKey, recall: Recall) -> Result<Recalled, StoreError> {
        self.repeated(|| recall_alone(&self.pool, workspace, recall.clone())).await
    }

    fn patient(&self) -> Self {
        Self { limits: self.limits.patient(), ..self.clone() }
    }

    /// What belongs to `identifiers`.
    async fn load_within(
        &self,
        workspace: WorkspaceKey,
        identifiers: &[Identifier],
    ) -> Result<Loaded, StoreError> {
        let rows = self.repeated(|| self.load(workspace, identifiers)).await?;
        let identifiers = identifiers.to_vec();
        apart(rows.len(), move || Loaded::read(&rows, &identifiers, workspace)).await
    }

    /// Attempts it again and again where a repeat may help, until the time is up.
    async fn repeated<Read, Why: Into<Stopped>, Attempt: Future<Output = Result<Read, Why>>>(
        &self,
        attempted: impl Fn() -> Attempt,
    ) -> Result<Read, StoreError> {
        let deadline = Instant::now() + self.limits.answer;
        for attempt in 0.. {
            let stopped = timeout_at(self.limits.of_attempt(attempt, deadline), attempted()).await;
            let fault = match stopped.map(|read| read.map_err(Into::into)) {
                Ok(Ok(read)) => return Ok(read),
                Ok(Err(Stopped::Store(error))) => return Err(error),
                Ok(Err(Stopped::Fault(fault))) => fault,
                Err(_) => Fault::TimedOut,
            };
            if !fault.may_pass() || !pause(attempt, deadline).await {
                return Err(fault.into());
            }
            self.repeats.increment(1);
        }
        unreachable!("attempts are counted without end")
    }

    /// One look-up, by the plan that the server keeps if it does.
    async fn load(&self, workspace: WorkspaceKey, identifiers: &[Identifier]) -> Result<Vec<Row>, Fault> {
        if !self.keeps_plans.load(Ordering::Relaxed) {
            return load_once(&self.pool, workspace, identifiers).await;
        }
        let client = Loan::from(&self.pool).await?;
        let fault = match load::send_planned(&client, workspace, identifiers).await {
            Ok(rows) => {
                client.give_back();
                return Ok(rows);
            }
            Err(error) => Fault::from(error),
        };
        if !fault.is_about_a_statement() {
            return Err(fault);
        }
        // Something that this server, or a pooler before it, doesn't take; unless the other way is refused as well.
        drop(client);
        let rows = load_once(&self.pool, workspace, identifiers).await?;
        if self.keeps_plans.swap(false, Ordering::Relaxed) {
            tracing::info!(%fault, "no plan is kept for look-ups: each is planned anew");
        }
        Ok(rows)
    }
}

/// One round trip.
pub(crate) async fn load_once(
    pool: &Pool,
    workspace: WorkspaceKey,
    identifiers: &[Identifier],
) -> Result<Vec<Row>, Fault> {
    let client = Loan::from(pool).await?;
    let rows = load::send_alone(&client, workspace, identifiers).await?;
    client.give_back();
    Ok(rows)
}

/// One round trip.
async fn access_once(pool: &Pool) -> Result<Vec<Row>, Fault> {
    let client = Loan::from(pool).await?;
    let rows = access::send_alone(&client).await?;
    client.give_back();
    Ok(rows)
}

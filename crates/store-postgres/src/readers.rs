//! Look-ups. Those that arrive while a round trip is under way share the next one; a look-up never joins one that has
//! been sent, so what it sees was true after it was asked.

use std::collections::VecDeque;
use std::sync::Arc;

use deadpool_postgres::Pool;
use selfsame_rules::{Identifier, Neighbourhood};
use selfsame_store::{StoreError, WorkspaceKey};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use crate::connections::Loan;
use crate::error::Fault;
use crate::load::{self, Loaded};
use crate::repeat::{Limits, pause};

/// The most identifiers that one round trip asks for.
const IDENTIFIERS_MAX: usize = 500;

/// The most round trips under way at once; others wait, and share the next.
const AT_ONCE_MAX: usize = 4;

/// A look-up that waits for its round trip.
struct Lookup {
    workspace: WorkspaceKey,
    identifiers: Vec<Identifier>,
    answer: oneshot::Sender<Result<Neighbourhood, StoreError>>,
}

/// The way in for look-ups.
#[derive(Debug)]
pub(crate) struct Readers {
    lookups: mpsc::UnboundedSender<Lookup>,
}

impl Readers {
    /// Starts taking look-ups. One of the pool's connections is left to the writer, where there are several.
    pub(crate) fn start(pool: Pool, limits: Limits) -> Self {
        let (lookups, waiting) = mpsc::unbounded_channel();
        let at_once = (pool.status().max_size - 1).clamp(1, AT_ONCE_MAX);
        tokio::spawn(dispatch(pool, limits, waiting, Arc::new(Semaphore::new(at_once))));
        Self { lookups }
    }

    /// The neighbourhood of `identifiers`, from a round trip that begins after this call.
    pub(crate) async fn load(
        &self,
        workspace: WorkspaceKey,
        identifiers: Vec<Identifier>,
    ) -> Result<Neighbourhood, StoreError> {
        let (answer, answered) = oneshot::channel();
        let lookup = Lookup { workspace, identifiers, answer };
        self.lookups.send(lookup).map_err(|_| StoreError::NotWritable)?;
        answered.await.map_err(|_| StoreError::failed("the look-up ended before it answered"))?
    }
}

/// Sends a round trip whenever one may go, for all that wait by then, up to a bound.
async fn dispatch(
    pool: Pool,
    limits: Limits,
    mut arriving: mpsc::UnboundedReceiver<Lookup>,
    permits: Arc<Semaphore>,
) {
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
        let pool = pool.clone();
        tokio::spawn(async move {
            answer_all(&pool, limits, together).await;
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

async fn answer_all(pool: &Pool, limits: Limits, lookups: Vec<Lookup>) {
    let Some(workspace) = lookups.first().map(|first| first.workspace) else { return };
    let mut identifiers: Vec<Identifier> =
        lookups.iter().flat_map(|lookup| &lookup.identifiers).cloned().collect();
    identifiers.sort();
    identifiers.dedup();
    let loaded = load_within(pool, limits, workspace, &identifiers).await;
    for lookup in lookups {
        let answer = match &loaded {
            Ok(loaded) => loaded.neighbourhood(&lookup.identifiers),
            Err(error) => Err(error.clone()),
        };
        // Whoever asked may have gone.
        let _ = lookup.answer.send(answer);
    }
}

/// Loads, again and again where a repeat may help, until the time is up.
async fn load_within(
    pool: &Pool,
    limits: Limits,
    workspace: WorkspaceKey,
    identifiers: &[Identifier],
) -> Result<Loaded, StoreError> {
    let deadline = Instant::now() + limits.answer;
    for attempt in 0.. {
        let fault =
            match timeout_at(limits.of_attempt(deadline), load_once(pool, workspace, identifiers)).await {
                Ok(Ok(rows)) => return Loaded::read(&rows, identifiers, workspace),
                Ok(Err(fault)) => fault,
                Err(_) => Fault::TimedOut,
            };
        if !fault.may_pass() || !pause(attempt, deadline).await {
            return Err(fault.into());
        }
    }
    unreachable!("attempts are counted without end")
}

/// One round trip.
pub(crate) async fn load_once(
    pool: &Pool,
    workspace: WorkspaceKey,
    identifiers: &[Identifier],
) -> Result<Vec<tokio_postgres::Row>, Fault> {
    let client = Loan::from(pool).await?;
    let rows = load::send(&client, workspace, identifiers).await?;
    client.give_back();
    Ok(rows)
}

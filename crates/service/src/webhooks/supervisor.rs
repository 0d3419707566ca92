//! Who delivers where: looks again and again for endpoints that nobody holds and whose time has come, takes them, and starts
//! a task for each, so that a slow one delays no other.
//!
//! A replica takes an endpoint that another one holds when it has seen nothing noted of it for a while, by its own watch: so no
//! two clocks are ever compared. Of two that take it at once, the store lets one.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use selfsame_rules::Timestamp;
use selfsame_store::{StoreError, WebhookNote, WebhookRow, WorkspaceKey};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};

use super::delivery::{Delivery, HELD_FOR};
use super::metrics::Standings;
use super::secret::new_name;
use super::{Inner, Webhooks};
use crate::Snapshot;

/// How often it looks, if nothing happens.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// An endpoint.
type Endpoint = (WorkspaceKey, Box<str>);

/// What this replica does.
struct Supervisor {
    webhooks: Arc<Inner>,
    /// What its holders' names begin with.
    name: Box<str>,
    taken: AtomicU64,
    tasks: JoinSet<()>,
    running: HashMap<Endpoint, (Box<str>, AbortHandle)>,
    /// Since when an endpoint that somebody else holds has had that revision.
    seen: BTreeMap<Endpoint, (i64, Instant)>,
    stopping: watch::Receiver<bool>,
}

impl Webhooks {
    /// Delivers until `stopping` says so. Then messages under way may end within `drain_timeout`, and no other is sent.
    pub async fn deliver(&self, mut stopping: watch::Receiver<bool>, drain_timeout: Duration) {
        let name = match new_name() {
            Ok(name) => name,
            Err(error) => return tracing::error!(%error, "no webhook is delivered"),
        };
        let mut supervisor = Supervisor {
            webhooks: Arc::clone(&self.0),
            name,
            taken: AtomicU64::new(0),
            tasks: JoinSet::new(),
            running: HashMap::new(),
            seen: BTreeMap::new(),
            stopping: stopping.clone(),
        };
        while !*stopping.borrow() {
            let wait = match supervisor.look().await {
                Ok(wait) => wait,
                Err(error) => {
                    if let Some(times) = self.0.metrics.unread.times() {
                        tracing::warn!(%error, times, "webhooks could not be read; trying again");
                    }
                    LOOK_EVERY
                }
            };
            tokio::select! {
                biased;
                _ = stopping.wait_for(|stopping| *stopping) => break,
                () = self.0.installation.webhooks_changed().notified() => {}
                Some(_) = supervisor.tasks.join_next() => {}
                () = sleep(wait) => {}
            }
        }
        let ending = async { while supervisor.tasks.join_next().await.is_some() {} };
        if timeout(drain_timeout, ending).await.is_err() {
            tracing::info!("messages to webhooks were cut off; they are sent again");
        }
        supervisor.tasks.shutdown().await;
    }
}

impl Supervisor {
    /// Takes what can be taken, and ends what was taken away; how long there is nothing else to do.
    async fn look(&mut self) -> Result<Duration, StoreError> {
        let webhooks = Arc::clone(&self.webhooks);
        let snapshot = webhooks.installation.current().await?;
        let rows = webhooks.installation.store().webhooks().await?;
        webhooks.metrics.tell(standings(&rows, &snapshot));
        self.forget_those_that_ended(&rows);
        self.seen.retain(|endpoint, _| rows.iter().any(|row| endpoint_of(row) == *endpoint));
        let mut wait = LOOK_EVERY;
        for row in rows {
            let Some(workspace) = snapshot.workspace(row.workspace) else { continue };
            if row.progress.is_parked || self.running.contains_key(&endpoint_of(&row)) {
                continue;
            }
            let left = self.left(&row, webhooks.installation.now());
            if !left.is_zero() {
                wait = wait.min(left);
            } else if let Some(row) = self.take(row).await? {
                let endpoint = endpoint_of(&row);
                let holder = row.holder.clone();
                let delivery =
                    Delivery::of(Arc::clone(&webhooks), row, &workspace.engine, self.stopping.clone());
                let task = self.tasks.spawn(delivery.run());
                self.running.insert(endpoint, (holder, task));
            }
        }
        Ok(wait)
    }

    /// Forgets tasks that have ended, however that was, and ends those of endpoints that are gone, that somebody changed, or
    /// that another replica has taken.
    fn forget_those_that_ended(&mut self, rows: &[WebhookRow]) {
        let held: HashMap<Endpoint, &str> =
            rows.iter().filter(|row| row.is_held).map(|row| (endpoint_of(row), &*row.holder)).collect();
        self.running.retain(|endpoint, (holder, task)| {
            let stays = held.get(endpoint).is_some_and(|held| *held == &**holder);
            if !stays {
                task.abort();
            }
            stays && !task.is_finished()
        });
    }

    /// How long until the endpoint may be taken.
    fn left(&mut self, row: &WebhookRow, now: Timestamp) -> Duration {
        let due = row.progress.next_attempt_at.map_or(0, Timestamp::as_milliseconds);
        let due = Duration::from_millis(u64::try_from(due - now.as_milliseconds()).unwrap_or(0));
        let is_alone = !self.webhooks.installation.is_written_elsewhere();
        // What this process held, and what a process before it did where there is one at a time, nobody does any more.
        if !row.is_held || is_alone || row.holder.starts_with(&*self.name) {
            return due;
        }
        let seen = self.seen.entry(endpoint_of(row)).or_insert_with(|| (row.revision, Instant::now()));
        if seen.0 != row.revision {
            *seen = (row.revision, Instant::now());
        }
        due.max(HELD_FOR.saturating_sub(seen.1.elapsed()))
    }

    /// Takes it, unless somebody else was quicker.
    async fn take(&self, row: WebhookRow) -> Result<Option<WebhookRow>, StoreError> {
        let holder = format!("{}-{}", self.name, self.taken.fetch_add(1, Ordering::Relaxed));
        let holder = Box::<str>::from(holder);
        let note = WebhookNote {
            workspace: row.workspace,
            id: row.id.clone(),
            revision: row.revision,
            holder: holder.clone(),
            is_held: true,
            progress: row.progress.clone(),
        };
        let taken = self.webhooks.installation.store().note_webhook(note).await?;
        Ok(taken.then(|| WebhookRow { holder, is_held: true, revision: row.revision + 1, ..row }))
    }
}

fn endpoint_of(row: &WebhookRow) -> Endpoint {
    (row.workspace, row.id.clone())
}

fn standings(rows: &[WebhookRow], snapshot: &Snapshot) -> Standings {
    let mut standings = Standings::default();
    for row in rows {
        let Some(workspace) = snapshot.access().workspace(row.workspace) else { continue };
        if row.progress.is_parked {
            standings.parked += 1;
            continue;
        }
        let count =
            if row.progress.failures > 0 { &mut standings.failing } else { &mut standings.delivering };
        *count += 1;
        let behind = workspace.head.last_sequence.0 - row.progress.position.0;
        standings.behind_max = standings.behind_max.max(behind);
    }
    standings
}

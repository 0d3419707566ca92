//! Planted faults, each one that a real store could have: the negative controls of the harnesses, which must
//! catch them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use selfsame_rules::{Identifier, Identities, Neighbourhood, Observation, Outcome, Plan, Timestamp};
use selfsame_store::{
    Access, AccessChange, AccessDecision, Carried, Corrected, CorrectionDecision, Following, ImportNote,
    IsKept, Kept, KeptAnswer, Look, Once, OnceDecision, PageAsked, PersonPage, Recall, Recalled, Record,
    Scan, Scanned, Store, StoreError, WebhookChange, WebhookDecision, WebhookNote, WebhookRow, WorkspaceKey,
};
use tokio::sync::mpsc;

use crate::captured::captured;

/// What is wrong with a [`FaultyStore`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A merge is answered, but the demoted side is not relinked.
    SkippedRelink,
    /// A lookup is answered from what was loaded for the same identifiers before.
    StaleLoad,
    /// The same, until this store writes: right as long as nobody else does.
    CachedLoad,
    /// A change is answered before it is durable.
    AnsweredBeforeCommit,
    /// A lookup is answered from the last workspace there is.
    MixedWorkspaces,
    /// Keys are read once and never again, as if another process wrote them.
    UnreadableKeys,
}

/// A real store with one fault.
pub struct FaultyStore {
    inner: Arc<dyn Store>,
    fault: Fault,
    cache: Mutex<Cache>,
    keys_read: AtomicBool,
}

/// What was loaded before.
#[derive(Default)]
struct Cache {
    loaded: HashMap<Vec<Identifier>, Neighbourhood>,
    writes_begun: u64,
    writes_ended: u64,
}

impl Cache {
    /// How many writes there were, if none is under way.
    fn writes(&self) -> Option<u64> {
        (self.writes_begun == self.writes_ended).then_some(self.writes_begun)
    }
}

impl FaultyStore {
    pub fn new(inner: Arc<dyn Store>, fault: Fault) -> Arc<Self> {
        Arc::new(Self { inner, fault, cache: Mutex::default(), keys_read: AtomicBool::default() })
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().expect("nothing panics while it holds this")
    }

    async fn load_from_cache(
        &self,
        workspace: WorkspaceKey,
        observations: Vec<Observation>,
    ) -> Result<Neighbourhood, StoreError> {
        let identifiers: Vec<Identifier> =
            observations.iter().flat_map(Observation::identifiers).cloned().collect();
        let (before, writes) = {
            let cache = self.cache();
            (cache.loaded.get(&identifiers).cloned(), cache.writes())
        };
        if let Some(before) = before {
            return Ok(before);
        }
        let mut now = None;
        let mut look = |identities: &dyn Identities| now = Some(captured(identities, &identifiers));
        self.inner.look(workspace, observations, &mut look).await?;
        let now = now.expect("a look shows something");
        let mut cache = self.cache();
        // One that a write overlaps may be from before it.
        if writes.is_some() && cache.writes() == writes {
            cache.loaded.insert(identifiers, now.clone());
        }
        drop(cache);
        Ok(now)
    }
}

#[async_trait]
impl Store for FaultyStore {
    async fn look(
        &self,
        workspace: WorkspaceKey,
        observations: Vec<Observation>,
        look: &mut Look<'_>,
    ) -> Result<(), StoreError> {
        match self.fault {
            Fault::StaleLoad | Fault::CachedLoad => {
                look(&self.load_from_cache(workspace, observations).await?);
                Ok(())
            }
            Fault::MixedWorkspaces => {
                let last = self.inner.access().await?.workspaces.last().map_or(workspace, |last| last.key);
                self.inner.look(last, observations, look).await
            }
            Fault::SkippedRelink | Fault::AnsweredBeforeCommit | Fault::UnreadableKeys => {
                self.inner.look(workspace, observations, look).await
            }
        }
    }

    async fn write_once(
        &self,
        workspace: WorkspaceKey,
        observations: Vec<Observation>,
        once: Vec<Once>,
        mut decision: OnceDecision,
    ) -> Result<Plan, StoreError> {
        match self.fault {
            Fault::StaleLoad | Fault::MixedWorkspaces | Fault::UnreadableKeys => {
                self.inner.write_once(workspace, observations, once, decision).await
            }
            Fault::CachedLoad => {
                {
                    let mut cache = self.cache();
                    cache.loaded.clear();
                    cache.writes_begun += 1;
                }
                let written = self.inner.write_once(workspace, observations, once, decision).await;
                self.cache().writes_ended += 1;
                written
            }
            Fault::SkippedRelink => {
                let skipping = Box::new(move |identities: &dyn Identities, is_kept: &IsKept<'_>| {
                    let mut planned = decision(identities, is_kept);
                    for event in &mut planned.plan.events {
                        if let Outcome::Merged { former_primaries, .. } = &mut event.outcome {
                            former_primaries.clear();
                        }
                    }
                    planned
                });
                self.inner.write_once(workspace, observations, once, skipping).await
            }
            Fault::AnsweredBeforeCommit => {
                let mut plan = None;
                let mut look =
                    |identities: &dyn Identities| plan = Some(decision(identities, &|_| false).plan);
                self.inner.look(workspace, observations.clone(), &mut look).await?;
                let plan = plan.expect("a look shows something");
                let inner = Arc::clone(&self.inner);
                tokio::spawn(async move { inner.write_once(workspace, observations, once, decision).await });
                Ok(plan)
            }
        }
    }

    async fn recall(&self, workspace: WorkspaceKey, recall: Recall) -> Result<Recalled, StoreError> {
        self.inner.recall(workspace, recall).await
    }

    async fn page(
        &self,
        workspace: WorkspaceKey,
        asked: PageAsked,
    ) -> Result<Option<PersonPage>, StoreError> {
        self.inner.page(workspace, asked).await
    }

    async fn correct(
        &self,
        workspace: WorkspaceKey,
        recall: Recall,
        once: Option<Once>,
        decision: CorrectionDecision,
    ) -> Result<Carried<Corrected>, StoreError> {
        self.inner.correct(workspace, recall, once, decision).await
    }

    async fn kept(&self, once: &Once) -> Result<Option<Kept>, StoreError> {
        self.inner.kept(once).await
    }

    async fn write_following(
        &self,
        workspace: WorkspaceKey,
        following: &Following,
        decision: OnceDecision,
    ) -> Result<Option<Plan>, StoreError> {
        self.inner.write_following(workspace, following, decision).await
    }

    async fn import_note(
        &self,
        workspace: WorkspaceKey,
        file: &str,
    ) -> Result<Option<ImportNote>, StoreError> {
        self.inner.import_note(workspace, file).await
    }

    async fn keep_instead(&self, once: &Once, answer: KeptAnswer) -> Result<(), StoreError> {
        self.inner.keep_instead(once, answer).await
    }

    async fn forget_answers(&self, workspace: WorkspaceKey, since: Timestamp) -> Result<bool, StoreError> {
        self.inner.forget_answers(workspace, since).await
    }

    async fn access(&self) -> Result<Access, StoreError> {
        if self.fault == Fault::UnreadableKeys && self.keys_read.swap(true, Ordering::SeqCst) {
            return Err(StoreError::Unavailable(Arc::new(std::fmt::Error)));
        }
        self.inner.access().await
    }

    fn is_written_elsewhere(&self) -> bool {
        self.fault == Fault::UnreadableKeys || self.inner.is_written_elsewhere()
    }

    async fn administer(
        &self,
        workspace: WorkspaceKey,
        once: Option<Once>,
        decision: AccessDecision,
    ) -> Result<Carried<AccessChange>, StoreError> {
        self.inner.administer(workspace, once, decision).await
    }

    async fn webhooks(&self) -> Result<Vec<WebhookRow>, StoreError> {
        self.inner.webhooks().await
    }

    async fn change_webhooks(
        &self,
        workspace: WorkspaceKey,
        once: Option<Once>,
        decision: WebhookDecision,
    ) -> Result<Carried<WebhookChange>, StoreError> {
        self.inner.change_webhooks(workspace, once, decision).await
    }

    async fn note_webhook(&self, note: WebhookNote) -> Result<bool, StoreError> {
        self.inner.note_webhook(note).await
    }

    async fn sweep(&self, workspace: WorkspaceKey) -> Result<bool, StoreError> {
        self.inner.sweep(workspace).await
    }

    async fn scan(
        &self,
        workspace: WorkspaceKey,
        what: Scan,
        into: mpsc::Sender<Vec<Record>>,
    ) -> Result<Scanned, StoreError> {
        self.inner.scan(workspace, what, into).await
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.inner.ready().await
    }

    async fn findings(&self) -> Result<Vec<String>, StoreError> {
        self.inner.findings().await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.inner.close().await
    }
}

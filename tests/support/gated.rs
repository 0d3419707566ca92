//! A store with a gate before its writes, and one behind its reads of the log: a test decides when what waits may be committed, and how
//! much of it, and when what was read of the log is answered; and it counts them.

use std::sync::Arc;

use async_trait::async_trait;
use selfsame_rules::{Observation, Plan, Timestamp};
use selfsame_store::{
    Access, AccessChange, AccessDecision, Carried, Corrected, CorrectionDecision, Following, ImportNote,
    Kept, KeptAnswer, Look, Once, OnceDecision, PageAsked, PersonPage, Recall, Recalled, Record, Scan,
    Scanned, Store, StoreError, WebhookChange, WebhookDecision, WebhookNote, WebhookRow, WorkspaceKey,
};
use tokio::sync::{mpsc, watch};

/// A real store whose `write` waits until [`GatedStore::let_through`] or [`GatedStore::open_gate`].
pub struct GatedStore {
    inner: Arc<dyn Store>,
    /// How many writes may pass, those that did included.
    may_pass: watch::Sender<usize>,
    /// How many writes have come to the gate.
    arrived: watch::Sender<usize>,
    /// Those that find no space behind it, counted from 1.
    refused: Vec<usize>,
    /// How often the log was read.
    log_reads: watch::Sender<usize>,
    /// Whether what was read of the log is held back.
    holds_log: watch::Sender<bool>,
}

impl GatedStore {
    /// `inner` behind a closed gate.
    pub fn new(inner: Arc<dyn Store>) -> Arc<Self> {
        Self::with(inner, 0, Vec::new())
    }

    /// `inner` behind an open gate, with no space for these of its writes, counted from 1.
    pub fn refusing(inner: Arc<dyn Store>, refused: Vec<usize>) -> Arc<Self> {
        Self::with(inner, usize::MAX, refused)
    }

    fn with(inner: Arc<dyn Store>, may_pass: usize, refused: Vec<usize>) -> Arc<Self> {
        let (may_pass, arrived) = (watch::Sender::new(may_pass), watch::Sender::new(0));
        let (log_reads, holds_log) = (watch::Sender::new(0), watch::Sender::new(false));
        Arc::new(Self { inner, may_pass, arrived, refused, log_reads, holds_log })
    }

    /// Lets through whatever waits, and all that comes after.
    pub fn open_gate(&self) {
        self.may_pass.send_replace(usize::MAX);
    }

    /// Lets through whatever waits now, and nothing after it.
    pub fn let_through(&self) {
        self.may_pass.send_replace(self.writes());
    }

    /// Returns when `count` writes have come to the gate, those that went through included.
    pub async fn arrived(&self, count: usize) {
        let mut arrived = self.arrived.subscribe();
        arrived.wait_for(|arrived| *arrived >= count).await.expect("the store keeps the sender");
    }

    /// How many writes have come to the gate so far.
    pub fn writes(&self) -> usize {
        *self.arrived.borrow()
    }

    /// How often the log was read so far, answered or not.
    pub fn log_reads(&self) -> usize {
        *self.log_reads.borrow()
    }

    /// Returns when the log was read so often.
    pub async fn log_read(&self, count: usize) {
        let mut log_reads = self.log_reads.subscribe();
        log_reads.wait_for(|log_reads| *log_reads >= count).await.expect("the store keeps the sender");
    }

    /// Holds back what is read of the log from now on, or lets all of it through.
    pub fn hold_log(&self, holds: bool) {
        self.holds_log.send_replace(holds);
    }
}

#[async_trait]
impl Store for GatedStore {
    async fn look(
        &self,
        workspace: WorkspaceKey,
        observations: Vec<Observation>,
        look: &mut Look<'_>,
    ) -> Result<(), StoreError> {
        self.inner.look(workspace, observations, look).await
    }

    async fn write_once(
        &self,
        workspace: WorkspaceKey,
        observations: Vec<Observation>,
        once: Vec<Once>,
        decision: OnceDecision,
    ) -> Result<Plan, StoreError> {
        self.arrived.send_modify(|arrived| *arrived += 1);
        let number = self.writes();
        self.may_pass
            .subscribe()
            .wait_for(|may_pass| number <= *may_pass)
            .await
            .expect("the store keeps the sender");
        if self.refused.contains(&number) {
            return Err(StoreError::NoSpace);
        }
        self.inner.write_once(workspace, observations, once, decision).await
    }

    async fn recall(&self, workspace: WorkspaceKey, recall: Recall) -> Result<Recalled, StoreError> {
        let is_of_log = matches!(recall, Recall::Log(..));
        let recalled = self.inner.recall(workspace, recall).await;
        if is_of_log {
            self.log_reads.send_modify(|log_reads| *log_reads += 1);
            let mut holds = self.holds_log.subscribe();
            holds.wait_for(|holds| !holds).await.expect("the store keeps the sender");
        }
        recalled
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
        self.inner.access().await
    }

    fn is_written_elsewhere(&self) -> bool {
        self.inner.is_written_elsewhere()
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

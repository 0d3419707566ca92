//! A store with a gate before its writes: a test decides when what waits may be committed.

use std::sync::Arc;

use async_trait::async_trait;
use selfsame_rules::{Head, Identifier, Plan};
use selfsame_store::{Decision, Look, Record, Scan, Store, StoreError, WorkspaceKey};
use tokio::sync::{mpsc, watch};

/// A real store whose `write` waits until [`GatedStore::open_gate`].
pub struct GatedStore {
    inner: Arc<dyn Store>,
    open: watch::Sender<bool>,
    /// How many writes have come to the gate.
    arrived: watch::Sender<usize>,
    /// Those that find no space behind it, counted from 1.
    refused: Vec<usize>,
}

impl GatedStore {
    /// `inner` behind a closed gate.
    pub fn new(inner: Arc<dyn Store>) -> Arc<Self> {
        Self::with(inner, false, Vec::new())
    }

    /// `inner` behind an open gate, with no space for these of its writes, counted from 1.
    pub fn refusing(inner: Arc<dyn Store>, refused: Vec<usize>) -> Arc<Self> {
        Self::with(inner, true, refused)
    }

    fn with(inner: Arc<dyn Store>, open: bool, refused: Vec<usize>) -> Arc<Self> {
        let (open, arrived) = (watch::Sender::new(open), watch::Sender::new(0));
        Arc::new(Self { inner, open, arrived, refused })
    }

    /// Lets through whatever waits, and all that comes after.
    pub fn open_gate(&self) {
        self.open.send_replace(true);
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
}

#[async_trait]
impl Store for GatedStore {
    async fn look(
        &self,
        workspace: WorkspaceKey,
        identifiers: Vec<Identifier>,
        look: &mut Look<'_>,
    ) -> Result<(), StoreError> {
        self.inner.look(workspace, identifiers, look).await
    }

    async fn write(
        &self,
        workspace: WorkspaceKey,
        identifiers: Vec<Identifier>,
        decision: Decision,
    ) -> Result<Plan, StoreError> {
        self.arrived.send_modify(|arrived| *arrived += 1);
        let number = self.writes();
        self.open.subscribe().wait_for(|open| *open).await.expect("the store keeps the sender");
        if self.refused.contains(&number) {
            return Err(StoreError::NoSpace);
        }
        self.inner.write(workspace, identifiers, decision).await
    }

    async fn scan(
        &self,
        workspace: WorkspaceKey,
        what: Scan,
        into: mpsc::Sender<Vec<Record>>,
    ) -> Result<Head, StoreError> {
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

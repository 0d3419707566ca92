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
}

impl GatedStore {
    /// `inner` behind a closed gate.
    pub fn new(inner: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self { inner, open: watch::Sender::new(false), arrived: watch::Sender::new(0) })
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
        self.open.subscribe().wait_for(|open| *open).await.expect("the store keeps the sender");
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

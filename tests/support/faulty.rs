//! Planted faults, each one that a real store could have: the negative controls of the harnesses, which must
//! catch them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use selfsame_rules::{Head, Identifier, Neighbourhood, Outcome, Plan};
use selfsame_store::{Decision, Record, Scan, Store, StoreError, WorkspaceKey};
use tokio::sync::mpsc;

/// What is wrong with a [`FaultyStore`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A merge is answered, but the demoted side is not relinked.
    SkippedRelink,
    /// A lookup is answered from what was loaded for the same identifiers before.
    StaleLoad,
    /// A change is answered before it is durable.
    AnsweredBeforeCommit,
}

/// A real store with one fault.
pub struct FaultyStore {
    inner: Arc<dyn Store>,
    fault: Fault,
    loaded: Mutex<HashMap<Vec<Identifier>, Neighbourhood>>,
}

impl FaultyStore {
    pub fn new(inner: Arc<dyn Store>, fault: Fault) -> Arc<Self> {
        Arc::new(Self { inner, fault, loaded: Mutex::default() })
    }

    fn loaded(&self) -> std::sync::MutexGuard<'_, HashMap<Vec<Identifier>, Neighbourhood>> {
        self.loaded.lock().expect("nothing panics while it holds this")
    }
}

#[async_trait]
impl Store for FaultyStore {
    async fn load(
        &self,
        workspace: WorkspaceKey,
        identifiers: Vec<Identifier>,
    ) -> Result<Neighbourhood, StoreError> {
        if self.fault != Fault::StaleLoad {
            return self.inner.load(workspace, identifiers).await;
        }
        let before = self.loaded().get(&identifiers).cloned();
        if let Some(before) = before {
            return Ok(before);
        }
        let now = self.inner.load(workspace, identifiers.clone()).await?;
        self.loaded().insert(identifiers, now.clone());
        Ok(now)
    }

    async fn write(
        &self,
        workspace: WorkspaceKey,
        identifiers: Vec<Identifier>,
        mut decision: Decision,
    ) -> Result<Plan, StoreError> {
        match self.fault {
            Fault::StaleLoad => self.inner.write(workspace, identifiers, decision).await,
            Fault::SkippedRelink => {
                let skipping = Box::new(move |neighbourhood| {
                    let mut plan = decision(neighbourhood);
                    for event in &mut plan.events {
                        if let Outcome::Merged { former_primaries, .. } = &mut event.outcome {
                            former_primaries.clear();
                        }
                    }
                    plan
                });
                self.inner.write(workspace, identifiers, skipping).await
            }
            Fault::AnsweredBeforeCommit => {
                let plan = decision(self.inner.load(workspace, identifiers.clone()).await?);
                let inner = Arc::clone(&self.inner);
                tokio::spawn(async move { inner.write(workspace, identifiers, decision).await });
                Ok(plan)
            }
        }
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

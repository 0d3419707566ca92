//! The identities of each workspace in memory, and the one lock on each: many look, one writes.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use selfsame_rules::{Event, IdentityIndex};
use selfsame_store::{StoreError, WorkspaceKey};

/// The index of each workspace of the file; none where one broke, until it is read anew.
#[derive(Debug)]
pub(crate) struct Indexes(BTreeMap<WorkspaceKey, RwLock<Option<IdentityIndex>>>);

impl Indexes {
    pub(crate) fn new(indexes: impl IntoIterator<Item = (WorkspaceKey, IdentityIndex)>) -> Self {
        Self(indexes.into_iter().map(|(workspace, index)| (workspace, RwLock::new(Some(index)))).collect())
    }

    /// Calls `look` on what is committed. Nothing is shown meanwhile that is committed later.
    pub(crate) fn look<T>(
        &self,
        workspace: WorkspaceKey,
        look: impl FnOnce(&IdentityIndex) -> T,
    ) -> Result<T, StoreError> {
        let index = self.of(workspace)?.read().map_err(|_| broken())?;
        Ok(look(index.as_ref().ok_or_else(broken)?))
    }

    /// Lets the index follow events that are committed. One that can't is given up.
    pub(crate) fn follow(&self, workspace: WorkspaceKey, events: &[Event]) -> Result<(), StoreError> {
        let mut place = self.of(workspace)?.write().map_err(|_| broken())?;
        let index = place.as_mut().ok_or_else(broken)?;
        let followed = events.iter().try_for_each(|event| index.follow(event));
        if followed.is_err() {
            *place = None;
        }
        Ok(followed?)
    }

    /// Puts an index in the place of one that may be wrong.
    pub(crate) fn replace(&self, workspace: WorkspaceKey, index: IdentityIndex) -> Result<(), StoreError> {
        let lock = self.of(workspace)?;
        *lock.write().unwrap_or_else(PoisonError::into_inner) = Some(index);
        lock.clear_poison();
        Ok(())
    }

    fn of(&self, workspace: WorkspaceKey) -> Result<&RwLock<Option<IdentityIndex>>, StoreError> {
        self.0.get(&workspace).ok_or_else(|| StoreError::failed(format!("there is no workspace {workspace}")))
    }
}

fn broken() -> StoreError {
    StoreError::failed("what is held in memory broke, and is being read anew")
}

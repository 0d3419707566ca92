//! The identities of each workspace in memory, and the one lock on each: many look, one writes.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use selfsame_rules::{ContactId, Event, Identities, IdentityIndex, Sequence};
use selfsame_store::{StoreError, WorkspaceKey};

/// The index of a workspace; none where it broke, until it is read anew.
type Place = Arc<RwLock<Option<IdentityIndex>>>;

/// The index of each workspace of the file that isn't erased.
#[derive(Debug)]
pub(crate) struct Indexes(RwLock<BTreeMap<WorkspaceKey, Place>>);

impl Indexes {
    pub(crate) fn new(indexes: impl IntoIterator<Item = (WorkspaceKey, IdentityIndex)>) -> Self {
        Self(RwLock::new(indexes.into_iter().map(|(workspace, index)| (workspace, place(index))).collect()))
    }

    /// Calls `look` on what is committed. Nothing is shown meanwhile that is committed later.
    pub(crate) fn look<T>(
        &self,
        workspace: WorkspaceKey,
        look: impl FnOnce(&IdentityIndex) -> T,
    ) -> Result<T, StoreError> {
        let place = self.of(workspace)?;
        let index = place.read().map_err(|_| broken())?;
        Ok(look(index.as_ref().ok_or_else(broken)?))
    }

    /// Tells who follows a primary of the workspace, where the log stands at that event; nothing if it stands elsewhere.
    pub(crate) fn followers(
        &self,
        workspace: WorkspaceKey,
    ) -> impl Fn(ContactId, Sequence) -> Option<Vec<ContactId>> + use<'_> {
        move |primary, last| {
            let followers = |index: &IdentityIndex| {
                let stands_there = index.head().last_sequence == last;
                stands_there.then(|| index.followers(primary).collect())
            };
            self.look(workspace, followers).ok().flatten()
        }
    }

    /// Lets the index follow events that are committed. One that can't is given up.
    pub(crate) fn follow(&self, workspace: WorkspaceKey, events: &[Event]) -> Result<(), StoreError> {
        let place = self.of(workspace)?;
        let mut held = place.write().map_err(|_| broken())?;
        let index = held.as_mut().ok_or_else(broken)?;
        let followed = events.iter().try_for_each(|event| index.follow(event));
        if followed.is_err() {
            *held = None;
        }
        Ok(followed?)
    }

    /// Lets the index forget what was erased from the evidence of refusals.
    pub(crate) fn rewrite_refusals(
        &self,
        workspace: WorkspaceKey,
        rewritten: &[Event],
    ) -> Result<(), StoreError> {
        let place = self.of(workspace)?;
        let mut held = place.write().map_err(|_| broken())?;
        held.as_mut().ok_or_else(broken)?.rewrite_refusals(rewritten);
        Ok(())
    }

    /// Shows a workspace that was made, or anew one whose index may be wrong.
    pub(crate) fn add(&self, workspace: WorkspaceKey, index: IdentityIndex) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(workspace, place(index));
    }

    /// Shows an erased workspace no more. Whoever looks at it now may do so to the end.
    pub(crate) fn remove(&self, workspace: WorkspaceKey) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&workspace);
    }

    fn of(&self, workspace: WorkspaceKey) -> Result<Place, StoreError> {
        // Nothing that could panic is done while it is held for writing.
        let places = self.0.read().unwrap_or_else(PoisonError::into_inner);
        places.get(&workspace).cloned().ok_or(StoreError::NoWorkspace(workspace))
    }
}

fn place(index: IdentityIndex) -> Place {
    Arc::new(RwLock::new(Some(index)))
}

fn broken() -> StoreError {
    StoreError::failed("what is held in memory broke, and is being read anew")
}

//! The identities of each workspace in memory, and the one lock on each: many look, one writes.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use selfsame_rules::{ContactId, Event, Identifier, Identities, IdentityIndex, Sequence, Timestamp};
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

    /// What the index of the workspace knows, for whoever reads the rows.
    pub(crate) fn knowledge(&self, workspace: WorkspaceKey) -> Knowledge<'_> {
        Knowledge { indexes: self, workspace }
    }

    /// Lets the index follow events that are committed. One that can't is given up.
    pub(crate) fn follow(&self, workspace: WorkspaceKey, events: &[Event]) -> Result<(), StoreError> {
        let place = self.of(workspace)?;
        let mut held = place.write().map_err(|_| broken())?;
        let index = held.as_mut().ok_or_else(broken)?;
        let followed = index.follow_all(events);
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

/// What an index knows of a snapshot of the rows: nothing, where it stands elsewhere in the log.
#[derive(Clone, Copy)]
pub(crate) struct Knowledge<'index> {
    indexes: &'index Indexes,
    workspace: WorkspaceKey,
}

impl Knowledge<'_> {
    /// Who follows each of the primaries.
    pub(crate) fn followers(self, primaries: &[ContactId], last: Sequence) -> Option<Vec<ContactId>> {
        self.at(last, |index| primaries.iter().flat_map(|primary| index.followers(*primary)).collect())
    }

    /// How many live contacts the primary's identity has, and those of a page of them.
    pub(crate) fn page(
        self,
        primary: ContactId,
        after: Option<(Timestamp, ContactId)>,
        most: usize,
        last: Sequence,
    ) -> Option<(usize, Vec<ContactId>)> {
        self.at(last, |index| index.page(primary, after, most))
    }

    /// Those of the identifiers that the primary's identity owns.
    pub(crate) fn owned_by(
        self,
        primary: ContactId,
        mut identifiers: Vec<Identifier>,
        last: Sequence,
    ) -> Option<Vec<Identifier>> {
        self.at(last, |index| {
            identifiers.retain(|identifier| index.owner(identifier) == Some(primary));
            identifiers
        })
    }

    /// The primaries of those who own the identifiers.
    pub(crate) fn owners(self, identifiers: &[Identifier], last: Sequence) -> Option<Vec<ContactId>> {
        self.at(last, |index| identifiers.iter().filter_map(|identifier| index.owner(identifier)).collect())
    }

    fn at<T>(self, last: Sequence, look: impl FnOnce(&IdentityIndex) -> T) -> Option<T> {
        let stands_there = |index: &IdentityIndex| index.head().last_sequence == last;
        let looked = self.indexes.look(self.workspace, |index| stands_there(index).then(|| look(index)));
        looked.ok().flatten()
    }
}

fn place(index: IdentityIndex) -> Place {
    Arc::new(RwLock::new(Some(index)))
}

fn broken() -> StoreError {
    StoreError::failed("what is held in memory broke, and is being read anew")
}

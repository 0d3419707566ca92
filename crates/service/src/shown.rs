//! Answers that show customers of very many contacts: made in parts, between which the writer and others get their turn.

use std::sync::Arc;

use selfsame_rules::{Answer, ContactId, GradualView, Identities, IdentityView, Progress};
use selfsame_store::{Store, StoreError, WorkspaceKey};
use tokio::runtime::Handle;

/// The most contacts of a customer that is shown in the look-up or the decision itself.
const AT_ONCE_MAX: usize = 4_000;

/// The contacts of a part: some tens of microseconds, some hundreds where memory must be cleared.
const PART: usize = 500;

/// How often a view that was overtaken is begun again before it is made at once.
const BEGINNINGS_MAX: usize = 4;

/// The customer was there, and was deleted or erased before the answer was made.
#[derive(Debug, thiserror::Error)]
#[error("the customer was deleted before the answer was made")]
struct Gone;

/// The most contacts that an answer shows as it is decided. Where others wait for whoever looks, larger ones are left to
/// [`show`]; a store that loads what it is asked has them in hand.
pub(crate) fn shown_max(store: &dyn Store) -> usize {
    if store.shows_everything() { AT_ONCE_MAX } else { usize::MAX }
}

/// Shows the customers that were left out: each as it is at a moment after what its observation changed was durable.
///
/// On a thread of its own: those that answer known customers have none to spare for so long.
pub(crate) async fn show(
    store: Arc<dyn Store>,
    workspace: WorkspaceKey,
    mut answers: Vec<Answer>,
) -> Result<Vec<Answer>, StoreError> {
    let runtime = Handle::current();
    let showing = tokio::task::spawn_blocking(move || {
        for answer in &mut answers {
            if let Some(primary) = answer.larger.take() {
                answer.identity = Some(runtime.block_on(view(&*store, workspace, primary))?);
            }
        }
        Ok(answers)
    });
    showing.await.map_err(StoreError::failed)?
}

async fn view(
    store: &dyn Store,
    workspace: WorkspaceKey,
    primary: ContactId,
) -> Result<IdentityView, StoreError> {
    for beginning in 1..=BEGINNINGS_MAX {
        let part = if beginning == BEGINNINGS_MAX { usize::MAX } else { PART };
        let mut view: Option<GradualView> = None;
        let progress = loop {
            let mut progress = None;
            let mut look = |identities: &dyn Identities| {
                if view.is_none() {
                    view = GradualView::of(identities, primary);
                }
                progress = view.as_mut().map(|view| view.go_on(identities, part));
            };
            store.look(workspace, Vec::new(), &mut look).await?;
            match progress {
                Some(Progress::More) => {}
                progress => break progress,
            }
        };
        match (progress, view) {
            (Some(Progress::Whole), Some(view)) => return Ok(view.finish()),
            (Some(_), _) => {}
            (None, _) => return Err(StoreError::OutcomeUnknown(Arc::new(Gone))),
        }
    }
    Err(StoreError::failed("a view that was made at once was overtaken"))
}

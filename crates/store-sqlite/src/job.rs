//! What the writer is asked to do.

use selfsame_rules::{Plan, Timestamp};
use selfsame_store::{
    AccessChange, AccessDecision, Carried, Corrected, CorrectionDecision, KeptAnswer, Once, OnceDecision,
    Recall, StoreError, WebhookChange, WebhookDecision, WebhookNote, WorkspaceKey,
};
use tokio::sync::oneshot;

use crate::scrub::Debt;

/// Who waits for what became of a job.
pub(crate) type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// Something that waits for its turn to write.
pub(crate) enum Job {
    /// A change of a workspace.
    Write { workspace: WorkspaceKey, decision: OnceDecision, answer: Answer<Plan> },
    /// A person's correction.
    Correct {
        workspace: WorkspaceKey,
        recall: Recall,
        once: Option<Once>,
        decision: CorrectionDecision,
        answer: Answer<Carried<Corrected>>,
    },
    /// A change of workspaces and keys.
    Administer {
        workspace: WorkspaceKey,
        once: Option<Once>,
        decision: AccessDecision,
        answer: Answer<Carried<AccessChange>>,
    },
    /// Keeping another answer than before.
    KeepInstead { once: Once, kept: KeptAnswer, answer: Answer<()> },
    /// Deleting some of the answers that were kept for long enough.
    Forget { workspace: WorkspaceKey, since: Timestamp, answer: Answer<bool> },
    /// A change of a workspace's webhooks.
    ChangeWebhooks {
        workspace: WorkspaceKey,
        once: Option<Once>,
        decision: WebhookDecision,
        answer: Answer<Carried<WebhookChange>>,
    },
    /// What is noted of a delivery.
    NoteWebhook { note: WebhookNote, answer: Answer<bool> },
    /// Deleting some of what is left of an erased workspace.
    Sweep { workspace: WorkspaceKey, answer: Answer<bool> },
    /// Writing the file anew.
    Pack { answer: Answer<()> },
    /// Noting that nothing of that is owed any more.
    Settle { debt: Debt, answer: Answer<()> },
}

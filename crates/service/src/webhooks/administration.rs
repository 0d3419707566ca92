//! What an administrator does with webhooks: add, list, try, rotate secrets, replay, remove.
//!
//! None of it is an event of the log: it is where events go, not what anybody knows of a customer.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use selfsame_rules::{Sequence, Timestamp};
use selfsame_store::{
    Carried, Decided, StoreError, WebhookChange, WebhookProgress, WebhookRow, WebhooksSeen, WorkspaceKey,
};
use tokio::time::{Instant, timeout};

use super::message::Message;
use super::secret::new_name;
use super::{NewSecret, PostError, Webhooks, refusal};
use crate::repeat::parts;
use crate::{Keeping, Repeatable};

/// The most endpoints that a workspace may have.
pub const WEBHOOKS_MAX: usize = 50;

/// How long a secret signs besides, after another took its place.
const FORMER_SECRET_SIGNS_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// Why something was not done with a webhook. Nothing changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WebhookError {
    /// The workspace has none of that name.
    #[error("there is no such webhook")]
    NotFound,
    /// It has as many as it may have.
    #[error("the workspace has {WEBHOOKS_MAX} webhooks, and may have no more")]
    TooMany,
    /// The log is not as long as that yet.
    #[error("the log has no event {0}")]
    NoEvent(Sequence),
    /// A secret that nobody can guess can't be made.
    #[error("the system gives no randomness: {0}")]
    NoRandomness(String),
    /// The store could not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An endpoint that is to be added.
#[derive(Clone)]
pub struct NewWebhook {
    /// Where to. That it can be reached at all is for whoever asks to see to.
    pub url: Box<str>,
    /// The kinds of events that it is to get; all, if there are none.
    pub kinds: Vec<Box<str>>,
    /// The event behind which it begins; behind the last one there is, if nothing is said.
    pub after: Option<Sequence>,
}

/// What came of a message that was to try an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tested {
    /// What was answered, if something was.
    pub status: Option<u16>,
    /// How long that took.
    pub took: Duration,
    /// Why a delivery like this would have failed, if it would.
    pub problem: Option<String>,
}

/// How the answer to a change of a webhook is kept.
pub type KeepingWebhook = Keeping<Result<WebhookRow, WebhookError>>;

/// What is then there.
type Done = Result<Repeatable<WebhookRow>, WebhookError>;

impl Webhooks {
    /// Adds an endpoint with that secret.
    ///
    /// # Errors
    ///
    /// [`WebhookError::TooMany`], [`WebhookError::NoEvent`] if it is to begin behind the log's end.
    pub async fn add(
        &self,
        workspace: WorkspaceKey,
        new: NewWebhook,
        secret: &NewSecret,
        keeping: Option<KeepingWebhook>,
    ) -> Done {
        let (id, secret, created_at) = (new_name()?, secret.stored(), self.0.installation.now());
        self.change(workspace, keeping, move |seen| {
            // A commit whose answer was lost.
            if let Some(added) = seen.rows.iter().find(|row| row.id == id) {
                return Ok((None, added.clone()));
            }
            if seen.rows.len() >= WEBHOOKS_MAX {
                return Err(WebhookError::TooMany);
            }
            let row = WebhookRow {
                workspace,
                id: id.clone(),
                url: new.url.clone(),
                kinds: new.kinds.clone(),
                secret: secret.clone(),
                former_secret: None,
                created_at,
                progress: WebhookProgress::after(within(seen, new.after.unwrap_or(seen.last_sequence))?),
                holder: "".into(),
                is_held: false,
                revision: 1,
            };
            Ok((Some(WebhookChange::Added(row.clone())), row))
        })
        .await
    }

    /// Those of a workspace, by id.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if they can't be read.
    pub async fn list(&self, workspace: WorkspaceKey) -> Result<Vec<WebhookRow>, StoreError> {
        let mut rows = self.0.installation.store().webhooks().await?;
        rows.retain(|row| row.workspace == workspace);
        Ok(rows)
    }

    /// The one of that name.
    ///
    /// # Errors
    ///
    /// [`WebhookError::NotFound`].
    pub async fn find(&self, workspace: WorkspaceKey, id: &str) -> Result<WebhookRow, WebhookError> {
        let rows = self.list(workspace).await?;
        rows.into_iter().find(|row| *row.id == *id).ok_or(WebhookError::NotFound)
    }

    /// Signs with another secret from now on; for a day, with the one before as well.
    ///
    /// # Errors
    ///
    /// [`WebhookError::NotFound`].
    pub async fn rotate(
        &self,
        workspace: WorkspaceKey,
        id: &str,
        secret: &NewSecret,
        keeping: Option<KeepingWebhook>,
    ) -> Done {
        let (id, secret, now) = (Box::<str>::from(id), secret.stored(), self.0.installation.now());
        let until = after(now, FORMER_SECRET_SIGNS_FOR);
        self.change(workspace, keeping, move |seen| {
            let row = of(seen, &id)?;
            if row.secret == secret {
                return Ok((None, row.clone()));
            }
            let former_secret = Some((row.secret.clone(), until));
            let rotated = WebhookRow { secret: secret.clone(), former_secret, ..row.clone() };
            Ok((Some(WebhookChange::Changed(rotated.clone())), rotated))
        })
        .await
    }

    /// Delivers from behind that event on, again or for the first time, and at once: one that was parked is so no more.
    ///
    /// # Errors
    ///
    /// [`WebhookError::NotFound`], [`WebhookError::NoEvent`].
    pub async fn replay(
        &self,
        workspace: WorkspaceKey,
        id: &str,
        from: Sequence,
        keeping: Option<KeepingWebhook>,
    ) -> Done {
        let id = Box::<str>::from(id);
        self.change(workspace, keeping, move |seen| {
            let row = of(seen, &id)?;
            let progress = WebhookProgress {
                // What was tried was tried.
                last_attempt_at: row.progress.last_attempt_at,
                last_status: row.progress.last_status,
                last_problem: row.progress.last_problem.clone(),
                ..WebhookProgress::after(within(seen, from)?)
            };
            let replayed = WebhookRow { progress, ..row.clone() };
            Ok((Some(WebhookChange::Changed(replayed.clone())), replayed))
        })
        .await
    }

    /// Removes it: nothing more is sent to it.
    ///
    /// # Errors
    ///
    /// [`WebhookError::NotFound`].
    pub async fn remove(&self, workspace: WorkspaceKey, id: &str, keeping: Option<KeepingWebhook>) -> Done {
        let (id, mut removed) = (Box::<str>::from(id), None);
        self.change(workspace, keeping, move |seen| {
            let row = match (of(seen, &id), removed.take()) {
                (Ok(row), _) => row.clone(),
                // A commit whose answer was lost.
                (Err(_), Some(row)) => return Ok((None, row)),
                (Err(error), None) => return Err(error),
            };
            removed = Some(row.clone());
            Ok((Some(WebhookChange::Removed(row.id.clone())), row))
        })
        .await
    }

    /// Sends one signed message with that body now, whatever waits for the endpoint, and tells what came of it.
    ///
    /// # Errors
    ///
    /// [`WebhookError::NotFound`].
    pub async fn test(
        &self,
        workspace: WorkspaceKey,
        id: &str,
        body: String,
    ) -> Result<Tested, WebhookError> {
        let row = self.find(workspace, id).await?;
        let message_id = format!("test_{}", new_name()?);
        let (mut channel, patience) = (self.0.transport.channel(&row.url), self.0.settings.attempt_timeout);
        let is_ready = timeout(patience, channel.ready()).await.is_ok();
        let begun = Instant::now();
        let posted = if is_ready {
            let message = Message::signed(&row, message_id, body, self.0.installation.now())?;
            timeout(patience, channel.post(&message)).await.unwrap_or(Err(PostError::TooSlow))
        } else {
            Err(PostError::NoTurn)
        };
        let (status, problem) = match posted {
            Ok(status) => (Some(status), refusal(status)),
            Err(error) => (None, Some(error.to_string())),
        };
        Ok(Tested { status, took: begun.elapsed(), problem })
    }

    /// Lets the store carry out what `decide` comes to: a change, and what is then there.
    async fn change(
        &self,
        workspace: WorkspaceKey,
        keeping: Option<KeepingWebhook>,
        mut decide: impl FnMut(&WebhooksSeen) -> Result<(Option<WebhookChange>, WebhookRow), WebhookError>
        + Send
        + 'static,
    ) -> Done {
        let (once, answer) = parts(keeping);
        let decided: Arc<Mutex<Option<Result<WebhookRow, WebhookError>>>> = Arc::default();
        let told = Arc::clone(&decided);
        let decision = Box::new(move |seen: &WebhooksSeen| {
            let (change, result) = match decide(seen) {
                Ok((change, there)) => (change, Ok(there)),
                Err(error) => (None, Err(error)),
            };
            let answer = answer(&result);
            *told.lock().expect("nothing panics while it holds this") = Some(result);
            Decided { change, answer }
        });
        let installation = &self.0.installation;
        let carried = installation.store().change_webhooks(workspace, once, decision).await?;
        installation.webhooks_changed().notify_one();
        if let Carried::Before(kept) = carried {
            return Ok(Repeatable::Before(kept));
        }
        let decided = decided.lock().expect("nothing panics while it holds this").take();
        let decided = decided.unwrap_or_else(|| Err(StoreError::failed("nothing was decided").into()));
        decided.map(Repeatable::Now)
    }
}

fn of<'seen>(seen: &'seen WebhooksSeen, id: &str) -> Result<&'seen WebhookRow, WebhookError> {
    seen.rows.iter().find(|row| *row.id == *id).ok_or(WebhookError::NotFound)
}

/// An event of the log, or its beginning.
fn within(seen: &WebhooksSeen, sequence: Sequence) -> Result<Sequence, WebhookError> {
    if sequence <= seen.last_sequence { Ok(sequence) } else { Err(WebhookError::NoEvent(sequence)) }
}

pub(super) fn after(moment: Timestamp, span: Duration) -> Timestamp {
    let span_ms = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_milliseconds(moment.as_milliseconds().saturating_add(span_ms))
}

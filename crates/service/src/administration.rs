//! What an administrator can do: make and revoke keys, make, rename and erase workspaces. Each is one event.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use selfsame_rules::{
    Actor, Changed, Event, Head, KeyFacts, KeyLimits, Name, Outcome, Scopes, Sequence, Timestamp,
    WorkspaceFacts,
};
use selfsame_store::{
    Access, AccessChange, AccessEffect, Carried, Decided, FormerNames, KeyRow, StoreError, WorkspaceKey,
    WorkspaceRow,
};
use tokio::time::Instant;

use crate::environment_key::ENVIRONMENT_KEY;
use crate::feed::sent_by_nobody;
use crate::installation::BELIEVED_FOR;
use crate::key_text::{KeyText, digest};
use crate::repeat::parts;
use crate::{Installation, Keeping, Repeatable};

/// How long no other workspace gets a name that one has given up: as long as replicas believe what they have read, and
/// as long again for clocks that aren't set alike.
pub const NAMES_HELD_FOR: Duration = BELIEVED_FOR.saturating_mul(2);

/// Why an act was not done. Nothing changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ActError {
    /// Another has that name.
    #[error("the name is taken")]
    NameTaken,
    /// Another workspace had that name a moment ago, and another replica may still take it for that one.
    #[error("the name was another workspace's until a moment ago")]
    NameJustGivenUp,
    /// There is no such key, or none that whoever asks may know of.
    #[error("there is no such key")]
    NoKey,
    /// There is no such workspace, or it is erased.
    #[error("there is no such workspace")]
    NoWorkspace,
    /// The workspace `default` keeps its name, and is never erased.
    #[error("the workspace `default` stays as it is")]
    DefaultStays,
    /// A key that nobody can guess can't be made.
    #[error("the system gives no randomness: {0}")]
    NoRandomness(String),
    /// The store could not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A key that is to be made.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// What it is to be called.
    pub name: Name,
    /// What it is to open; `None` for every workspace.
    pub workspace: Option<WorkspaceKey>,
    /// What it is to be good for.
    pub scopes: Scopes,
    /// How much it may be used.
    pub limits: KeyLimits,
    /// From when on it is good for nothing.
    pub expires_at: Option<Timestamp>,
}

/// Who asks, as far as it says which workspaces he may know of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Every one.
    Everything,
    /// This one.
    Workspace(WorkspaceKey),
}

impl Reach {
    /// Whether it takes in what belongs to that workspace; a key to every workspace belongs to none.
    pub fn covers(self, key: &KeyRow) -> bool {
        match self {
            Self::Everything => true,
            Self::Workspace(workspace) => key.workspace == workspace && !key.facts.every_workspace,
        }
    }
}

/// How the answer to a change of a key is kept.
pub type KeepingKey = Keeping<Result<KeyRow, ActError>>;

/// How the answer to a change of a workspace is kept.
pub type KeepingWorkspace = Keeping<Result<WorkspaceRow, ActError>>;

impl Installation {
    /// Makes the key of that text, which nobody can have again.
    ///
    /// # Errors
    ///
    /// [`ActError::NameTaken`] by a key of the same workspace that is good for something, or by the environment's, whose name
    /// is kept for it; [`ActError::NoWorkspace`].
    pub async fn create_key(
        &self,
        new: NewKey,
        text: &KeyText,
        actor: Actor,
        keeping: Option<KeepingKey>,
    ) -> Result<Repeatable<KeyRow>, ActError> {
        if new.name.as_str() == ENVIRONMENT_KEY {
            return Err(ActError::NameTaken);
        }
        self.make_key(new, (text.id(), text.reveal()), actor, keeping).await
    }

    /// Revokes a key; one that is revoked stays as it is.
    ///
    /// # Errors
    ///
    /// [`ActError::NoKey`] also for one that `reach` doesn't cover.
    pub async fn revoke_key(
        &self,
        id: &str,
        reach: Reach,
        actor: Actor,
        keeping: Option<KeepingKey>,
    ) -> Result<Repeatable<KeyRow>, ActError> {
        self.end(id, reach, actor, keeping, |facts, now| {
            facts.revoked_at.is_none().then(|| KeyFacts { revoked_at: Some(now), ..facts.clone() })
        })
        .await
    }

    /// Lets a key be over now, or again not over by itself.
    pub(crate) async fn end_key(&self, id: &str, end: End, actor: Actor) -> Result<(), ActError> {
        let ended = self.end(id, Reach::Everything, actor, None, move |facts, now| {
            let expires_at = match end {
                End::Now => Some(facts.expires_at.map_or(now, |end| end.min(now))),
                End::Never => None,
            };
            (facts.expires_at != expires_at).then(|| KeyFacts { expires_at, ..facts.clone() })
        });
        ended.await.map(drop)
    }

    /// Changes until when a key is good for something; `change` makes nothing of one that is as it should be.
    async fn end(
        &self,
        id: &str,
        reach: Reach,
        actor: Actor,
        keeping: Option<KeepingKey>,
        change: impl Fn(&KeyFacts, Timestamp) -> Option<KeyFacts> + Send + 'static,
    ) -> Result<Repeatable<KeyRow>, ActError> {
        let snapshot = self.read().await?;
        let mut keys = snapshot.access().keys.iter();
        let key = keys.find(|key| *key.facts.id == *id && reach.covers(key)).ok_or(ActError::NoKey)?;
        let (workspace, id) = (key.workspace, key.facts.id.clone());
        self.act(workspace, actor, keeping, move |access, now| {
            let own = access.keys.iter().find(|key| key.workspace == workspace && key.facts.id == id);
            let key = own.ok_or(ActError::NoKey)?;
            let Some(facts) = change(&key.facts, now) else { return Ok((None, key.clone())) };
            let outcome = key_changed(Some(key.facts.clone()), facts.clone());
            let effect = AccessEffect::KeyEnded(facts.clone());
            Ok((Some((workspace, outcome, effect)), KeyRow { facts, ..key.clone() }))
        })
        .await
    }

    /// Makes a workspace.
    ///
    /// # Errors
    ///
    /// [`ActError::NameTaken`] by one that isn't erased, [`ActError::NameJustGivenUp`].
    pub async fn create_workspace(
        &self,
        name: Name,
        actor: Actor,
        keeping: Option<KeepingWorkspace>,
    ) -> Result<Repeatable<WorkspaceRow>, ActError> {
        let mut proposed: Option<WorkspaceRow> = None;
        let held_since = self.names_held_since();
        self.act(WorkspaceKey::DEFAULT, actor, keeping, move |access, now| {
            // A commit whose answer was lost.
            let made = proposed
                .as_ref()
                .and_then(|made| access.workspace(made.key).filter(|row| row.facts == made.facts));
            if let Some(made) = made {
                return Ok((None, made.clone()));
            }
            refuse_taken(access, &name)?;
            refuse_given_up(access, &name, None, held_since(now))?;
            let last = access.workspaces.last().map_or(WorkspaceKey::DEFAULT, |last| last.key);
            let facts = WorkspaceFacts { name: name.clone(), created_at: now, erased_at: None };
            let row = WorkspaceRow {
                key: WorkspaceKey(last.0 + 1),
                facts: facts.clone(),
                head: after(Head::EMPTY, now),
                former_names: FormerNames::default(),
                counts: Default::default(),
                policy_since: Sequence(0),
                swept: false,
            };
            proposed = Some(row.clone());
            let outcome = workspace_changed(None, facts.clone());
            Ok((Some((row.key, outcome, AccessEffect::WorkspaceMade(facts))), row))
        })
        .await
    }

    /// Gives a workspace another name. Keys open it as before.
    ///
    /// # Errors
    ///
    /// [`ActError::NameTaken`], [`ActError::NameJustGivenUp`], [`ActError::NoWorkspace`], [`ActError::DefaultStays`].
    pub async fn rename_workspace(
        &self,
        workspace: WorkspaceKey,
        name: Name,
        actor: Actor,
        keeping: Option<KeepingWorkspace>,
    ) -> Result<Repeatable<WorkspaceRow>, ActError> {
        refuse_default(workspace)?;
        let held_since = self.names_held_since();
        self.act(workspace, actor, keeping, move |access, now| {
            let row = live(access, workspace)?;
            if row.facts.name == name {
                return Ok((None, row.clone()));
            }
            refuse_taken(access, &name)?;
            let since = held_since(now);
            refuse_given_up(access, &name, Some(workspace), since)?;
            let facts = WorkspaceFacts { name: name.clone(), ..row.facts.clone() };
            let outcome = workspace_changed(Some(row.facts.clone()), facts.clone());
            let former = row.former_names.and(&row.facts.name, now, since);
            let effect = AccessEffect::WorkspaceRenamed(facts.clone(), former);
            let head = after(row.head, now);
            Ok((Some((workspace, outcome, effect)), WorkspaceRow { facts, head, ..row.clone() }))
        })
        .await
    }

    /// Erases a workspace: from here on nothing in it is shown or written, its keys are revoked, and its rows are deleted
    /// in the background. Its number is not given again; its name is free.
    ///
    /// # Errors
    ///
    /// [`ActError::NoWorkspace`], [`ActError::DefaultStays`].
    pub async fn erase_workspace(
        &self,
        workspace: WorkspaceKey,
        actor: Actor,
        keeping: Option<KeepingWorkspace>,
    ) -> Result<Repeatable<WorkspaceRow>, ActError> {
        refuse_default(workspace)?;
        let mut proposed: Option<WorkspaceFacts> = None;
        let erased = self.act(workspace, actor, keeping, move |access, now| {
            let row = access.workspace(workspace).ok_or(ActError::NoWorkspace)?;
            if proposed.as_ref() == Some(&row.facts) {
                return Ok((None, row.clone()));
            }
            let row = live(access, workspace)?;
            let facts = WorkspaceFacts { erased_at: Some(now), ..row.facts.clone() };
            proposed = Some(facts.clone());
            let outcome = workspace_changed(Some(row.facts.clone()), facts.clone());
            let effect = AccessEffect::WorkspaceErased(facts.clone());
            let head = after(row.head, now);
            Ok((Some((workspace, outcome, effect)), WorkspaceRow { facts, head, ..row.clone() }))
        });
        let erased = match erased.await {
            Err(ActError::Store(StoreError::NoWorkspace(_))) => return Err(ActError::NoWorkspace),
            erased => erased?,
        };
        sent_by_nobody(self.store(), Instant::now()).await;
        Ok(erased)
    }

    pub(crate) async fn make_key(
        &self,
        new: NewKey,
        (id, text): (&str, &str),
        actor: Actor,
        keeping: Option<KeepingKey>,
    ) -> Result<Repeatable<KeyRow>, ActError> {
        let workspace = new.workspace.unwrap_or(WorkspaceKey::DEFAULT);
        let (id, digest): (Box<str>, _) = (id.into(), digest(text));
        self.act(workspace, actor, keeping, move |access, now| {
            live(access, workspace)?;
            if let Some(made) = access.keys.iter().find(|key| key.digest == digest) {
                return Ok((None, made.clone()));
            }
            let mut others = access.keys.iter().filter(|key| key.workspace == workspace);
            let taken = others.any(|key| key.facts.name == new.name && key.facts.is_usable(now));
            // For a moment the environment's next one stands beside the one before.
            if taken && new.name.as_str() != ENVIRONMENT_KEY {
                return Err(ActError::NameTaken);
            }
            let facts = KeyFacts {
                id: id.clone(),
                name: new.name.clone(),
                scopes: new.scopes,
                every_workspace: new.workspace.is_none(),
                limits: new.limits,
                created_at: now,
                expires_at: new.expires_at,
                revoked_at: None,
            };
            let row = KeyRow { workspace, facts: facts.clone(), digest };
            let effect = AccessEffect::KeyMade(row.clone());
            Ok((Some((workspace, key_changed(None, facts), effect)), row))
        })
        .await
    }

    /// Names that were given up later than what this makes of a moment are held back at that moment: a replica that has read
    /// the names in time still takes one for the workspace that had it. Where there is no replica, none are.
    fn names_held_since(&self) -> impl Fn(Timestamp) -> Timestamp + Send + 'static {
        let held_for = if self.is_written_elsewhere() { NAMES_HELD_FOR } else { Duration::ZERO };
        let held_for_ms = i64::try_from(held_for.as_millis()).unwrap_or(i64::MAX);
        move |now| Timestamp::from_milliseconds(now.as_milliseconds().saturating_sub(held_for_ms))
    }

    /// Lets the store carry out what `decide` comes to: a change of a workspace's log and tables, and what is then
    /// there. The moment that it is told is that of the event.
    async fn act<T: Send + 'static>(
        &self,
        workspace: WorkspaceKey,
        actor: Actor,
        keeping: Option<Keeping<Result<T, ActError>>>,
        mut decide: impl FnMut(&Access, Timestamp) -> Result<(Option<Change>, T), ActError> + Send + 'static,
    ) -> Result<Repeatable<T>, ActError> {
        let (once, answer) = parts(keeping);
        let decided: Arc<Mutex<Option<Result<T, ActError>>>> = Arc::default();
        let (told, clock) = (Arc::clone(&decided), self.clock());
        let decision = Box::new(move |access: &Access| {
            // Time never runs back along the log that the event goes to.
            let head = access.workspace(workspace).map_or(Head::EMPTY, |row| row.head);
            let at = clock.now().max(head.last_event_at);
            let (change, result) = match decide(access, at) {
                Ok((change, there)) => (change, Ok(there)),
                Err(error) => (None, Err(error)),
            };
            let answer = answer(&result);
            *told.lock().expect("nothing panics while it holds this") = Some(result);
            let change = change.map(|(workspace, outcome, effect)| {
                let head = access.workspace(workspace).map_or(Head::EMPTY, |row| row.head);
                let sequence = Sequence(head.last_sequence.0 + 1);
                let (caused_by, evidence) = (actor.clone(), Vec::new());
                let event = Event { sequence, at, caused_by, evidence, origin: None, outcome };
                AccessChange { workspace, event, effect }
            });
            Decided { change, answer }
        });
        if let Carried::Before(kept) = self.administer(workspace, once, decision).await? {
            return Ok(Repeatable::Before(kept));
        }
        let decided = decided.lock().expect("nothing panics while it holds this").take();
        let decided = decided.unwrap_or_else(|| Err(StoreError::failed("nothing was decided").into()));
        decided.map(Repeatable::Now)
    }
}

/// When a key is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// From now on.
    Now,
    /// Not by itself.
    Never,
}

/// Whose log and tables change, and how.
type Change = (WorkspaceKey, Outcome, AccessEffect);

/// A log's head, one event later.
fn after(head: Head, now: Timestamp) -> Head {
    Head { last_sequence: Sequence(head.last_sequence.0 + 1), last_event_at: now, ..head }
}

fn live(access: &Access, workspace: WorkspaceKey) -> Result<&WorkspaceRow, ActError> {
    let row = access.workspace(workspace).filter(|row| row.facts.erased_at.is_none());
    row.ok_or(ActError::NoWorkspace)
}

fn refuse_taken(access: &Access, name: &Name) -> Result<(), ActError> {
    let mut live = access.workspaces.iter().filter(|row| row.facts.erased_at.is_none());
    if live.any(|row| row.facts.name == *name) { Err(ActError::NameTaken) } else { Ok(()) }
}

fn refuse_given_up(
    access: &Access,
    name: &Name,
    but: Option<WorkspaceKey>,
    since: Timestamp,
) -> Result<(), ActError> {
    let mut others = access.workspaces.iter().filter(|row| Some(row.key) != but);
    let held = others.any(|row| row.former_names.given_up_since(name, since));
    if held { Err(ActError::NameJustGivenUp) } else { Ok(()) }
}

fn refuse_default(workspace: WorkspaceKey) -> Result<(), ActError> {
    if workspace == WorkspaceKey::DEFAULT { Err(ActError::DefaultStays) } else { Ok(()) }
}

fn key_changed(before: Option<KeyFacts>, after: KeyFacts) -> Outcome {
    Outcome::KeyChanged(Box::new(Changed { before, after }))
}

fn workspace_changed(before: Option<WorkspaceFacts>, after: WorkspaceFacts) -> Outcome {
    Outcome::WorkspaceChanged(Box::new(Changed { before, after }))
}

//! Who is let in, and into which workspace: one judgement, whatever stands at the door.
//!
//! Deliberately absent: how a key is presented, and what a refusal looks like.

use std::sync::Arc;
use std::time::Instant;

use selfsame_rules::Scope;
use selfsame_store::{StoreError, WorkspaceKey};

use crate::{Installation, KnownKey, Snapshot};

/// Whose requests are let in without a key. One that is presented is always looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Nobody's.
    Keys,
    /// Everybody's, until a key was made.
    KeysOnceMade,
    /// Everybody's.
    Everybody,
    /// Everybody's: whoever can use the socket can use the database. Each names the command that it is.
    Commands,
}

impl Admission {
    /// Whether requests without a key are let in.
    pub fn lets_in(self, snapshot: &Snapshot) -> bool {
        match self {
            Self::Keys => false,
            Self::KeysOnceMade => !snapshot.a_key_was_made(),
            Self::Everybody | Self::Commands => true,
        }
    }
}

/// What a request presents. Holds a secret, and prints nothing of it.
pub enum Presented {
    /// No key.
    Nothing,
    /// This text.
    Key(String),
    /// Something that is no key.
    Unreadable,
}

/// Why a request is not let in.
#[derive(Debug, thiserror::Error)]
pub enum Unwelcome {
    /// A key is needed.
    #[error("no key was presented")]
    NoKey,
    /// What was presented is unknown, revoked or expired.
    #[error("the key is unknown, revoked or expired")]
    UnknownKey,
    /// The key isn't good for that.
    #[error("the key lacks the scope `{}`", .0.word())]
    WrongScope(Scope),
    /// There is no workspace of that name.
    #[error("there is no workspace of that name")]
    NoWorkspace,
    /// The key opens another workspace than the one that is named, whether that is there or not.
    #[error("the key opens another workspace")]
    OtherWorkspace,
    /// Keys can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who sends a request.
pub struct Known {
    /// What they are known by.
    pub snapshot: Arc<Snapshot>,
    /// Their key; nothing where they need none.
    pub key: Option<Arc<KnownKey>>,
}

impl Installation {
    /// Finds out who presents that, and would ask for the workspace of that name. `any_key_will_do`: as long as there is
    /// none, for clients that can't do without.
    ///
    /// # Errors
    ///
    /// [`Unwelcome`] if they are nobody, or it can't be known.
    pub async fn recognise(
        &self,
        admission: Admission,
        presented: &Presented,
        named: Option<&str>,
        any_key_will_do: bool,
    ) -> Result<Known, Unwelcome> {
        let came = Instant::now();
        let mut snapshot = self.current().await?;
        let mut found = presented.find_in(&snapshot);
        if names_the_unknown(presented, found.as_deref(), named, &snapshot, admission) {
            snapshot = self.since(came).await?;
            found = presented.find_in(&snapshot);
        }
        let key = match presented {
            // Where a key was made, an unknown one is a mistake, and what it brings is to go nowhere else.
            Presented::Key(_)
                if any_key_will_do && !snapshot.a_key_was_made() && admission.lets_in(&snapshot) =>
            {
                None
            }
            Presented::Key(_) => {
                let usable = found.filter(|key| key.facts.is_usable(self.now()));
                Some(usable.ok_or(Unwelcome::UnknownKey)?)
            }
            Presented::Unreadable => return Err(Unwelcome::UnknownKey),
            Presented::Nothing if admission.lets_in(&snapshot) => None,
            Presented::Nothing => return Err(Unwelcome::NoKey),
        };
        Ok(Known { snapshot, key })
    }
}

impl Known {
    /// Refuses a key that isn't good for that.
    ///
    /// # Errors
    ///
    /// [`Unwelcome::WrongScope`].
    pub fn needs(&self, scope: Scope) -> Result<(), Unwelcome> {
        match &self.key {
            Some(key) if !key.facts.scopes.allow(scope) => Err(Unwelcome::WrongScope(scope)),
            _ => Ok(()),
        }
    }

    /// The workspace that the key opens, or that is named for one that opens all.
    ///
    /// # Errors
    ///
    /// [`Unwelcome`] if there is none of that name, or the key opens another.
    pub fn workspace(&self, named: Option<&str>) -> Result<WorkspaceKey, Unwelcome> {
        let own = self.key.as_deref().filter(|key| !key.facts.every_workspace).map(|key| key.workspace);
        match (own, named) {
            (Some(own), None) => Ok(own),
            // Whether there is another of that name is nobody's business who can't open it.
            (Some(own), Some(name)) => {
                let workspace = self.snapshot.workspace(own);
                let same = workspace.is_some_and(|workspace| workspace.name.as_str() == name);
                if same { Ok(own) } else { Err(Unwelcome::OtherWorkspace) }
            }
            (None, None) => Ok(WorkspaceKey::DEFAULT),
            (None, Some(name)) => {
                let found = self.snapshot.workspace_named(name);
                found.map(|found| found.key).ok_or(Unwelcome::NoWorkspace)
            }
        }
    }
}

impl Presented {
    /// The key that it is, whether it is still good for anything or not.
    fn find_in(&self, snapshot: &Snapshot) -> Option<Arc<KnownKey>> {
        match self {
            Self::Key(text) => snapshot.key(text).cloned(),
            Self::Nothing | Self::Unreadable => None,
        }
    }
}

/// Whether a request names a key, or a workspace that it may know of, that isn't known: it may be new.
fn names_the_unknown(
    presented: &Presented,
    found: Option<&KnownKey>,
    named: Option<&str>,
    snapshot: &Snapshot,
    admission: Admission,
) -> bool {
    let may_know_all = match presented {
        Presented::Key(_) => match found {
            None => return true,
            Some(key) => key.facts.every_workspace,
        },
        Presented::Nothing => admission.lets_in(snapshot),
        Presented::Unreadable => false,
    };
    may_know_all && named.is_some_and(|name| snapshot.workspace_named(name).is_none())
}

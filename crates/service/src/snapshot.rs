//! The workspaces and keys as they were at one moment, ready to be looked up by a request.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use selfsame_rules::{Actor, KeyFacts, Name, Policy, Sequence, Timestamp};
use selfsame_store::{Access, KeyDigest, KeyRow, WorkspaceKey, WorkspaceRow};
use subtle::ConstantTimeEq;

use crate::Engine;
use crate::key_text::digest;
use crate::key_use::{KeyUse, RateLeft, TooMuch, UnderWay};

/// A workspace that can be asked: its name and its engine.
#[derive(Clone)]
pub struct Workspace {
    /// Its number.
    pub key: WorkspaceKey,
    /// What it is called.
    pub name: Name,
    /// What answers for it.
    pub engine: Engine,
    /// Its policy, as it is now or was a few seconds ago at most: it says how values are read. Decisions are made under
    /// the one that holds then.
    pub policy: Arc<Policy>,
    policy_since: Sequence,
}

/// A key that was presented and is known.
#[derive(Clone, Debug)]
pub struct KnownKey {
    /// The workspace whose log holds it.
    pub workspace: WorkspaceKey,
    /// All that may be told of it.
    pub facts: KeyFacts,
    /// Its name, as events have it.
    pub actor: Actor,
    digest: KeyDigest,
    used: KeyUse,
}

impl KnownKey {
    /// Counts one more request of it, or refuses it.
    ///
    /// # Errors
    ///
    /// [`TooMuch`] says which limit it is.
    pub fn begin(&self) -> Result<(UnderWay, Option<RateLeft>), TooMuch> {
        self.used.begin()
    }

    /// Waits until so many more requests are within its rate.
    pub async fn pay(&self, count: u32) {
        self.used.pay(count).await;
    }

    /// Counts so many more requests, also where they are more than its rate: it is refused until that is made up for.
    pub fn owe(&self, count: u32) {
        self.used.owe(count);
    }

    /// What is left of its rate now, if it has one.
    pub fn left(&self) -> Option<RateLeft> {
        self.used.left()
    }
}

/// Workspaces and keys at one moment.
pub struct Snapshot {
    /// When reading them began: what was changed before is in here.
    pub(crate) read_began: Instant,
    access: Access,
    workspaces: BTreeMap<WorkspaceKey, Workspace>,
    by_name: HashMap<Name, WorkspaceKey>,
    keys: HashMap<KeyDigest, Arc<KnownKey>>,
}

impl Snapshot {
    /// What was read, with the engines of `before` where they are the same, and new ones elsewhere.
    pub(crate) fn of(
        access: Access,
        read_began: Instant,
        before: Option<&Self>,
        policies: &BTreeMap<WorkspaceKey, Arc<Policy>>,
        start: impl Fn(WorkspaceKey) -> Engine,
    ) -> Self {
        let live = access.workspaces.iter().filter(|workspace| workspace.facts.erased_at.is_none());
        let workspaces: BTreeMap<_, _> = live
            .map(|WorkspaceRow { key, facts, policy_since, .. }| {
                let running = before.and_then(|before| before.workspaces.get(key));
                let engine = running.map_or_else(|| start(*key), |running| running.engine.clone());
                let policy = policies.get(key).cloned().unwrap_or_default();
                let (name, policy_since) = (facts.name.clone(), *policy_since);
                (*key, Workspace { key: *key, name, engine, policy, policy_since })
            })
            .collect();
        let by_name = workspaces.values().map(|workspace| (workspace.name.clone(), workspace.key)).collect();
        let keys = access.keys.iter().filter(|key| workspaces.contains_key(&key.workspace));
        let keys = keys.map(|key| (key.digest, Arc::new(known(key, before)))).collect();
        Self { read_began, access, workspaces, by_name, keys }
    }

    /// The policy of a workspace, if it is the one that holds since that event.
    pub(crate) fn policy_since(&self, key: WorkspaceKey, since: Sequence) -> Option<&Arc<Policy>> {
        let workspace = self.workspaces.get(&key).filter(|workspace| workspace.policy_since == since);
        workspace.map(|workspace| &workspace.policy)
    }

    /// The key of that text, whether it is still good for anything or not.
    pub fn key(&self, text: &str) -> Option<&Arc<KnownKey>> {
        let presented = digest(text);
        let key = self.keys.get(&presented)?;
        bool::from(key.digest.0.ct_eq(&presented.0)).then_some(key)
    }

    /// Whether a key that was known before is still good for anything.
    pub fn is_usable(&self, key: &KnownKey, now: Timestamp) -> bool {
        self.keys.get(&key.digest).is_some_and(|key| key.facts.is_usable(now))
    }

    /// The workspace of that number.
    pub fn workspace(&self, key: WorkspaceKey) -> Option<&Workspace> {
        self.workspaces.get(&key)
    }

    /// The workspace of that name.
    pub fn workspace_named(&self, name: &str) -> Option<&Workspace> {
        self.workspace(*self.by_name.get(&Name::parse(name).ok()?)?)
    }

    /// Those that can be asked, by number.
    pub fn workspaces(&self) -> impl Iterator<Item = &Workspace> {
        self.workspaces.values()
    }

    /// All that was read.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Whether there ever was a key.
    pub fn a_key_was_made(&self) -> bool {
        !self.access.keys.is_empty()
    }

    /// Whether a key is good for anything now.
    pub fn has_usable_key(&self, now: Timestamp) -> bool {
        self.keys.values().any(|key| key.facts.is_usable(now))
    }
}

/// A key that goes on being held to its limits where it was.
fn known(KeyRow { workspace, facts, digest }: &KeyRow, before: Option<&Snapshot>) -> KnownKey {
    let running = before.and_then(|before| before.keys.get(digest)).map(|known| &known.used);
    let running = running.filter(|used| used.limits() == facts.limits);
    let used = running.cloned().unwrap_or_else(|| KeyUse::new(facts.limits));
    let actor = Actor::named(facts.name.as_str());
    KnownKey { workspace: *workspace, facts: facts.clone(), actor, digest: *digest, used }
}

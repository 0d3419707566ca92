//! What an administrator does, straight through a store: each decision looks whether it was made before, as one must
//! that may be called again after a commit whose answer was lost.

use selfsame_rules::{
    Actor, Changed, Event, Head, KeyFacts, KeyLimits, Name, Outcome, Scope, Sequence, Timestamp,
    WorkspaceFacts,
};
use selfsame_store::{
    Access, AccessChange, AccessEffect, Carried, KeyDigest, KeyRow, Store, StoreError, WorkspaceKey,
    WorkspaceRow,
};

/// What became of it; nothing where nothing was to change.
pub type Administered = Result<Option<AccessChange>, StoreError>;

/// What the decision comes to, carried out.
async fn administer(
    store: &dyn Store,
    workspace: WorkspaceKey,
    mut decision: impl FnMut(&Access) -> Option<AccessChange> + Send + 'static,
) -> Administered {
    let decision = Box::new(move |access: &Access| decision(access).into());
    store.administer(workspace, None, decision).await.map(Carried::now)
}

/// A new workspace, unless one is called so.
pub async fn make_workspace(store: &dyn Store, name: &str, at: i64) -> Administered {
    let (name, at) = (named(name), Timestamp::from_milliseconds(at));
    let decision = move |access: &Access| {
        let taken = |row: &WorkspaceFacts| row.erased_at.is_none() && row.name == name;
        if access.workspaces.iter().any(|row| taken(&row.facts)) {
            return None;
        }
        let last = access.workspaces.last().expect("the default workspace is there always");
        let workspace = WorkspaceKey(last.key.0 + 1);
        let facts = WorkspaceFacts { name: name.clone(), created_at: at, erased_at: None };
        let outcome = workspace_changed(None, &facts);
        let event = event(Head::EMPTY, at, outcome);
        Some(AccessChange { workspace, event, effect: AccessEffect::WorkspaceMade(facts) })
    };
    administer(store, WorkspaceKey::DEFAULT, decision).await
}

pub async fn rename_workspace(
    store: &dyn Store,
    workspace: WorkspaceKey,
    name: &str,
    at: i64,
) -> Administered {
    let name = named(name);
    let change = move |before: &WorkspaceFacts| WorkspaceFacts { name: name.clone(), ..before.clone() };
    let effect = move |before: &WorkspaceRow, after| {
        let (now, since) = (Timestamp::from_milliseconds(at), Timestamp::from_milliseconds(0));
        AccessEffect::WorkspaceRenamed(after, before.former_names.and(&before.facts.name, now, since))
    };
    change_workspace(store, workspace, at, change, effect).await
}

pub async fn erase_workspace(store: &dyn Store, workspace: WorkspaceKey, at: i64) -> Administered {
    let erased_at = Some(Timestamp::from_milliseconds(at));
    let change = move |before: &WorkspaceFacts| WorkspaceFacts { erased_at, ..before.clone() };
    change_workspace(store, workspace, at, change, |_, after| AccessEffect::WorkspaceErased(after)).await
}

async fn change_workspace(
    store: &dyn Store,
    workspace: WorkspaceKey,
    at: i64,
    change: impl Fn(&WorkspaceFacts) -> WorkspaceFacts + Send + 'static,
    effect: impl Fn(&WorkspaceRow, WorkspaceFacts) -> AccessEffect + Send + 'static,
) -> Administered {
    let decision = move |access: &Access| {
        let row = access.workspace(workspace)?;
        let after = change(&row.facts);
        if after == row.facts {
            return None;
        }
        let outcome = workspace_changed(Some(row.facts.clone()), &after);
        let event = event(row.head, Timestamp::from_milliseconds(at), outcome);
        Some(AccessChange { workspace, event, effect: effect(row, after) })
    };
    administer(store, workspace, decision).await
}

/// A key with something in every column.
pub fn key(id: &str, at: i64) -> KeyFacts {
    KeyFacts {
        id: id.into(),
        name: named("checkout"),
        scopes: [Scope::Identify, Scope::Read].into_iter().collect(),
        every_workspace: false,
        limits: KeyLimits { requests_per_second: Some(50), requests_at_once_max: Some(u32::MAX) },
        created_at: Timestamp::from_milliseconds(at),
        expires_at: Some(Timestamp::from_milliseconds(at + 1_000)),
        revoked_at: None,
    }
}

/// That key, unless one has its id.
pub async fn make_key(store: &dyn Store, workspace: WorkspaceKey, facts: &KeyFacts) -> Administered {
    let facts = facts.clone();
    let decision = move |access: &Access| {
        if access.keys.iter().any(|row| row.facts.id == facts.id) {
            return None;
        }
        let head = access.workspace(workspace)?.head;
        let changed = Changed { before: None, after: facts.clone() };
        let event = event(head, facts.created_at, Outcome::KeyChanged(Box::new(changed)));
        let key = KeyRow { workspace, facts: facts.clone(), digest: digest(&facts.id) };
        Some(AccessChange { workspace, event, effect: AccessEffect::KeyMade(key) })
    };
    administer(store, workspace, decision).await
}

/// The digest of the key with that id: another one for each.
pub fn digest(id: &str) -> KeyDigest {
    let mut digest = [0xa5; 32];
    for (place, byte) in digest.iter_mut().zip(id.bytes()) {
        *place = byte;
    }
    KeyDigest(digest)
}

/// Revokes the key, unless it is.
pub async fn revoke_key(store: &dyn Store, workspace: WorkspaceKey, id: &str, at: i64) -> Administered {
    let (id, at): (Box<str>, _) = (id.into(), Timestamp::from_milliseconds(at));
    let decision = move |access: &Access| {
        let row = access.keys.iter().find(|row| row.facts.id == id)?;
        if row.facts.revoked_at.is_some() {
            return None;
        }
        let head = access.workspace(workspace)?.head;
        let after = KeyFacts { revoked_at: Some(at), ..row.facts.clone() };
        let changed = Changed { before: Some(row.facts.clone()), after: after.clone() };
        let event = event(head, at, Outcome::KeyChanged(Box::new(changed)));
        Some(AccessChange { workspace, event, effect: AccessEffect::KeyEnded(after) })
    };
    administer(store, workspace, decision).await
}

fn workspace_changed(before: Option<WorkspaceFacts>, after: &WorkspaceFacts) -> Outcome {
    Outcome::WorkspaceChanged(Box::new(Changed { before, after: after.clone() }))
}

/// The event that follows the head.
fn event(head: Head, at: Timestamp, outcome: Outcome) -> Event {
    Event {
        sequence: Sequence(head.last_sequence.0 + 1),
        at: at.max(head.last_event_at),
        caused_by: Actor::named("test"),
        evidence: Vec::new(),
        origin: None,
        outcome,
    }
}

fn named(name: &str) -> Name {
    Name::parse(name).expect("a test gives good names")
}

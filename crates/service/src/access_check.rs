//! Keys and the workspace itself: what the log says of them, beside the rows that are stored.

use std::collections::{BTreeMap, BTreeSet};

use selfsame_rules::{Event, KeyFacts, Outcome, WorkspaceFacts};
use selfsame_store::{Access, WorkspaceKey};

/// What the administrative events of one log add up to.
#[derive(Default)]
pub(crate) struct FoldedAccess {
    keys: BTreeMap<Box<str>, KeyFacts>,
    /// Of the default workspace, which no event makes, nothing; or, in a log that was imported, of the one that it came from.
    workspace: Option<WorkspaceFacts>,
}

impl FoldedAccess {
    /// Follows an event; tells if it doesn't follow from those before it.
    pub(crate) fn follow(&mut self, event: &Event) -> Result<(), &'static str> {
        if let Outcome::KeyChanged(changed) = &event.outcome {
            let id = changed.after.id.clone();
            if self.keys.insert(id, changed.after.clone()) != changed.before {
                return Err("the key was another before it");
            }
        } else if let Outcome::WorkspaceChanged(changed) = &event.outcome
            && self.workspace.replace(changed.after.clone()) != changed.before
        {
            return Err("the workspace was another before it");
        }
        Ok(())
    }

    /// What is stored and is not what the log adds up to, a sentence each. `readings`: the rows as they were before the log
    /// was read and after it, for they may change in between.
    pub(crate) fn differences(&self, workspace: WorkspaceKey, readings: [&Access; 2]) -> Vec<String> {
        let mut found = Vec::new();
        let stored = |access: &Access| access.workspace(workspace).map(|row| row.facts.clone());
        let as_told = workspace == WorkspaceKey::DEFAULT
            || self.workspace.is_none()
            || readings.into_iter().any(|access| stored(access) == self.workspace);
        if !as_told {
            found.push("the workspace's name or times are not what the log says".to_owned());
        }
        let rows = readings.map(|access| keys_of(access, workspace));
        let ids: BTreeSet<&str> =
            self.keys.keys().map(AsRef::as_ref).chain(rows.iter().flatten().map(|(id, _)| *id)).collect();
        for id in ids {
            let told = self.keys.get(id);
            if rows.iter().all(|rows| rows.get(id).copied() != told) {
                let what = if told.is_some() { "is not what the log says" } else { "was made by no event" };
                found.push(format!("key {id} {what}"));
            }
        }
        found
    }
}

/// What is stored of the keys whose events a workspace's log has, by id.
fn keys_of(access: &Access, workspace: WorkspaceKey) -> BTreeMap<&str, &KeyFacts> {
    let keys = access.keys.iter().filter(|key| key.workspace == workspace);
    keys.map(|key| (key.facts.id.as_ref(), &key.facts)).collect()
}

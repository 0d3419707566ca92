//! Keys and the workspace itself: what the log says of them, beside the rows that are stored.

use std::collections::{BTreeMap, BTreeSet};

use selfsame_rules::{Event, KeyFacts, Outcome, WorkspaceFacts};
use selfsame_store::{Access, KeyRow, WorkspaceKey};

/// What the administrative events of one log add up to.
#[derive(Default)]
pub(crate) struct FoldedAccess {
    keys: BTreeMap<Box<str>, KeyFacts>,
    /// Of the default workspace, which no event makes, nothing.
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
        let as_told =
            self.workspace.is_none() || readings.into_iter().any(|access| stored(access) == self.workspace);
        if !as_told {
            found.push("the workspace's name or times are not what the log says".to_owned());
        }
        let of_workspace = |access: &'_ Access| -> Vec<KeyRow> {
            access.keys.iter().filter(|key| key.workspace == workspace).cloned().collect()
        };
        let rows = readings.map(of_workspace);
        let stored = rows.iter().flatten().map(|key| &key.facts.id);
        let ids: BTreeSet<&Box<str>> = self.keys.keys().chain(stored).collect();
        for id in ids {
            let told = self.keys.get(id);
            let same = |rows: &Vec<KeyRow>| {
                let row = rows.iter().find(|key| key.facts.id == *id);
                row.map(|row| &row.facts) == told
            };
            if !rows.iter().any(same) {
                let what = if told.is_some() { "is not what the log says" } else { "was made by no event" };
                found.push(format!("key {id} {what}"));
            }
        }
        found
    }
}

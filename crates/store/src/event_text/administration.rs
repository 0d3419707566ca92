//! The outcomes of an administrator's acts as the log holds them.

use selfsame_rules::{Changed, KeyFacts, KeyLimits, Name, Scope, Scopes, Timestamp, WorkspaceFacts};
use serde::{Deserialize, Serialize};

use super::UnreadableEvent;

/// `{"before":…,"after":…}`, without `before` for what is new.
#[derive(Serialize, Deserialize)]
pub(super) struct ChangedText<Facts> {
    #[serde(skip_serializing_if = "Option::is_none", default = "Option::default")]
    pub(super) before: Option<Facts>,
    pub(super) after: Facts,
}

pub(super) type KeyChangedText = ChangedText<KeyText>;
pub(super) type WorkspaceChangedText = ChangedText<WorkspaceText>;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeyText {
    id: String,
    name: String,
    scopes: Vec<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    every_workspace: bool,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    requests_per_second: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    requests_at_once_max: Option<u32>,
    created_at: i64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    expires_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    revoked_at: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WorkspaceText {
    name: String,
    created_at: i64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    erased_at: Option<i64>,
}

impl ChangedText<KeyText> {
    pub(super) fn of(changed: &Changed<KeyFacts>) -> Self {
        Self { before: changed.before.as_ref().map(KeyText::of), after: KeyText::of(&changed.after) }
    }

    pub(super) fn read(&self) -> Result<Changed<KeyFacts>, UnreadableEvent> {
        let before = self.before.as_ref().map(KeyText::read).transpose()?;
        Ok(Changed { before, after: self.after.read()? })
    }
}

impl ChangedText<WorkspaceText> {
    pub(super) fn of(changed: &Changed<WorkspaceFacts>) -> Self {
        let before = changed.before.as_ref().map(WorkspaceText::of);
        Self { before, after: WorkspaceText::of(&changed.after) }
    }

    pub(super) fn read(&self) -> Result<Changed<WorkspaceFacts>, UnreadableEvent> {
        let before = self.before.as_ref().map(WorkspaceText::read).transpose()?;
        Ok(Changed { before, after: self.after.read()? })
    }
}

impl KeyText {
    fn of(facts: &KeyFacts) -> Self {
        Self {
            id: facts.id.to_string(),
            name: facts.name.to_string(),
            scopes: facts.scopes.iter().map(|scope| scope.word().to_owned()).collect(),
            every_workspace: facts.every_workspace,
            requests_per_second: facts.limits.requests_per_second,
            requests_at_once_max: facts.limits.requests_at_once_max,
            created_at: facts.created_at.as_milliseconds(),
            expires_at: facts.expires_at.map(Timestamp::as_milliseconds),
            revoked_at: facts.revoked_at.map(Timestamp::as_milliseconds),
        }
    }

    fn read(&self) -> Result<KeyFacts, UnreadableEvent> {
        let scopes = self.scopes.iter().map(|word| Scope::from_word(word));
        let (requests_per_second, requests_at_once_max) =
            (self.requests_per_second, self.requests_at_once_max);
        Ok(KeyFacts {
            id: self.id.as_str().into(),
            name: name(&self.name)?,
            scopes: scopes.collect::<Option<Scopes>>().ok_or(UnreadableEvent::InvalidName)?,
            every_workspace: self.every_workspace,
            limits: KeyLimits { requests_per_second, requests_at_once_max },
            created_at: Timestamp::from_milliseconds(self.created_at),
            expires_at: self.expires_at.map(Timestamp::from_milliseconds),
            revoked_at: self.revoked_at.map(Timestamp::from_milliseconds),
        })
    }
}

impl WorkspaceText {
    fn of(facts: &WorkspaceFacts) -> Self {
        Self {
            name: facts.name.to_string(),
            created_at: facts.created_at.as_milliseconds(),
            erased_at: facts.erased_at.map(Timestamp::as_milliseconds),
        }
    }

    fn read(&self) -> Result<WorkspaceFacts, UnreadableEvent> {
        Ok(WorkspaceFacts {
            name: name(&self.name)?,
            created_at: Timestamp::from_milliseconds(self.created_at),
            erased_at: self.erased_at.map(Timestamp::from_milliseconds),
        })
    }
}

fn name(text: &str) -> Result<Name, UnreadableEvent> {
    Name::parse(text).map_err(|_| UnreadableEvent::InvalidName)
}

#[cfg(test)]
mod tests {
    use selfsame_rules::{Actor, Event, Outcome, Sequence};

    use super::*;
    use crate::event_text::{read, write};

    #[test]
    fn what_an_administrator_changed_is_read_as_it_was_written() {
        let at = Timestamp::from_milliseconds(5);
        let key = KeyFacts {
            id: "k1".into(),
            name: name("checkout").unwrap(),
            scopes: [Scope::Identify, Scope::Read].into_iter().collect(),
            every_workspace: true,
            limits: KeyLimits { requests_per_second: Some(7), requests_at_once_max: Some(2) },
            created_at: at,
            expires_at: Some(Timestamp::from_milliseconds(9)),
            revoked_at: None,
        };
        let revoked = KeyFacts { revoked_at: Some(at), ..key.clone() };
        let shop = WorkspaceFacts { name: name("shop").unwrap(), created_at: at, erased_at: None };
        let erased = WorkspaceFacts { erased_at: Some(at), ..shop.clone() };
        for (outcome, kind) in [
            (
                Outcome::KeyChanged(Box::new(Changed { before: Some(key.clone()), after: revoked })),
                "keyChanged",
            ),
            (Outcome::KeyChanged(Box::new(Changed { before: None, after: key })), "keyChanged"),
            (
                Outcome::WorkspaceChanged(Box::new(Changed { before: Some(shop.clone()), after: erased })),
                "workspaceChanged",
            ),
            (Outcome::WorkspaceChanged(Box::new(Changed { before: None, after: shop })), "workspaceChanged"),
        ] {
            let caused_by = Actor::named("admin");
            let (sequence, evidence) = (Sequence(1), Vec::new());
            let event = Event { sequence, at, caused_by, evidence, origin: None, outcome };
            let row = write(&event);
            assert_eq!(row.kind, kind);
            assert_eq!(read(&row).unwrap(), event, "{}", row.outcome);
        }
    }
}

//! The administrator's key that the environment gives: one at a time.

use selfsame_rules::{Actor, KeyFacts, KeyLimits, Name, Scope, Timestamp};
use selfsame_store::{Access, KeyRow};

use crate::Installation;
use crate::administration::{ActError, Names, NewKey, Reach};
use crate::key_text::{KeyText, digest};

/// Its name.
const ENVIRONMENT_KEY: &str = "environment";

/// The fewest characters of a key that somebody thought out.
pub const ADMIN_KEY_CHARACTERS_MIN: usize = 32;

/// What became of the key that the environment gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminKey {
    /// It is new.
    Made,
    /// It was there.
    Usable,
    /// It was revoked, or is over.
    Revoked,
}

impl AdminKey {
    /// What the text would become, given now where these keys are.
    pub fn of(text: &str, access: &Access, now: Timestamp) -> Self {
        let digest = digest(text);
        // One that came back has more than one row.
        let last = access.keys.iter().filter(|key| key.digest == digest).max_by_key(|key| ending(key));
        match last {
            Some(last) if last.facts.is_usable(now) => Self::Usable,
            Some(last) if !was_replaced(last, &access.keys) => Self::Revoked,
            _ => Self::Made,
        }
    }
}

impl Installation {
    /// Sees to it that the text is a key with the scope admin to every workspace, and that no other is that was given so
    /// before. One that another text has replaced is a key again; one that somebody has revoked stays so.
    ///
    /// # Errors
    ///
    /// As [`Self::create_key`], but for names: its name is always `environment`.
    pub async fn ensure_admin_key(&self, text: &str, actor: &Actor) -> Result<AdminKey, ActError> {
        let snapshot = self.read().await?;
        let became = AdminKey::of(text, snapshot.access(), self.now());
        match became {
            AdminKey::Made => self.make_environment_key(text, actor.clone()).await?,
            AdminKey::Usable => {}
            AdminKey::Revoked => return Ok(became),
        }
        let given = digest(text);
        let others = snapshot.access().keys.iter().filter(|other| {
            is_of_environment(other) && other.facts.revoked_at.is_none() && other.digest != given
        });
        for other in others {
            self.revoke_key(&other.facts.id, Reach::Everything, actor.clone()).await?;
        }
        Ok(became)
    }

    async fn make_environment_key(&self, text: &str, actor: Actor) -> Result<(), ActError> {
        let new = NewKey {
            name: Name::parse(ENVIRONMENT_KEY).expect("it is a name"),
            workspace: None,
            scopes: [Scope::Admin].into_iter().collect(),
            limits: KeyLimits::default(),
            expires_at: None,
        };
        let id = KeyText::new()?;
        self.make_key(new, (id.id(), text), actor, Names::MayMeet).await?;
        Ok(())
    }
}

/// Orders the rows of one text: the later a row was revoked, the later it is; last, one that isn't.
fn ending(key: &KeyRow) -> (bool, Option<Timestamp>, Timestamp) {
    (key.facts.revoked_at.is_none(), key.facts.revoked_at, key.facts.created_at)
}

/// Whether the environment gave the key.
fn is_of_environment(key: &KeyRow) -> bool {
    key.facts.every_workspace && key.facts.name.as_str() == ENVIRONMENT_KEY
}

/// Whether the environment's key was revoked because the environment gave another: that one was there and good then.
fn was_replaced(key: &KeyRow, keys: &[KeyRow]) -> bool {
    let Some(revoked_at) = key.facts.revoked_at.filter(|_| is_of_environment(key)) else { return false };
    let in_force = |other: &KeyFacts| {
        other.created_at <= revoked_at && other.revoked_at.is_none_or(|end| end >= revoked_at)
    };
    keys.iter()
        .any(|other| is_of_environment(other) && other.facts.id != key.facts.id && in_force(&other.facts))
}

//! The administrator's key that the environment gives: one at a time.

use selfsame_rules::{Actor, KeyLimits, Name, Scope, Timestamp};
use selfsame_store::{Access, KeyRow};

use crate::Installation;
use crate::administration::{ActError, End, NewKey};
use crate::key_text::{KeyText, digest};

/// Its name, which no other key gets.
pub(crate) const ENVIRONMENT_KEY: &str = "environment";

/// The fewest characters of a key that somebody thought out.
pub const ADMIN_KEY_CHARACTERS_MIN: usize = 32;

/// What became of the key that the environment gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminKey {
    /// It is a key from now on, or again.
    Made,
    /// It was one.
    Usable,
    /// It was one, and somebody has revoked it.
    Revoked,
    /// It is a key that somebody made for something else.
    Another,
}

impl AdminKey {
    /// What the text would become, given now where these keys are.
    pub fn of(text: &str, access: &Access, now: Timestamp) -> Self {
        let digest = digest(text);
        match access.keys.iter().find(|key| key.digest == digest) {
            None => Self::Made,
            Some(key) if key.facts.revoked_at.is_some() => Self::Revoked,
            Some(key) if is_of_environment(key) => {
                if key.facts.is_usable(now) {
                    Self::Usable
                } else {
                    Self::Made
                }
            }
            Some(_) => Self::Another,
        }
    }
}

impl Installation {
    /// Sees to it that the text is a key with the scope admin to every workspace, and that no other is that was given so
    /// before: that one is over. Given again, it is a key again; one that somebody has revoked stays so.
    ///
    /// # Errors
    ///
    /// As [`Self::create_key`], but for names: its name is always `environment`.
    pub async fn ensure_admin_key(&self, text: &str, actor: &Actor) -> Result<AdminKey, ActError> {
        let (given, snapshot) = (digest(text), self.read().await?);
        let keys = &snapshot.access().keys;
        let became = AdminKey::of(text, snapshot.access(), self.now());
        match (became, keys.iter().find(|key| key.digest == given)) {
            (AdminKey::Revoked | AdminKey::Another, _) => return Ok(became),
            (AdminKey::Usable, _) => {}
            (AdminKey::Made, Some(over)) => self.end_key(&over.facts.id, End::Never, actor.clone()).await?,
            (AdminKey::Made, None) => self.make_environment_key(text, actor.clone()).await?,
        }
        let others = keys.iter().filter(|other| {
            is_of_environment(other) && other.facts.is_usable(self.now()) && other.digest != given
        });
        for other in others {
            self.end_key(&other.facts.id, End::Now, actor.clone()).await?;
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
        self.make_key(new, (id.id(), text), actor, None).await?;
        Ok(())
    }
}

/// Whether the environment gave the key: no other is made under that name.
fn is_of_environment(key: &KeyRow) -> bool {
    key.facts.every_workspace && key.facts.name.as_str() == ENVIRONMENT_KEY
}

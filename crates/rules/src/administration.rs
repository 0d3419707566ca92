//! What an administrator decides: workspaces, and the keys to them. Names and facts, as events record them.
//!
//! Deliberately absent: a key's text and its digest, which no event holds.

use std::fmt;

use crate::Timestamp;

/// The most characters of a name.
const NAME_CHARACTERS_MAX: usize = 64;

/// A name that a workspace or a key can't have. Says what one looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a name is 1 to {NAME_CHARACTERS_MAX} of the letters a to z, digits, and `-`, `_`, `.`, and begins with a letter or a digit"
)]
pub struct InvalidName;

/// The name of a workspace or a key: what people, logs and metrics call it by.
///
/// ```
/// use selfsame_rules::Name;
///
/// assert_eq!(Name::parse("checkout-2").unwrap().as_str(), "checkout-2");
/// assert!(["", "-a", "Shop", "a b", "a/b", &"a".repeat(65)].iter().all(|text| Name::parse(text).is_err()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<str>);

impl Name {
    /// The name that the text is.
    ///
    /// # Errors
    ///
    /// [`InvalidName`] says what one looks like.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let first = text.bytes().next().ok_or(InvalidName)?;
        let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let all = text.bytes().all(|byte| letter(byte) || matches!(byte, b'-' | b'_' | b'.'));
        let fits = text.len() <= NAME_CHARACTERS_MAX && letter(first) && all;
        if fits { Ok(Self(text.into())) } else { Err(InvalidName) }
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// What a key is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Sending observations: `POST /identify` and its batch.
    Identify,
    /// Reading what is stored.
    Read,
    /// Changing what is stored by hand.
    Write,
    /// Keys and workspaces; and all that the others are good for.
    Admin,
}

impl Scope {
    /// Every scope, in order.
    pub const ALL: [Self; 4] = [Self::Identify, Self::Read, Self::Write, Self::Admin];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Identify => "identify",
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }

    /// The scope that the word is for.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.word() == word)
    }
}

/// A set of scopes.
///
/// ```
/// use selfsame_rules::{Scope, Scopes};
///
/// let scopes: Scopes = [Scope::Read, Scope::Identify, Scope::Read].into_iter().collect();
/// assert_eq!(scopes.iter().collect::<Vec<_>>(), [Scope::Identify, Scope::Read]);
/// assert!(scopes.allow(Scope::Read) && !scopes.allow(Scope::Write));
/// assert!(Scopes::from_iter([Scope::Admin]).allow(Scope::Write));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// Whether a key with these may do what `scope` is asked for.
    pub fn allow(self, scope: Scope) -> bool {
        self.holds(scope) || self.holds(Scope::Admin)
    }

    /// Those in the set, in order.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.holds(*scope))
    }

    /// Whether it has none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn holds(self, scope: Scope) -> bool {
        self.0 & bit(scope) != 0
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | bit(scope)))
    }
}

fn bit(scope: Scope) -> u8 {
    match scope {
        Scope::Identify => 1,
        Scope::Read => 2,
        Scope::Write => 4,
        Scope::Admin => 8,
    }
}

/// How much a key may be used, on each replica by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyLimits {
    /// Requests, or lines of a batch, a second; at most as many at once. `None`: as many as come.
    pub requests_per_second: Option<u32>,
    /// Requests under way at once. `None`: as many as come.
    pub requests_at_once_max: Option<u32>,
}

/// Everything about a key but the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFacts {
    /// What it is called in paths; part of the key's text. Never another key's.
    pub id: Box<str>,
    /// What it is called by people, and what events name as their cause.
    pub name: Name,
    /// What it is good for.
    pub scopes: Scopes,
    /// Whether it opens every workspace; otherwise just the one whose log holds it.
    pub every_workspace: bool,
    /// How much it may be used.
    pub limits: KeyLimits,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is good for nothing.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl KeyFacts {
    /// Whether it is good for anything at that moment.
    pub fn is_usable(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

/// What is known of a workspace itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkspaceFacts {
    /// What it is called: never what another one is called at the time.
    pub name: Name,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was erased.
    pub erased_at: Option<Timestamp>,
}

/// Facts before and after a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed<Facts> {
    /// As they were; nothing for what is new.
    pub before: Option<Facts>,
    /// As they are since.
    pub after: Facts,
}

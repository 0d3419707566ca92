//! Who may do what where: the workspaces and the keys to them, as every store keeps them.

use std::fmt;

use selfsame_rules::{Event, Head, KeyFacts, Name, Sequence, Timestamp, WorkspaceFacts};

use crate::{Decided, WorkspaceKey};

/// The SHA-256 of a key's text, under which it is stored and looked up. Prints as nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyDigest(pub [u8; 32]);

impl fmt::Debug for KeyDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("KeyDigest(…)")
    }
}

impl KeyDigest {
    /// As the column `digest` has it: 64 hexadecimal digits.
    ///
    /// ```
    /// use selfsame_store::KeyDigest;
    ///
    /// let digest = KeyDigest([0xa7; 32]);
    /// assert_eq!(KeyDigest::from_text(&digest.text()), Some(digest));
    /// assert_eq!(KeyDigest::from_text("a7"), None);
    /// ```
    pub fn text(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The digest that a column holds.
    pub fn from_text(text: &str) -> Option<Self> {
        let mut digest = [0; 32];
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        for (byte, place) in digest.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(&text[place..place + 2], 16).ok()?;
        }
        Some(Self(digest))
    }
}

/// How many customers a workspace has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Live contacts.
    pub contacts: i64,
    /// Identities with a live contact.
    pub identities: i64,
}

/// What a workspace was called before, and until when: as far as another replica may still take the names for it.
///
/// ```
/// use selfsame_rules::{Name, Timestamp};
/// use selfsame_store::FormerNames;
///
/// let (north, since) = (Name::parse("north").unwrap(), Timestamp::from_milliseconds(1_000));
/// let names = FormerNames::default().and(&north, Timestamp::from_milliseconds(2_000), since);
/// assert_eq!(names.text(), "2000:north");
/// assert_eq!(FormerNames::from_text("2000:north"), Some(names.clone()));
/// assert!(names.given_up_since(&north, since));
/// assert!(!names.given_up_since(&north, Timestamp::from_milliseconds(2_000)));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FormerNames(Vec<(Timestamp, Name)>);

impl FormerNames {
    /// These, without those that were given up at `since` or before, and with one that is given up at `now`.
    pub fn and(&self, name: &Name, now: Timestamp, since: Timestamp) -> Self {
        let young = self.0.iter().filter(|(at, _)| *at > since).cloned();
        Self(young.chain([(now, name.clone())]).collect())
    }

    /// Whether the name is one of them, given up after `since`.
    pub fn given_up_since(&self, name: &Name, since: Timestamp) -> bool {
        self.0.iter().any(|(at, former)| *at > since && former == name)
    }

    /// As the column `former_names` has it: words, each the milliseconds of the moment, a colon and the name.
    pub fn text(&self) -> String {
        let words = self.0.iter().map(|(at, name)| format!("{}:{name}", at.as_milliseconds()));
        words.collect::<Vec<_>>().join(" ")
    }

    /// The names that a column holds.
    pub fn from_text(text: &str) -> Option<Self> {
        let names = text.split_ascii_whitespace().map(|word| {
            let (at, name) = word.split_once(':')?;
            Some((Timestamp::from_milliseconds(at.parse().ok()?), Name::parse(name).ok()?))
        });
        names.collect::<Option<_>>().map(Self)
    }
}

/// A row of `workspaces`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkspaceRow {
    /// Its number.
    pub key: WorkspaceKey,
    /// What it is called, since when, until when.
    pub facts: WorkspaceFacts,
    /// Where its log stands.
    pub head: Head,
    /// What it was called a moment ago.
    pub former_names: FormerNames,
    /// What is in it.
    pub counts: Counts,
    /// The event since which its policy holds; 0 for the default policy from the first.
    pub policy_since: Sequence,
    /// Whether, of an erased one, all rows are gone.
    pub swept: bool,
}

/// A row of `keys`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRow {
    /// The workspace that it belongs to: the one that it opens; the default one for a key to every workspace.
    pub workspace: WorkspaceKey,
    /// All that may be told of it.
    pub facts: KeyFacts,
    /// What it is known by.
    pub digest: KeyDigest,
}

/// All workspaces and keys, erased and revoked ones too, from one snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// By number.
    pub workspaces: Vec<WorkspaceRow>,
    /// By workspace and id.
    pub keys: Vec<KeyRow>,
}

impl Access {
    /// The workspace of that number.
    pub fn workspace(&self, key: WorkspaceKey) -> Option<&WorkspaceRow> {
        let place = self.workspaces.binary_search_by_key(&key, |workspace| workspace.key).ok()?;
        self.workspaces.get(place)
    }
}

/// One change of [`Access`], with the event that records it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessChange {
    /// Whose log the event belongs to.
    pub workspace: WorkspaceKey,
    /// Follows that workspace's head.
    pub event: Event,
    /// What it makes of the tables.
    pub effect: AccessEffect,
}

/// What a change of access makes of the tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessEffect {
    /// A new row of `workspaces`, with an empty log but for the event.
    WorkspaceMade(WorkspaceFacts),
    /// Another name, and those that it had before.
    WorkspaceRenamed(WorkspaceFacts, FormerNames),
    /// Its keys are revoked; it can't be looked at or written from here on, and its rows may be swept.
    WorkspaceErased(WorkspaceFacts),
    /// A new row of `keys`.
    KeyMade(KeyRow),
    /// A key is revoked, or over at another time than before; nothing else of it changes.
    KeyEnded(KeyFacts),
}

/// A decision about access, called on what was read under the locks; nothing to change is no fault.
///
/// As a [`crate::Decision`], it may be called more than once.
pub type AccessDecision = Box<dyn FnMut(&Access) -> Decided<AccessChange> + Send>;

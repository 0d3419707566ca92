//! Numbers and fixed words of answers. A word that a later server has and this version doesn't know is kept as it came.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The number of a contact, by which answers name a person. It is never reused: whatever becomes of the contact, the number
/// leads to the person whom it is of now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ContactId(
    /// As answers have it.
    pub i64,
);

/// The number of an event: its place in the log of its workspace, from 1 without gaps. 0 is the place before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sequence(
    /// As answers have it.
    pub i64,
);

impl fmt::Display for ContactId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// An enumeration of words that stays readable when a server says another.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$variant_about:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_about])* $variant,)+
            /// A word that this version of the client doesn't know.
            Other(String),
        }

        impl $name {
            /// The word, as answers have it.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Other(word) => word,
                }
            }
        }

        impl From<String> for $name {
            fn from(word: String) -> Self {
                match word.as_str() {
                    $($word => Self::$variant,)+
                    _ => Self::Other(word),
                }
            }
        }

        impl From<$name> for String {
            fn from(word: $name) -> Self {
                word.as_str().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// What came of an observation.
    ObservedOutcome {
        /// Somebody new.
        Created = "created",
        /// A known person, and something new of them.
        Attached = "attached",
        /// It brought identities together.
        Merged = "merged",
        /// All of it was known, and nothing was stored.
        Unchanged = "unchanged",
        /// A rule kept it from joining identities, or from giving one all that it brought.
        Refused = "refused",
    }
}

words! {
    /// What an event is about.
    EventKind {
        /// An observation of somebody new.
        Created = "created",
        /// An observation that brought something new of a known person.
        Attached = "attached",
        /// An observation that brought identities together.
        Merged = "merged",
        /// An observation that a rule kept from something.
        Refused = "refused",
        /// An undo.
        Undone = "undone",
        /// A split.
        Split = "split",
        /// A merge by hand.
        Joined = "joined",
        /// The decision of a review.
        Reviewed = "reviewed",
        /// A contact was deleted.
        Deleted = "deleted",
        /// A person was erased: drop the values of these contacts, and read the rewritten events again.
        Erased = "erased",
        /// A policy was set.
        PolicyChanged = "policyChanged",
        /// A policy was set, and what was recorded decided again.
        Refolded = "refolded",
        /// A contact was taken over from another database.
        Adopted = "adopted",
        /// A key was made, changed or revoked.
        KeyChanged = "keyChanged",
        /// A workspace was made, renamed or erased.
        WorkspaceChanged = "workspaceChanged",
    }
}

words! {
    /// The rule that kept an observation from something.
    RuleName {
        /// A correction keeps the people apart.
        KeptApart = "keptApart",
        /// Two values of a unique kind would meet in one identity.
        Unique = "unique",
        /// An identity would own too many identifiers of a kind.
        Identifiers = "identifiers",
        /// An identity would have too many contacts.
        Contacts = "contacts",
    }
}

words! {
    /// What was found of the store's files after an erasure.
    ErasureFiles {
        /// Every file of the embedded store was read, and holds nothing of it.
        Clean = "clean",
        /// Copies were left, so the file was written anew.
        WrittenAnew = "writtenAnew",
        /// Another program reads a state from before; it is done when that one ends.
        HeldByReader = "heldByReader",
        /// The disk refuses; it is tried again until it is done.
        NotYet = "notYet",
        /// The database is in PostgreSQL, where `selfsame scrub` does it.
        ByCommand = "byCommand",
    }
}

words! {
    /// A part of an event that people wrote, in which an erased value stands.
    ErasureRemnantPart {
        /// The reason of a correction.
        Reason = "reason",
        /// Who caused it.
        CausedBy = "causedBy",
        /// Where something was seen.
        Source = "source",
        /// A policy.
        Policy = "policy",
        /// The name of a key or of a workspace.
        Name = "name",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_not_known_is_kept() {
        let words: Vec<EventKind> = serde_json::from_str(r#"["merged","imported"]"#).unwrap();
        assert_eq!(words, [EventKind::Merged, EventKind::Other("imported".to_owned())]);
        assert_eq!(serde_json::to_string(&words).unwrap(), r#"["merged","imported"]"#);
    }
}

//! What stands for a piece of evidence where a store looks it up: the same identifiers, verified alike, give the same.

use selfsame_rules::SeenIdentifier;
use sha2::{Digest, Sha256};

/// A digest of canonical identifiers and of which were verified. Not of how they were sent.
///
/// ```
/// use selfsame_rules::{IdentifierKind, SeenIdentifier};
/// use selfsame_store::EvidenceDigest;
///
/// let seen = |text: &str| SeenIdentifier::parse(&IdentifierKind::Email, text).unwrap().unwrap();
/// assert_eq!(EvidenceDigest::of(&[seen("A@b.c")]), EvidenceDigest::of(&[seen("a@b.c")]));
/// assert_ne!(EvidenceDigest::of(&[seen("a@b.c")]), EvidenceDigest::of(&[seen("a@b.c").verified()]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EvidenceDigest(String);

impl EvidenceDigest {
    /// The digest of identifiers in the order of kinds, as evidence has them.
    pub fn of(evidence: &[SeenIdentifier]) -> Self {
        let mut hasher = Sha256::new();
        for seen in evidence {
            // Neither a kind's name nor a value has a control character in it, so no two pieces make the same bytes.
            hasher.update(seen.identifier().kind().name());
            hasher.update([0, u8::from(seen.is_verified())]);
            hasher.update(seen.identifier().value());
            hasher.update([0]);
        }
        Self(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// What a store reads back.
    pub fn from_stored(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// As the tables have it: 64 hexadecimal digits.
    pub fn text(&self) -> &str {
        &self.0
    }
}

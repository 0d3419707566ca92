//! A workspace's policy: what links, what never does, and how much one identity may hold. Read once from a
//! [`PolicyDocument`]; from there on the type is the proof.
//!
//! Deliberately absent: JSON, and the tables of telephone numbers; who has those hands in a function.

mod document;
mod pattern;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use document::{InvalidPolicy, PolicyDocument};
pub use pattern::{InvalidPattern, Pattern};

use crate::spelling::{International, Spelling};
use crate::{Identifier, IdentifierKind, InvalidIdentifier, SeenIdentifier};

/// How e-mail addresses become canonical.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EmailSpelling {
    /// Unicode NFC, trimmed, lower-cased: the default.
    #[default]
    Folded,
    /// Byte for byte as sent.
    Exact,
}

/// What links and what doesn't in one workspace.
///
/// ```
/// use selfsame_rules::{Identifier, IdentifierKind, Policy, PolicyDocument};
///
/// let document = PolicyDocument {
///     kinds: vec!["customerId".into()],
///     blocked: vec![("email".into(), "noreply@*".into())],
///     unique: vec!["customerId".into()],
///     ..PolicyDocument::default()
/// };
/// let policy = Policy::read(&document)?;
/// let junk = Identifier::from_stored(IdentifierKind::Email, "noreply@shop.example");
/// assert!(policy.blocks(&junk));
/// assert_eq!(policy.identifiers_max(&IdentifierKind::from_name("customerId").unwrap()), Some(1));
/// assert_eq!(policy.document(), document);
/// # Ok::<(), selfsame_rules::InvalidPolicy>(())
/// ```
///
/// Source: SEMANTICS, "Policy, per workspace".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Declared kinds, in the order of the document.
    kinds: Vec<IdentifierKind>,
    blocked: Vec<(IdentifierKind, Pattern)>,
    contacts_max: Option<u32>,
    identifiers_max: BTreeMap<IdentifierKind, u32>,
    /// In the order of the document, in which they also say who is answered.
    unique: Vec<IdentifierKind>,
    claims: Vec<IdentifierKind>,
    email: EmailSpelling,
    default_region: Option<Arc<str>>,
}

impl Policy {
    /// Whether it is the default policy, under which everything links and nothing is limited.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Whether observations may bring identifiers of that kind: a built-in or a declared one.
    pub fn knows(&self, kind: &IdentifierKind) -> bool {
        !matches!(kind, IdentifierKind::Declared(_)) || self.kinds.contains(kind)
    }

    /// Whether the value never links anybody.
    pub fn blocks(&self, identifier: &Identifier) -> bool {
        self.blocked
            .iter()
            .any(|(kind, pattern)| kind == identifier.kind() && pattern.matches(identifier.value()))
    }

    /// Whether what was seen could link: it is not blocked, and verified where its kind asks for that.
    pub fn links(&self, seen: &SeenIdentifier) -> bool {
        let claim = self.claims.contains(seen.identifier().kind()) && !seen.is_verified();
        !claim && !self.blocks(seen.identifier())
    }

    /// The most contacts that one identity may have.
    pub fn contacts_max(&self) -> Option<usize> {
        self.contacts_max.and_then(|most| usize::try_from(most).ok())
    }

    /// The most identifiers of a kind that one identity may own; 1 for a unique kind.
    pub fn identifiers_max(&self, kind: &IdentifierKind) -> Option<usize> {
        if self.unique.contains(kind) {
            return Some(1);
        }
        self.identifiers_max.get(kind).and_then(|most| usize::try_from(*most).ok())
    }

    /// Whether two values of the kind never meet in one identity.
    pub fn is_unique(&self, kind: &IdentifierKind) -> bool {
        self.unique.contains(kind)
    }

    /// Whether an identity may break a rule by what it holds at all: a limit or a unique kind.
    pub fn has_limits(&self) -> bool {
        self.contacts_max.is_some() || !self.identifiers_max.is_empty() || !self.unique.is_empty()
    }

    /// Where a kind stands when the first of several identifiers says who is answered: unique kinds in the policy's
    /// order, then e-mail, phone, the other declared kinds.
    pub fn rank(&self, kind: &IdentifierKind) -> (usize, IdentifierKind) {
        let unique = self.unique.iter().position(|unique| unique == kind);
        (unique.unwrap_or(self.unique.len()), kind.clone())
    }

    /// Whether a change to `other` would spell values in another way, which needs a refold.
    pub fn spells_like(&self, other: &Self) -> bool {
        (self.email, &self.default_region) == (other.email, &other.default_region)
    }

    /// How this policy reads values. `international` is asked only if the policy has a default region.
    pub fn spelling(&self, international: International) -> Spelling {
        Spelling::new(self.email, self.default_region.clone(), international)
    }

    /// Reads `text` as an identifier of `kind`, as this policy spells values; nothing if it is blank.
    ///
    /// ```
    /// use selfsame_rules::{IdentifierKind, Policy, PolicyDocument};
    ///
    /// let document = PolicyDocument { default_region: Some("GB".into()), ..PolicyDocument::default() };
    /// let policy = Policy::read(&document).unwrap();
    /// let british = |_: &str, digits: &str| Some(format!("+44{}", digits.strip_prefix('0')?));
    /// let seen = policy.parse(&IdentifierKind::Phone, "020 7946", british).unwrap().unwrap();
    /// assert_eq!((seen.identifier().value(), seen.as_sent()), ("+44207946", Some("020 7946")));
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidIdentifier`] says which rule of the kind the text breaks.
    pub fn parse(
        &self,
        kind: &IdentifierKind,
        text: &str,
        international: International,
    ) -> Result<Option<SeenIdentifier>, InvalidIdentifier> {
        self.spelling(international).parse(kind, text)
    }
}

//! An identity as it is answered.

use std::collections::BTreeSet;

use crate::{ContactId, Identifier, IdentifierKind, Neighbourhood};

/// One customer: the primary, every identifier once, and the secondaries.
///
/// ```
/// use selfsame_rules::{ContactId, Identifier, IdentifierKind, IdentityView};
///
/// let identifiers = Identifier::parse(&IdentifierKind::Email, "doc@hill.edu").unwrap().into_iter().collect();
/// let view = IdentityView { primary: ContactId(1), identifiers, secondaries: Vec::new() };
/// assert_eq!(view.values(&IdentifierKind::Email).collect::<Vec<_>>(), ["doc@hill.edu"]);
/// assert_eq!(view.values(&IdentifierKind::Phone).count(), 0);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityView {
    /// The oldest contact.
    pub primary: ContactId,
    /// Without repeats; the primary's own first, the rest in the order of their contacts.
    pub identifiers: Vec<Identifier>,
    /// All other contacts, by (`created_at`, id).
    pub secondaries: Vec<ContactId>,
}

impl IdentityView {
    /// The view of a whole identity in `neighbourhood`.
    ///
    /// Source: SEMANTICS, "identify", step 6.
    pub(crate) fn of(neighbourhood: &Neighbourhood, primary: ContactId) -> Self {
        let mut seen = BTreeSet::new();
        let mut identifiers = Vec::new();
        let mut secondaries = Vec::new();
        for contact in neighbourhood.identity(primary) {
            if contact.id != primary {
                secondaries.push(contact.id);
            }
            identifiers
                .extend(contact.identifiers.iter().filter(|identifier| seen.insert(*identifier)).cloned());
        }
        Self { primary, identifiers, secondaries }
    }

    /// The values of one kind, in the order of the answer.
    pub fn values<'view>(&'view self, kind: &'view IdentifierKind) -> impl Iterator<Item = &'view str> {
        self.identifiers.iter().filter(move |identifier| identifier.kind() == kind).map(Identifier::value)
    }
}

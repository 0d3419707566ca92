//! An identity as it is answered.

use crate::{ContactId, Identifier, IdentifierKind, Identities, Members};

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
    /// The view of the whole identity of `primary`.
    ///
    /// Source: SEMANTICS, "identify", step 6.
    pub(crate) fn of<I: Identities + ?Sized>(identities: &I, primary: ContactId) -> Self {
        let mut members = Members::default();
        identities.members(primary, &mut members);
        Self::of_members(primary, members)
    }

    /// The view of the identity that these are all contacts of.
    pub(crate) fn of_members(primary: ContactId, members: Members) -> Self {
        let (mut contacts, identifiers) = members.in_order();
        // The primary is the oldest.
        contacts.remove(0);
        Self { primary, identifiers, secondaries: contacts }
    }

    /// The values of one kind, in the order of the answer.
    pub fn values<'view>(&'view self, kind: &'view IdentifierKind) -> impl Iterator<Item = &'view str> {
        self.identifiers.iter().filter(move |identifier| identifier.kind() == kind).map(Identifier::value)
    }
}

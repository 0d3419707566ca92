//! The view of an identity of very many contacts, made in parts: between two of them others can change what is looked at.

use crate::{ContactId, Identities, IdentityView, Members, Part, Sequence};

/// A view in the making.
///
/// ```
/// use selfsame_rules::{
///     Actor, GradualView, Head, IdentifierKind, IdentityIndex, Observation, Progress, SeenIdentifier, Timestamp,
///     decide,
/// };
///
/// let mut index = IdentityIndex::new(Head::EMPTY, 7);
/// let seen = |kind, value| SeenIdentifier::parse(kind, value).unwrap();
/// let (email, phone) = (seen(&IdentifierKind::Email, "doc@hill.edu"), seen(&IdentifierKind::Phone, "12-34"));
/// let one = Observation::new(Actor::named("example"), email.clone()).unwrap();
/// let both = email.into_iter().chain(phone);
/// let other = Observation::new(Actor::named("example"), both).unwrap();
/// let plan = decide(&index, &[one, other], Timestamp::from_milliseconds(1));
/// plan.events.iter().for_each(|event| index.follow(event).unwrap());
///
/// let mut view = GradualView::of(&index, plan.answers[1].identity.as_ref().unwrap().primary).unwrap();
/// assert_eq!(view.go_on(&index, 1), Progress::More);
/// assert_eq!(view.go_on(&index, 1), Progress::Whole);
/// assert_eq!(Some(view.finish()), plan.answers[1].identity);
/// ```
#[derive(Debug)]
pub struct GradualView {
    primary: ContactId,
    members: Members,
    /// The last correction of what is looked at when this began.
    corrected: Sequence,
}

/// How far a view has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is more to look at.
    More,
    /// It shows the identity as it is at this moment.
    Whole,
    /// The identity has changed so that what was looked at is of no use.
    Overtaken,
}

impl GradualView {
    /// Begins the view of the identity that a contact is in; `None` if that has no live contact.
    pub fn of<I: Identities + ?Sized>(identities: &I, contact: ContactId) -> Option<Self> {
        let primary = identities.identity_of(contact)?;
        let mut members = Members::default();
        members.reserve(identities.size(primary));
        Some(Self { primary, members, corrected: identities.corrected() })
    }

    /// Looks at `most` more contacts.
    ///
    /// The whole view is of the moment of its last part. Meanwhile contacts may only have come: the younger ones are seen in
    /// their turn, and where a merge brought older ones, their number tells.
    pub fn go_on<I: Identities + ?Sized>(&mut self, identities: &I, most: usize) -> Progress {
        if identities.corrected() != self.corrected {
            return Progress::Overtaken;
        }
        match identities.some_members(self.primary, self.members.last(), most, &mut self.members) {
            Part::More => Progress::More,
            Part::Last if self.members.len() == identities.size(self.primary) => Progress::Whole,
            Part::Last | Part::Gone => Progress::Overtaken,
        }
    }

    /// The view, once it is whole.
    pub fn finish(self) -> IdentityView {
        IdentityView::of_members(self.primary, self.members)
    }
}

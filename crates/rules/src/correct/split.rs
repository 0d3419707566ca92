//! Contacts leave their identity by hand.

use std::collections::BTreeSet;

use super::{Asked, Correcting, event_of, primary_first, resolve};
use crate::{ContactId, Correction, Event, Identities, Move, Outcome, Register};

/// Parts the named contacts from the identity of the contact `of`: they form one of their own, and are kept apart from the rest.
///
/// `contacts`: some of that identity, in any order; at least one live contact must be on each side. Values stay with
/// the contact that owns them, which is the oldest that bore them.
///
/// ```
/// use selfsame_rules::{
///     Actor, Asked, ContactId, Head, Identities, IdentifierKind, Observation, Register, SeenIdentifier, Timestamp,
///     decide, split,
/// };
///
/// let seen = |phone: &str| {
///     let email = SeenIdentifier::parse(&IdentifierKind::Email, "doc@hill.edu").unwrap();
///     let phone = SeenIdentifier::parse(&IdentifierKind::Phone, phone).unwrap();
///     Observation::new(Actor::named("example"), email.into_iter().chain(phone)).unwrap()
/// };
/// let at = Timestamp::from_milliseconds(1);
/// let mut register = Register::new(Head::EMPTY);
/// for event in decide(&register, &[seen("1"), seen("2")], at).events {
///     register.follow(&event).unwrap();
/// }
/// let asked = Asked { by: Actor::named("example"), reason: None, clock: at };
/// register.follow(&split(&register, ContactId(1), &[ContactId(2)], &asked).unwrap()).unwrap();
/// assert_eq!(register.resolve(ContactId(2)), Some(ContactId(2)));
/// assert!(register.kept_apart(ContactId(1), ContactId(2)));
/// ```
///
/// # Errors
///
/// [`Correcting`] if the contacts aren't some, and not all, of that identity.
///
/// Source: SEMANTICS, "Corrections".
pub fn split(
    register: &Register,
    of: ContactId,
    contacts: &[ContactId],
    asked: &Asked,
) -> Result<Event, Correcting> {
    let former = resolve(register, of)?;
    if let Some(stranger) = contacts.iter().find(|contact| register.resolve(**contact) != Some(former)) {
        return Err(Correcting::OfAnother(*stranger));
    }
    let leaving: BTreeSet<ContactId> = contacts.iter().copied().collect();
    let rest: BTreeSet<ContactId> = register.everybody(former).difference(&leaving).copied().collect();
    let live = |side: &BTreeSet<ContactId>| side.iter().any(|id| register.is_live(*id));
    if !live(&leaving) || !live(&rest) {
        return Err(Correcting::NothingLeft);
    }
    let moved = primary_first(register, leaving.iter().copied());
    let head = primary_first(register, rest.iter().copied())[0];
    let mut primaries = vec![moved[0], head];
    primaries.sort_unstable();
    let correction = Correction {
        reason: asked.reason.clone(),
        kept_apart: register.pairs_of(&[leaving, rest]),
        moves: vec![Move::Part { contacts: moved, rest: Some(head).filter(|head| *head != former) }],
        primaries,
        ..Correction::default()
    };
    Ok(event_of(register.head(), asked, Outcome::Split(Box::new(correction))))
}

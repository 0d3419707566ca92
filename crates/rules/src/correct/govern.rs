//! Another policy for what comes after.

use super::{Asked, event_of};
use crate::{Changed, Event, Identities, Outcome, Policy};

/// A policy that would spell values in another way than what is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the policy would spell values in another way than what is recorded; keep the spelling, or decide again what is recorded, with `refold`"
)]
pub struct SpellsOtherwise;

/// The event that lets `policy` hold for what comes after; nothing if it holds already.
///
/// ```
/// use selfsame_rules::{Actor, Asked, Head, Policy, PolicyDocument, Register, Timestamp, govern};
///
/// let document = PolicyDocument { contacts_max: Some(100), ..PolicyDocument::default() };
/// let policy = Policy::read(&document).unwrap();
/// let asked = Asked { by: Actor::named("example"), reason: None, clock: Timestamp::from_milliseconds(1) };
/// let mut register = Register::new(Head::EMPTY);
/// register.follow(&govern(&register, policy.clone(), &asked).unwrap().unwrap()).unwrap();
/// assert_eq!(govern(&register, policy, &asked), Ok(None));
/// ```
///
/// # Errors
///
/// [`SpellsOtherwise`] if values would be spelt in another way, and contacts are there.
///
/// Source: SEMANTICS, "Policy, per workspace".
pub fn govern<I: Identities + ?Sized>(
    identities: &I,
    policy: Policy,
    asked: &Asked,
) -> Result<Option<Event>, SpellsOtherwise> {
    let head = identities.head();
    let before = identities.policy().cloned().unwrap_or_default();
    if before == policy {
        return Ok(None);
    }
    if !before.spells_like(&policy) && head.last_contact.0 > 0 {
        return Err(SpellsOtherwise);
    }
    let changed = Changed { before: Some(before), after: policy };
    Ok(Some(event_of(head, asked, Outcome::PolicyChanged(Box::new(changed)))))
}

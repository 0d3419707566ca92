//! The tables as they were: the log folded up to a moment.

use crate::scope::within;
use crate::{Event, Head, Incoherent, Register, Sequence, Timestamp};

/// A moment in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// After that event.
    Sequence(Sequence),
    /// After the last event that was accepted by then.
    Time(Timestamp),
}

/// The tables after the moment's last event. What was erased since stands there as tokens.
///
/// `log`: a workspace's events from the first, in order; those after the moment may be missing. Or only the events of
/// some identities: the answer is then about those. `register`: the tables now, or those identities.
///
/// ```
/// use selfsame_rules::{
///     Actor, Head, IdentifierKind, Moment, Observation, Register, SeenIdentifier, Sequence, Timestamp, as_of, decide,
/// };
///
/// let seen = |text: &str| {
///     let email = SeenIdentifier::parse(&IdentifierKind::Email, text).unwrap();
///     Observation::new(Actor::named("example"), email).unwrap()
/// };
/// let nobody = Register::new(Head::EMPTY);
/// let log = decide(&nobody, &[seen("a@b.c"), seen("b@b.c")], Timestamp::from_milliseconds(7)).events;
/// let now = Register::fold(&log).unwrap();
/// assert_eq!(as_of(&now, &log, Moment::Sequence(Sequence(1))).unwrap().rows().count(), 1);
/// assert_eq!(as_of(&now, &log, Moment::Time(Timestamp::from_milliseconds(6))).unwrap().rows().count(), 0);
/// ```
///
/// # Errors
///
/// [`Incoherent`] if an event can't follow from those before it.
///
/// Source: SEMANTICS, "Questions the log answers".
pub fn as_of(register: &Register, log: &[Event], moment: Moment) -> Result<Register, Incoherent> {
    let by_then = |event: &&Event| match moment {
        Moment::Sequence(last) => event.sequence <= last,
        Moment::Time(last) => event.at <= last,
    };
    let mut then = Register::new(Head::EMPTY);
    for event in log.iter().take_while(by_then) {
        then.follow(&within(event, register))?;
    }
    Ok(then)
}

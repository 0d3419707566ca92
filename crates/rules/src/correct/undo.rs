//! A merge or an attachment is undone, by deciding the log's other observations again without it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Asked, Correcting, Replay, event_of, primary_first};
use crate::{ContactId, Correction, Event, Identities, Move, Outcome, Ownership, Register, Sequence, scope};

/// Undoes the join that `sequence` made: its identity becomes what the other events make of it.
///
/// `log`: at least, in order, every event that made or named a contact which was ever of the identity or of one that
/// such a contact was ever of, and every change of the policy. `register`: those identities as they are.
///
/// An undo only divides. The sides of the join are kept apart from now on, pair by pair; contacts that only that join
/// held to them stand apart, but not kept apart.
///
/// ```
/// use selfsame_rules::{
///     Actor, Asked, ContactId, Head, IdentifierKind, Observation, Register, SeenIdentifier, Sequence, Timestamp,
///     decide, undo,
/// };
///
/// let seen = |email: Option<&str>, phone: Option<&str>| {
///     let read = |kind: &IdentifierKind, text| SeenIdentifier::parse(kind, text).unwrap();
///     let email = email.and_then(|text| read(&IdentifierKind::Email, text));
///     let phone = phone.and_then(|text| read(&IdentifierKind::Phone, text));
///     Observation::new(Actor::named("example"), email.into_iter().chain(phone)).unwrap()
/// };
/// let batch = [seen(Some("a@b.c"), None), seen(None, Some("1")), seen(Some("a@b.c"), Some("1"))];
/// let at = Timestamp::from_milliseconds(1);
/// let mut register = Register::new(Head::EMPTY);
/// let mut log = decide(&register, &batch, at).events;
/// for event in &log {
///     register.follow(event).unwrap();
/// }
/// assert_eq!(register.primaries().count(), 1);
///
/// let asked = Asked { by: Actor::named("example"), reason: None, clock: at };
/// register.follow(&undo(&register, &log, Sequence(3), &asked).unwrap()).unwrap();
/// assert_eq!(register.primaries().collect::<Vec<_>>(), [ContactId(1), ContactId(2)]);
/// ```
///
/// # Errors
///
/// [`Correcting`] if that event is no join, if its sides are apart already, or if a later decision of a person holds
/// them together.
///
/// Source: SEMANTICS, "Corrections".
pub fn undo(
    register: &Register,
    log: &[Event],
    sequence: Sequence,
    asked: &Asked,
) -> Result<Event, Correcting> {
    // Whatever else of the log is handed in, these are replayed.
    let undone = log.iter().find(|event| event.sequence == sequence);
    let log = &scope(log, undone.map(Event::contacts).unwrap_or_default())[..];
    let mut replay = Replay::default();
    replay.leave_out(sequence, log);
    let Some(sides) = replay.undone.get(&sequence).cloned() else {
        return Err(Correcting::NotUndoable(sequence));
    };
    let mut together: BTreeMap<ContactId, BTreeSet<ContactId>> = BTreeMap::new();
    for side in &sides {
        if let Some(primary) = register.resolve(*side) {
            together.entry(primary).or_default().insert(*side);
        }
    }
    together.retain(|_, sides| sides.len() > 1);
    if together.is_empty() {
        return Err(Correcting::ApartAlready(sequence));
    }
    let replayed = replay.run(log)?;
    if let Some(by) = replay.held.get(&sequence) {
        return Err(Correcting::HeldTogether { by: *by });
    }

    let mut correction = Correction { reason: asked.reason.clone(), ..Correction::default() };
    for (primary, sides) in together {
        let pieces = pieces(register, &replayed, primary);
        let apart: BTreeSet<&BTreeSet<ContactId>> =
            sides.iter().filter_map(|side| pieces.iter().find(|piece| piece.contains(side))).collect();
        // Where others hold the sides together, the join that is undone does nothing.
        if apart.len() < 2 {
            continue;
        }
        let apart: Vec<BTreeSet<ContactId>> = apart.into_iter().cloned().collect();
        correction.kept_apart.extend(register.pairs_of(&apart));
        for piece in pieces {
            let contacts = primary_first(register, piece);
            correction.primaries.push(contacts[0]);
            if contacts[0] != primary {
                correction.moves.push(Move::Part { contacts, rest: None });
            }
        }
    }
    if correction.moves.is_empty() {
        return Err(Correcting::ApartAlready(sequence));
    }
    ownership(register, &replayed, &mut correction);
    correction.primaries.sort_unstable();
    let correction = Box::new(correction);
    Ok(event_of(register.head(), asked, Outcome::Undone { event: sequence, correction }))
}

/// The identity of a primary in the pieces in which the replay left its contacts: each with a live contact.
fn pieces(register: &Register, replayed: &Register, primary: ContactId) -> Vec<BTreeSet<ContactId>> {
    let mut pieces: BTreeMap<Option<ContactId>, BTreeSet<ContactId>> = BTreeMap::new();
    for contact in register.everybody(primary) {
        let place = replayed.contact(contact).map(crate::Contact::primary);
        pieces.entry(place).or_default().insert(contact);
    }
    let (mut living, dead): (Vec<_>, Vec<_>) =
        pieces.into_values().partition(|piece| piece.iter().any(|contact| register.is_live(*contact)));
    // Deleted contacts that stand alone follow the primary: they must follow somebody.
    let rest = living.iter_mut().find(|piece| piece.contains(&primary)).expect("a primary lives");
    rest.extend(dead.into_iter().flatten());
    living
}

/// What the replay gives to another contact of the divided identities. What somebody else owns now stays theirs.
fn ownership(register: &Register, replayed: &Register, correction: &mut Correction) {
    let concerned: BTreeSet<ContactId> =
        correction.primaries.iter().filter_map(|primary| register.resolve(*primary)).collect();
    let concerned: BTreeSet<ContactId> =
        concerned.iter().flat_map(|primary| register.everybody(*primary)).collect();
    let mut decided = BTreeSet::new();
    for contact in concerned.iter().filter(|contact| register.is_live(**contact)) {
        let Some(row) = register.contact(*contact) else { continue };
        for value in &row.identifiers {
            let (now, then) = (register.owning_contact(value), replayed.owning_contact(value));
            let Some(then) = then.filter(|then| concerned.contains(then) && register.is_live(*then)) else {
                continue;
            };
            if now == Some(then) || now.is_some_and(|now| !concerned.contains(&now)) || !decided.insert(value)
            {
                continue;
            }
            let kind = value.kind().clone();
            if let Some(now) = now {
                correction.lost.push(Ownership { contact: now, kind: kind.clone() });
            }
            correction.gained.push(Ownership { contact: then, kind });
        }
    }
}

//! Another policy, and the recorded observations decided again under it. A preview is the same, not carried out.

use std::collections::{BTreeMap, BTreeSet};

use super::replay::hold_apart;
use super::{Asked, Correcting, Replay, event_of, primary_first};
use crate::{
    Apart, Changed, ContactId, Correction, Event, Identities, Incoherent, Move, Outcome, Ownership, Policy,
    RefoldedContact, Register, Rule, Sequence, Timestamp, apply,
};

/// What a refold would do. Carrying out its event does exactly that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refolding {
    /// The event to append.
    pub event: Event,
    /// Merges of the log that the policy refuses: the event, the first rule that it breaks, and the contacts that stand
    /// for the identities concerned.
    pub refused: Vec<(Sequence, Rule, Vec<ContactId>)>,
    /// Merges that were refused when they were observed, and that the policy allows: the event, and the contacts that
    /// stand for the identities.
    pub allowed: Vec<(Sequence, Vec<ContactId>)>,
    /// Joins by hand that the policy forbids.
    pub joins_forbidden: Vec<Sequence>,
}

/// Decides every recorded observation of a workspace again, under `policy`.
///
/// `register` and `log`: the whole workspace. What is kept apart is so from the start; joins by hand stand unless the
/// policy forbids them. No row is unmade: one without a place stands alone with what is free. New rows take new numbers
/// and the refold's time.
///
/// Values are taken as the log has them, so a policy that spells values in another way is refused.
///
/// # Errors
///
/// [`Correcting::SpeltOtherwise`] for such a policy; [`Correcting::Incoherent`] if the log doesn't make the rows.
///
/// Source: SEMANTICS, "Policy, per workspace", and "Questions the log answers".
pub fn refold(
    register: &Register,
    log: &[Event],
    policy: Policy,
    asked: &Asked,
) -> Result<Refolding, Correcting> {
    let default = Policy::default();
    if !policy.spells_like(register.policy().unwrap_or(&default)) && register.head().last_contact.0 > 0 {
        return Err(Correcting::SpeltOtherwise);
    }
    let head = register.head();
    let at = head.last_event_at.max(asked.clock);
    let mut replay = Replay {
        policy: Some(policy.clone()),
        rows: Some((ContactId(head.last_contact.0 + 1), at)),
        ..Replay::default()
    };
    let pairs: BTreeSet<Apart> = register.kept_apart_pairs().cloned().collect();
    replay.hold_from_the_start(&pairs, log);
    let mut replayed = replay.run(log)?;
    hold_apart(&pairs, &mut replayed, at)?;

    let mut correction = Correction { reason: asked.reason.clone(), ..Correction::default() };
    // What changed hands was lost where it was, and is gained where it is.
    correction.lost = differing(register, &replayed);
    correction.gained = differing(&replayed, register);
    let contacts: Vec<RefoldedContact> = replay.made.clone();
    let policies = Changed { before: register.policy().cloned(), after: policy };
    let mut between = register.clone();
    parts(register, &replayed, &mut correction);
    follow(&mut between, &contacts, &correction, at, asked)?;
    joins(&between, &replayed, &mut correction);
    let mut after = register.clone();
    follow(&mut after, &contacts, &correction, at, asked)?;
    let mut primaries: BTreeSet<ContactId> = BTreeSet::new();
    for moved in &correction.moves {
        let named = match moved {
            Move::Part { contacts, rest } => contacts.first().copied().into_iter().chain(*rest).collect(),
            Move::Join { survivor, .. } => vec![*survivor],
        };
        primaries.extend(named.into_iter().filter_map(|contact| after.resolve(contact)));
    }
    correction.primaries = primaries.into_iter().collect();

    let outcome =
        Outcome::Refolded { policy: Box::new(policies), contacts, correction: Box::new(correction) };
    Ok(Refolding {
        event: event_of(head, asked, outcome),
        refused: refused(&replay, log),
        allowed: allowed(&replay, log),
        joins_forbidden: replay.forbidden,
    })
}

/// What contacts own in one register and not in the other.
fn differing(one: &Register, other: &Register) -> Vec<Ownership> {
    let owned = |register: &Register| -> BTreeSet<Ownership> {
        let rows = register.rows().map(|row| (row.contact.id, row.owns));
        rows.flat_map(|(contact, owns)| owns.into_iter().map(move |kind| Ownership { contact, kind }))
            .collect()
    };
    owned(one).difference(&owned(other)).cloned().collect()
}

/// The moves that leave together only what the replay has together.
fn parts(register: &Register, replayed: &Register, correction: &mut Correction) {
    for primary in register.primaries() {
        let mut pieces: BTreeMap<Option<ContactId>, BTreeSet<ContactId>> = BTreeMap::new();
        let everybody = register.everybody(primary);
        for contact in &everybody {
            pieces.entry(replayed.resolve(*contact)).or_default().insert(*contact);
        }
        let live = |piece: &BTreeSet<ContactId>| piece.iter().any(|contact| register.is_live(*contact));
        let leaving = pieces.into_values().filter(|piece| live(piece) && !piece.contains(&primary));
        for piece in leaving {
            let contacts = primary_first(register, piece);
            correction.moves.push(Move::Part { contacts, rest: Some(primary) });
        }
    }
}

/// The moves that bring together what the replay has together; `between` is what the parts left.
fn joins(between: &Register, replayed: &Register, correction: &mut Correction) {
    let mut people: BTreeMap<ContactId, Vec<ContactId>> = BTreeMap::new();
    for primary in between.primaries() {
        people.entry(replayed.resolve(primary).unwrap_or(primary)).or_default().push(primary);
    }
    for mut primaries in people.into_values() {
        primaries.sort_by_key(|primary| (between.created_at(*primary), *primary));
        let survivor = primaries[0];
        let former = primaries.into_iter().skip(1);
        correction.moves.extend(former.map(|former| Move::Join { survivor, former }));
    }
}

/// Lets `register` follow the rows and moves so far.
fn follow(
    register: &mut Register,
    contacts: &[RefoldedContact],
    correction: &Correction,
    at: Timestamp,
    asked: &Asked,
) -> Result<(), Incoherent> {
    let moves = correction.moves.clone();
    let correction = Box::new(Correction { moves, ..Correction::default() });
    let policy = Changed { before: None, after: register.policy().cloned().unwrap_or_default() };
    let outcome = Outcome::Refolded { policy: Box::new(policy), contacts: contacts.to_vec(), correction };
    let event = event_of(register.head(), asked, outcome);
    apply(&Event { at, ..event }, register)
}

/// Merges of the log that the replay refused.
fn refused(replay: &Replay, log: &[Event]) -> Vec<(Sequence, Rule, Vec<ContactId>)> {
    let merges = log.iter().filter(|event| matches!(event.outcome, Outcome::Merged { .. }));
    // An undone one is refused whatever the policy; of one that is made, only a value is refused.
    let stands = |event: &&Event| {
        !replay.undone.contains_key(&event.sequence) && !replay.joined.contains_key(&event.sequence)
    };
    let merges = merges.filter(stands);
    let found =
        merges.filter_map(|event| replay.refused.get(&event.sequence).map(|found| (event.sequence, found)));
    found.map(|(sequence, (rule, concerned))| (sequence, rule.clone(), concerned.clone())).collect()
}

/// Refusals of the log that the replay merged.
fn allowed(replay: &Replay, log: &[Event]) -> Vec<(Sequence, Vec<ContactId>)> {
    // Where something was merged all the same, only a value was refused.
    let refused_merge = |event: &&Event| matches!(&event.outcome, Outcome::Refused { former_primaries, .. } if former_primaries.is_empty());
    let refusals = log.iter().filter(refused_merge);
    let found =
        refusals.filter_map(|event| replay.joined.get(&event.sequence).map(|found| (event.sequence, found)));
    found.map(|(sequence, concerned)| (sequence, concerned.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Head;

    #[test]
    fn a_refold_of_nothing_changes_nothing_but_the_policy() {
        let asked = Asked {
            by: crate::Actor::named("test"),
            reason: None,
            clock: crate::Timestamp::from_milliseconds(1),
        };
        let refolding = refold(&Register::new(Head::EMPTY), &[], Policy::default(), &asked).unwrap();
        assert_eq!(refolding.event.kind(), "refolded");
        assert!(refolding.refused.is_empty() && refolding.allowed.is_empty());
    }
}

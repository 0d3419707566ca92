//! Another policy, and the recorded observations decided again under it. A preview is the same, not carried out.

use std::collections::{BTreeMap, BTreeSet};

use super::replay::hold_apart;
use super::{Asked, Correcting, Replay, event_of, primary_first};
use crate::{
    Apart, Changed, ContactId, Correction, Event, Identifier, Identities, Incoherent, International, Move,
    Outcome, Ownership, Policy, RefoldedContact, Register, Respelt, Rule, SeenIdentifier, Sequence, Spelling,
    Spelt, Timestamp, apply,
};

/// What a refold would do. Carrying out its event does exactly that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refolding {
    /// The event to append.
    pub event: Event,
    /// Merges of the log that the policy refuses: the event, the first rule that it breaks, and the contacts that stand
    /// for the identities concerned.
    pub refused: Vec<(Sequence, Rule, Vec<ContactId>)>,
    /// Observations of which the policy refuses something else than a merge, a value or their contact's place: the event, the first
    /// rule that it breaks, the contact that stands for the identity concerned, and that of the observation.
    pub refused_otherwise: Vec<(Sequence, Rule, Vec<ContactId>)>,
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
/// Where the policy spells values otherwise than the one that holds, they are read anew from what was sent, and decided on as
/// they are spelt then. What can't be read so stands as it was. `international`: as for [`Policy::spelling`].
///
/// # Errors
///
/// [`Correcting::Incoherent`] if the log doesn't make the rows.
///
/// Source: SEMANTICS, "Policy, per workspace", and "Questions the log answers".
pub fn refold(
    register: &Register,
    log: &[Event],
    policy: Policy,
    international: International,
    asked: &Asked,
) -> Result<Refolding, Correcting> {
    let default = Policy::default();
    let respelt = if policy.spells_like(register.policy().unwrap_or(&default)) {
        Vec::new()
    } else {
        read_anew(register, log, &policy.spelling(international))
    };
    let head = register.head();
    let at = head.last_event_at.max(asked.clock);
    let mut replay = Replay {
        policy: Some(policy.clone()),
        rows: Some((ContactId(head.last_contact.0 + 1), at)),
        respelt: respelt.clone(),
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
        Outcome::Refolded { policy: Box::new(policies), contacts, respelt, correction: Box::new(correction) };
    Ok(Refolding {
        event: event_of(head, asked, outcome),
        refused: refused(&replay, log),
        refused_otherwise: refused_otherwise(&replay, log),
        allowed: allowed(&replay, log),
        joins_forbidden: replay.forbidden,
    })
}

/// The observations that are spelt otherwise than they were before, in the order of the log.
fn read_anew(register: &Register, log: &[Event], spelling: &Spelling) -> Vec<Respelt> {
    let before = Spelt::of(log);
    let rows: BTreeMap<Sequence, ContactId> =
        log.iter().flat_map(Event::observed).map(|(sequence, contact, _)| (sequence, contact)).collect();
    // A tombstone bears nothing, and no spelling of it.
    let bears = |contact: &ContactId| {
        register.contact(*contact).is_some_and(|contact| !contact.identifiers.is_empty())
    };
    let mut respelt = Vec::new();
    for event in log {
        let seen = before.evidence(event.sequence, &event.evidence);
        let identifiers: Vec<Identifier> =
            seen.iter().map(|seen| spelling.read_again(seen).identifier().clone()).collect();
        if seen.iter().map(SeenIdentifier::identifier).ne(&identifiers) {
            let contact = rows.get(&event.sequence).copied().filter(bears);
            respelt.push(Respelt { sequence: event.sequence, contact, identifiers });
        }
    }
    respelt
}

/// What contacts own in one register and not in the other, be it that it is spelt otherwise there.
fn differing(one: &Register, other: &Register) -> Vec<Ownership> {
    let owned = |register: &Register| -> BTreeSet<(Ownership, Identifier)> {
        let mut owned = BTreeSet::new();
        for row in register.rows() {
            let values = row.contact.identifiers.into_iter().filter(|value| row.owns.contains(value.kind()));
            owned.extend(
                values
                    .map(|value| (Ownership { contact: row.contact.id, kind: value.kind().clone() }, value)),
            );
        }
        owned
    };
    owned(one).difference(&owned(other)).map(|(ownership, _)| ownership.clone()).collect()
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
    let (policy, contacts, respelt) = (Box::new(policy), contacts.to_vec(), Vec::new());
    let outcome = Outcome::Refolded { policy, contacts, respelt, correction };
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

/// Observations of the log of which nothing was refused, and of which the replay refused something else than a merge.
fn refused_otherwise(replay: &Replay, log: &[Event]) -> Vec<(Sequence, Rule, Vec<ContactId>)> {
    let mut found = Vec::new();
    for event in log.iter().filter(|event| !replay.undone.contains_key(&event.sequence)) {
        let made = matches!(event.outcome, Outcome::Created { .. } | Outcome::Attached { .. });
        // One that is refused as a merge is told as that.
        let merged =
            matches!(event.outcome, Outcome::Merged { .. }) && replay.joined.contains_key(&event.sequence);
        let refused = replay.refused.get(&event.sequence).filter(|_| made || merged);
        let Some((rule, concerned)) = refused else { continue };
        let mut contacts = concerned.clone();
        contacts.extend(event.outcome.contact().map(|contact| contact.id));
        contacts.dedup();
        found.push((event.sequence, rule.clone(), contacts));
    }
    found
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
        let refolding =
            refold(&Register::new(Head::EMPTY), &[], Policy::default(), |_, _| None, &asked).unwrap();
        assert_eq!(refolding.event.kind(), "refolded");
        assert!(refolding.refused.is_empty() && refolding.allowed.is_empty());
    }
}

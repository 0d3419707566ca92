//! Identities become one by hand, and refusals are reviewed.

use super::{Asked, Correcting, event_of, resolve};
use crate::judge::forbids_people;
use crate::{
    ContactId, Correction, Event, Identities, Judgement, Move, Outcome, Policy, Register, Sequence,
    surviving_primary,
};

/// Joins the identities of these contacts; what keeps them apart is lifted.
///
/// # Errors
///
/// [`Correcting`] if they are one already, or a limit or a unique kind forbids it.
///
/// Source: SEMANTICS, "Corrections".
pub fn join(register: &Register, contacts: &[ContactId], asked: &Asked) -> Result<Event, Correcting> {
    let correction = joining(register, contacts, asked)?;
    Ok(event_of(register.head(), asked, Outcome::Joined(Box::new(correction))))
}

/// Decides an entry of the review queue.
///
/// `review`: the number of its event. `register`: also what is recorded of it, and whom it concerns.
///
/// Where one identity only was concerned, or one is left, there is nothing to keep apart, and the entry is closed.
///
/// # Errors
///
/// [`Correcting`] if the refusal doesn't wait for a review, or the merge is one that [`join`] would refuse.
pub fn review(
    register: &Register,
    review: Sequence,
    judgement: Judgement,
    asked: &Asked,
) -> Result<Event, Correcting> {
    let recorded = register.refused(review).filter(|_| register.is_open(review));
    let recorded = recorded.ok_or(Correcting::NotOpen(review))?;
    let primaries: Vec<ContactId> =
        recorded.identities.into_iter().filter(|primary| register.resolve(*primary).is_some()).collect();
    let correction = match judgement {
        Judgement::Merge => joining(register, &primaries, asked)?,
        Judgement::KeepApart => {
            let everybody: Vec<_> = primaries.iter().map(|primary| register.everybody(*primary)).collect();
            Correction {
                reason: asked.reason.clone(),
                kept_apart: register.pairs_of(&everybody),
                primaries,
                ..Correction::default()
            }
        }
    };
    let correction = Box::new(correction);
    Ok(event_of(register.head(), asked, Outcome::Reviewed { review, judgement, correction }))
}

fn joining(register: &Register, contacts: &[ContactId], asked: &Asked) -> Result<Correction, Correcting> {
    let mut primaries = Vec::new();
    for contact in contacts {
        primaries.push(resolve(register, *contact)?);
    }
    primaries.sort_by_key(|primary| (register.created_at(*primary), *primary));
    primaries.dedup();
    if primaries.len() < 2 {
        return Err(Correcting::TogetherAlready);
    }
    let default = Policy::default();
    if let Some(rule) = forbids_people(register, register.policy().unwrap_or(&default), &primaries) {
        return Err(Correcting::Forbidden(rule));
    }
    let lifting = register.lifting(&primaries);
    let ages = primaries.iter().map(|primary| (register.created_at(*primary), *primary));
    let survivor = surviving_primary(ages);
    let former = primaries.into_iter().filter(|primary| *primary != survivor);
    Ok(Correction {
        reason: asked.reason.clone(),
        moves: former.map(|former| Move::Join { survivor, former }).collect(),
        lifted: lifting.lifted,
        kept_apart: lifting.kept,
        primaries: vec![survivor],
        ..Correction::default()
    })
}

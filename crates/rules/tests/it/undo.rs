//! What SEMANTICS promises of undo, against the model: undoing a join is the history of the recorded observations in
//! which that join was refused, and everything that comes after it goes as it would have gone then.

use crate::model::{Model, ModelPolicy, Seen};
use crate::random::Random;
use crate::world::{World, asked};
use selfsame_rules::{Correcting, Event, Outcome, Sequence, undo};

/// What an event's observation saw.
pub(crate) fn seen_in(event: &Event) -> Vec<Seen> {
    let name = |kind: &str| ["email", "phone", "customerId"].into_iter().find(|name| *name == kind).unwrap();
    let seen = event.evidence.iter();
    seen.map(|seen| {
        let identifier = seen.identifier();
        (name(identifier.kind().name()), identifier.value().to_owned(), seen.is_verified())
    })
    .collect()
}

/// The recorded observations in which one event's join was refused.
fn without_join(log: &[Event], undone: Sequence) -> Model {
    let mut model = Model::default();
    for event in log {
        let (seen, at) = (seen_in(event), event.at.as_milliseconds());
        if event.sequence == undone {
            if let Outcome::Attached { primary, contact } = &event.outcome {
                let home = model.person_of(primary.0);
                let known: Vec<_> = model.rows.iter().flat_map(|row| row.owns.clone()).collect();
                let owns = seen.iter().map(|(kind, text, _)| (*kind, text.clone()));
                let owns = owns.filter(|value| !known.contains(value)).collect();
                let id = model.insert(None, &seen, owns, at);
                assert_eq!(id, contact.id.0);
                model.keep_apart(&[id], &model.everybody(home));
                continue;
            }
            let people = model.touched(&seen);
            for one in &people {
                for other in people.iter().filter(|other| *other > one) {
                    model.keep_apart(&model.everybody(*one), &model.everybody(*other));
                }
            }
        }
        model.observe(&seen, at);
    }
    model
}

/// Undoes one join of a random history, and compares that and what comes after it with the model.
fn undone_history(seed: u64, fault: bool) -> Result<bool, String> {
    let mut random = Random::new(seed);
    let mut world = World::new(ModelPolicy::default());
    let variety = 3 + random.below(5);
    for at in 0..12 {
        world.observe(&random.seen(variety), at)?;
    }
    let joins = world
        .log
        .iter()
        .filter(|event| matches!(event.outcome, Outcome::Merged { .. } | Outcome::Attached { .. }));
    let joins: Vec<Sequence> = joins.map(|event| event.sequence).collect();
    if joins.is_empty() {
        return Ok(false);
    }
    let undone = joins[random.below(joins.len())];
    let before = world.register.clone();
    let event = undo(&world.register, &world.log, undone, &asked(20)).map_err(|error| error.to_string())?;
    world.take(&event);
    for row in before.rows() {
        for other in before.rows() {
            let (one, other) = (row.contact.id, other.contact.id);
            let together =
                |register: &selfsame_rules::Register| register.resolve(one) == register.resolve(other);
            if together(&world.register) && !together(&before) {
                return Err(format!("the undo joins {one} and {other}"));
            }
        }
    }
    let log = world.log[..world.log.len() - 1].to_vec();
    world.model = without_join(&log, undone);
    // What was refused in that history is none of ours: the product records it when it comes.
    world.model.refusals.clear();
    world.model.forgets_keep_aparts = fault;
    world.agree().map_err(|why| format!("undo of {undone}: {why}"))?;
    for at in 20..32 {
        world
            .observe(&random.seen(variety), at)
            .map_err(|why| format!("after the undo of {undone}: {why}"))?;
        world.agree().map_err(|why| format!("after the undo of {undone}: {why}"))?;
    }
    world.folds()?;
    Ok(true)
}

#[test]
fn undo_is_the_history_in_which_the_join_was_refused() {
    let mut undone = 0;
    for seed in 0..5_000 {
        undone += usize::from(undone_history(seed, false).unwrap_or_else(|why| panic!("seed {seed}: {why}")));
    }
    assert!(undone > 4_000, "only {undone} histories had a join");
}

#[test]
fn what_is_undone_stays_so_and_is_not_undone_twice() {
    let mut world = World::new(ModelPolicy::default());
    let (email, phone) = (("email", "a@b.c".to_owned(), false), ("phone", "1".to_owned(), false));
    world.observe(std::slice::from_ref(&email), 1).unwrap();
    world.observe(std::slice::from_ref(&phone), 2).unwrap();
    world.observe(&[email.clone(), phone.clone()], 3).unwrap();
    world.take(&undo(&world.register, &world.log, Sequence(3), &asked(4)).unwrap());
    let again = undo(&world.register, &world.log, Sequence(3), &asked(5));
    assert_eq!(again, Err(Correcting::ApartAlready(Sequence(3))));
    assert_eq!(
        undo(&world.register, &world.log, Sequence(1), &asked(5)),
        Err(Correcting::NotUndoable(Sequence(1)))
    );
}

#[test]
fn a_model_in_which_an_undo_does_not_last_is_caught() {
    assert!((0..200).any(|seed| undone_history(seed, true).is_err()), "a planted fault went unseen");
}

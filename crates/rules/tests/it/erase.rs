//! A person is erased: no value of theirs is left, and the log still folds to the tables.

use std::collections::BTreeSet;

use crate::model::ModelPolicy;
use crate::random::Random;
use crate::world::{World, asked, contact};
use selfsame_rules::{
    ContactId, Correcting, Erasure, Event, Identifier, IdentifierKind, Moment, Outcome, Register,
    RegisterRow, Spelt, as_of, erase, split,
};

/// Live contacts of others that bear what is the person's.
pub(crate) fn borne_by_others(
    register: &Register,
    log: &[Event],
    person: &BTreeSet<ContactId>,
) -> Vec<(Identifier, ContactId)> {
    let of = |row: &RegisterRow| person.contains(&row.contact.id);
    let spelt = Spelt::of(log);
    let mut values: BTreeSet<Identifier> =
        register.rows().filter(of).flat_map(|row| row.contact.identifiers).collect();
    for event in log.iter().filter(|event| event.contacts().is_subset(person)) {
        let seen = spelt.event(event);
        values.extend(seen.evidence.iter().map(|seen| seen.identifier().clone()));
    }
    let others = register.rows().filter(|row| !of(row) && row.contact.deleted_at.is_none());
    let borne =
        others.flat_map(|row| row.contact.identifiers.into_iter().map(move |value| (value, row.contact.id)));
    borne.filter(|(value, _)| values.contains(value)).collect()
}

pub(crate) fn erase_in(register: &Register, log: &[Event], id: ContactId) -> Result<Erasure, Correcting> {
    let person = register.everybody(register.resolve(id).unwrap_or(id));
    let mut number = 0;
    let token = || {
        number += 1;
        format!("{id}-{number}")
    };
    erase(register, log, id, &borne_by_others(register, log, &person), token, &asked(99))
}

/// The log as it stands after an erasure.
pub(crate) fn rewritten(log: &[Event], erasure: &Erasure) -> Vec<Event> {
    let anew = |event: &Event| {
        let found = erasure.rewritten.iter().find(|anew| anew.sequence == event.sequence);
        found.unwrap_or(event).clone()
    };
    log.iter().map(anew).chain([erasure.event.clone()]).collect()
}

#[test]
fn nothing_of_the_person_is_left_and_the_log_folds_to_the_tables() {
    let mut erased = 0;
    for seed in 0..1_500 {
        let mut random = Random::new(seed);
        let policy = if random.below(2) == 0 { ModelPolicy::default() } else { random.policy() };
        let mut world = World::new(policy);
        for at in 0..20 {
            let live: Vec<_> = world.register.primaries().collect();
            if !live.is_empty() && random.below(6) == 0 {
                let some = live[random.below(live.len())];
                if let Ok(event) = split(&world.register, some, &[some], &asked(at)) {
                    world.take(&event);
                    continue;
                }
            }
            let seen = crate::world::observation(&random.seen(5));
            let clock = selfsame_rules::Timestamp::from_milliseconds(at);
            for event in selfsame_rules::decide(&world.register, &[seen], clock).events {
                world.take(&event);
            }
        }
        let live: Vec<_> = world.register.primaries().collect();
        let id = live[random.below(live.len())];
        let person = world.register.everybody(id);
        let kept: BTreeSet<Identifier> = borne_by_others(&world.register, &world.log, &person)
            .into_iter()
            .map(|(value, _)| value)
            .collect();
        let of = |row: &RegisterRow| person.contains(&row.contact.id);
        let values = world.register.rows().filter(of).flat_map(|row| row.contact.identifiers);
        let gone: BTreeSet<Identifier> = values.filter(|value| !kept.contains(value)).collect();
        let erasure = erase_in(&world.register, &world.log, id).unwrap();
        let log = rewritten(&world.log, &erasure);

        for event in &log {
            for seen in &event.evidence {
                assert!(
                    !gone.contains(seen.identifier()),
                    "seed {seed}: event {} tells a value",
                    event.sequence
                );
            }
        }
        world.take(&erasure.event);
        let folded = Register::fold(&log).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        assert!(folded.rows().eq(world.register.rows()), "seed {seed}: the log folds to other rows");
        for row in folded.rows().filter(of) {
            assert!(row.contact.identifiers.is_empty() && row.contact.deleted_at.is_some(), "seed {seed}");
            assert_eq!(folded.resolve(row.contact.id), None, "seed {seed}");
        }
        // What was answered before is told with tokens.
        let then = as_of(&folded, &log, Moment::Sequence(world.log[world.log.len() - 2].sequence)).unwrap();
        let bearing = then.rows().filter(of).flat_map(|row| row.contact.identifiers);
        assert!(bearing.into_iter().all(|value| value.is_erased()), "seed {seed}");
        erased += gone.len();
    }
    assert!(erased > 1_000);
}

#[test]
fn a_value_that_somebody_else_bears_goes_from_this_person_only_and_the_receipt_says_so() {
    let mut world = World::new(ModelPolicy::default());
    let seen = |email: &str| [("email", format!("{email}@b.c"), false), ("phone", "1".to_owned(), false)];
    world.observe(&seen("a"), 1).unwrap();
    world.observe(&seen("b"), 2).unwrap();
    world.take(&split(&world.register, contact(2), &[contact(2)], &asked(3)).unwrap());
    let erasure = erase_in(&world.register, &world.log, contact(1)).unwrap();
    assert_eq!((erasure.receipt.values, erasure.receipt.events), (2, 1));
    assert_eq!(erasure.receipt.borne_by_others.len(), 1);
    assert_eq!(erasure.receipt.borne_by_others[0].kind, IdentifierKind::Phone);
    let Outcome::Erased { contacts, lost, .. } = &erasure.event.outcome else { unreachable!() };
    assert_eq!((contacts.as_slice(), lost.len()), ([contact(1)].as_slice(), 2));
    world.take(&erasure.event);
    assert_eq!(erase_in(&world.register, &world.log, contact(1)), Err(Correcting::Gone(contact(1))));
    // The phone is free, and whoever brings it next has it.
    let answer = crate::world::observation(&seen("b"));
    let plan =
        selfsame_rules::decide(&world.register, &[answer], selfsame_rules::Timestamp::from_milliseconds(9));
    assert_eq!(plan.answers[0].identity.as_ref().unwrap().primary, contact(2));
}

//! Corrections by people, one after another and mixed with everything else.

use std::collections::BTreeSet;

use crate::model::{ModelPolicy, Seen};
use crate::random::Random;
use crate::world::{World, asked, contact};
use selfsame_rules::{
    Correcting, Event, Head, Identities, IdentityIndex, Judgement, Outcome, Register, RegisterRow, Rule,
    Sequence, Timestamp, decide, delete, join, review, scope, split, undo,
};

fn email(text: &str) -> Seen {
    ("email", format!("{text}@b.c"), false)
}

fn phone(text: &str) -> Seen {
    ("phone", text.to_owned(), false)
}

fn customer(text: &str) -> Seen {
    ("customerId", text.to_owned(), false)
}

/// Two people whom the checkout of event 3 made one.
fn household() -> World {
    let mut world = World::new(ModelPolicy::default());
    world.observe(&[email("ada")], 1).unwrap();
    world.observe(&[email("bob"), phone("1")], 2).unwrap();
    world.observe(&[email("ada"), phone("1")], 3).unwrap();
    assert_eq!(world.register.primaries().count(), 1);
    world
}

#[test]
fn the_same_checkout_after_an_undo_is_held_for_review_once_and_a_reviewer_decides() {
    let mut world = household();
    let event = undo(&world.register, &world.log, Sequence(3), &asked(4)).unwrap();
    world.take(&event);
    let refused = crate::world::observation(&[email("ada"), phone("1")]);
    let clock = Timestamp::from_milliseconds(5);
    let plan = decide(&world.register, &[refused.clone(), refused], clock);
    assert_eq!(plan.events.len(), 1, "recorded once");
    assert_eq!(plan.answers[1].event, Some(Sequence(5)));
    assert_eq!(plan.answers[0].refused, Some(Rule::KeptApart));
    world.take(&plan.events[0]);
    assert_eq!(world.register.open_reviews().collect::<Vec<_>>(), [Sequence(5)]);

    let merged = review(&world.register, plan.events[0].sequence, Judgement::Merge, &asked(6)).unwrap();
    let apart = review(&world.register, plan.events[0].sequence, Judgement::KeepApart, &asked(6)).unwrap();
    let (mut one, mut two) = (world.register.clone(), world.register.clone());
    one.follow(&merged).unwrap();
    assert_eq!((one.primaries().count(), one.kept_apart_pairs().count()), (1, 0));
    two.follow(&apart).unwrap();
    assert_eq!((two.primaries().count(), two.kept_apart_pairs().count()), (2, 1));
    let again = review(&two, plan.events[0].sequence, Judgement::Merge, &asked(7));
    assert_eq!(again, Err(Correcting::NotOpen(Sequence(5))));
}

#[test]
fn an_undo_that_a_decision_by_hand_holds_together_names_it() {
    let mut world = household();
    world.take(&undo(&world.register, &world.log, Sequence(3), &asked(4)).unwrap());
    world.take(&join(&world.register, &[contact(1), contact(2)], &asked(5)).unwrap());
    let refused = undo(&world.register, &world.log, Sequence(3), &asked(6));
    assert_eq!(refused, Err(Correcting::HeldTogether { by: Sequence(5) }));
}

#[test]
fn a_unique_kind_binds_people_too() {
    let policy = ModelPolicy { unique: vec!["customerId"], ..ModelPolicy::default() };
    let mut world = World::new(policy);
    world.observe(&[email("ada"), customer("c1")], 1).unwrap();
    world.observe(&[email("bob"), customer("c2")], 2).unwrap();
    let refused = join(&world.register, &[contact(1), contact(2)], &asked(3));
    assert!(matches!(refused, Err(Correcting::Forbidden(Rule::Unique(_)))));
}

#[test]
fn joining_by_hand_lifts_the_pairs_between_those_two_and_no_other() {
    let mut world = World::new(ModelPolicy::default());
    for (at, text) in ["ada", "bob", "eve"].into_iter().enumerate() {
        world.observe(&[email(text), phone("1")], i64::try_from(at).unwrap()).unwrap();
    }
    world.take(&split(&world.register, contact(3), &[contact(3)], &asked(5)).unwrap());
    world.take(&split(&world.register, contact(2), &[contact(2)], &asked(6)).unwrap());
    world.take(&join(&world.register, &[contact(2), contact(3)], &asked(7)).unwrap());
    assert!(world.register.kept_apart(contact(1), contact(2)));
    world.take(&join(&world.register, &[contact(1), contact(2)], &asked(8)).unwrap());
    assert_eq!(world.register.kept_apart_pairs().count(), 0);
}

/// What must hold of any tables: one owner, who is live and bears it; the oldest is primary; links are direct.
pub(crate) fn sound(register: &Register) -> Result<(), String> {
    let rows: Vec<RegisterRow> = register.rows().collect();
    for RegisterRow { contact, owns } in &rows {
        if contact.deleted_at.is_some() {
            if !owns.is_empty() {
                return Err(format!("{} is deleted and owns", contact.id));
            }
            continue;
        }
        let primary = register.contact(contact.primary()).ok_or("an orphan")?;
        if primary.linked_to.is_some() || primary.deleted_at.is_some() || primary.age() > contact.age() {
            return Err(format!("{} links to {}", contact.id, primary.id));
        }
    }
    Ok(())
}

/// The index that a store would load from the rows answers as the one that followed the log.
pub(crate) fn reloaded(world: &World) -> Result<(), String> {
    let rows: Vec<RegisterRow> = world.register.rows().collect();
    let loaded = Register::load(world.register.head(), rows.clone()).map_err(|error| error.to_string())?;
    for primary in world.register.primaries() {
        if loaded.everybody(primary) != world.register.everybody(primary) {
            return Err(format!("the identity of {primary} is loaded otherwise"));
        }
    }
    let followed: BTreeSet<_> = world
        .register
        .primaries()
        .map(|primary| world.index.followers(primary).collect::<BTreeSet<_>>())
        .collect();
    let expected: BTreeSet<_> =
        world.register.primaries().map(|primary| world.register.everybody(primary)).collect();
    if followed == expected { Ok(()) } else { Err("the index has other identities".to_owned()) }
}

fn mixed(seed: u64) -> Result<usize, String> {
    let mut random = Random::new(seed);
    let policy = if random.below(2) == 0 { ModelPolicy::default() } else { random.policy() };
    let mut world = World::new(policy);
    let mut parted: Vec<(selfsame_rules::ContactId, selfsame_rules::ContactId)> = Vec::new();
    let mut undone = 0;
    for at in 0..30 {
        let before = world.register.clone();
        let live: Vec<_> =
            before.rows().filter(|row| row.contact.deleted_at.is_none()).map(|row| row.contact.id).collect();
        let some = (!live.is_empty()).then(|| live[random.below(live.len().max(1))]);
        let event: Option<Event> = match (random.below(10), some) {
            (0, Some(one)) => split(&before, one, &[one], &asked(at)).ok(),
            (1, Some(one)) => join(&before, &[one, live[random.below(live.len())]], &asked(at)).ok(),
            (2, Some(one)) => delete(&before, one, &asked(at)).ok(),
            (3 | 4, Some(_)) => {
                let sequence = Sequence(i64::try_from(1 + random.below(world.log.len())).unwrap());
                let event = undo(&before, &world.log, sequence, &asked(at));
                if let Err(Correcting::Incoherent(why)) = &event {
                    return Err(format!("{at}: undo {sequence}: {why}"));
                }
                let some = world.log.iter().find(|event| event.sequence == sequence).map(Event::contacts);
                let scoped = scope(&world.log, some.unwrap_or_default());
                if undo(&before, &scoped, sequence, &asked(at)) != event {
                    return Err(format!("{at}: undo {sequence} depends on events of others"));
                }
                undone += usize::from(event.is_ok());
                event.ok()
            }
            _ => {
                let observation = crate::world::observation(&random.seen(4));
                decide(&before, &[observation], Timestamp::from_milliseconds(at)).events.pop()
            }
        };
        let Some(event) = event else { continue };
        world.take(&event);
        sound(&world.register).map_err(|why| format!("{at}, {}: {why}", event.kind()))?;
        reloaded(&world).map_err(|why| format!("{at}, {}: {why}", event.kind()))?;
        match &event.outcome {
            Outcome::Joined(_) => parted.clear(),
            Outcome::Undone { correction, .. } | Outcome::Split(correction) => {
                for pair in &correction.kept_apart {
                    parted.push((pair.one[0], pair.other[0]));
                }
            }
            _ => {}
        }
        for (one, other) in &parted {
            let (one, other) = (world.register.resolve(*one), world.register.resolve(*other));
            if one.is_some() && one == other {
                return Err(format!("{at}: what was parted is one again by a {} event", event.kind()));
            }
        }
    }
    world.folds()?;
    Ok(undone)
}

#[test]
fn corrections_mixed_with_everything_leave_sound_tables_and_what_is_parted_stays_so() {
    let mut undone = 0;
    for seed in 0..4_000 {
        undone += mixed(seed).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    }
    assert!(undone > 2_000, "only {undone} events were undone");
    let empty = IdentityIndex::new(Head::EMPTY, 7);
    assert!(empty.is_plain());
}

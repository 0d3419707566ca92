//! A refold against the model, and the questions that the log answers.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Model, ModelPolicy};
use crate::random::Random;
use crate::undo::seen_in;
use crate::world::{World, asked, contact, policy};
use selfsame_rules::{
    ContactId, Event, Identities, Moment, Outcome, Register, Sequence, as_of, delete, join, refold, split,
    undo, why,
};

pub(crate) type Owned = BTreeSet<BTreeSet<(String, String)>>;

/// Which values belong together, those of people without any left out.
pub(crate) fn owned(register: &Register) -> Owned {
    let mut people: BTreeMap<ContactId, BTreeSet<(String, String)>> = BTreeMap::new();
    for row in register.rows() {
        for value in row.contact.identifiers.iter().filter(|value| row.owns.contains(value.kind())) {
            let value = (value.kind().name().to_owned(), value.value().to_owned());
            people.entry(row.contact.primary()).or_default().insert(value);
        }
    }
    people.into_values().collect()
}

pub(crate) fn owned_in_model(model: &Model) -> Owned {
    let mut people: BTreeMap<i64, BTreeSet<(String, String)>> = BTreeMap::new();
    for row in &model.rows {
        let owns = row.owns.iter().map(|(kind, text)| ((*kind).to_owned(), text.clone()));
        people.entry(row.person).or_default().extend(owns);
    }
    people.into_values().filter(|owned| !owned.is_empty()).collect()
}

#[test]
fn a_refold_gives_each_value_to_whom_the_model_gives_it_under_that_policy() {
    let mut changed = 0;
    for seed in 0..3_000 {
        let mut random = Random::new(seed);
        let mut world = World::new(ModelPolicy::default());
        for at in 0..20 {
            world.observe(&random.seen(5), at).unwrap();
        }
        let mut rules = random.policy();
        // The model makes no rows that only the old policy needed, and these count.
        rules.contacts_max = None;
        let mut model = Model { policy: rules.clone(), ..Model::default() };
        for event in &world.log {
            model.observe(&seen_in(event), event.at.as_milliseconds());
        }
        let refolding = refold(&world.register, &world.log, policy(&rules), |_, _| None, &asked(30)).unwrap();
        changed += usize::from(!refolding.refused.is_empty());
        world.take(&refolding.event);
        assert_eq!(owned(&world.register), owned_in_model(&model), "seed {seed}");
        world.folds().unwrap_or_else(|why| panic!("seed {seed}: {why}"));

        let again = refold(&world.register, &world.log, policy(&rules), |_, _| None, &asked(31)).unwrap();
        let Outcome::Refolded { contacts, correction, .. } = &again.event.outcome else {
            panic!("{again:?}")
        };
        assert!(
            contacts.is_empty() && correction.moves.is_empty(),
            "seed {seed}: a refold changes its own outcome"
        );

        let back =
            refold(&world.register, &world.log, policy(&ModelPolicy::default()), |_, _| None, &asked(32))
                .unwrap();
        world.take(&back.event);
        let mut plain = Model::default();
        for event in world.log.iter().filter(|event| !event.evidence.is_empty()) {
            plain.observe(&seen_in(event), event.at.as_milliseconds());
        }
        assert_eq!(owned(&world.register), owned_in_model(&plain), "seed {seed}: back again");
    }
    assert!(changed > 500, "only {changed} refolds refused a merge");
}

#[test]
fn a_refold_under_the_policy_that_held_changes_nothing() {
    for seed in 0..2_000 {
        let mut random = Random::new(seed);
        let rules = random.policy();
        let mut world = World::new(rules.clone());
        for at in 0..20 {
            world.observe(&random.seen(5), at).unwrap();
        }
        let refolding = refold(&world.register, &world.log, policy(&rules), |_, _| None, &asked(30)).unwrap();
        let Outcome::Refolded { contacts, correction, .. } = &refolding.event.outcome else { unreachable!() };
        assert!(
            contacts.is_empty()
                && correction.moves.is_empty()
                && correction.lost.is_empty()
                && correction.gained.is_empty(),
            "seed {seed}: {correction:?} {contacts:?}"
        );
        assert!(refolding.refused.is_empty() && refolding.allowed.is_empty(), "seed {seed}");
    }
}

/// A history with corrections, for questions.
fn history(seed: u64) -> World {
    let mut random = Random::new(seed);
    let policy = if random.below(2) == 0 { ModelPolicy::default() } else { random.policy() };
    let mut world = World::new(policy);
    for at in 0..25 {
        let live: Vec<ContactId> =
            world.register.primaries().flat_map(|one| world.register.everybody(one)).collect();
        let some = (!live.is_empty()).then(|| live[random.below(live.len())]);
        let event: Option<Event> = match (random.below(10), some) {
            (0, Some(one)) => split(&world.register, one, &[one], &asked(at)).ok(),
            (1, Some(one)) => join(&world.register, &[one, live[random.below(live.len())]], &asked(at)).ok(),
            (2, Some(one)) => delete(&world.register, one, &asked(at)).ok(),
            (3, Some(_)) => {
                let sequence = Sequence(i64::try_from(1 + random.below(world.log.len())).unwrap());
                undo(&world.register, &world.log, sequence, &asked(at)).ok()
            }
            _ => {
                let seen = crate::world::observation(&random.seen(4));
                let clock = selfsame_rules::Timestamp::from_milliseconds(at);
                selfsame_rules::decide(&world.register, &[seen], clock).events.pop()
            }
        };
        if let Some(event) = event {
            world.take(&event);
        }
    }
    world
}

#[test]
fn why_gives_a_chain_of_real_steps_for_any_two_contacts_of_one_identity_and_for_no_others() {
    let mut chains = 0;
    for seed in 0..600 {
        let World { register, log, .. } = history(seed);
        let everybody: Vec<ContactId> = register.rows().map(|row| row.contact.id).collect();
        for one in &everybody {
            for other in &everybody {
                let chain = why(&register, &log, *one, *other).unwrap();
                let together =
                    register.resolve(*one).is_some() && register.resolve(*one) == register.resolve(*other);
                assert_eq!(chain.is_some(), together, "seed {seed}: {one} and {other}");
                let Some(chain) = chain else { continue };
                chains += 1;
                let mut place = *one;
                for step in &chain {
                    assert_eq!(step.from, place, "seed {seed}: {chain:?}");
                    assert!(register.resolve(step.to) == register.resolve(*one), "seed {seed}: {chain:?}");
                    assert!(log.iter().any(|event| event.sequence == step.event));
                    place = step.to;
                }
                assert_eq!(place, *other, "seed {seed}");
            }
        }
    }
    assert!(chains > 1_000);
}

#[test]
fn as_of_a_sequence_is_the_replay_up_to_it() {
    for seed in 0..100 {
        let World { log, .. } = history(seed);
        for last in 0..=log.len() {
            let register = Register::fold(&log[..last]).unwrap();
            let then = as_of(
                &Register::fold(&log).unwrap(),
                &log,
                Moment::Sequence(Sequence(i64::try_from(last).unwrap())),
            )
            .unwrap();
            assert!(then.rows().eq(register.rows()), "seed {seed}: {last}");
        }
    }
}

#[test]
fn a_split_that_took_the_bridge_is_what_why_cites() {
    let mut world = World::new(ModelPolicy::default());
    let seen = |email: &str, phone: &str| {
        [("email", format!("{email}@b.c"), false), ("phone", phone.to_owned(), false)]
    };
    world.observe(&seen("a", "1"), 1).unwrap();
    world.observe(&seen("b", "1"), 2).unwrap();
    world.observe(&seen("b", "2"), 3).unwrap();
    world.take(&split(&world.register, contact(2), &[contact(2)], &asked(4)).unwrap());
    let chain = why(&world.register, &world.log, contact(1), contact(3)).unwrap().unwrap();
    assert_eq!((chain.len(), chain[0].event), (1, Sequence(4)));
    assert_eq!(why(&world.register, &world.log, contact(1), contact(2)).unwrap(), None);
}

#[test]
fn a_refold_after_corrections_is_what_its_preview_told_and_joins_nothing_that_is_kept_apart() {
    let mut moved = 0;
    for seed in 0..2_000 {
        let mut world = history(seed);
        let before = world.register.clone();
        let rules = Random::new(seed + 7).policy();
        let refolding = refold(&world.register, &world.log, policy(&rules), |_, _| None, &asked(30)).unwrap();
        let Outcome::Refolded { correction, .. } = &refolding.event.outcome else { unreachable!() };
        moved += correction.moves.len();
        world.take(&refolding.event);
        world.folds().unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        crate::corrections::sound(&world.register).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        for pair in before.kept_apart_pairs() {
            for one in &pair.one {
                for other in &pair.other {
                    let (was, is) = (
                        (before.resolve(*one), before.resolve(*other)),
                        (world.register.resolve(*one), world.register.resolve(*other)),
                    );
                    let live = |id| world.register.contact(id).is_some_and(|row| row.deleted_at.is_none());
                    let joined =
                        live(*one) && live(*other) && is.0.is_some() && is.0 == is.1 && was.0 != was.1;
                    assert!(!joined, "seed {seed}: {one} and {other} are kept apart, and one");
                }
            }
        }
        let again = refold(&world.register, &world.log, policy(&rules), |_, _| None, &asked(31)).unwrap();
        let Outcome::Refolded { correction, contacts, .. } = &again.event.outcome else { unreachable!() };
        assert!(
            contacts.is_empty() && correction.moves.is_empty(),
            "seed {seed}: a second refold moves {correction:?}"
        );
    }
    assert!(moved > 500);
}

/// What a user saw: contacts over the limit stayed where they were and owned nothing, and nothing was told of it.
#[test]
fn a_contact_that_finds_its_person_full_stands_alone_and_is_told() {
    let mut world = World::new(ModelPolicy::default());
    let email = |name: &str| ("email", format!("{name}@b.c"), false);
    let phone = ("phone", "111".to_owned(), false);
    for (at, name) in ["ada", "bob", "cleo"].into_iter().enumerate() {
        world.observe(&[email(name), phone.clone()], i64::try_from(at).unwrap()).unwrap();
    }
    let rules = ModelPolicy { contacts_max: Some(1), ..ModelPolicy::default() };
    let refolding = refold(&world.register, &world.log, policy(&rules), |_, _| None, &asked(9)).unwrap();
    let told: Vec<_> = refolding.refused_otherwise.iter().map(|(sequence, ..)| sequence.0).collect();
    assert_eq!((refolding.refused.len(), told), (0, vec![2, 3]));
    world.take(&refolding.event);
    world.folds().unwrap();
    let value = |kind: &str, text: &str| (kind.to_owned(), text.to_owned());
    let alone = |name: &str| BTreeSet::from([value("email", &format!("{name}@b.c"))]);
    let mut of_ada = alone("ada");
    of_ada.insert(value("phone", "111"));
    assert_eq!(owned(&world.register), BTreeSet::from([of_ada, alone("bob"), alone("cleo")]));
    assert_eq!(world.register.primaries().count(), 3);
}

#[test]
fn nobody_holds_more_contacts_than_the_policy_of_a_refold_allows() {
    let mut parted = 0;
    for seed in 0..1_000 {
        let mut random = Random::new(seed);
        let mut world = World::new(ModelPolicy::default());
        for at in 0..20 {
            world.observe(&random.seen(5), at).unwrap();
        }
        let most = 1 + random.below(3);
        let rules = ModelPolicy { contacts_max: Some(most), ..random.policy() };
        let refolding = refold(&world.register, &world.log, policy(&rules), |_, _| None, &asked(30)).unwrap();
        parted += usize::from(!refolding.refused_otherwise.is_empty());
        world.take(&refolding.event);
        world.folds().unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        for primary in world.register.primaries() {
            assert!(world.register.size(primary) <= most, "seed {seed}: contact {primary}");
        }
        let again = refold(&world.register, &world.log, policy(&rules), |_, _| None, &asked(31)).unwrap();
        let Outcome::Refolded { contacts, correction, .. } = &again.event.outcome else {
            panic!("{again:?}")
        };
        let same = contacts.is_empty() && correction.moves.is_empty();
        assert!(same, "seed {seed}: a refold changes its own outcome");
    }
    assert!(parted > 500, "{parted}");
}

//! Random histories of observations and corrections: the rules against a model that shares nothing with them.

use crate::model::ModelPolicy;
use crate::random::Random;
use crate::world::{World, asked, contact};
use selfsame_rules::{Register, delete, join, split};

/// One history; gives the first disagreement.
fn history(seed: u64, steps: usize, fault: bool) -> Result<(), String> {
    let mut random = Random::new(seed);
    let policy = if random.below(4) == 0 { Default::default() } else { random.policy() };
    let mut world = World::new(policy);
    world.model.forgets_keep_aparts = fault;
    for step in 0..steps {
        let at = i64::try_from(step).unwrap();
        let ids: Vec<i64> = world.model.rows.iter().filter(|row| !row.deleted).map(|row| row.id).collect();
        match random.below(12) {
            0 if ids.len() > 1 => {
                let first = ids[random.below(ids.len())];
                let all = world.model.everybody(world.model.person_of(first));
                let named: Vec<i64> =
                    all.iter().copied().filter(|id| *id == first || random.below(3) == 0).collect();
                let event = split(
                    &world.register,
                    contact(first),
                    &named.iter().map(|id| contact(*id)).collect::<Vec<_>>(),
                    &asked(at),
                );
                let live = |id: &&i64| ids.contains(id);
                let rest = all.iter().filter(|id| !named.contains(id)).filter(live).count();
                let deleted_named = named.iter().any(|id| !ids.contains(id));
                if rest == 0 {
                    if event.is_ok() {
                        return Err(format!("{step}: a split of everybody was allowed"));
                    }
                } else if !deleted_named || named.iter().filter(live).count() > 0 {
                    world.take(&event.map_err(|error| format!("{step}: {error}"))?);
                    world.model.split(&named);
                }
            }
            1 if ids.len() > 1 => {
                let (one, other) = (ids[random.below(ids.len())], ids[random.below(ids.len())]);
                let (left, right) = (world.model.person_of(one), world.model.person_of(other));
                let event = join(&world.register, &[contact(one), contact(other)], &asked(at));
                if left == right || world.model.limited(&[left, right]) {
                    if event.is_ok() {
                        return Err(format!("{step}: a join that breaks a rule was allowed"));
                    }
                } else {
                    world.take(&event.map_err(|error| format!("{step}: {error}"))?);
                    world.model.join(left, right);
                }
            }
            2 if !ids.is_empty() && random.below(2) == 0 => {
                let id = ids[random.below(ids.len())];
                let event = delete(&world.register, contact(id), &asked(at));
                world.take(&event.map_err(|error| format!("{step}: {error}"))?);
                world.model.delete(id);
            }
            _ => {
                let seen = random.seen(5);
                world.observe(&seen, at).map_err(|why| format!("{step}: {seen:?}: {why}"))?;
            }
        }
        world.agree().map_err(|why| format!("{step}: {why}"))?;
    }
    world.folds()
}

#[test]
fn rules_and_model_agree_on_random_histories() {
    for seed in 0..3_000 {
        history(seed, 40, false).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    }
}

#[test]
fn a_model_that_forgets_what_is_kept_apart_is_caught() {
    assert!((0..200).any(|seed| history(seed, 40, true).is_err()), "a planted fault went unseen");
}

#[test]
fn ten_thousand_requests_with_blocked_junk_link_nobody() {
    let policy = ModelPolicy { blocked: vec![("phone", "0".to_owned())], ..Default::default() };
    let mut world = World::new(policy);
    for number in 0..5_000 {
        let seen = [("email", format!("e{number}@b.c"), false), ("phone", "0".to_owned(), false)];
        world.observe(&seen, number).unwrap();
        world.observe(&seen, number).unwrap();
    }
    assert_eq!(world.register.primaries().count(), 5_000);
    assert_eq!(world.log.len(), 1 + 5_000, "a repeat adds nothing to the policy and the customers");
    let folded = Register::fold(&world.log).unwrap();
    assert_eq!(folded.unowned(contact(7)).len(), 1);
}

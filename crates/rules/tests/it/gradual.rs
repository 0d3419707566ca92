//! A view that is made in parts, while everything else goes on between them.

use crate::model::ModelPolicy;
use crate::random::Random;
use crate::world::{World, asked, observation};
use selfsame_rules::{
    ContactId, GradualView, Identities, IdentityView, Progress, Timestamp, decide, delete, join, split,
};

/// How many values there are of each kind: few, so that identities grow and merge.
const VARIETY: usize = 12;

/// What became of the views of one history.
#[derive(Default)]
struct Views {
    whole: usize,
    overtaken: usize,
    /// Whole, though contacts had come meanwhile.
    grown: usize,
}

/// Whether a view that was overtaken is believed all the same: that must be noticed.
fn look(seed: u64, believed: bool, views: &mut Views) -> Result<(), String> {
    let mut random = Random::new(seed);
    let mut world = World::new(ModelPolicy::default());
    for at in 0..40 {
        something_happens(&mut world, &mut random, at);
    }
    for at in 40..80 {
        let primaries: Vec<ContactId> = world.register.primaries().collect();
        let primary = primaries[random.below(primaries.len())];
        let begun = world.index.size(primary);
        let mut view = GradualView::of(&world.index, primary).ok_or("a primary is nobody's")?;
        let progress = loop {
            let progress = view.go_on(&world.index, 1 + random.below(3));
            if progress != Progress::More {
                break progress;
            }
            if random.below(3) == 0 {
                something_happens(&mut world, &mut random, at);
            }
        };
        match progress {
            Progress::Overtaken if !believed => views.overtaken += 1,
            _ => {
                let found = view.finish();
                let now = whole(&world, found.primary);
                if now.as_ref() != Some(&found) {
                    return Err(format!("{at}: {found:?} instead of {now:?}"));
                }
                views.whole += 1;
                views.grown += usize::from(found.secondaries.len() + 1 > begun);
            }
        }
        something_happens(&mut world, &mut random, at);
    }
    Ok(())
}

/// The view at once, of what holds the rows in another way.
fn whole(world: &World, primary: ContactId) -> Option<IdentityView> {
    if world.register.resolve(primary) != Some(primary) {
        return None;
    }
    let mut view = GradualView::of(&world.register, primary)?;
    (view.go_on(&world.register, usize::MAX) == Progress::Whole).then(|| view.finish())
}

fn something_happens(world: &mut World, random: &mut Random, at: i64) {
    let live: Vec<ContactId> = world
        .register
        .rows()
        .filter(|row| row.contact.deleted_at.is_none())
        .map(|row| row.contact.id)
        .collect();
    let some = (!live.is_empty()).then(|| live[random.below(live.len())]);
    let event = match (random.below(20), some) {
        (0, Some(one)) => split(&world.register, one, &[one], &asked(at)).ok(),
        (1, Some(one)) => join(&world.register, &[one, live[random.below(live.len())]], &asked(at)).ok(),
        (2, Some(one)) => delete(&world.register, one, &asked(at)).ok(),
        _ => {
            let seen = observation(&random.seen(VARIETY));
            decide(&world.register, &[seen], Timestamp::from_milliseconds(at)).events.pop()
        }
    };
    if let Some(event) = event {
        world.take(&event);
    }
}

#[test]
fn a_view_in_parts_is_the_identity_as_it_is_at_its_last_part_or_says_that_it_was_overtaken() {
    let mut views = Views::default();
    for seed in 0..1_000 {
        look(seed, false, &mut views).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    }
    let Views { whole, overtaken, grown } = views;
    assert!(
        whole > 10_000 && overtaken > 1_000 && grown > 1_000,
        "{whole} whole, {overtaken}, {grown} grown"
    );
}

#[test]
fn a_view_that_was_overtaken_and_is_believed_is_caught() {
    assert!((0..100).any(|seed| look(seed, true, &mut Views::default()).is_err()));
}

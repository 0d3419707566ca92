//! The index in memory, judged by the reference model: followed event by event, filled in bulk, and read back from rows.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use selfsame_rules::{
    Answer, Event, Head, IdentifierKind, Identities, IdentityIndex, Observation, Outcome, StoredContact,
    Timestamp, decide, recognise,
};
use support::model::Model;
use support::size::{Size, proved};
use support::world::World;

use crate::histories::{
    SHRINKS_MAX, SHRINKS_OF_CONTROLS_MAX, Step, as_model_answer, batches, model_answers, observations,
    over_histories,
};

/// Plays a history on an index that follows those events that `follows` lets through, and judges each answer.
fn play(history: &[Step], follows: impl Fn(&Event) -> bool) -> Result<(), TestCaseError> {
    let (mut index, mut bulk) = (IdentityIndex::new(Head::EMPTY, 7), IdentityIndex::new(Head::EMPTY, 8));
    let (mut world, mut model) = (World::default(), Model::new());
    for (batch, clock) in batches(history) {
        let (seen, clock_at) = (observations(&batch), Timestamp::from_milliseconds(clock));
        let plan = decide(&index, &seen, clock_at);
        let answers: Vec<_> = plan.answers.iter().map(as_model_answer).collect();
        prop_assert_eq!(answers, model_answers(&mut model, &batch, clock));
        for event in plan.events.iter().filter(|event| follows(event)) {
            index.follow(event).map_err(|error| TestCaseError::fail(error.to_string()))?;
        }
        prop_assert_eq!(reconciled(&mut bulk, &seen, clock_at), outcomes(&plan.events));
        prop_assert_eq!(bulk.head(), plan.events.last().map_or(bulk.head(), |_| index.head()));
        world.identify(&seen, clock_at);
        let views = recognise(&index, &seen);
        prop_assert!(views.is_some(), "what was followed is known");
        prop_assert_eq!(views, recognise(&bulk, &seen));
    }
    prop_assert_eq!(views(&index, &world), views(&bulk, &world));
    prop_assert_eq!(views(&index, &world), views(&read_back(&world, index.head()), &world));
    Ok(())
}

fn outcomes(events: &[Event]) -> Vec<Outcome> {
    events.iter().map(|event| event.outcome.clone()).collect()
}

fn reconciled(index: &mut IdentityIndex, batch: &[Observation], clock: Timestamp) -> Vec<Outcome> {
    let values = |one: &Observation| -> Vec<(IdentifierKind, String)> {
        one.identifiers().map(|seen| (seen.kind().clone(), seen.value().to_owned())).collect()
    };
    let texts: Vec<_> = batch.iter().map(values).collect();
    let borrowed: Vec<Vec<(&IdentifierKind, &str)>> =
        texts.iter().map(|one| one.iter().map(|(kind, text)| (kind, text.as_str())).collect()).collect();
    let mut outcomes = Vec::new();
    let reconciled = index.reconcile(&borrowed, clock, |outcome, _| outcomes.extend(outcome));
    reconciled.expect("there is room");
    outcomes
}

/// An index of the rows that the log added up to, as a store reads them.
fn read_back(world: &World, head: Head) -> IdentityIndex {
    let mut index = IdentityIndex::new(head, 9);
    for contact in world.contacts.values() {
        let bears = contact.identifiers.iter().map(|identifier| {
            (identifier.kind(), identifier.value(), world.owners[identifier] == contact.id)
        });
        let stored = StoredContact {
            id: contact.id,
            linked_to: contact.linked_to,
            created_at: contact.created_at,
            deleted: false,
        };
        index.add_stored(stored, bears).expect("each comes once");
    }
    index.settle().expect("all primaries are there");
    index
}

/// What each identifier that was ever seen is answered.
fn views(index: &IdentityIndex, world: &World) -> Vec<Option<Vec<Answer>>> {
    let alone = |identifier: &selfsame_rules::Identifier| {
        let sent = [(identifier.kind().name().to_owned(), identifier.value().to_owned())];
        let one = support::backend::observation(&sent).expect("it was one before");
        recognise(index, &[one])
    };
    world.owners.keys().map(alone).collect()
}

#[test]
fn an_index_agrees_with_the_reference_model_however_it_came_about() {
    let cases = Size::of_this_run().pick(150, 5_000);
    over_histories(cases, 300, SHRINKS_MAX, |history| play(&history, |_| true)).unwrap();
    proved(&format!("index: {cases} random histories of up to 300 steps, followed, in bulk and read back"));
}

#[test]
fn an_index_that_misses_a_merge_is_caught() {
    let caught = over_histories(400, 100, SHRINKS_OF_CONTROLS_MAX, |history| {
        play(&history, |event| event.kind() != "merged")
    });
    caught.unwrap_err();
}

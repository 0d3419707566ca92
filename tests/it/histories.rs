//! Random histories, judged by the reference model: few values, so that merges of merges abound.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use selfsame_rules::{Answer, Identifier, IdentifierKind, Observation, Timestamp, decide};
use selfsame_service::check::check;
use selfsame_store::{Store, WorkspaceKey};
use support::backend::{observation, row, rows_of};
use support::databases::Databases;
use support::faulty::{Fault, FaultyStore};
use support::model::{Model, ModelAnswer, ModelRow};
use support::random::Random;
use support::scenario::Row;
use support::size::{Size, proved};
use support::world::World;

/// An observation, the clock at it, and whether a batch ends after it.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    sent: Vec<(String, String)>,
    clock: i64,
    ends_batch: bool,
}

/// `values` of each kind; about every third observation bears one identifier, a few bear three.
fn step(values: u8) -> impl Strategy<Value = Step> {
    let email = proptest::option::weighted(0.7, 0..values);
    let phone = proptest::option::weighted(0.7, 0..values);
    let customer = proptest::option::weighted(0.1, 0..values);
    (email, phone, customer, 0..1_000_i64, prop::bool::weighted(0.2)).prop_map(
        |(email, phone, customer, clock, ends_batch)| {
            // An observation needs an identifier. Filtered instead, rejects would add up over many histories.
            let email = email.or((phone.is_none() && customer.is_none()).then_some(0));
            let sent = [
                email.map(|number| ("email".to_owned(), format!("person{number}@x.org"))),
                phone.map(|number| ("phone".to_owned(), format!("{number}"))),
                customer.map(|number| ("customerId".to_owned(), format!("C{number}"))),
            ];
            Step { sent: sent.into_iter().flatten().collect(), clock, ends_batch }
        },
    )
}

fn history(steps_max: usize) -> impl Strategy<Value = Vec<Step>> {
    (3..40_u8).prop_flat_map(move |values| prop::collection::vec(step(values), 1..steps_max))
}

/// How often a history that fails is made smaller and played again.
pub(crate) const SHRINKS_MAX: u32 = 20_000;
/// The same where nobody will read it, and playing takes long.
pub(crate) const SHRINKS_OF_CONTROLS_MAX: u32 = 10;

/// Runs `judge` over many random histories; proptest shrinks the first that it doesn't pass.
pub(crate) fn over_histories(
    cases: u32,
    steps_max: usize,
    shrinks_max: u32,
    judge: impl Fn(Vec<Step>) -> Result<(), TestCaseError>,
) -> Result<(), String> {
    let mut random = Random::of_this_run();
    let seed: Vec<u8> = (0..4).flat_map(|_| random.number().to_le_bytes()).collect();
    let config =
        Config { cases, failure_persistence: None, max_shrink_iters: shrinks_max, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    runner.run(&history(steps_max), judge).map_err(|error| error.to_string())
}

/// The steps in batches, each dated by the clock of its first step.
pub(crate) fn batches(history: &[Step]) -> Vec<(Vec<&Step>, i64)> {
    let batches = history.split_inclusive(|step| step.ends_batch);
    batches.map(|batch| (batch.iter().collect(), batch[0].clock)).collect()
}

pub(crate) fn observations(batch: &[&Step]) -> Vec<Observation> {
    batch.iter().map(|step| observation(&step.sent).expect("every generated value is valid")).collect()
}

/// What the model answers to a batch.
pub(crate) fn model_answers(model: &mut Model, batch: &[&Step], clock: i64) -> Vec<ModelAnswer> {
    let answer = |step: &&Step| {
        let seen: Vec<_> = step.sent.iter().map(|(kind, value)| (kind.as_str(), value.as_str())).collect();
        model.identify(&seen, clock).0
    };
    batch.iter().map(answer).collect()
}

pub(crate) fn as_model_answer(answer: &Answer) -> ModelAnswer {
    let view = answer.identity.as_ref().expect("the default policy lets everything link");
    let value = |value: &Identifier| (value.kind().name().to_owned(), value.value().to_owned());
    ModelAnswer {
        primary: view.primary.0,
        values: view.identifiers.iter().map(value).collect(),
        secondaries: view.secondaries.iter().map(|secondary| secondary.0).collect(),
    }
}

pub(crate) fn model_rows(model: &Model) -> Vec<Row> {
    let row = |row: &ModelRow| Row {
        id: row.id,
        linked_to: row.linked_id,
        values: row.values.clone(),
        at: Some(row.created_at_ms),
        updated: Some(row.updated_at_ms),
    };
    model.rows().iter().map(row).collect()
}

#[test]
fn the_rules_agree_with_the_reference_model() {
    let cases = Size::of_this_run().pick(2_000, 20_000);
    over_histories(cases, 400, SHRINKS_MAX, |history| {
        let (mut world, mut model) = (World::default(), Model::new());
        for (batch, clock) in batches(&history) {
            let plan = world.identify(&observations(&batch), Timestamp::from_milliseconds(clock));
            let answers: Vec<_> = plan.answers.iter().map(as_model_answer).collect();
            prop_assert_eq!(answers, model_answers(&mut model, &batch, clock));
        }
        prop_assert_eq!(world.contacts.values().map(row).collect::<Vec<_>>(), model_rows(&model));
        Ok(())
    })
    .unwrap();
    proved(&format!("rules: {cases} random histories of up to 400 steps equal the reference model"));
}

#[test]
fn a_batch_of_any_size_gives_what_one_by_one_gives() {
    over_histories(500, 200, SHRINKS_MAX, |history| {
        let (mut whole, mut single) = (World::default(), World::default());
        for (batch, clock) in batches(&history) {
            let clock = Timestamp::from_milliseconds(clock);
            let batch = observations(&batch);
            let together = whole.identify(&batch, clock);
            let apart: Vec<_> =
                batch.iter().map(|one| single.identify(std::slice::from_ref(one), clock)).collect();
            prop_assert_eq!(
                together.answers,
                apart.into_iter().flat_map(|plan| plan.answers).collect::<Vec<_>>()
            );
        }
        prop_assert_eq!(&whole.events, &single.events);
        prop_assert_eq!(&whole.contacts, &single.contacts);
        prop_assert_eq!(&whole.owners, &single.owners);
        Ok(())
    })
    .unwrap();
}

#[test]
fn the_order_of_observations_does_not_change_who_is_the_same_person() {
    over_histories(500, 100, SHRINKS_MAX, |history| {
        let partition = |steps: &[&Step]| {
            let mut world = World::default();
            world.identify(&observations(steps), Timestamp::from_milliseconds(0));
            let mut identities = std::collections::BTreeMap::<_, Vec<Identifier>>::new();
            for (identifier, owner) in &world.owners {
                identities.entry(world.contacts[owner].primary()).or_default().push(identifier.clone());
            }
            let mut identities: Vec<_> = identities.into_values().collect();
            identities.sort();
            identities
        };
        let forwards: Vec<&Step> = history.iter().collect();
        let backwards: Vec<&Step> = history.iter().rev().collect();
        let mut by_clock = forwards.clone();
        by_clock.sort_by_key(|step| (step.clock, step.ends_batch));
        prop_assert_eq!(partition(&forwards), partition(&backwards));
        prop_assert_eq!(partition(&forwards), partition(&by_clock));
        Ok(())
    })
    .unwrap();
}

/// Plays a history in batches on a store, and judges answers, rows and laws.
async fn play(store: Arc<dyn Store>, history: &[Step]) -> Result<(), TestCaseError> {
    let mut model = Model::new();
    for (batch, clock) in batches(history) {
        let observations = observations(&batch);
        let asked = observations.clone();
        let decision = Box::new(move |loaded: &dyn selfsame_rules::Identities| {
            decide(loaded, &observations, Timestamp::from_milliseconds(clock))
        });
        let plan = store
            .write(WorkspaceKey::DEFAULT, asked, decision)
            .await
            .map_err(|error| TestCaseError::fail(error.to_string()))?;
        let answers: Vec<_> = plan.answers.iter().map(as_model_answer).collect();
        prop_assert_eq!(answers, model_answers(&mut model, &batch, clock));
    }
    prop_assert_eq!(rows_of(&*store).await, model_rows(&model));
    let report = check(&*store, WorkspaceKey::DEFAULT).await.expect("the store can be read");
    prop_assert_eq!(report.faults, Vec::<String>::new());
    Ok(())
}

/// Histories for a store over an empty database each, on a runtime of this test's own.
fn over_stores(
    databases: &Databases,
    cases: u32,
    shrinks_max: u32,
    wrap: impl Fn(Arc<dyn Store>) -> Arc<dyn Store>,
) -> Result<(), String> {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    over_histories(cases, 200, shrinks_max, |history| {
        runtime.block_on(async {
            let database = databases.empty().await;
            let store = wrap(database.open().await);
            let judged = play(Arc::clone(&store), &history).await;
            store.close().await.expect("the store closes");
            judged
        })
    })
}

fn check_store(databases: &Databases, cases: u32) {
    over_stores(databases, cases, SHRINKS_MAX, |store| store).unwrap();
    proved(&format!(
        "{databases}: {cases} random histories of up to 200 steps in batches equal the reference model"
    ));
}

#[test]
fn the_sqlite_store_agrees_with_the_reference_model() {
    check_store(&Databases::Sqlite, Size::of_this_run().pick(60, 2_000));
}

#[test]
fn the_postgresql_store_agrees_with_the_reference_model() {
    check_store(&Databases::postgres(), Size::of_this_run().pick(40, 1_000));
}

#[test]
fn a_skipped_relink_does_not_pass_the_reference_model() {
    for databases in [Databases::Sqlite, Databases::postgres()] {
        let faulty = |store| -> Arc<dyn Store> { FaultyStore::new(store, Fault::SkippedRelink) };
        let failure = over_stores(&databases, 60, SHRINKS_OF_CONTROLS_MAX, faulty).unwrap_err();
        assert!(failure.contains("assertion failed"), "{databases}: {failure}");
    }
}

#[test]
fn identifiers_of_every_kind_take_part() {
    let mut random = TestRunner::deterministic();
    let history = history(400).new_tree(&mut random).unwrap().current();
    for kind in ["email", "phone", "customerId"] {
        let kind = IdentifierKind::from_name(kind).unwrap();
        assert!(history.iter().any(|step| step.sent.iter().any(|(sent, _)| sent == kind.name())));
    }
}

//! Many clients at once, through HTTP, and the histories that they record, judged.

use std::sync::Arc;

use selfsame_service::check::check;
use selfsame_store::{Store, WorkspaceKey};
use support::backend::rows_of;
use support::faulty::{Fault, FaultyStore};
use support::judge::{Operation, Violation, invariants};
use support::linearizability::linearizable;
use support::model::ModelRow;
use support::random::Random;
use support::recorder::{Sent, record};
use support::server::{ServerOptions, TestServer, sqlite_store};
use support::size::{Size, proved};

/// A database, a server over it, and everything that its clients saw.
struct Round {
    history: Vec<Operation>,
    rows: Vec<ModelRow>,
    faults: Vec<String>,
}

/// Lets `clients` send `operations` each over the values of `people`, then reads every value once.
async fn round(
    random: &mut Random,
    (clients, operations, people, family): (usize, usize, u64, u64),
    wrap: impl Fn(Arc<dyn Store>) -> Arc<dyn Store>,
) -> Round {
    let (_folder, store) = sqlite_store();
    let store = wrap(store);
    let server = TestServer::start(Arc::clone(&store), ServerOptions::default()).await;
    let by_client = (0..clients)
        .map(|_| {
            let mut random = random.fork();
            (0..operations).map(|_| Sent::random(&mut random, people, family)).collect()
        })
        .collect();
    let mut history = record(server.address, by_client).await;
    let last = history.iter().filter_map(|operation| operation.ended).max().unwrap_or(0) + 1;
    let mut reads = record(server.address, vec![each_value(&history)]).await;
    for read in &mut reads {
        read.client = clients;
        read.started += last;
        read.ended = read.ended.map(|ended| ended + last);
    }
    history.extend(reads);
    let rows = rows_of(&*store).await.into_iter().map(|row| ModelRow {
        id: row.id,
        values: row.values,
        linked_id: row.linked_to,
        created_at_ms: row.at.expect("a stored row has a time"),
        updated_at_ms: row.updated.expect("a stored row has a time"),
    });
    let rows = rows.collect();
    let faults = check(&*store, WorkspaceKey::DEFAULT).await.expect("the store can be read").faults;
    server.drain().await;
    Round { history, rows, faults }
}

/// One look-up for each value that was sent.
fn each_value(history: &[Operation]) -> Vec<Sent> {
    let mut emails: Vec<_> = history.iter().filter_map(|operation| operation.email.clone()).collect();
    let mut phones: Vec<_> = history.iter().filter_map(|operation| operation.phone.clone()).collect();
    emails.sort();
    emails.dedup();
    phones.sort();
    phones.dedup();
    let emails = emails.into_iter().map(|email| Sent { email: Some(email), phone: None });
    emails.chain(phones.into_iter().map(|phone| Sent { email: None, phone: Some(phone) })).collect()
}

/// Every judge's verdict on a round.
fn violations(round: &Round, short: bool) -> Vec<Violation> {
    let mut violations = invariants(&round.history, &round.rows);
    if short {
        violations.extend(linearizable(&round.history).err());
    }
    violations
}

#[tokio::test(flavor = "multi_thread")]
async fn short_histories_of_64_clients_are_linearizable() {
    let mut random = Random::of_this_run();
    let rounds = Size::of_this_run().pick(100, 1_000);
    let mut operations = 0;
    for number in 0..rounds {
        // One request each, over few enough people that most of them meet.
        let people = 8 + number % 24;
        let round = round(&mut random, (64, 1, people, people), |store| store).await;
        assert_eq!(violations(&round, true), [], "round {number}");
        assert_eq!(round.faults, Vec::<String>::new(), "round {number}");
        operations += round.history.len();
    }
    proved(&format!(
        "HTTP: {rounds} short histories of 64 clients ({operations} operations) are linearizable"
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_history_of_64_clients_breaks_no_law() {
    let mut random = Random::of_this_run();
    let operations = Size::of_this_run().pick(60, 2_000);
    let people = Size::of_this_run().pick(300, 6_000);
    let round = round(&mut random, (64, operations, people, 20), |store| store).await;
    assert_eq!(violations(&round, false), []);
    assert_eq!(round.faults, Vec::<String>::new());
    proved(&format!("HTTP: a history of 64 clients and {} operations breaks no law", round.history.len()));
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_equal_newcomers_at_once_make_one_primary_every_time() {
    let rounds = 200;
    let (_folder, store) = sqlite_store();
    let server = TestServer::start(store.clone(), ServerOptions::default()).await;
    for number in 0..rounds {
        let newcomer = Sent { email: Some(format!("new{number}@x.org")), phone: Some(format!("{number}")) };
        let history = record(server.address, vec![vec![newcomer]; 50]).await;
        let mut answers: Vec<_> = history.iter().map(|operation| operation.answer.as_ref()).collect();
        answers.dedup();
        assert_eq!(answers.len(), 1, "all fifty get the same answer");
        assert_eq!(rows_of(&*store).await.len(), number + 1, "one new contact");
    }
    // And fifty that bring one new address to a known phone: one secondary.
    for number in 0..rounds {
        let newcomer = Sent { email: Some(format!("also{number}@x.org")), phone: Some(format!("{number}")) };
        record(server.address, vec![vec![newcomer]; 50]).await;
        assert_eq!(rows_of(&*store).await.len(), rounds + number + 1, "one new contact");
    }
    let report = check(&*store, WorkspaceKey::DEFAULT).await.unwrap();
    assert_eq!((report.identities, report.faults_count), (u64::try_from(rounds).unwrap(), 0));
    server.drain().await;
    proved(&format!("HTTP: 50 equal newcomers at once made one primary in {rounds} of {rounds} rounds"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_skipped_relink_is_caught() {
    let mut random = Random::of_this_run();
    let faulty = |store| -> Arc<dyn Store> { FaultyStore::new(store, Fault::SkippedRelink) };
    let round = round(&mut random, (64, 4, 20, 20), faulty).await;
    assert_ne!(violations(&round, false), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_on_a_stale_load_is_caught() {
    let mut random = Random::of_this_run();
    let faulty = |store| -> Arc<dyn Store> { FaultyStore::new(store, Fault::StaleLoad) };
    let round = round(&mut random, (64, 4, 20, 20), faulty).await;
    assert_ne!(violations(&round, false), []);
}

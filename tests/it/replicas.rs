//! Several replicas at once on one PostgreSQL database: all are one service, also when one of them dies.

use std::time::Duration;

use support::deadline::wait_for;
use support::home::Home;
use support::postgres::binaries::Binaries;
use support::postgres::cluster::Cluster;
use support::postgres::pgbouncer::{PgBouncer, PoolMode};
use support::postgres::settings::Settings;
use support::process::ServerProcess;
use support::size::{Size, proved};

use crate::faulty_server::start_answering_before_commit;
use crate::shop::Shop;

/// The people of the acceptance: an e-mail address and a phone number each, 2,000 values.
const PEOPLE: u64 = 1_000;

#[tokio::test(flavor = "multi_thread")]
async fn three_replicas_answer_as_one() {
    let (answers, seconds) = Size::of_this_run().pick((6_000, 0), (0, 60));
    let mut shop = Shop::open(Home::postgres().await, ServerProcess::start, 3);
    let mut crowd = shop.crowd_of_people(96, 0..PEOPLE);
    crowd.answers(answers).await;
    // Only the full size is a length of time.
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let told = crowd.end().await;
    assert_eq!((told.tally.refused, told.tally.broken), (0, 0));
    shop.assert_all_is_well(&told).await;
    let (p50, p99) = (told.percentile(50), told.percentile(99));
    if Size::of_this_run() == Size::Full {
        assert!(p99 <= p50 * 10, "p50 {p50:?}, p99 {p99:?}");
    }
    proved(&format!(
        "replicas: 3 of them, 96 clients, 2,000 values, {} answers, no error, no duplicate; p50 {} us, p99 {} us",
        told.answers.len(),
        p50.as_micros(),
        p99.as_micros(),
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_killed_takes_nothing_with_it() {
    let kills = Size::of_this_run().pick(4, 40);
    let mut shop = Shop::open(Home::postgres().await, ServerProcess::start, 3);
    let mut crowd = shop.crowd(24, 0..300);
    for kill in 0..kills {
        let more = 1 + shop.random.below(300);
        crowd.answers(more).await;
        shop.replace(kill % 3);
    }
    crowd.answers(100).await;
    let told = crowd.end().await;
    assert!(told.tally.broken > 0, "no kill met a request");
    // The lock of a replica that is gone is free at once.
    assert_eq!(told.tally.refused, 0, "{:?}", told.tally.codes);
    shop.assert_all_is_well(&told).await;
    proved(&format!(
        "replicas: {kills} kills of one of 3, {} requests cut off, {} acknowledged, 0 lost, 0 refused",
        told.tally.broken,
        told.answers.len(),
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_answer_before_they_commit_are_caught_by_a_kill() {
    let mut shop = Shop::open(Home::postgres().await, start_answering_before_commit, 3);
    let mut crowd = shop.crowd(24, 0..300);
    for kill in 0..3 {
        crowd.answers(100).await;
        shop.replace(kill);
    }
    let told = crowd.end().await;
    let losses = shop.judge(&told).await.losses;
    assert!(!losses.is_empty(), "nothing was lost by replicas that answer before they commit");
    proved(&format!("replicas: answers before the commit are caught, {} losses", losses.len()));
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_behind_a_pooler_by_transaction_answer_as_one() {
    behind_a_pooler("?pgbouncer=true").await;
}

/// Whatever is prepared by name then is prepared on any of the pooler's connections, by either replica.
#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_know_of_no_pooler_before_them_answer_as_one() {
    behind_a_pooler("").await;
}

async fn behind_a_pooler(query: &str) {
    let answers = Size::of_this_run().pick(2_000, 50_000);
    let cluster = Cluster::start_with(Binaries::of_the_system(), Settings::default().durable());
    cluster.create_database("shop").await;
    let pooler = PgBouncer::start(&cluster, PoolMode::Transaction);
    let url = format!("{}{query}", pooler.url("shop"));
    let mut shop = Shop::open(Home::of_cluster(cluster, &url), ServerProcess::start, 2);
    let mut crowd = shop.crowd(32, 0..300);
    crowd.answers(answers).await;
    let told = crowd.end().await;
    assert_eq!((told.tally.refused, told.tally.broken), (0, 0));
    shop.assert_all_is_well(&told).await;
    // What it is before is a pooler: the servers share its few connections.
    let cluster = shop.home.cluster();
    let backends = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'shop'";
    let count: i64 = cluster.connect("postgres").await.query_one(backends, &[]).await.unwrap().get(0);
    assert!((1..=5).contains(&count), "{count} connections reach PostgreSQL");
    proved(&format!(
        "pgbouncer: 2 replicas behind it by transaction (`{query}`), {} answers, no error",
        told.answers.len()
    ));
}

/// What is left of a change by a replica that vanished without a word must not hold the others up for good.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_stops_in_the_middle_does_not_stop_the_others() {
    let mut shop = Shop::open(Home::postgres().await, ServerProcess::start, 2);
    let crowd_people = shop.random.below(100)..200;
    let mut crowd = shop.crowd(16, crowd_people);
    crowd.answers(100).await;
    let cluster = shop.home.cluster();
    let lost = cluster.connect("shop").await;
    lost.batch_execute("BEGIN; SET LOCAL idle_in_transaction_session_timeout = '300ms'").await.unwrap();
    lost.batch_execute("SELECT 1 FROM selfsame.workspaces WHERE workspace = 1 FOR UPDATE").await.unwrap();
    wait_for("the server ends the transaction of one who says nothing", || lost.is_closed().then_some(()));
    crowd.answers(100).await;
    let told = crowd.end().await;
    assert_eq!((told.tally.refused, told.tally.broken), (0, 0));
    shop.assert_all_is_well(&told).await;
}

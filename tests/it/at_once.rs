//! Several clients observe and correct at the same time, and one follows the log: the laws hold, and what it adds up to is
//! what is stored.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use selfsame_service::check::check;
use selfsame_store::WorkspaceKey;
use support::busy::{Past, Play, exported};
use support::client::Client;
use support::consumer::Consumer;
use support::databases::Databases;
use support::event_stream::EventStream;
use support::random::Random;
use support::shop::ADMIN;
use support::size::{Size, proved};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Takes every event of a stream until the log stands where it is told.
async fn follow(mut stream: EventStream, mut end: watch::Receiver<Option<i64>>) -> Consumer {
    let mut consumer = Consumer::default();
    loop {
        if *end.borrow_and_update() == Some(consumer.last) {
            return consumer;
        }
        tokio::select! {
            event = stream.next_event() => consumer.take(&event.expect("the server goes on").1),
            changed = end.changed() => changed.expect("the end is told before it is forgotten"),
        }
    }
}

async fn prove(databases: Databases, clients: u64, steps: u64) {
    let mut random = Random::of_this_run();
    let mut play = Play::open(&databases).await;
    let address = play.shop.server.address;
    let (end, ended) = watch::channel(None);
    let stream = EventStream::open(address, ADMIN, "", None).await.expect("let in");
    let following = tokio::spawn(follow(stream, ended));
    let mut running = JoinSet::new();
    let time = Arc::new(AtomicI64::new(2_000));
    for _ in 0..clients {
        let (mut random, time, clock) = (random.fork(), Arc::clone(&time), Arc::clone(&play.shop.clock));
        running.spawn(async move {
            let mut client = Client::connect(address).await.expect("the server accepts connections");
            // What the others make is corrected too.
            let mut past = Past { contacts: 12, ..Past::default() };
            for _ in 0..steps {
                let wish = past.wish(&mut random);
                clock.set(time.fetch_add(1, Ordering::Relaxed));
                let reply = wish.send(&mut client).await;
                past.took(&wish, &reply);
            }
            past.made
        });
    }
    let made = running.join_all().await;
    let log = play.log().await;
    let last = i64::try_from(log.len()).expect("few");
    end.send_replace(Some(last));
    let followed = following.await.expect("the follower does not panic");

    let mut folded = Consumer::default();
    log.iter().for_each(|event| folded.take(event));
    let rows = exported(&play.shop.database);
    assert_eq!(folded.export(), rows, "the log, read once more, adds up to what is stored");
    assert_eq!(followed.export(), rows, "what was followed as it came, too");
    let store = match &play.shop.database {
        support::databases::Database::Sqlite(_) => {
            play.shop.server.drain().await;
            play.shop.database.open().await
        }
        support::databases::Database::Postgres { .. } => play.shop.database.open().await,
    };
    let report = check(&*store, WorkspaceKey::DEFAULT).await.expect("it can be read");
    assert_eq!(report.faults, Vec::<String>::new());
    store.close().await.expect("it closes");
    let corrections = ["undone", "split", "joined", "deleted", "erased"];
    let happened = corrections.iter().filter(|kind| made.iter().any(|made| made.contains_key(**kind)));
    assert!(happened.count() >= 3, "hardly anything was corrected: {made:?}");
    proved(&format!(
        "{databases}: {clients} clients observed and corrected at once, {last} events; one followed them"
    ));
}

#[tokio::test]
async fn clients_that_correct_at_once_keep_the_laws_on_sqlite() {
    prove(Databases::Sqlite, 6, Size::of_this_run().pick(120, 3_000)).await;
}

#[tokio::test]
async fn clients_that_correct_at_once_keep_the_laws_on_postgresql() {
    prove(Databases::postgres(), 6, Size::of_this_run().pick(80, 2_000)).await;
}

#[tokio::test]
async fn an_event_that_is_left_out_is_seen() {
    let mut play = Play::open(&Databases::Sqlite).await;
    let mut random = Random::seeded(3);
    for _ in 0..40 {
        play.step(&mut random).await;
    }
    let log = play.log().await;
    let last = log.iter().rposition(|event| event["kind"] == "attached").expect("one attached");
    let mut folded = Consumer::default();
    log[..last].iter().for_each(|event| folded.take(event));
    assert_ne!(folded.export(), exported(&play.shop.database));
    play.shop.server.drain().await;
}

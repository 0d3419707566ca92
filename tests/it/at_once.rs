//! Several clients observe and correct at the same time, and one follows the log: the laws hold, and what it adds up to is
//! what is stored.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use selfsame_service::check::check;
use selfsame_store::WorkspaceKey;
use serde_json::{Value, json};
use support::busy::{Past, Play, Wish, exported, merge, split, undo};
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

/// What people correct, each of which must come about in every run.
const CORRECTIONS: [&str; 5] = ["undone", "split", "joined", "deleted", "erased"];

/// Corrects somebody of its own, beside what the others do, until one such correction was made: they may be quicker.
async fn correct(kind: &str, client: &mut Client, past: &mut Past, tick: &impl Fn()) {
    for number in 0.. {
        assert!(number < 50, "nobody could be {kind}: {:?}", past.made);
        let mut observed = Vec::new();
        for phone in ["1", "2"] {
            let identifiers = json!([
                { "kind": "email", "value": format!("{kind}{number}@errand.example"), "verified": true },
                { "kind": "phone", "value": format!("9{number}{phone}"), "verified": true },
            ]);
            let wish = Wish::post("/v1/observations".to_owned(), json!({ "identifiers": identifiers }));
            observed.push(send(&wish, client, past, tick).await);
        }
        let [first, second] = [0, 1].map(|place: usize| {
            let contacts = observed[place]["identity"]["contacts"].as_array();
            contacts.and_then(|contacts| contacts.last()?["id"].as_i64()).unwrap_or(1)
        });
        let delete = |path: String| Wish { method: "DELETE", path, body: None };
        let wishes = match kind {
            "undone" => vec![undo(observed[1]["sequence"].as_i64().unwrap_or(1))],
            "split" => vec![split(first, &[second])],
            "joined" => vec![split(first, &[second]), merge(first, second)],
            "deleted" => vec![delete(format!("/v1/contacts/{second}"))],
            "erased" => vec![delete(format!("/v1/identities/{first}"))],
            kind => panic!("nothing makes anybody {kind}"),
        };
        for wish in wishes {
            send(&wish, client, past, tick).await;
        }
        if past.made.contains_key(kind) {
            return;
        }
    }
}

async fn send(wish: &Wish, client: &mut Client, past: &mut Past, tick: &impl Fn()) -> Value {
    tick();
    let reply = wish.send(client).await;
    past.took(wish, &reply);
    reply.json()
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
    for number in 0..usize::try_from(clients).expect("few") {
        let (mut random, time, clock) = (random.fork(), Arc::clone(&time), Arc::clone(&play.shop.clock));
        running.spawn(async move {
            let mut client = Client::connect(address).await.expect("the server accepts connections");
            // What the others make is corrected too.
            let mut past = Past { contacts: 12, ..Past::default() };
            let tick = || clock.set(time.fetch_add(1, Ordering::Relaxed));
            for step in 0..steps {
                if step == steps / 2
                    && let Some(kind) = CORRECTIONS.get(number)
                {
                    correct(kind, &mut client, &mut past, &tick).await;
                }
                let wish = past.wish(&mut random);
                send(&wish, &mut client, &mut past, &tick).await;
            }
            past.made
        });
    }
    let made = running.join_all().await;
    // The server has closed its connection long since: nothing came on it.
    play.shop.client = play.shop.server.client().await;
    let log = play.log().await;
    let last = i64::try_from(log.len()).expect("few");
    end.send_replace(Some(last));
    let mut followed = following.await.expect("the follower does not panic");
    for sequence in followed.stale.clone() {
        followed.take_again(&log[usize::try_from(sequence - 1).expect("it counts")]);
    }

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
    for kind in CORRECTIONS {
        assert!(made.iter().any(|made| made.contains_key(kind)), "nobody was {kind}: {made:?}");
    }
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

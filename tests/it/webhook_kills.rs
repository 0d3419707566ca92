//! A consumer by webhook, which is killed again and again, and so is the server: in the end it has what a consumer by feed has,
//! and what the store has.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use support::busy::{Past, exported_from};
use support::client::{Ask, Client};
use support::consumer::Consumer;
use support::home::Home;
use support::process::{ServerProcess, command};
use support::random::Random;
use support::receiver::{Delivered, Receiver};
use support::shop::ADMIN;
use support::size::{Size, proved};
use support::webhooks::{add, last_event};

/// When a consumer stores what it has.
#[derive(Clone, Copy, PartialEq)]
enum Storing {
    /// Before it answers that it took an event.
    BeforeItAnswers,
    /// The fault: now and then, later.
    Later,
}

/// A consumer: what it has in memory, and what is on its disk.
struct Process {
    state: Consumer,
    stored: Consumer,
    storing: Storing,
    random: Random,
    /// How many messages came that it had taken already.
    repeated: u64,
}

impl Process {
    fn take(&mut self, message: &Delivered) -> u16 {
        let event = message.event();
        if message.sequence() <= self.state.last {
            self.repeated += 1;
            return 200;
        }
        if message.sequence() != self.state.last + 1 {
            // It has missed something, and would never have it.
            return 409;
        }
        self.state.take(&event);
        if self.storing == Storing::BeforeItAnswers || self.random.once_in(3) {
            self.stored = self.state.clone();
        }
        200
    }

    /// What is in memory is gone.
    fn kill(&mut self) {
        self.state = self.stored.clone();
    }
}

fn serve(home: &Home) -> ServerProcess {
    let mut serving = command(home.path(), &["serve", "--port", "0", "--webhooks-allow-private"]);
    serving.env("SELFSAME_ADMIN_KEY", ADMIN);
    ServerProcess::spawn(serving).unwrap_or_else(|said| panic!("{said}"))
}

async fn get(client: &mut Client, path: &str) -> Value {
    let reply = client.ask(Ask::new("GET", path).key(ADMIN)).await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    reply.json()
}

/// A consumer that reads the log page by page.
async fn by_feed(client: &mut Client) -> Consumer {
    let mut consumer = Consumer::default();
    loop {
        let page = get(client, &format!("/v1/events?after={}&limit=1000", consumer.last)).await;
        let events = page["events"].as_array().expect("a list");
        if events.is_empty() {
            break;
        }
        events.iter().for_each(|event| consumer.take(event));
    }
    read_again(client, &mut consumer).await;
    consumer
}

/// Reads again what an erasure has rewritten.
async fn read_again(client: &mut Client, consumer: &mut Consumer) {
    while let Some(sequence) = consumer.stale.first().copied() {
        let page = get(client, &format!("/v1/events?after={}&limit=1", sequence - 1)).await;
        consumer.take_again(&page["events"][0]);
    }
}

/// What became of a consumer beside a busy shop.
struct Told {
    /// Whether it has what a consumer by feed has, and what was exported.
    is_equal: bool,
    events: i64,
    server_kills: u64,
    consumer_kills: u64,
    repeated: u64,
}

async fn play(home: &Home, random: &mut Random, steps: u64, storing: Storing) -> Told {
    let process = Process {
        state: Consumer::default(),
        stored: Consumer::default(),
        storing,
        random: random.fork(),
        repeated: 0,
    };
    let process = Arc::new(Mutex::new(process));
    let taking = Arc::clone(&process);
    let take = move |message: &Delivered| taking.lock().expect("no panic holds it").take(message);
    let mut receiver = Receiver::taking(Box::new(take)).await;
    let mut server = serve(home);
    let mut client = Client::connect(server.address).await.expect("it is up");
    add(&mut client, &receiver.url(), &[]).await;
    let (mut past, mut server_kills, mut consumer_kills) = (Past::default(), 0, 0);
    for _ in 0..steps {
        let wish = past.wish(random);
        let reply = wish.send(&mut client).await;
        past.took(&wish, &reply);
        if random.once_in(12) {
            server.kill();
            server_kills += 1;
            server = serve(home);
            client = Client::connect(server.address).await.expect("it is up");
        }
        if random.once_in(8) {
            receiver.shut().await;
            process.lock().expect("no panic holds it").kill();
            consumer_kills += 1;
            receiver.open().await;
        }
    }
    let events = last_event(&mut client).await;
    // A faulty one may never get there: then it is refused an event for good, and its server has told so.
    let all = async {
        while process.lock().expect("no panic holds it").state.last < events {
            tokio::task::yield_now().await;
        }
    };
    let failing = async {
        let refused = || receiver.came().iter().any(|message| message.status == 409);
        while !refused() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! { () = all => {}, () = failing => {} }
    let mut had = process.lock().expect("no panic holds it").state.clone();
    let repeated = process.lock().expect("no panic holds it").repeated;
    let mut is_equal = had.last == events;
    if is_equal {
        read_again(&mut client, &mut had).await;
        let file = format!("sqlite:{}", home.path().join("selfsame.db").display());
        let by_feed = by_feed(&mut client).await;
        is_equal =
            had.export() == by_feed.export() && had.export() == exported_from(home.url().unwrap_or(&file));
    }
    Told { is_equal, events, server_kills, consumer_kills, repeated }
}

async fn prove(home: Home, name: &str, steps: u64) {
    let told = play(&home, &mut Random::of_this_run(), steps, Storing::BeforeItAnswers).await;
    let Told { is_equal, events, server_kills, consumer_kills, repeated } = told;
    assert!(is_equal, "the consumers, and the store, have others");
    assert!(server_kills > 0 && consumer_kills > 0, "{server_kills} {consumer_kills}");
    proved(&format!(
        "webhooks on {name}: {events} events, the server killed {server_kills} times and the consumer {consumer_kills} times; \
         {repeated} messages came again, and it had what a consumer by feed has, and the store"
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_by_webhook_ends_as_one_by_feed_under_kills_on_sqlite() {
    prove(Home::sqlite(), "SQLite", Size::of_this_run().pick(150, 3_000)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_by_webhook_ends_as_one_by_feed_under_kills_on_postgresql() {
    prove(Home::postgres().await, "PostgreSQL", Size::of_this_run().pick(100, 1_000)).await;
}

/// The negative control: who says that he took an event before it is stored loses it.
#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_answers_before_it_stores_is_seen() {
    let told = play(&Home::sqlite(), &mut Random::seeded(7), 80, Storing::Later).await;
    assert!(told.consumer_kills > 0 && !told.is_equal, "events were lost, and nobody saw it");
}

//! A consumer of `/v1/events` that is killed again and again, and goes on where it had stored its state: in the end it has what
//! the store has.

use serde_json::Value;
use support::busy::{Play, exported};
use support::consumer::Consumer;
use support::databases::Databases;
use support::event_stream::EventStream;
use support::random::Random;
use support::shop::ADMIN;
use support::size::{Size, proved};

/// How a consumer stores what it has.
#[derive(Clone, Copy, PartialEq)]
enum Storing {
    /// The state and the last event that is in it, together.
    Together,
    /// The fault: the number of an event before what that changes.
    NumberFirst,
}

/// What is on the consumer's disk.
#[derive(Default)]
struct Stored {
    state: Consumer,
    last: i64,
}

struct Process {
    stored: Stored,
    state: Consumer,
    storing: Storing,
    kills: u64,
    by_stream: u64,
    by_page: u64,
    read_again: u64,
}

impl Process {
    fn take(&mut self, event: &Value, random: &mut Random) {
        if self.storing == Storing::NumberFirst {
            self.stored.last = event["sequence"].as_i64().expect("a number");
        }
        self.state.take(event);
        if random.once_in(3) {
            self.stored = Stored { state: self.state.clone(), last: self.state.last };
        }
    }

    /// What is in memory is gone.
    fn kill(&mut self) {
        self.state = self.stored.state.clone();
        // What the disk says of the last event is what is asked from.
        self.state.last = self.stored.last;
        self.kills += 1;
    }

    /// Takes so many events at most off a page.
    async fn page(&mut self, play: &mut Play, most: u64, random: &mut Random) {
        let page = play.get(&format!("/v1/events?after={}&limit={most}", self.state.last)).await;
        for event in page["events"].as_array().expect("a list") {
            self.take(event, random);
            self.by_page += 1;
        }
    }

    /// Reads again what an erasure has rewritten.
    async fn read_again(&mut self, play: &mut Play) {
        while let Some(sequence) = self.state.stale.first().copied() {
            let page = play.get(&format!("/v1/events?after={}&limit=1", sequence - 1)).await;
            self.state.take_again(&page["events"][0]);
            self.read_again += 1;
        }
    }

    /// Takes so many of the events that are there off a stream, and leaves it.
    async fn stream(&mut self, play: &Play, count: i64, random: &mut Random) {
        let last = self.state.last.to_string();
        let mut stream =
            EventStream::open(play.shop.server.address, ADMIN, "", Some(&last)).await.expect("let in");
        for _ in 0..count {
            let (_, event) = stream.next_event().await.expect("the server goes on");
            self.take(&event, random);
            self.by_stream += 1;
        }
    }
}

/// Plays a history beside a consumer; the contacts that it has otherwise in the end than what was exported.
async fn differing(
    databases: &Databases,
    random: &mut Random,
    steps: u64,
    storing: Storing,
) -> (Vec<[Value; 2]>, Process) {
    let mut play = Play::open(databases).await;
    let (stored, state) = (Stored::default(), Consumer::default());
    let mut process = Process { stored, state, storing, kills: 0, by_stream: 0, by_page: 0, read_again: 0 };
    for _ in 0..steps {
        play.step(random).await;
        if random.once_in(4) {
            process.page(&mut play, 1 + random.below(9), random).await;
        } else if random.once_in(4) {
            let head = play.log().await.len();
            let there = i64::try_from(head).expect("few") - process.state.last;
            let count = i64::try_from(random.below(1 + u64::try_from(there).expect("none is negative")));
            process.stream(&play, count.expect("few"), random).await;
        }
        if random.once_in(3) {
            process.read_again(&mut play).await;
        }
        if random.once_in(6) {
            process.kill();
        }
    }
    let log = play.log().await;
    while process.state.last < i64::try_from(log.len()).expect("few") {
        process.page(&mut play, 1_000, random).await;
    }
    process.read_again(&mut play).await;
    let (had, stored) = (process.state.export(), exported(&play.shop.database));
    assert_eq!(had.len(), stored.len(), "as many as were told of");
    let differing = had.into_iter().zip(stored).filter(|(had, stored)| had != stored).map(<[Value; 2]>::from);
    play.shop.server.drain().await;
    (differing.collect(), process)
}

async fn prove(databases: Databases, histories: u64) {
    let mut random = Random::of_this_run();
    let (mut kills, mut by_stream, mut by_page, mut read_again) = (0, 0, 0, 0);
    for history in 0..histories {
        let (differing, process) = differing(&databases, &mut random.fork(), 150, Storing::Together).await;
        assert!(
            differing.is_empty(),
            "history {history}: the consumer has others than the store: {differing:#?}"
        );
        kills += process.kills;
        by_stream += process.by_stream;
        by_page += process.by_page;
        read_again += process.read_again;
    }
    assert!(kills > 0 && by_stream > 0 && by_page > 0, "{kills} {by_stream} {by_page}");
    assert!(read_again > 0, "nothing that it had taken was rewritten");
    proved(&format!(
        "{databases}: {histories} histories; a consumer that was killed {kills} times took {by_page} events off pages and \
         {by_stream} off streams, {read_again} of them again when they were rewritten, and had the store's contacts in the end"
    ));
}

#[tokio::test]
async fn a_consumer_that_is_killed_rebuilds_the_contacts_of_sqlite() {
    prove(Databases::Sqlite, Size::of_this_run().pick(6, 200)).await;
}

#[tokio::test]
async fn a_consumer_that_is_killed_rebuilds_the_contacts_of_postgresql() {
    prove(Databases::postgres(), Size::of_this_run().pick(4, 100)).await;
}

#[tokio::test]
async fn a_consumer_that_stores_the_number_before_the_state_is_seen() {
    let mut missed = 0;
    for seed in 0..3 {
        let playing = tokio::spawn(async move {
            let mut random = Random::seeded(seed);
            differing(&Databases::Sqlite, &mut random, 80, Storing::NumberFirst).await.0.is_empty()
        });
        // It may also stumble over what it has never heard of.
        missed += u64::from(!playing.await.unwrap_or(false));
    }
    assert!(missed > 0, "events were lost, and nobody saw it");
}

//! A change whose turn would come too late is refused at once; whoever fits into the next batch never is, and known
//! customers never wait. The store commits when a test says so, on a clock that stands still.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use selfsame_rules::{Actor, IdentifierKind, Observation, SeenIdentifier};
use selfsame_service::{Engine, EngineSettings, IdentifyError, Together};
use support::client::{Client, Reply};
use support::clock::HeldTime;
use support::gated::GatedStore;
use support::server::{ServerOptions, TestServer, open_sqlite, sqlite_store};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::advance;

const SECOND: Duration = Duration::from_secs(1);

/// A server that knows `known@hill.edu`, and whose store commits when it is let.
struct SlowServer {
    _folder: TempDir,
    store: Arc<GatedStore>,
    server: TestServer,
    newcomers: u64,
    _time: HeldTime,
}

impl SlowServer {
    async fn start(batch_observations_max: usize) -> Self {
        let time = HeldTime::hold();
        let (folder, sqlite) = sqlite_store();
        let server = TestServer::start(sqlite, ServerOptions::default()).await;
        assert_eq!(server.client().await.identify(Some("known@hill.edu"), None).await.unwrap().status, 200);
        server.drain().await;
        let store = GatedStore::new(open_sqlite(&folder.path().join("selfsame.db")));
        let engine = EngineSettings {
            batch_observations_max,
            // The test's own clock is slower than any client.
            answer_timeout: SECOND * 1_000,
            ..EngineSettings::default()
        };
        let options = ServerOptions { engine, receive_timeout: SECOND * 1_000, ..Default::default() };
        let server = TestServer::start(store.clone(), options).await;
        Self { _folder: folder, store, server, newcomers: 0, _time: time }
    }

    /// Has three changes committed one by one, of which each takes so long.
    async fn commit_at(&mut self, pace: Duration) {
        for _ in 0..3 {
            let mut newcomers = JoinSet::new();
            self.send_newcomers(1, &mut newcomers).await;
            self.at_the_gate().await;
            advance(pace).await;
            self.store.let_through();
            assert_eq!(newcomers.join_next().await.unwrap().unwrap().status, 200);
        }
    }

    /// Returns when the newest newcomer is at the gate, which none but him is before.
    async fn at_the_gate(&self) {
        self.store.arrived(usize::try_from(self.newcomers).unwrap()).await;
    }

    /// Sends so many new customers, each on a connection of its own.
    async fn send_newcomers(&mut self, count: u64, waiting: &mut JoinSet<Reply>) {
        for _ in 0..count {
            self.newcomers += 1;
            let (mut client, email) = (self.server.client().await, format!("new{}@hill.edu", self.newcomers));
            waiting.spawn(async move { client.identify(Some(&email), None).await.expect("it answers") });
        }
    }

    async fn assert_known_is_answered(&self) {
        let mut client: Client = self.server.client().await;
        for _ in 0..20 {
            let reply = client.identify(Some("Known@hill.edu"), None).await.unwrap();
            assert_eq!(reply.status.as_u16(), 200, "{}", reply.text());
        }
    }
}

fn assert_overloaded(reply: &Reply, retry_after: &str) {
    assert_eq!(reply.status.as_u16(), 503, "{}", reply.text());
    assert_eq!(reply.json()["code"], "overloaded");
    assert_eq!(reply.headers["retry-after"], retry_after);
}

/// All who wait are answered.
async fn assert_all_stored(mut waiting: JoinSet<Reply>, count: usize) {
    assert_eq!(waiting.len(), count);
    while let Some(reply) = waiting.join_next().await {
        let reply = reply.unwrap();
        assert_eq!(reply.status.as_u16(), 200, "{}", reply.text());
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_turn_would_come_too_late_is_refused_at_once() {
    let mut slow = SlowServer::start(1).await;
    slow.commit_at(SECOND / 2).await;
    let mut waiting = JoinSet::new();
    slow.send_newcomers(1, &mut waiting).await;
    slow.at_the_gate().await;
    // Half a second for the one at the gate, and again for each before one's own turn: four come within two seconds.
    slow.send_newcomers(11, &mut waiting).await;
    for _ in 0..7 {
        assert_overloaded(&waiting.join_next().await.unwrap().unwrap(), "3");
    }
    slow.assert_known_is_answered().await;
    slow.store.open_gate();
    assert_all_stored(waiting, 5).await;
    // There is room at once.
    let mut waiting = JoinSet::new();
    slow.send_newcomers(1, &mut waiting).await;
    assert_all_stored(waiting, 1).await;
}

#[tokio::test(start_paused = true)]
async fn whoever_fits_into_the_next_batch_is_taken_on_however_slow_the_store_is() {
    let mut slow = SlowServer::start(1_000).await;
    slow.commit_at(SECOND * 2).await;
    let mut waiting = JoinSet::new();
    slow.send_newcomers(1, &mut waiting).await;
    slow.at_the_gate().await;
    // By what each change took alone, they would wait for minutes.
    slow.send_newcomers(200, &mut waiting).await;
    slow.assert_known_is_answered().await;
    slow.store.open_gate();
    assert_all_stored(waiting, 201).await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_takes_nothing_new_and_is_trusted_as_soon_as_it_is_back() {
    let mut slow = SlowServer::start(1).await;
    slow.commit_at(SECOND / 100).await;
    let mut waiting = JoinSet::new();
    slow.send_newcomers(1, &mut waiting).await;
    slow.at_the_gate().await;
    advance(SECOND * 40).await;
    slow.send_newcomers(5, &mut waiting).await;
    for _ in 0..5 {
        assert_overloaded(&waiting.join_next().await.unwrap().unwrap(), "40");
    }
    advance(SECOND * 40).await;
    slow.send_newcomers(1, &mut waiting).await;
    assert_overloaded(&waiting.join_next().await.unwrap().unwrap(), "60");
    slow.assert_known_is_answered().await;

    slow.store.open_gate();
    assert_all_stored(waiting, 1).await;
    let mut waiting = JoinSet::new();
    slow.send_newcomers(100, &mut waiting).await;
    assert_all_stored(waiting, 100).await;
}

#[tokio::test(start_paused = true)]
async fn the_first_change_of_all_may_hang_too() {
    let mut slow = SlowServer::start(1).await;
    let mut waiting = JoinSet::new();
    slow.send_newcomers(1, &mut waiting).await;
    slow.at_the_gate().await;
    advance(SECOND * 5 / 2).await;
    slow.send_newcomers(1, &mut waiting).await;
    assert_overloaded(&waiting.join_next().await.unwrap().unwrap(), "3");
    slow.store.open_gate();
    assert_all_stored(waiting, 1).await;
}

/// What becomes of observations as soon as they are asked for.
enum Asked {
    Refused(IdentifyError),
    Waits(Pin<Box<dyn Future<Output = Result<Together, IdentifyError>> + Send>>),
}

/// Asks for so many new customers as one job.
async fn ask(engine: &Engine, name: &str, count: usize) -> Asked {
    let observations = (0..count).map(|number| {
        let email = format!("{name}{number}@hill.edu");
        let seen = SeenIdentifier::parse(&IdentifierKind::Email, &email).expect("it is an address");
        Observation::new(Actor::named("test"), seen).expect("there is an identifier")
    });
    let (engine, observations) = (engine.clone(), observations.collect());
    let mut asking: Pin<Box<dyn Future<Output = _> + Send>> =
        Box::pin(async move { engine.identify_all(observations).await });
    tokio::select! {
        biased;
        answer = &mut asking => Asked::Refused(answer.expect_err("nothing passes the gate")),
        () = std::future::ready(()) => Asked::Waits(asking),
    }
}

/// One more request comes through where a whole job doesn't: its batch is the one before.
#[tokio::test(start_paused = true)]
async fn a_large_job_is_refused_where_a_single_change_is_not() {
    let mut slow = SlowServer::start(10).await;
    slow.commit_at(SECOND).await;
    let mut waiting = JoinSet::new();
    slow.send_newcomers(1, &mut waiting).await;
    slow.at_the_gate().await;
    let engine = slow.server.engine.clone();
    let mut wait = Vec::new();
    for (name, count) in [("a", 10), ("b", 9)] {
        let Asked::Waits(asked) = ask(&engine, name, count).await else { panic!("{name} was refused") };
        wait.push(asked);
    }
    // A second for the one at the gate, one for each batch of ten.
    let Asked::Refused(IdentifyError::Overloaded { wait: told }) = ask(&engine, "c", 10).await else {
        panic!("a job for the third batch is to wait for three seconds")
    };
    assert_eq!(told, SECOND * 3);
    let Asked::Waits(single) = ask(&engine, "d", 1).await else { panic!("it fits into the second batch") };
    wait.push(single);
    slow.store.open_gate();
    for asked in wait {
        assert!(matches!(asked.await, Ok(Together::Answered(_))));
    }
    assert_all_stored(waiting, 1).await;
}

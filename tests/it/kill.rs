//! `kill -9` in the middle of commits, again and again on one database: nothing acknowledged is lost.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use hyper::StatusCode;
use rustix::process::Signal;
use support::acknowledged::{Answer, Found, Loss};
use support::client::Client;
use support::fill::fill;
use support::home::Home;
use support::load::Load;
use support::process::{ServerProcess, run};
use support::random::Random;
use support::size::{Size, proved};

use crate::faulty_server::start_answering_before_commit;

/// How soon a server must be ready again, whatever it was killed in.
const READY_WITHIN: Duration = Duration::from_millis(1_500);

/// A database whose server is killed.
struct Harness {
    start: fn(&Path) -> ServerProcess,
    // Before its home, so that it ends first.
    server: ServerProcess,
    home: Home,
    random: Random,
    people: u64,
    rounds: u64,
    /// Everything that was ever acknowledged.
    answers: Vec<Answer>,
}

/// What a kill did.
struct Round {
    losses: BTreeSet<Loss>,
    /// From the start of the process to its first 200 from `/readyz`.
    ready_after: Duration,
    contacts: usize,
}

impl Harness {
    async fn new(home: Home, start: fn(&Path) -> ServerProcess, people: u64) -> Self {
        let store = home.open().await;
        fill(store.as_ref(), people).await;
        store.close().await.expect("nobody else has it open");
        let server = start(home.path());
        let random = Random::of_this_run();
        Self { home, start, server, random, people, rounds: 0, answers: Vec::new() }
    }

    /// Kills the server under load after so many answers, starts it again and judges.
    async fn kill(&mut self, answers_until_end: u64) -> Round {
        self.rounds += 1;
        // Few enough that the same ones meet again within a round.
        let first = self.random.below(self.people / 10) * 10;
        let load = Load {
            clients: 16 + self.random.below(17),
            people: first..self.people.min(first + 200),
            answers_until_end,
            end: Signal::KILL,
            name: self.rounds,
        };
        let answers = load.run(&self.server, &mut self.random).await;
        self.server.wait();

        let started = Instant::now();
        self.server = (self.start)(self.home.path());
        let mut client = Client::connect(self.server.address).await.expect("it has greeted");
        let reply = client.get("/readyz").await.expect("it has greeted");
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
        let ready_after = started.elapsed();

        self.answers.extend_from_slice(&answers);
        let found = Found::by_export(self.home.path());
        let mut losses = found.losses(&self.answers);
        // Asking for what is lost would store it anew.
        if losses.is_empty() {
            losses = Found::by_asking(self.server.address, &answers).await.losses(&answers);
        }
        Round { losses, ready_after, contacts: found.contacts.len() }
    }

    fn assert_laws_hold(&self) {
        let check = run(self.home.path(), &["check"]);
        assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_server_is_killed() {
    let (kills, people, answers_max) = Size::of_this_run().pick((5, 1_000, 400), (25, 1_000_000, 4_000));
    let worst = kill_again_and_again("SQLite", Home::sqlite(), (kills, people, answers_max)).await;
    // A time depends on the machine, so that only the size that is run on purpose judges it.
    assert!(Size::of_this_run() == Size::Small || worst <= READY_WITHIN, "ready only after {worst:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_a_server_on_postgres_is_killed() {
    let (kills, people, answers_max) = Size::of_this_run().pick((5, 1_000, 400), (50, 100_000, 4_000));
    kill_again_and_again("PostgreSQL", Home::postgres().await, (kills, people, answers_max)).await;
}

/// Kills so many times, with so many people in the database, after up to so many answers each; the longest time that
/// a server took to be ready.
async fn kill_again_and_again(name: &str, home: Home, size: (u64, u64, u64)) -> Duration {
    let (kills, people, answers_max) = size;
    let mut harness = Harness::new(home, ServerProcess::start, people).await;
    let (mut worst, mut contacts) = (Duration::ZERO, 0);
    for _ in 0..kills {
        let answers_until_end = 1 + harness.random.below(answers_max);
        let round = harness.kill(answers_until_end).await;
        assert_eq!(round.losses, BTreeSet::new());
        harness.assert_laws_hold();
        worst = worst.max(round.ready_after);
        contacts = round.contacts;
    }
    let all = Found::by_asking(harness.server.address, &harness.answers).await;
    assert_eq!(all.losses(&harness.answers), BTreeSet::new());
    proved(&format!(
        "kill -9 ({name}): {kills} kills on one database, {} acknowledged, 0 lost; ready again within {} ms at {contacts} contacts",
        harness.answers.len(),
        worst.as_millis(),
    ));
    worst
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_answers_before_it_commits_is_caught_by_a_kill() {
    assert_is_caught("SQLite", Home::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_on_postgres_that_answers_before_it_commits_is_caught_by_a_kill() {
    assert_is_caught("PostgreSQL", Home::postgres().await).await;
}

async fn assert_is_caught(name: &str, home: Home) {
    let mut harness = Harness::new(home, start_answering_before_commit, 1_000).await;
    // Whether a change is still uncommitted when the signal comes is chance, hence more than one.
    for kills in 1..=20 {
        let answers_until_end = 1 + harness.random.below(200);
        let losses = harness.kill(answers_until_end).await.losses;
        // Not only contacts that are apart: this server also answers ids that it then gives to others.
        if losses.iter().any(|loss| matches!(loss, Loss::Value(_))) {
            proved(&format!("kill -9 ({name}): answers before the commit are caught, after {kills} kills"));
            return;
        }
    }
    panic!("20 kills of a server that answers before it commits, and no loss was seen");
}

//! More newcomers than can be stored: the server goes on storing as many as it can and answers those in time, tells the
//! others at once, goes on answering whom it knows, and is itself again as soon as they are gone.
//!
//! So that a generator beside the server can offer five times what it can store, the database is one whose commits take
//! 20 ms (PostgreSQL's `commit_delay`), and at most ten changes are committed together: that bounds what can be stored,
//! and nothing else. The load is open: a slow answer keeps nobody from coming.

use std::collections::BTreeSet;
use std::time::Duration;

use support::acknowledged::{Answer, Found};
use support::fill::fill;
use support::home::Home;
use support::offered::{Offering, Outcome, Phase};
use support::open_files::raise_limit;
use support::postgres::binaries::Binaries;
use support::postgres::cluster::Cluster;
use support::postgres::settings::Settings;
use support::prober::Prober;
use support::process::{ServerProcess, run};
use support::size::{Size, proved};

use crate::shop::start_with;

/// Whom the server knows.
const PEOPLE: u64 = 1_000;

/// How long a newcomer waits for an answer that is of use to him: a second more than the longest wait for a turn.
const PATIENCE: Duration = Duration::from_secs(3);

const SECOND: Duration = Duration::from_secs(1);

/// How much more memory an overload may take.
const MEMORY_KIB_MAX: u64 = 256 * 1024;

/// A server, and a database that is slow to commit.
struct Overload {
    // Before its home, so that it ends first.
    server: ServerProcess,
    home: Home,
    offering: Offering,
    answers: Vec<Answer>,
}

impl Overload {
    async fn new(arguments: &[&str]) -> Self {
        raise_limit();
        let settings =
            Settings::default().durable().with("commit_delay", "20000").with("commit_siblings", "0");
        let cluster = Cluster::start_with(Binaries::of_the_system(), settings);
        cluster.execute("postgres", "CREATE DATABASE shop").await;
        let url = format!("postgresql://postgres@127.0.0.1:{}/shop?sslmode=disable", cluster.port());
        let home = Home::of_cluster(cluster, &url);
        let store = home.open().await;
        fill(store.as_ref(), PEOPLE).await;
        store.close().await.expect("it closes");
        let arguments = [&["--batch-observations-max", "10"], arguments].concat();
        let server = start_with(home.path(), &arguments);
        let offering = Offering::to(server.address, PEOPLE);
        Self { server, home, offering, answers: Vec::new() }
    }

    async fn offer(&mut self, phases: &[(f64, u32)]) -> Outcome {
        let phases: Vec<Phase> = phases
            .iter()
            .map(|(per_second, seconds)| Phase { per_second: *per_second, lasts: SECOND * *seconds })
            .collect();
        let mut outcome = self.offering.offer(&phases, PATIENCE).await;
        assert_eq!(outcome.acknowledged + outcome.refused, outcome.sent);
        self.answers.append(&mut outcome.answers);
        outcome
    }

    /// Offers more and more until more is of no use; the most good answers a second.
    async fn peak(&mut self) -> f64 {
        let (mut offered, mut peak) = (100.0, 0.0);
        loop {
            let goodput = self.offer(&[(offered, 8)]).await.goodput(0..8);
            if goodput < peak * 1.05 {
                return f64::max(peak, goodput);
            }
            (offered, peak) = (offered * 1.5, goodput);
        }
    }

    fn assert_all_is_stored(&self) {
        let found = Found::by_export(self.home.path());
        assert_eq!((found.losses(&self.answers), found.doubled), (BTreeSet::new(), Vec::new()));
        assert!(run(self.home.path(), &["check"]).status.success());
    }
}

fn codes(codes: &[&str]) -> BTreeSet<String> {
    codes.iter().map(|&code| code.to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overloaded_server_stores_what_it_can_and_refuses_the_rest() {
    match Size::of_this_run() {
        Size::Small => burst().await,
        Size::Full => minute().await,
    }
}

/// Three hundred at once, where twenty may wait.
async fn burst() {
    let mut overload = Overload::new(&["--queue-length-max", "20"]).await;
    let prober = Prober::start(overload.server.address, PEOPLE, SECOND * 20);
    let phase = Phase { per_second: 3e9, lasts: Duration::from_nanos(100) };
    let outcome = overload.offering.offer(&[phase], PATIENCE).await;
    assert_eq!((outcome.answers.len() as u64 + outcome.refused, outcome.sent), (300, 300));
    assert!(outcome.refused > 0, "all were taken on");
    assert!(outcome.codes.is_subset(&codes(&["overloaded", "queue_full"])), "{:?}", outcome.codes);
    overload.answers = outcome.answers;
    // At ease again: one after the other.
    for _ in 0..10 {
        let phase = Phase { per_second: 1e9, lasts: Duration::from_nanos(1) };
        let mut outcome = overload.offering.offer(&[phase], PATIENCE).await;
        assert_eq!((outcome.answers.len(), outcome.refused), (1, 0), "{:?}", outcome.codes);
        overload.answers.append(&mut outcome.answers);
    }
    let waits = prober.end().unwrap_or_else(|why| panic!("{why}"));
    assert!(waits.count() > 0);
    overload.assert_all_is_stored();
}

/// Five times capacity for a minute.
async fn minute() {
    let mut overload = Overload::new(&[]).await;
    let peak = overload.peak().await;
    let before = overload.server.memory_kib();
    let prober = Prober::start(overload.server.address, PEOPLE, SECOND * 20);
    let outcome = overload.offer(&[(peak * 5.0, 60), (peak * 0.5, 5)]).await;
    let waits = prober.end().unwrap_or_else(|why| panic!("{why}"));
    let memory = overload.server.memory_peak_kib().saturating_sub(before);
    let (goodput, after) = (outcome.goodput(0..60), outcome.good_share(60));
    overload.assert_all_is_stored();
    proved(&format!(
        "overload: {:.0} newcomers a second for 60 s, where {peak:.0} is the peak: {goodput:.0} a second answered within \
         {} s ({:.0} % of the peak), {} refused; of those who came in the first second after it {:.0} % were; known \
         customers' p99 {:.1} ms, {} answers; {} MiB more memory; {} acknowledged, 0 lost",
        peak * 5.0,
        PATIENCE.as_secs(),
        goodput / peak * 100.0,
        outcome.refused,
        after * 100.0,
        waits.p99().as_secs_f64() * 1e3,
        waits.count(),
        memory / 1024,
        overload.answers.len(),
    ));
    assert!(goodput >= peak * 0.8, "{goodput} of {peak}");
    assert!(after >= 0.8, "{after}");
    let in_time = outcome.good() as f64 / outcome.acknowledged as f64;
    assert!(in_time >= 0.95, "of those whom it took on, {in_time} were answered in time");
    assert!(memory < MEMORY_KIB_MAX, "{memory} KiB");
    assert!(outcome.codes.is_subset(&codes(&["overloaded", "queue_full"])), "{:?}", outcome.codes);
}

/// The planted fault: a server that takes on all that its queue holds, however long that takes.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lets_everybody_wait_is_caught_by_an_overload() {
    let mut overload = Overload::new(&["--queue-wait-max-seconds", "3600"]).await;
    // Ten in 20 ms are 500 a second, however fast the machine is.
    let phase = Phase { per_second: 5e9, lasts: Duration::from_micros(1) };
    let outcome = overload.offering.offer(&[phase], PATIENCE).await;
    let share = outcome.good() as f64 / outcome.sent as f64;
    assert!(share < 0.8, "{share} of {} were answered in time", outcome.sent);
    proved(&format!(
        "overload: a server that lets everybody wait is caught: of {} at once, {:.0} % were answered in time",
        outcome.sent,
        share * 100.0
    ));
}

//! Many clients at once, through HTTP, and the histories that they record, judged: over SQLite, over PostgreSQL, and
//! over PostgreSQL with several replicas.

use std::fmt;
use std::sync::Arc;

use selfsame_service::check::check;
use selfsame_store::{Store, WorkspaceKey};
use support::backend::rows_of;
use support::databases::{Database, Databases};
use support::faulty::{Fault, FaultyStore};
use support::judge::{Operation, Violation, invariants};
use support::linearizability::linearizable;
use support::model::ModelRow;
use support::random::Random;
use support::recorder::{Recorder, Sent};
use support::server::{ServerOptions, TestServer};
use support::size::{Size, proved};

/// As many as share one database where several do.
const REPLICAS: usize = 3;

/// What a test starts for each of its rounds.
struct Setup {
    databases: Databases,
    replicas: usize,
    fault: Option<Fault>,
}

/// Servers over one database that was empty before.
struct Running {
    /// That of the first server.
    store: Arc<dyn Store>,
    servers: Vec<TestServer>,
    recorder: Recorder,
    _database: Database,
}

impl Setup {
    fn sqlite() -> Self {
        Self { databases: Databases::Sqlite, replicas: 1, fault: None }
    }

    fn postgres(replicas: usize) -> Self {
        Self { databases: Databases::postgres(), replicas, fault: None }
    }

    /// Each way in which there are servers, all with one fault.
    fn each_with(fault: Fault) -> [Self; 3] {
        [Self::sqlite(), Self::postgres(1), Self::postgres(REPLICAS)].map(|setup| setup.with(fault))
    }

    fn with(self, fault: Fault) -> Self {
        Self { fault: Some(fault), ..self }
    }

    async fn start(&self) -> Running {
        let database = self.databases.empty().await;
        let (mut stores, mut servers) = (Vec::new(), Vec::new());
        for _ in 0..self.replicas {
            let store = database.open().await;
            let store = match self.fault {
                Some(fault) => FaultyStore::new(store, fault),
                None => store,
            };
            servers.push(TestServer::start(Arc::clone(&store), ServerOptions::default()).await);
            stores.push(store);
        }
        let recorder = Recorder::new(servers.iter().map(|server| server.address));
        Running { store: stores.remove(0), servers, recorder, _database: database }
    }
}

/// For sentences.
impl fmt::Display for Setup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "HTTP over {}", self.databases)?;
        if self.replicas > 1 { write!(formatter, " with {} replicas", self.replicas) } else { Ok(()) }
    }
}

impl Running {
    async fn drain(self) {
        for server in self.servers {
            server.drain().await;
        }
    }
}

/// Everything that the clients of a database saw, and what is in it in the end.
struct Round {
    history: Vec<Operation>,
    rows: Vec<ModelRow>,
    faults: Vec<String>,
}

/// Lets `clients` send `operations` each over the values of `people`, then reads every value once.
async fn round(
    random: &mut Random,
    (clients, operations, people, family): (usize, usize, u64, u64),
    setup: &Setup,
) -> Round {
    let running = setup.start().await;
    let by_client = (0..clients)
        .map(|_| {
            let mut random = random.fork();
            (0..operations).map(|_| Sent::random(&mut random, people, family)).collect()
        })
        .collect();
    let mut history = running.recorder.record(by_client).await;
    let mut reads = running.recorder.record(vec![each_value(&history)]).await;
    for read in &mut reads {
        read.client = clients;
    }
    history.extend(reads);
    let rows = rows_of(&*running.store).await.into_iter().map(|row| ModelRow {
        id: row.id,
        values: row.values,
        linked_id: row.linked_to,
        created_at_ms: row.at.expect("a stored row has a time"),
        updated_at_ms: row.updated.expect("a stored row has a time"),
    });
    let rows = rows.collect();
    let report = check(&*running.store, WorkspaceKey::DEFAULT).await.expect("the store can be read");
    running.drain().await;
    Round { history, rows, faults: report.faults }
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

async fn check_short_histories(setup: Setup, rounds: u64) {
    let mut random = Random::of_this_run();
    let mut operations = 0;
    for number in 0..rounds {
        // One request each, over few enough people that most of them meet.
        let people = 8 + number % 24;
        let round = round(&mut random, (64, 1, people, people), &setup).await;
        assert_eq!(violations(&round, true), [], "round {number}");
        assert_eq!(round.faults, Vec::<String>::new(), "round {number}");
        operations += round.history.len();
    }
    proved(&format!(
        "{setup}: {rounds} short histories of 64 clients ({operations} operations) are linearizable"
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn short_histories_of_64_clients_are_linearizable() {
    check_short_histories(Setup::sqlite(), Size::of_this_run().pick(100, 1_000)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn short_histories_over_postgresql_are_linearizable() {
    check_short_histories(Setup::postgres(1), Size::of_this_run().pick(25, 1_000)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn short_histories_over_several_replicas_are_linearizable() {
    check_short_histories(Setup::postgres(REPLICAS), Size::of_this_run().pick(25, 1_000)).await;
}

/// `operations` by each client, and `people` over whose values they are.
async fn check_long_history(setup: Setup, operations: usize, people: u64) {
    let mut random = Random::of_this_run();
    let round = round(&mut random, (64, operations, people, 20), &setup).await;
    assert_eq!(violations(&round, false), []);
    assert_eq!(round.faults, Vec::<String>::new());
    let count = round.history.len();
    proved(&format!("{setup}: a history of 64 clients and {count} operations breaks no law"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_history_of_64_clients_breaks_no_law() {
    let size = Size::of_this_run();
    check_long_history(Setup::sqlite(), size.pick(60, 2_000), size.pick(300, 6_000)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_history_over_postgresql_breaks_no_law() {
    let size = Size::of_this_run();
    check_long_history(Setup::postgres(1), size.pick(30, 2_000), size.pick(200, 6_000)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_history_over_several_replicas_breaks_no_law() {
    let size = Size::of_this_run();
    check_long_history(Setup::postgres(REPLICAS), size.pick(30, 2_000), size.pick(200, 6_000)).await;
}

async fn check_equal_newcomers(setup: Setup, rounds: usize) {
    let running = setup.start().await;
    for number in 0..rounds {
        let newcomer = Sent { email: Some(format!("new{number}@x.org")), phone: Some(format!("{number}")) };
        let history = running.recorder.record(vec![vec![newcomer]; 50]).await;
        let mut answers: Vec<_> = history.iter().map(|operation| operation.answer.as_ref()).collect();
        answers.dedup();
        assert_eq!(answers.len(), 1, "all fifty get the same answer");
        assert_eq!(rows_of(&*running.store).await.len(), number + 1, "one new contact");
    }
    // And fifty that bring one new address to a known phone: one secondary.
    for number in 0..rounds {
        let newcomer = Sent { email: Some(format!("also{number}@x.org")), phone: Some(format!("{number}")) };
        running.recorder.record(vec![vec![newcomer]; 50]).await;
        assert_eq!(rows_of(&*running.store).await.len(), rounds + number + 1, "one new contact");
    }
    let report = check(&*running.store, WorkspaceKey::DEFAULT).await.unwrap();
    assert_eq!((report.identities, report.faults_count), (u64::try_from(rounds).unwrap(), 0));
    running.drain().await;
    proved(&format!("{setup}: 50 equal newcomers at once made one primary in {rounds} of {rounds} rounds"));
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_equal_newcomers_at_once_make_one_primary_every_time() {
    check_equal_newcomers(Setup::sqlite(), 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_equal_newcomers_over_postgresql_make_one_primary_every_time() {
    check_equal_newcomers(Setup::postgres(1), Size::of_this_run().pick(20, 200)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_equal_newcomers_over_several_replicas_make_one_primary_every_time() {
    check_equal_newcomers(Setup::postgres(REPLICAS), Size::of_this_run().pick(20, 200)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_skipped_relink_is_caught() {
    let mut random = Random::of_this_run();
    for setup in Setup::each_with(Fault::SkippedRelink) {
        let round = round(&mut random, (64, 4, 20, 20), &setup).await;
        assert_ne!(violations(&round, false), [], "{setup}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_on_a_stale_load_is_caught() {
    let mut random = Random::of_this_run();
    for setup in Setup::each_with(Fault::StaleLoad) {
        let round = round(&mut random, (64, 4, 20, 20), &setup).await;
        assert_ne!(violations(&round, false), [], "{setup}");
    }
}

/// One replica alone can't show it, however long it runs: the others are what a cache does not know of.
#[tokio::test(flavor = "multi_thread")]
async fn a_cache_of_rows_is_caught_where_another_replica_writes() {
    let sent = |email: &str, phone: Option<&str>| {
        vec![Sent { email: Some(email.to_owned()), phone: phone.map(str::to_owned) }]
    };
    for (replicas, caught) in [(1, false), (REPLICAS, true)] {
        let setup = Setup::postgres(replicas).with(Fault::CachedLoad);
        let running = setup.start().await;
        let mut history = Vec::new();
        for by_client in [
            vec![sent("ada@x.org", None)],
            // Now she is known, and stays in the first replica's cache.
            vec![sent("ada@x.org", None)],
            // The second client is the second replica's, if there is one.
            vec![Vec::new(), sent("ada@x.org", Some("1"))],
            vec![sent("ada@x.org", None)],
        ] {
            history.extend(running.recorder.record(by_client).await);
        }
        assert_eq!(linearizable(&history).is_err(), caught, "{setup}");
        running.drain().await;
    }
}

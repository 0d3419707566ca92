//! What PostgreSQL is sent, by its own log: one look-up without a lock for a known customer, a handful of statements for a batch,
//! one round trip for look-ups that arrive together.

use std::sync::Arc;

use selfsame_rules::{Identities, Observation, Plan, Timestamp, decide};
use selfsame_store::{Store, WorkspaceKey};
use support::backend::observation;
use support::databases::{Database, Databases, connect};
use support::fill::{self, fill};
use support::postgres::cluster::Cluster;
use support::postgres::statement_log::{self, StatementLog, one_line};
use support::server::{ServerOptions, TestServer, open_postgres};
use support::size::proved;
use tokio::task::JoinSet;

/// The most statements that a batch may cost (issue 3, "Accepted when").
const BATCH_STATEMENTS_MAX: usize = 12;

/// A cluster that logs, and a database on it.
struct Logged {
    databases: Databases,
    database: Database,
}

impl Logged {
    async fn start() -> Self {
        let databases = Databases::on(statement_log::cluster());
        let database = databases.empty().await;
        Self { databases, database }
    }

    fn cluster(&self) -> &Cluster {
        let Databases::Postgres(one) = &self.databases else { panic!("it is on a cluster") };
        one.cluster()
    }

    /// What the store has sent while `work` was done.
    async fn statements_of<T>(&self, work: impl Future<Output = T>) -> (T, Vec<String>) {
        let mark = StatementLog::mark(self.cluster());
        let result = work.await;
        (result, mark.since(self.cluster()))
    }
}

/// The text of a statement of the store's, by its name.
fn text(name: &str) -> String {
    let statements = selfsame_store_postgres::statements();
    let (_, text) = statements.iter().find(|(known, _)| *known == name).expect("the store has it");
    one_line(text)
}

/// Writes observations of e-mails and phones as one batch.
async fn write(store: &dyn Store, batch: &[(String, String)], at: i64) -> Plan {
    let observations: Vec<Observation> = batch
        .iter()
        .map(|(email, phone)| {
            let sent = [("email".to_owned(), email.clone()), ("phone".to_owned(), phone.clone())];
            observation(&sent).expect("they are valid")
        })
        .collect();
    let asked = observations.clone();
    let decision = Box::new(move |loaded: &dyn Identities| {
        decide(loaded, &observations, Timestamp::from_milliseconds(at))
    });
    store.write(WorkspaceKey::DEFAULT, asked, decision).await.unwrap()
}

#[tokio::test]
async fn a_known_customer_costs_one_look_up_and_no_lock() {
    let logged = Logged::start().await;
    let server = TestServer::start(logged.database.open().await, ServerOptions::default()).await;
    let mut client = server.client().await;
    let ada = (Some("ada@example.org"), Some("+4915550100"));
    let (_, new) = logged.statements_of(client.identify(ada.0, ada.1)).await;
    // The proof could fail: a new customer costs more.
    assert!(new.iter().any(|statement| statement.ends_with("FOR UPDATE")) && new.len() > 5, "{new:#?}");
    for (email, phone) in [ada, (ada.0, None), (None, ada.1), (Some(" ADA@example.org"), Some(""))] {
        let (reply, known) = logged.statements_of(client.identify(email, phone)).await;
        assert_eq!(reply.expect("an answer").status.as_u16(), 200);
        // One statement, by the plan that the server keeps, and what hands it its parameters.
        let sent = ["begin load", "set parameters", "execute load", "commit"];
        assert_eq!(known.join("; "), sent.map(text).join("; "));
    }
    assert!(text("begin load").contains("READ ONLY") && !text("load").contains("FOR "), "it locks nothing");
    proved("PostgreSQL: a known customer costs one look-up and no lock");
}

#[tokio::test]
async fn whoever_has_a_pooler_has_no_statement_by_name() {
    let logged = Logged::start().await;
    let store = open_postgres(&format!("{}?pgbouncer=true", logged.database.url())).await;
    fill(&*store, 1).await;
    let ((), known) = logged
        .statements_of(async {
            let sent = observation(&[("email".to_owned(), fill::email(0))]).unwrap();
            store.look(WorkspaceKey::DEFAULT, vec![sent], &mut |_| {}).await.unwrap();
        })
        .await;
    assert_eq!(known.join("; "), ["begin load", "load", "commit"].map(text).join("; "));
}

#[tokio::test]
async fn a_batch_of_500_costs_a_handful_of_statements() {
    let logged = Logged::start().await;
    let store = logged.database.open().await;
    // What a connection costs when it is made is no part of a batch.
    store.ready().await.unwrap();
    let ((), new) = logged.statements_of(fill(&*store, 500)).await;
    assert!(new.len() <= BATCH_STATEMENTS_MAX, "500 new: {new:#?}");

    // Every third one makes one of the two before it.
    let person = |number: usize| (format!("p{number}@x.org"), format!("9{number}"));
    let batch: Vec<_> = (0..500)
        .map(
            |number| {
                if number % 3 == 2 { (person(number - 2).0, person(number - 1).1) } else { person(number) }
            },
        )
        .collect();
    let (plan, merged) = logged.statements_of(write(&*store, &batch, 9_000_000_000_000)).await;
    assert!(plan.events.iter().any(|event| event.kind() == "merged"), "some merge");
    assert!(merged.len() <= BATCH_STATEMENTS_MAX, "500 new with merges among them: {merged:#?}");

    // And of those who were there before: each observation makes one of two of them.
    let batch: Vec<_> =
        (0..250).map(|number| (fill::email(2 * number), fill::phone(2 * number + 1))).collect();
    let (plan, merged) = logged.statements_of(write(&*store, &batch, 9_000_000_000_000)).await;
    assert_eq!(plan.events.len(), 250);
    assert!(merged.len() <= BATCH_STATEMENTS_MAX, "250 merges of known ones: {merged:#?}");
    proved(&format!(
        "PostgreSQL: 500 new ones cost {} statements, merges of known ones {}",
        new.len(),
        merged.len()
    ));
}

#[tokio::test]
async fn look_ups_that_arrive_together_share_a_round_trip() {
    let logged = Logged::start().await;
    let url = logged.database.url();
    let store: Arc<dyn Store> = open_postgres(&format!("{url}?connection_limit=1")).await;
    fill(&*store, 200).await;
    // The store's only connection waits for this lock with a write, so that the look-ups wait for it.
    let holder = connect(&url).await;
    holder.batch_execute("BEGIN; SELECT 1 FROM workspaces FOR UPDATE").await.unwrap();
    let writing = tokio::spawn({
        let store = Arc::clone(&store);
        async move { write(&*store, &[("new@x.org".to_owned(), "1".to_owned())], 9_000_000_000_000).await }
    });
    let watcher = connect(&url).await;
    let waits = "SELECT count(*) FROM pg_stat_activity
        WHERE application_name = 'selfsame' AND wait_event_type = 'Lock'";
    while watcher.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 0 {}

    let (answers, statements) = logged
        .statements_of(async {
            let mut loads = JoinSet::new();
            for number in 0..200 {
                let store = Arc::clone(&store);
                let sent = observation(&[("email".to_owned(), fill::email(number))]).unwrap();
                let asked = vec![sent.clone()];
                loads.spawn(async move {
                    let mut primary = None;
                    let mut look = |identities: &dyn Identities| {
                        let plan =
                            decide(identities, std::slice::from_ref(&sent), Timestamp::from_milliseconds(0));
                        primary = plan
                            .answers
                            .first()
                            .and_then(|answer| answer.identity.as_ref())
                            .map(|view| view.primary.0);
                    };
                    store.look(WorkspaceKey::DEFAULT, asked, &mut look).await.unwrap();
                    primary.expect("an answer")
                });
            }
            // A query of its own, by the end of which all of them have been asked.
            holder.batch_execute("COMMIT").await.unwrap();
            let mut answers = loads.join_all().await;
            answers.sort_unstable();
            answers
        })
        .await;
    writing.await.unwrap();
    assert_eq!(answers, (1..=200).collect::<Vec<i64>>(), "each gets its own");
    // The first may have been sent on its way alone; the others wait for one connection, so they go together.
    let loads = statements.iter().filter(|&statement| *statement == text("execute load")).count();
    assert!((1..=2).contains(&loads), "{loads} round trips");
    proved(&format!("PostgreSQL: 200 look-ups that arrived together cost {loads} round trips"));
}

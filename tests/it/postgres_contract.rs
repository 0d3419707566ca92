//! What every store promises (crate `store`, "The contract"), of the PostgreSQL store where it could go wrong
//! in its own way.

use std::time::Duration;

use selfsame_rules::{Observation, Timestamp, decide};
use selfsame_store::{Decision, Store, StoreError, WorkspaceKey};
use selfsame_store_postgres::{ConnectionSettings, PostgresStore};
use support::backend::{observation, rows_of};
use support::databases::{Database, Databases, connect};
use support::server::{ServerOptions, TestServer};
use tokio::time::timeout;

/// Every row of ours with its versions: where it stands, and which transaction wrote it.
async fn versions(database: &Database) -> Vec<String> {
    let mut versions = Vec::new();
    for table in ["workspaces", "contacts", "identifiers", "events", "keys"] {
        let sql = format!("SELECT concat_ws(' ', xmin, ctid, \"row\".*) FROM {table} AS \"row\" ORDER BY 1");
        versions.extend(database.texts(&sql).await);
    }
    versions
}

fn seen(email: &str) -> Observation {
    observation(&[("email".to_owned(), email.to_owned())]).unwrap()
}

/// Decides as the product does.
fn deciding(seen: Observation) -> (Vec<Observation>, Decision) {
    let asked = vec![seen.clone()];
    let at = Timestamp::from_milliseconds(1);
    (
        asked,
        Box::new(move |loaded: &dyn selfsame_rules::Identities| {
            decide(loaded, std::slice::from_ref(&seen), at)
        }),
    )
}

async fn write(store: &dyn Store, email: &str) -> Result<usize, StoreError> {
    let (asked, decision) = deciding(seen(email));
    store.write(WorkspaceKey::DEFAULT, asked, decision).await.map(|plan| plan.events.len())
}

#[tokio::test]
async fn an_empty_plan_changes_no_row_and_no_version_of_one() {
    let databases = Databases::postgres();
    let database = databases.empty().await;
    let store = database.open().await;
    for email in ["a@x.org", "b@x.org"] {
        assert_eq!(write(&*store, email).await.unwrap(), 1);
    }
    let before = versions(&database).await;
    assert!(before.len() >= 7, "a workspace, and three rows for each: {before:#?}");
    assert_eq!(write(&*store, "a@x.org").await.unwrap(), 0);
    assert_eq!(versions(&database).await, before);
    // The proof could fail: a plan that isn't empty moves at least the workspace's row.
    assert_eq!(write(&*store, "c@x.org").await.unwrap(), 1);
    let after = versions(&database).await;
    assert_ne!((&after[0], after.len()), (&before[0], before.len()));
}

#[tokio::test]
async fn a_known_customer_changes_no_row_and_no_version_of_one() {
    let databases = Databases::postgres();
    let database = databases.empty().await;
    let server = TestServer::start(database.open().await, ServerOptions::default()).await;
    let mut client = server.client().await;
    let ada = (Some("ada@example.org"), Some("+4915550100"));
    let answer = client.identify(ada.0, ada.1).await.expect("an answer").body;
    let before = versions(&database).await;
    for (email, phone) in [ada, (ada.0, None), (None, ada.1), (Some(" ADA@example.org"), Some(""))] {
        assert_eq!(client.identify(email, phone).await.expect("an answer").body, answer);
    }
    for path in ["/", "/healthz", "/readyz", "/nowhere"] {
        client.get(path).await.expect("an answer");
    }
    assert_eq!(versions(&database).await, before);
}

#[tokio::test]
async fn a_decision_that_panics_fails_its_own_write_and_no_other() {
    let databases = Databases::postgres();
    let store = databases.empty().await.open().await;
    let at_once = (0..20).map(|number| {
        let store = std::sync::Arc::clone(&store);
        tokio::spawn(async move {
            let (asked, decision) = deciding(seen(&format!("p{number}@x.org")));
            let decision = if number % 2 == 0 {
                decision
            } else {
                Box::new(|_: &dyn selfsame_rules::Identities| panic!("as planted"))
            };
            store.write(WorkspaceKey::DEFAULT, asked, decision).await
        })
    });
    for (number, written) in at_once.collect::<Vec<_>>().into_iter().enumerate() {
        match written.await.expect("the panic stays in the write") {
            Ok(plan) => assert_eq!((number % 2, plan.events.len()), (0, 1)),
            Err(error) => {
                assert!(number % 2 == 1 && matches!(error, StoreError::Failed(_)), "{number}: {error}");
            }
        }
    }
    assert_eq!(write(&*store, "after@x.org").await.unwrap(), 1);
    assert_eq!(rows_of(&*store).await.len(), 11);
}

#[tokio::test]
async fn a_closed_store_takes_no_write() {
    let databases = Databases::postgres();
    let database = databases.empty().await;
    let (store, other) = (database.open().await, database.open().await);
    store.close().await.unwrap();
    assert!(matches!(write(&*store, "a@x.org").await, Err(StoreError::NotWritable)));
    let loaded = store.look(WorkspaceKey::DEFAULT, vec![seen("a@x.org")], &mut |_| {}).await;
    // It was tried again and again until the time was up, as if the pool could open again.
    assert!(matches!(loaded, Err(StoreError::NotWritable)), "{loaded:?}");
    assert!(matches!(store.ready().await, Err(StoreError::NotWritable)));
    // A second time is as good as once, and another replica does not notice.
    store.close().await.unwrap();
    assert_eq!(write(&*other, "a@x.org").await.unwrap(), 1);
}

/// Those of others than whoever asks.
const SESSIONS: &str = "SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()";

#[tokio::test]
async fn a_store_that_nobody_holds_any_more_gives_its_connections_back() {
    let databases = Databases::postgres();
    let database = databases.empty().await;
    let asking = connect(&database.url()).await;
    let sessions = async || asking.query_one(SESSIONS, &[]).await.unwrap().get::<_, i64>(0);
    let store = database.open().await;
    assert_eq!(write(&*store, "a@x.org").await.unwrap(), 1);
    assert!(sessions().await >= 1, "the store keeps what it connected");
    drop(store);
    let gone = async { while sessions().await > 0 {} };
    timeout(Duration::from_secs(20), gone).await.expect("the server sees them end");
}

#[tokio::test]
async fn a_store_opened_for_reading_takes_no_write() {
    let databases = Databases::postgres();
    let database = databases.empty().await;
    assert_eq!(write(&*database.open().await, "a@x.org").await.unwrap(), 1);
    let settings = ConnectionSettings::parse(&database.url(), |_| None).unwrap();
    let store = PostgresStore::open_for_reading(&settings, Duration::from_secs(10)).await.unwrap();
    assert!(matches!(write(&store, "b@x.org").await, Err(StoreError::NotWritable)));
    assert_eq!(rows_of(&store).await.len(), 1);
}

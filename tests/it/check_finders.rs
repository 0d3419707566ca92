//! `check` finds where what events are found by is not what the log says, on both stores.

use selfsame_service::check::check;
use selfsame_service::{Engine, EngineSettings};
use selfsame_store::WorkspaceKey;
use support::clock::ManualClock;
use support::corrections::use_everything;
use support::databases::{Database, Databases};

/// What is damaged, how that is taken back, and what is told of it.
const DAMAGES: [(&str, &str, &str); 6] = [
    (
        "UPDATE contacts SET event_sequence = event_sequence + 1 WHERE id = 2",
        "UPDATE contacts SET event_sequence = event_sequence - 1 WHERE id = 2",
        "contact 2 does not name the event that made it",
    ),
    (
        "UPDATE event_contacts SET contact_id = contact_id + 100 WHERE sequence = 4",
        "UPDATE event_contacts SET contact_id = contact_id - 100 WHERE sequence = 4",
        "event 4 is not found by the contacts that it concerns",
    ),
    (
        "INSERT INTO event_contacts (workspace, contact_id, sequence) VALUES (1, 1, 2)",
        "DELETE FROM event_contacts WHERE contact_id = 1 AND sequence = 2",
        "event 2 is not found by the contacts that it concerns",
    ),
    (
        "UPDATE kept_apart SET contact_id = contact_id + 100 WHERE sequence = 5",
        "UPDATE kept_apart SET contact_id = contact_id - 100 WHERE sequence = 5",
        "event 5 is not found by the contacts that it keeps apart, or no longer",
    ),
    (
        "UPDATE refusals SET evidence = 'x' || evidence WHERE sequence = 4",
        "UPDATE refusals SET evidence = substr(evidence, 2) WHERE sequence = 4",
        "event 4 is not found by the evidence that it refused",
    ),
    (
        "UPDATE refusals SET settled_sequence = NULL WHERE sequence = 4",
        "UPDATE refusals SET settled_sequence = 5 WHERE sequence = 4",
        "event 5 is not found by the refusal that it settled",
    ),
];

async fn faults(database: &Database) -> Vec<String> {
    let store = database.open().await;
    let report = check(&*store, WorkspaceKey::DEFAULT).await.expect("it can be read");
    store.close().await.expect("it closes");
    report.faults
}

#[tokio::test(flavor = "multi_thread")]
async fn what_events_are_found_by_is_compared_with_the_log() {
    for databases in [Databases::Sqlite, Databases::postgres()] {
        let database = databases.empty().await;
        let store = database.open().await;
        let settings = EngineSettings::default();
        let engine = Engine::start(store.clone(), ManualClock::new(), WorkspaceKey::DEFAULT, settings);
        use_everything(&engine).await;
        store.close().await.expect("it closes");
        drop((engine, store));
        assert_eq!(faults(&database).await, Vec::<String>::new(), "{databases}");
        for (damage, repair, told) in DAMAGES {
            database.execute(damage).await;
            assert_eq!(faults(&database).await, [told], "{databases}: {damage}");
            database.execute(repair).await;
        }
        assert_eq!(faults(&database).await, Vec::<String>::new(), "{databases}");
    }
}

//! A database of an earlier schema is brought to this one, and nothing is lost on the way.

use std::path::Path;

use rusqlite::Connection;
use selfsame_rules::{Identities, Timestamp, decide};
use selfsame_service::check::check;
use selfsame_store::{Store, WorkspaceKey};
use support::backend::{observation, rows_of};
use support::databases::{Databases, connect};
use support::server::open_sqlite;

/// What the first schema had otherwise: who owns a value was a table, with an index of its own order.
pub(crate) const BACK_TO_THE_FIRST: &str = "
    CREATE TABLE owners (
        workspace  INTEGER NOT NULL,
        kind       TEXT    NOT NULL,
        value      TEXT    NOT NULL,
        contact_id INTEGER NOT NULL,
        PRIMARY KEY (workspace, kind, value)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO owners SELECT workspace, kind, value, contact_id FROM identifiers;
    DROP VIEW identifiers;
    ALTER TABLE owners RENAME TO identifiers;
    DROP VIEW \"Contact\";
    ALTER TABLE contacts DROP COLUMN owns_email;
    ALTER TABLE contacts DROP COLUMN owns_phone;
    ALTER TABLE contacts DROP COLUMN owns_declared;
    DROP TABLE event_contacts;
    DROP TABLE kept_apart;
    DROP TABLE refusals;
    DROP TABLE answers;
    DROP TABLE webhooks;
    DROP TABLE imports;
    DROP INDEX events_governing;
    ALTER TABLE contacts DROP COLUMN event_sequence;
    ALTER TABLE events DROP COLUMN origin;
    DROP TABLE keys;
    ALTER TABLE workspaces DROP COLUMN policy;
    ALTER TABLE workspaces DROP COLUMN policy_sequence;
    ALTER TABLE workspaces DROP COLUMN former_names;
    ALTER TABLE workspaces DROP COLUMN contact_count;
    ALTER TABLE workspaces DROP COLUMN identity_count;
    ALTER TABLE workspaces DROP COLUMN created_at_ms;
    ALTER TABLE workspaces DROP COLUMN erased_at_ms;
    ALTER TABLE workspaces DROP COLUMN swept_at_ms;
    ALTER TABLE workspaces DROP COLUMN linked_sequence;
    CREATE INDEX contacts_by_primary ON contacts (workspace, linked_id) WHERE linked_id IS NOT NULL;
    CREATE VIEW \"Contact\" AS SELECT id FROM contacts;
    DELETE FROM refinery_schema_history WHERE version > 1;";

/// What PostgreSQL's first schema had otherwise. There is no second.
const BACK_TO_THE_FIRST_IN_POSTGRES: &str = "
    DROP TABLE event_contacts, kept_apart, refusals, answers, webhooks, imports, keys;
    DROP INDEX events_governing;
    ALTER TABLE contacts DROP COLUMN event_sequence;
    ALTER TABLE events DROP COLUMN origin;
    ALTER TABLE workspaces DROP COLUMN policy, DROP COLUMN policy_sequence, DROP COLUMN is_plain, DROP COLUMN former_names, DROP COLUMN contact_count, DROP COLUMN identity_count,
        DROP COLUMN created_at_ms, DROP COLUMN erased_at_ms, DROP COLUMN swept_at_ms;
    DELETE FROM refinery_schema_history WHERE version > 1;";

async fn fill(path: &Path) {
    let store = open_sqlite(path);
    write_some(&*store).await;
    store.close().await.expect("it closes");
}

async fn write_some(store: &dyn Store) {
    for (at, sent) in [
        &[("email", "a@x.org"), ("phone", "1")][..],
        &[("email", "b@x.org"), ("phone", "1")],
        &[("phone", "2"), ("customerId", "C7"), ("deviceId", "D1")],
        &[("phone", "3"), ("customerId", "C7"), ("deviceId", "D2")],
        &[("email", "a@x.org"), ("customerId", "C7")],
    ]
    .into_iter()
    .enumerate()
    {
        let sent: Vec<_> = sent.iter().map(|(kind, text)| ((*kind).to_owned(), (*text).to_owned())).collect();
        let seen = observation(&sent).expect("it is valid");
        let at = Timestamp::from_milliseconds(i64::try_from(at).expect("few"));
        let asked = vec![seen.clone()];
        let decision =
            Box::new(move |stored: &dyn Identities| decide(stored, std::slice::from_ref(&seen), at));
        store.write(WorkspaceKey::DEFAULT, asked, decision).await.expect("there is room");
    }
}

/// Who owns what, as the tables tell.
fn owners(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).expect("it is closed");
    let mut statement = connection
        .prepare("SELECT kind || ' ' || value || ' ' || contact_id FROM identifiers ORDER BY 1")
        .expect("both schemas have it");
    statement
        .query_map([], |row| row.get(0))
        .expect("no parameters")
        .collect::<Result<_, _>>()
        .expect("texts")
}

#[tokio::test]
async fn a_database_of_the_first_schema_is_brought_to_this_one() {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("selfsame.db");
    fill(&path).await;
    let owners_before = owners(&path);
    assert_eq!(owners_before.len(), 8, "{owners_before:?}");
    let connection = Connection::open(&path).expect("it is closed");
    connection.execute_batch(BACK_TO_THE_FIRST).expect("it is a database of this schema");
    connection.close().expect("nothing is running");
    assert_eq!(owners(&path), owners_before);

    let store = open_sqlite(&path);
    let report = check(&*store, WorkspaceKey::DEFAULT).await.expect("it can be read");
    assert_eq!((report.faults, report.identifiers), (Vec::new(), 8));
    let rows = rows_of(&*store).await;
    assert_eq!(rows.iter().map(|row| row.linked_to).collect::<Vec<_>>(), [None, Some(1), Some(1), Some(1)]);
    store.close().await.expect("it closes");
    assert_eq!(owners(&path), owners_before);
}

#[tokio::test]
async fn a_postgres_database_of_the_first_schema_is_brought_to_this_one_and_counted() {
    let databases = Databases::postgres();
    let database = databases.empty().await;
    let store = database.open().await;
    write_some(&*store).await;
    let access = store.access().await.expect("it can be read");
    let counts = access.workspaces[0].counts;
    assert_eq!((counts.contacts, counts.identities), (4, 1));
    store.close().await.expect("it closes");
    let client = connect(&database.url()).await;
    client.batch_execute(BACK_TO_THE_FIRST_IN_POSTGRES).await.expect("it is a database of this schema");

    let store = database.open().await;
    assert_eq!(store.access().await.expect("it can be read"), access);
    let report = check(&*store, WorkspaceKey::DEFAULT).await.expect("it can be read");
    assert_eq!((report.faults, report.identifiers), (Vec::new(), 8));
    store.close().await.expect("it closes");
}

//! How PostgreSQL finds the rows: by their keys, whether or not it has statistics of the tables.

use selfsame_store_postgres::{ConnectionSettings, PostgresStore, statements};
use support::postgres::binaries::Binaries;
use support::postgres::cluster::Cluster;
use support::postgres::settings::Settings;
use tokio_postgres::{Client, SimpleQueryMessage};

/// A hundred thousand contacts, every second one linked to the one before it, each with an e-mail and a phone.
const FILL: &str = "INSERT INTO selfsame.contacts
    SELECT 1, n, 'e' || n, 'p' || n, NULL, CASE WHEN n % 2 = 0 THEN n - 1 END, n, n, NULL FROM generate_series(1, 100000) n;
INSERT INTO selfsame.identifiers SELECT 1, 'email', 'e' || n, n FROM generate_series(1, 100000) n;
INSERT INTO selfsame.identifiers SELECT 1, 'phone', 'p' || n, n FROM generate_series(1, 100000) n;
INSERT INTO selfsame.events SELECT 1, n, n, 'k', 1, '', '{}', '{}' FROM generate_series(1, 100000) n";

/// The lines of a plan that read a table that grows otherwise than by a key.
fn whole_tables(plan: &str) -> Vec<&str> {
    let (mut found, mut grows) = (Vec::new(), false);
    for line in plan.lines().map(str::trim) {
        if line.contains("Scan") {
            let on = line.split(" on ").nth(1).unwrap_or_default();
            grows = ["contacts", "identifiers", "events"].iter().any(|table| on.starts_with(table));
        }
        // A condition on the workspace alone finds all of it.
        let too_wide = line.starts_with("Index Cond:") && !line.contains(" AND ");
        if grows && (line.contains("Seq Scan") || too_wide) {
            found.push(line);
        }
    }
    found
}

/// The plan of a statement with these types and values of its parameters.
async fn plan(client: &Client, text: &str, types: &str, values: &str) -> String {
    let explain =
        format!("PREPARE asked ({types}) AS {text}; EXPLAIN EXECUTE asked ({values}); DEALLOCATE asked");
    let lines = client.simple_query(&explain).await.unwrap();
    let row = |message| {
        if let SimpleQueryMessage::Row(row) = message { row.get(0).map(str::to_owned) } else { None }
    };
    lines.into_iter().filter_map(row).collect::<Vec<_>>().join("\n")
}

/// So many of something, as an array's text.
fn array(count: usize, of: impl Fn(usize) -> String, sort: &str) -> String {
    let all: Vec<String> = (1..=count).map(of).collect();
    format!("ARRAY[{}]::{sort}[]", all.join(","))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_up_and_a_merge_go_by_keys_with_statistics_and_without() {
    let quiet = Settings::default().with("autovacuum", "off");
    let cluster = Cluster::start_with(Binaries::of_the_system(), quiet);
    let url = cluster.create_database("shop").await;
    let settings = ConnectionSettings::parse(&url, |_| None).unwrap();
    PostgresStore::migrate(&settings, false).await.unwrap();
    let client = cluster.connect("shop").await;
    client.batch_execute(FILL).await.unwrap();
    for statistics in [false, true] {
        if statistics {
            client.batch_execute("ANALYZE").await.unwrap();
        }
        for count in [2, 50, 500] {
            let kinds = array(count, |_| "'email'".to_owned(), "text");
            let values = array(count, |n| format!("'e{}'", n * 100), "text");
            let former = array(count, |n| (2 * n).to_string(), "bigint");
            for name in ["load", "relink", "lock"] {
                let listed = statements();
                let text = &listed.iter().find(|(own, _)| *own == name).unwrap().1;
                let (types, values) = match name {
                    "load" => ("bigint, text[], text[]", format!("1, {kinds}, {values}")),
                    "lock" => ("bigint", "1".to_owned()),
                    _ => ("bigint, bigint[], bigint[], bigint[]", format!("1, {former}, {former}, {former}")),
                };
                let plan = plan(&client, text, types, &values).await;
                // The table of workspaces is small, and may be read as PostgreSQL likes.
                let bad = whole_tables(&plan);
                assert!(bad.is_empty(), "{name}, {count}, statistics {statistics}: {bad:?}\n{plan}");
                assert!(plan.contains("Scan"), "{plan}");
            }
        }
        for name in ["sweep contacts", "sweep identifiers", "sweep events"] {
            let listed = statements();
            let text = &listed.iter().find(|(own, _)| *own == name).unwrap().1;
            let plan = plan(&client, text, "bigint, bigint", "1, 5000").await;
            // It took seconds: each row of the workspace was compared with each that was to go.
            assert!(plan.contains("Delete on") && !plan.contains("Nested Loop"), "{plan}");
        }
        // The proof could fail.
        let by_email = "SELECT id FROM selfsame.contacts WHERE workspace = $1 AND email = $2";
        let plan = plan(&client, by_email, "bigint, text", "1, 'e7'").await;
        assert!(!whole_tables(&plan).is_empty(), "{plan}");
    }
}

/// Users saw: once two customers had 50,000 contacts each, every look-up took more than half a second, for PostgreSQL
/// believed that it would read as many rows, and compiled the plan first.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_compiled_first_once_some_identities_are_large() {
    // A tenth of the default: so many rows are enough then.
    let eager = Settings::default().with("jit", "on").with("jit_above_cost", "10000");
    let cluster = Cluster::start_with(Binaries::of_the_system(), eager);
    let url = cluster.create_database("shop").await;
    let settings = ConnectionSettings::parse(&url, |_| None).unwrap();
    PostgresStore::migrate(&settings, false).await.unwrap();
    let client = cluster.connect("shop").await;
    let large = FILL.replace("n - 1 END", "n % 4 + 1 END");
    client.batch_execute(&format!("{large}; ANALYZE")).await.unwrap();
    let listed = statements();
    let text = |name: &str| &listed.iter().find(|(own, _)| *own == name).unwrap().1;
    let values = "1, ARRAY['email'], ARRAY['e7']";
    let explain = async || plan(&client, text("load"), "bigint, text[], text[]", values).await;
    for begin in ["begin load", "begin write", "begin write durably"] {
        client.batch_execute(text(begin)).await.unwrap();
        let plan = explain().await;
        client.batch_execute("ROLLBACK").await.unwrap();
        assert!(plan.contains("Scan") && !plan.contains("JIT:"), "{begin}: {plan}");
    }
    // The proof could fail, where the server can compile at all.
    let can: bool = client.query_one("SELECT pg_jit_available()", &[]).await.unwrap().get(0);
    assert!(!can || explain().await.contains("JIT:"), "{}", explain().await);
}

//! The list of statements is complete, and nothing in it is dead: seen in the server's own log. And what
//! `selfsame migrate --citus` prints and refuses.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use selfsame_rules::{Actor, AdoptionSettings, Timestamp, decide};
use selfsame_service::{Engine, EngineSettings, ImportBatch, Importing};
use selfsame_store::{ImportCounts, ImportNote, Migrations, Once, Scan, Store, WorkspaceKey};
use selfsame_store_postgres::{
    AdoptionOrder, ConnectionSettings, OpenError, PostgresStore, adopt_database, examine, statements,
};
use support::administration;
use support::backend::{Backend, Stored, observation};
use support::clock::ManualClock;
use support::corrections;
use support::databases::Database;
use support::postgres::binaries::Binaries;
use support::postgres::cluster::Cluster;
use support::postgres::settings::Settings;
use support::process::command;
use support::sql::normalised;
use support::webhooks;
use tokio::sync::mpsc;

const PATIENCE: Duration = Duration::from_secs(20);

/// The table as the original makes it, with readers and rows.
const ORIGINAL: &str = r#"CREATE TABLE "Contact" (id SERIAL PRIMARY KEY, "phoneNumber" TEXT, email TEXT,
    "linkedId" INT, "linkPrecedence" TEXT NOT NULL, "createdAt" TIMESTAMP(3) NOT NULL,
    "updatedAt" TIMESTAMP(3) NOT NULL, "deletedAt" TIMESTAMP(3));
INSERT INTO "Contact" VALUES (1, '1', 'a@b.org', NULL, 'primary', now(), now(), NULL);
GRANT SELECT ON "Contact" TO reader"#;

/// What refinery sends by itself, by how it begins: its own table, and the migrations in its transaction.
const REFINERY: [&str; 9] = [
    "CREATE TABLE IF NOT EXISTS selfsame.refinery_schema_history",
    "SELECT version, name, applied_on, checksum FROM selfsame.refinery_schema_history",
    "START TRANSACTION",
    "INSERT INTO selfsame.refinery_schema_history",
    "-- Times are Unix milliseconds, UTC. Every key begins with the workspace. CREATE TABLE selfsame.workspaces",
    "-- Several workspaces, each with what it counts, and the keys to them. Names of workspaces",
    "-- What people correct, and what a policy refuses.",
    "-- Where a workspace's events are sent to, and how far that has come.",
    "-- How far the import of a file came, so that it goes on there.",
];

fn settings(url: &str) -> ConnectionSettings {
    ConnectionSettings::parse(url, |_| None).unwrap()
}

/// The statements in the log that the program sent, one space wherever they have white space.
fn sent(log: &str) -> BTreeSet<String> {
    let mut all: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in log.lines() {
        if let (true, Some(more), Some(last)) = (goes_on, line.strip_prefix('\t'), all.last_mut()) {
            last.push(' ');
            last.push_str(more);
            continue;
        }
        let line = line.strip_prefix("[selfsame] LOG:  ");
        let statement = line.and_then(|line| {
            line.strip_prefix("statement: ")
                .or_else(|| line.strip_prefix("execute ").and_then(|line| Some(line.split_once(": ")?.1)))
        });
        goes_on = statement.is_some();
        all.extend(statement.map(str::to_owned));
    }
    all.iter().map(|statement| shape(statement)).collect()
}

/// A statement with one space for any white space, and without the number of its time limit, which a setting gives.
fn shape(statement: &str) -> String {
    let words = normalised(statement);
    match words.split_once("lock_timeout = '") {
        Some((before, after)) => {
            format!("{before}lock_timeout = '{}", after.trim_start_matches(char::is_numeric))
        }
        None => words,
    }
}

/// Those of them that stand in no list.
fn unlisted(sent: &BTreeSet<String>) -> Vec<&String> {
    let listed: BTreeSet<String> = statements().iter().map(|(_, text)| shape(text)).collect();
    let refinery = |statement: &str| REFINERY.iter().any(|start| statement.starts_with(start));
    sent.iter().filter(|statement| !listed.contains(*statement) && !refinery(statement)).collect()
}

/// Sends a statement as the store does, under the store's name.
async fn send(url: &str, statement: &str) {
    let (client, connection) =
        tokio_postgres::connect(&format!("{url}?application_name=selfsame"), tokio_postgres::NoTls)
            .await
            .unwrap();
    tokio::spawn(async move { drop(connection.await) });
    client.query_typed(statement, &[]).await.unwrap();
}

async fn adopt(url: &str, apply: bool) {
    let order = AdoptionOrder {
        apply,
        settings: AdoptionSettings { trust_links: false },
        actor: Actor::named("test"),
        at: Timestamp::from_milliseconds(1_800_000_000_000),
        lock_timeout: Duration::from_secs(10),
    };
    adopt_database(&settings(url), order, &|_| ()).await.unwrap();
}

/// Lets a store do all that it can.
async fn use_everything(url: &str) {
    PostgresStore::migrate(&settings(url), true).await.unwrap();
    let store: Arc<dyn Store> =
        Arc::new(PostgresStore::open(&settings(url), Migrations::Apply, PATIENCE).await.unwrap());
    let mut backend = Stored::over(Arc::clone(&store), Database::Postgres { url: url.to_owned() });
    let seen = |email: &str, phone: &str| {
        vec![("email".to_owned(), email.to_owned()), ("phone".to_owned(), phone.to_owned())]
    };
    // Created, attached, created, merged, known.
    for (email, phone) in
        [("a@b.org", "1"), ("a@b.org", "2"), ("c@b.org", "3"), ("a@b.org", "3"), ("a@b.org", "1")]
    {
        backend.identify(&seen(email, phone), 1).await.unwrap();
    }
    // A decision that changes nothing, and scans of both sorts.
    let nothing = Box::new(|loaded: &dyn selfsame_rules::Identities| {
        decide(loaded, &[], Timestamp::from_milliseconds(1))
    });
    store.write(WorkspaceKey::DEFAULT, Vec::new(), nothing).await.unwrap();
    for what in [Scan::Contacts, Scan::Identities, Scan::Everything] {
        let (sender, mut records) = mpsc::channel(4);
        let (scanned, ()) = tokio::join!(store.scan(WorkspaceKey::DEFAULT, what, sender), async {
            while records.recv().await.is_some() {}
        });
        scanned.unwrap();
    }
    // Each change of access, and what is left of an erased workspace.
    let shop = administration::make_workspace(&*store, "shop", 2).await.unwrap().unwrap().workspace;
    administration::make_key(&*store, shop, &administration::key("k1", 3)).await.unwrap();
    administration::revoke_key(&*store, shop, "k1", 4).await.unwrap();
    administration::rename_workspace(&*store, shop, "store", 5).await.unwrap();
    administration::erase_workspace(&*store, shop, 6).await.unwrap();
    while !store.sweep(shop).await.unwrap() {}
    assert_eq!(store.access().await.unwrap().workspaces.len(), 2);
    store.ready().await.unwrap();
    store.findings().await.unwrap();
    let engine = Engine::start(
        Arc::clone(&store),
        ManualClock::new(),
        WorkspaceKey::DEFAULT,
        EngineSettings::default(),
    );
    // Before an erasure, which forgets it.
    let note = ImportNote {
        file: "a file".into(),
        rows: 1,
        digest: "a digest".into(),
        by_time: false,
        counts: ImportCounts::default(),
        began_at: Timestamp::from_milliseconds(1),
    };
    let observations = vec![observation(&seen("i@b.org", "6")).unwrap()];
    let batch = ImportBatch { observations, note, begins_history: false };
    engine.import(batch, &mut Importing::default()).await.unwrap();
    assert!(engine.import_note("a file").await.unwrap().is_some());
    corrections::use_everything(&engine).await;
    webhooks::use_everything(&*store).await;
    // A message that is to have its effect once.
    let (at, message) = (Timestamp::from_milliseconds(1), observation(&seen("d@b.org", "4")).unwrap());
    let once = Once::new(WorkspaceKey::DEFAULT, "POST /v1/batch", "m1", [""; 0], at);
    engine.identify_all_once(vec![message], vec![Some(once)]).await.unwrap();
    assert!(
        store.forget_answers(WorkspaceKey::DEFAULT, Timestamp::from_milliseconds(i64::MAX)).await.unwrap()
    );
    store.close().await.unwrap();
    examine(&settings(url)).await.unwrap();
    let distributed = PostgresStore::distribute(&settings(url)).await;
    assert!(matches!(distributed, Err(OpenError::NoCitus)), "{distributed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_logs_is_in_the_list_and_all_of_the_list_is_logged() {
    let logging = Settings::default().with("log_statement", "all").with("log_line_prefix", "[%a] ");
    let cluster = Cluster::start_with(Binaries::of_the_system(), logging);
    cluster.execute("postgres", "CREATE ROLE reader").await;
    for (name, original) in [("new", false), ("forgetful", true)] {
        let url = cluster.create_database(name).await;
        if original {
            let forget = format!("ALTER DATABASE {name} SET synchronous_commit = off");
            cluster.execute("postgres", &forget).await;
            cluster.execute(name, ORIGINAL).await;
            adopt(&url, false).await;
            adopt(&url, true).await;
        }
        use_everything(&url).await;
    }
    let seen = sent(&cluster.log());
    assert_eq!(unlisted(&seen), [""; 0]);
    for (name, text) in statements() {
        assert!(seen.contains(&shape(&text)), "`{name}` was never sent");
    }
    // The proof could fail.
    send(&cluster.url("new"), "SELECT\n    7 AS unlisted").await;
    assert_eq!(unlisted(&sent(&cluster.log())), ["SELECT 7 AS unlisted"]);
}

/// Runs the program on a database; its exit code, standard output and standard error.
fn run(url: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut program: Command = command(folder.path(), arguments);
    let output = program.env("DATABASE_URL", url).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    assert!(!folder.path().join("selfsame.db").exists(), "a refusal makes no file");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn citus_is_told_what_to_distribute_and_nothing_else_is_asked_to() {
    let cluster = Cluster::start();
    let url = cluster.create_database("shop").await;
    let (code, out, err) = run(&url, &["migrate", "--citus", "--dry-run"]);
    assert_eq!(code, Some(0), "{err}");
    // The first begins a group of its own, the others join it: a workspace's rows lie on one shard.
    insta::assert_snapshot!(out, @r"
    SELECT create_distributed_table('selfsame.workspaces', 'workspace', colocate_with => 'none') WHERE NOT EXISTS (SELECT 1 FROM pg_dist_partition WHERE logicalrelid = 'selfsame.workspaces'::regclass);
    SELECT create_distributed_table('selfsame.contacts', 'workspace', colocate_with => 'selfsame.workspaces') WHERE NOT EXISTS (SELECT 1 FROM pg_dist_partition WHERE logicalrelid = 'selfsame.contacts'::regclass);
    SELECT create_distributed_table('selfsame.identifiers', 'workspace', colocate_with => 'selfsame.workspaces') WHERE NOT EXISTS (SELECT 1 FROM pg_dist_partition WHERE logicalrelid = 'selfsame.identifiers'::regclass);
    SELECT create_distributed_table('selfsame.events', 'workspace', colocate_with => 'selfsame.workspaces') WHERE NOT EXISTS (SELECT 1 FROM pg_dist_partition WHERE logicalrelid = 'selfsame.events'::regclass);
    SELECT create_distributed_table('selfsame.keys', 'workspace', colocate_with => 'selfsame.workspaces') WHERE NOT EXISTS (SELECT 1 FROM pg_dist_partition WHERE logicalrelid = 'selfsame.keys'::regclass);
    SELECT create_distributed_table('selfsame.event_contacts', 'workspace', colocate_with => 'selfsame.workspaces') WHERE NOT EXISTS (SELECT 1 FROM pg_dist_partition WHERE logicalrelid = 'selfsame.event_contacts'::regclass);
    SELECT create_distributed_table('selfsame.kept_apart', 'workspace', colocate_with => 'selfsame.workspaces') WHERE NOT EXISTS (SELECT 1 FROM pg_dist_partition WHERE logicalrelid = 'selfsame.kept_apart'::regclass);
    SELECT create_distributed_table('selfsame.refusals', 'workspace', colocate_with => 'selfsame.workspaces') WHERE NOT EXISTS (SELECT 1 FROM pg_dist_partition WHERE logicalrelid = 'selfsame.refusals'::regclass);
    SELECT create_distributed_table('selfsame.answers', 'workspace', colocate_with => 'selfsame.workspaces') WHERE NOT EXISTS (SELECT 1 FROM pg_dist_partition WHERE logicalrelid = 'selfsame.answers'::regclass);
    SELECT create_distributed_table('selfsame.webhooks', 'workspace', colocate_with => 'selfsame.workspaces') WHERE NOT EXISTS (SELECT 1 FROM pg_dist_partition WHERE logicalrelid = 'selfsame.webhooks'::regclass);
    SELECT create_distributed_table('selfsame.imports', 'workspace', colocate_with => 'selfsame.workspaces') WHERE NOT EXISTS (SELECT 1 FROM pg_dist_partition WHERE logicalrelid = 'selfsame.imports'::regclass);
    ");
    assert!(err.contains("pending"), "{err}");
    let (code, out, err) = run(&url, &["migrate", "--citus"]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(
        err.contains("the database has no Citus, so its tables can't be distributed\nhint: CREATE EXTENSION"),
        "{err}"
    );
    let (code, out, err) = run("sqlite:selfsame.db", &["migrate", "--citus"]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(
        err.contains("is no PostgreSQL database, and Citus spreads only those\nhint: leave --citus out"),
        "{err}"
    );
}

//! Starting on PostgreSQL: who migrates, when, and which databases are refused with which sentence.

use std::path::Path;
use std::process::Output;

use support::client::Client;
use support::deadline::run_to_end;
use support::home::{Home, PASSWORD};
use support::process::{ServerProcess, run};

use crate::shop::start_with;

/// The original's table, as its own migration makes it.
const ORIGINALS_TABLE: &str = r#"CREATE TABLE "Contact" (
    "id" SERIAL NOT NULL, "phoneNumber" TEXT, "email" TEXT, "linkedId" INTEGER, "linkPrecedence" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, "updatedAt" TIMESTAMP(3) NOT NULL,
    "deletedAt" TIMESTAMP(3), CONSTRAINT "Contact_pkey" PRIMARY KEY ("id"));
    INSERT INTO "Contact" ("email", "linkPrecedence", "updatedAt") VALUES ('doc@hill.edu', 'primary', now());
    ALTER TABLE "Contact" OWNER TO shop"#;

/// The sentence of a refusal, with exit code 2, without the password and without the port.
fn refused(home: &Home, arguments: &[&str], port: u16) -> String {
    told(&run_to_end(home.path(), arguments), port)
}

fn told(output: &Output, port: u16) -> String {
    let said = String::from_utf8_lossy(&output.stderr).replace(&port.to_string(), "PORT");
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(!said.contains(PASSWORD) && !said.contains("shop:hunter"), "{said}");
    said
}

fn printed(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn five_replicas_that_start_at_once_migrate_once() {
    for _ in 0..3 {
        let mut home = Home::postgres().await;
        let servers: Vec<ServerProcess> = std::thread::scope(|scope| {
            let starting: Vec<_> =
                (0..5).map(|_| scope.spawn(|| ServerProcess::start(home.path()))).collect();
            starting.into_iter().map(|server| server.join().unwrap()).collect()
        });
        for server in &servers {
            let mut client = support::client::Client::connect(server.address).await.unwrap();
            let reply = client.identify(Some("doc@hill.edu"), Some("123456")).await.unwrap();
            assert_eq!(
                (reply.status.as_u16(), &reply.json()["contact"]["primaryContactId"]),
                (200, &1.into())
            );
            assert!(!server.said().contains("ERROR") && !server.said().contains("WARN"), "{}", server.said());
        }
        let counts = "SELECT count(*), count(DISTINCT version) FROM selfsame.refinery_schema_history";
        let row = home.cluster().connect("shop").await.query_one(counts, &[]).await.unwrap();
        assert_eq!(row.get::<_, i64>(0), row.get::<_, i64>(1));
        assert!(run(home.path(), &["check"]).status.success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_may_not_migrate_waits_for_somebody_who_does() {
    let mut home = Home::postgres().await;
    let port = home.cluster().port();
    let serve = ["serve", "--port", "0", "--migrate=false"];
    let refusal = refused(&home, &serve, port);
    insta::assert_snapshot!(refusal, @r"
    error: the database has schema 0 of selfsame, and this version needs 6
    hint: run `selfsame migrate`, or let `selfsame serve` of this version start once
    ");
    let pending = printed(home.path(), &["migrate", "--dry-run"]);
    assert!(pending.starts_with("pending: V1__"), "{pending}");
    assert_eq!(refused(&home, &serve, port), refusal, "only telling must change nothing");
    assert_eq!(printed(home.path(), &["migrate"]), pending.replace("pending", "applied"));
    for arguments in [&["migrate"][..], &["migrate", "--dry-run"]] {
        let nothing = "nothing is pending: the database has this version's schema\n";
        assert_eq!(printed(home.path(), arguments), nothing);
    }
    start_with(home.path(), &["--migrate=false"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_with_the_originals_table_is_refused_until_it_is_adopted() {
    let mut home = Home::postgres().await;
    let port = home.cluster().port();
    home.cluster().execute("shop", ORIGINALS_TABLE).await;
    let refusal = refused(&home, &["serve", "--port", "0"], port);
    insta::assert_snapshot!(refusal, @r#"
    error: the database has the table "Contact" of the original service (schema `public`), and selfsame has not taken it over yet
    hint: stop the old server, then run `selfsame adopt` to see what would be done, and `selfsame adopt --apply` to do it
    "#);
    for arguments in [&["serve", "--port", "0", "--migrate=false"][..], &["migrate"]] {
        assert_eq!(refused(&home, arguments, port), refusal);
    }
    let tables = "SELECT count(*) FROM pg_namespace WHERE nspname = 'selfsame'";
    let made: i64 = home.cluster().connect("shop").await.query_one(tables, &[]).await.unwrap().get(0);
    assert_eq!(made, 0, "a refusal must change nothing");
    printed(home.path(), &["adopt", "--apply"]);
    let server = ServerProcess::start(home.path());
    let mut client = support::client::Client::connect(server.address).await.unwrap();
    let reply = client.identify(Some("doc@hill.edu"), None).await.unwrap();
    assert_eq!(reply.json()["contact"]["primaryContactId"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_a_newer_version_is_refused() {
    let mut home = Home::postgres().await;
    let port = home.cluster().port();
    printed(home.path(), &["migrate"]);
    let newer = "INSERT INTO selfsame.refinery_schema_history SELECT 999, 'later', applied_on, checksum
        FROM selfsame.refinery_schema_history LIMIT 1";
    home.cluster().execute("shop", newer).await;
    let refusal = refused(&home, &["serve", "--port", "0"], port);
    insta::assert_snapshot!(refusal, @r"
    error: the database was made by a newer version of selfsame (schema 999, and this version knows 6)
    hint: run that version or a later one; nothing was touched
    ");
    for arguments in [&["serve", "--port", "0", "--migrate=false"][..], &["migrate"], &["check"], &["export"]]
    {
        assert_eq!(refused(&home, arguments, port), refusal, "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_not_migrate_is_told_who_should() {
    let mut home = Home::postgres().await;
    let port = home.cluster().port();
    home.cluster().execute("postgres", "ALTER DATABASE shop OWNER TO postgres").await;
    let refusal = refused(&home, &["serve", "--port", "0"], port);
    insta::assert_snapshot!(refusal, @r"
    error: the database can't be brought to this version's schema: PostgreSQL says: permission denied for database shop (SQLSTATE 42501)
    hint: run `selfsame migrate` with a role that may create the schema `selfsame`, on a server that takes writes; then grant its use to this role
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_cannot_be_reached_is_told_without_its_password() {
    let mut home = Home::postgres().await;
    let port = home.cluster().port();
    let url = home.url().expect("it is in PostgreSQL").to_owned();
    let mut refusals = String::new();
    let nobody = url.replace(&format!(":{port}/"), ":1/");
    for url in [url.replace(PASSWORD, "wrong-hunter2"), url.replace("/shop?", "/none?"), nobody] {
        let said = refused(&home, &["serve", "--port", "0", "--database-url", &url], port);
        assert!(!said.contains("hunter2"), "{said}");
        refusals.push_str(&said);
    }
    insta::assert_snapshot!(refusals, @r"
    error: no connection to postgresql://127.0.0.1:PORT/shop: the server refuses user and password
    hint: check both; percent-encode what is odd in the password
    error: no connection to postgresql://127.0.0.1:PORT/none: there is no such database
    hint: check its name in DATABASE_URL, or `CREATE DATABASE`
    error: no connection to postgresql://127.0.0.1:1/shop: nobody listens there
    hint: check host and port in DATABASE_URL, and that PostgreSQL runs
    ");
}

/// What users saw: one character that the encoding lacks made the requests of others fail.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_cannot_hold_every_character_is_refused() {
    let mut home = Home::postgres().await;
    let port = home.cluster().port();
    let latin = "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'";
    home.cluster().execute("postgres", latin).await;
    let url = home.url().expect("it is in PostgreSQL").replace("/shop?", "/latin?");
    let refusal = refused(&home, &["serve", "--port", "0", "--database-url", &url], port);
    insta::assert_snapshot!(refusal, @r"
    error: the database's encoding is LATIN1, which can't hold every customer's values
    hint: make a database with the encoding UTF8, and move the data there with pg_dump and pg_restore
    ");
}

/// What users saw: a database that its operator had made read-only went on being written to.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_made_read_only_takes_no_changes() {
    let mut home = Home::postgres().await;
    let migrated = run(home.path(), &["migrate"]);
    assert!(migrated.status.success());
    home.cluster().execute("postgres", "ALTER ROLE shop SET default_transaction_read_only = on").await;
    let server = start_with(home.path(), &["--answer-timeout-seconds", "1"]);
    let mut client = Client::connect(server.address).await.expect("it listens");
    let reply = client.identify(Some("doc@hill.edu"), None).await.expect("an answer");
    assert_eq!((reply.status.as_u16(), &reply.json()["code"]), (503, &"store_unavailable".into()));
}

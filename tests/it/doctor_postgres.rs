//! `selfsame doctor` on PostgreSQL: what it says of servers and databases that are broken, each in its own way.

use selfsame_store::Store;
use support::postgres::binaries::Binaries;
use support::postgres::cluster::Cluster;
use support::postgres::settings::Settings;
use support::server::open_postgres;

use crate::backup::folder;
use crate::doctor::{Line, NO_SERVER, assert_says, report, says};

/// How a database is broken by SQL, what its URL has besides, and what must be said.
type Broken = (&'static str, &'static str, &'static str, Line);

const BROKEN: &[Broken] = &[
    (
        "an older schema",
        "DELETE FROM selfsame.refinery_schema_history",
        "",
        ("warning", "schema", "0, and this version has 6"),
    ),
    (
        "a newer schema",
        "UPDATE selfsame.refinery_schema_history SET version = 99 WHERE version = 5",
        "",
        ("problem", "schema", "99, of a newer version of selfsame; this one knows 6"),
    ),
    (
        "too many connections for one replica",
        "SELECT 1",
        "?connection_limit=399",
        ("problem", "connections", "one replica may open 399 connections, and the server takes 400 from everybody"),
    ),
    (
        "too many connections for two replicas",
        "SELECT 1",
        "?connection_limit=240",
        ("warning", "connections", "so a second one may get none"),
    ),
    (
        "a clock that is ahead",
        "CREATE SCHEMA odd; CREATE FUNCTION odd.clock_timestamp() RETURNS timestamptz LANGUAGE sql
         AS $$ SELECT pg_catalog.clock_timestamp() + interval '1 hour' $$",
        "?options=-csearch_path%3Dpublic,odd,pg_catalog",
        ("warning", "clock", "ms ahead of this machine's"),
    ),
    (
        "a clock that is behind",
        "CREATE SCHEMA odd; CREATE FUNCTION odd.clock_timestamp() RETURNS timestamptz LANGUAGE sql
         AS $$ SELECT pg_catalog.clock_timestamp() - interval '1 hour' $$",
        "?options=-csearch_path%3Dpublic,odd,pg_catalog",
        ("warning", "clock", "ms behind this machine's"),
    ),
    (
        "a bulk load without statistics",
        "INSERT INTO selfsame.contacts (workspace, id, email, created_at_ms, updated_at_ms)
         SELECT 1, n, 'person' || n || '@shop.example', 1, 1 FROM generate_series(1, 20000) AS n",
        "",
        ("warning", "statistics", "and PostgreSQL has never counted them"),
    ),
    (
        "no view",
        "DROP VIEW public.\"Contact\"",
        "",
        ("warning", "original's name", "the view \"Contact\" is not in schema public"),
    ),
    (
        "no schema for the view",
        "SELECT 1",
        "?options=-csearch_path%3Dnowhere",
        ("warning", "original's name", "there is no schema for the view"),
    ),
    (
        "the original's table, not adopted",
        "DROP VIEW public.\"Contact\"; CREATE TABLE public.\"Contact\" (id INT, \"phoneNumber\" TEXT, email TEXT, \"linkedId\" INT,
         \"linkPrecedence\" TEXT, \"createdAt\" TIMESTAMP, \"updatedAt\" TIMESTAMP, \"deletedAt\" TIMESTAMP)",
        "",
        ("problem", "original's name", "the table \"Contact\" of the original service is in schema public, and was not taken over"),
    ),
    (
        "the original's table beside a log",
        "DROP VIEW public.\"Contact\"; CREATE TABLE public.\"Contact\" (id INT, \"phoneNumber\" TEXT, email TEXT, \"linkedId\" INT,
         \"linkPrecedence\" TEXT, \"createdAt\" TIMESTAMP, \"updatedAt\" TIMESTAMP, \"deletedAt\" TIMESTAMP);
         UPDATE selfsame.workspaces SET last_sequence = 1",
        "",
        ("problem", "original's name", "a table \"Contact\" is back in schema public"),
    ),
    (
        "somebody else's table",
        "DROP VIEW public.\"Contact\"; CREATE TABLE public.\"Contact\" (id INT)",
        "",
        ("warning", "original's name", "is not the original service's"),
    ),
    (
        "a kept table",
        "CREATE TABLE public.\"Contact_before_selfsame\" (id INT)",
        "",
        ("warning", "original's table", "\"Contact_before_selfsame\" in schema public still has the customers"),
    ),
];

/// The URL of a new database with our schema.
async fn database(cluster: &Cluster, name: &str) -> String {
    let url = cluster.create_database(name).await;
    open_postgres(&url).await.close().await.expect("a pool closes");
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn each_broken_database_is_called_so() {
    // Nobody else may count the rows meanwhile.
    let settings = Settings::default().durable().with("autovacuum", "off");
    let cluster = Cluster::start_with(Binaries::of_the_system(), settings);
    let folder = folder();
    let url = database(&cluster, "sound").await;
    let (code, sound) = report(folder.path(), &["--database-url", &url, NO_SERVER]);
    assert_eq!((code, &sound["problems"], &sound["warnings"]), (Some(0), &0.into(), &1.into()), "{sound:#}");
    for (number, (what, sql, more, line)) in BROKEN.iter().enumerate() {
        let name = format!("broken{number}");
        let url = database(&cluster, &name).await + more;
        cluster.execute(&name, sql).await;
        let found = report(folder.path(), &["--database-url", &url, NO_SERVER]);
        assert_says(what, &found, *line);
        assert!(!says(&sound, *line), "{what}: it is said of a sound one, too");
    }
    cluster.execute("broken6", "ANALYZE").await;
    let (_, counted) = report(folder.path(), &["--database-url", &cluster.url("broken6"), NO_SERVER]);
    assert!(says(&counted, ("ok", "statistics", "knows how large")), "{counted:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_forgets_or_admits_nobody_is_called_so() {
    // As tests have it by default.
    let cluster = Cluster::start();
    let folder = folder();
    let look = |url: &str| report(folder.path(), &["--database-url", url, NO_SERVER]);
    let url = database(&cluster, "shop").await;
    let found = look(&url);
    assert_says("fsync", &found, ("problem", "durability", "the server runs with fsync=off"));
    assert_says("full pages", &found, ("problem", "durability", "the server runs with full_page_writes=off"));

    let none = look(&cluster.url("nothing"));
    assert_says("no such database", &none, ("problem", "database", ""));
    cluster.execute("shop", "CREATE ROLE reader LOGIN").await;
    let forbidden = look(&url.replace("postgres@", "reader@"));
    assert_says("no rights", &forbidden, ("problem", "database", "the role may not use selfsame's tables"));
    let latin = "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'";
    cluster.execute("postgres", latin).await;
    let latin = look(&cluster.url("latin"));
    assert_says("encoding", &latin, ("problem", "encoding", "LATIN1 can't hold every customer's values"));
    let nobody = look("postgresql://shop:secret@127.0.0.1:1/shop");
    assert_says("no server", &nobody, ("problem", "database", "nobody listens there"));
}

//! The PostgreSQL peers that other tests stand on do what those tests take for granted.

use std::time::Duration;

use support::postgres::binaries::Binaries;
use support::postgres::cluster::Cluster;
use support::postgres::pgbouncer::{PgBouncer, PoolMode};
use support::postgres::settings::Settings;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};

async fn connect(url: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(async move { drop(connection.await) });
    Ok(client)
}

async fn number(client: &Client, sql: &str) -> i32 {
    client.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn a_cluster_that_was_killed_starts_again_with_its_data() {
    let mut cluster = Cluster::start_with(Binaries::of_the_system(), Settings::default().durable());
    cluster.execute("postgres", "CREATE TABLE kept AS SELECT 7 AS number").await;
    let before = connect(&cluster.url("postgres")).await.unwrap();
    cluster.kill();
    assert!(before.simple_query("SELECT 1").await.is_err());
    assert!(cluster.try_connect("postgres").await.is_err());
    cluster.start_again();
    let after = connect(&cluster.socket_url("postgres")).await.unwrap();
    assert_eq!(number(&after, "SELECT number FROM kept").await, 7);
    cluster.stop();
    cluster.start_again();
    let after = connect(&cluster.url("postgres")).await.unwrap();
    assert_eq!(number(&after, "SELECT number FROM kept").await, 7);
}

#[tokio::test]
async fn two_clusters_and_their_databases_do_not_see_each_other() {
    let (first, second) = (Cluster::start(), Cluster::start());
    assert_ne!(first.port(), second.port());
    let url = first.create_database("one").await;
    connect(&url).await.unwrap().batch_execute("CREATE TABLE mine ()").await.unwrap();
    let there = first.connect("postgres").await.batch_execute("TABLE mine").await;
    assert_eq!(there.unwrap_err().code(), Some(&SqlState::UNDEFINED_TABLE));
    let error = connect(&second.url("one")).await.err().unwrap();
    assert_eq!(error.code(), Some(&SqlState::UNDEFINED_DATABASE));
}

#[tokio::test]
async fn a_frozen_cluster_answers_nobody_until_it_is_thawed() {
    let mut cluster = Cluster::start();
    let client = connect(&cluster.url("postgres")).await.unwrap();
    cluster.freeze();
    let answer = number(&client, "SELECT 7");
    tokio::pin!(answer);
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut answer).await.is_err());
    cluster.thaw();
    assert_eq!(answer.await, 7);
    // One that is frozen can be killed too.
    cluster.freeze();
    cluster.kill();
    cluster.start_again();
}

#[tokio::test]
async fn terminated_backends_lose_their_connection_and_the_log_says_so() {
    let cluster =
        Cluster::start_with(Binaries::of_the_system(), Settings::default().with("log_statement", "all"));
    let client = cluster.connect("postgres").await;
    assert_eq!(number(&client, "SELECT 7 AS before").await, 7);
    cluster.terminate_backends().await;
    assert!(client.simple_query("SELECT 7 AS after").await.is_err());
    let log = cluster.log();
    assert!(log.contains("SELECT 7 AS before") && log.contains("terminating connection"), "{log}");
}

#[tokio::test]
async fn tcp_can_ask_for_a_password() {
    let settings = Settings::default().access(&["host all all 127.0.0.1/32 scram-sha-256"]);
    let cluster = Cluster::start_with(Binaries::of_the_system(), settings);
    cluster.execute("postgres", "ALTER ROLE postgres PASSWORD 'right'").await;
    let url = cluster.url("postgres");
    assert!(connect(&url.replace("postgres@", "postgres:right@")).await.is_ok());
    let error = connect(&url.replace("postgres@", "postgres:wrong@")).await.err().unwrap();
    assert_eq!(error.code(), Some(&SqlState::INVALID_PASSWORD));
}

#[tokio::test]
async fn the_oldest_and_the_newest_version_start() {
    for version in [13, 18] {
        let cluster = Cluster::of_version(version);
        let client = connect(&cluster.url("postgres")).await.unwrap();
        let said: String = client.query_one("SHOW server_version", &[]).await.unwrap().get(0);
        assert!(said.starts_with(&format!("{version}.")), "{said}");
    }
}

#[tokio::test]
async fn a_pooler_by_transaction_loses_named_prepared_statements() {
    let cluster = Cluster::start();
    let pooler = PgBouncer::start(&cluster, PoolMode::Transaction);
    let client = connect(&pooler.url("postgres")).await.unwrap();
    let statement = client.prepare("SELECT 7").await.unwrap();
    // The only connection to the server so far, and the statement with it, goes to somebody else.
    let other = connect(&pooler.url("postgres")).await.unwrap();
    other.batch_execute("BEGIN; SELECT 1").await.unwrap();
    let error = client.query_one(&statement, &[]).await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::INVALID_SQL_STATEMENT_NAME));
    other.batch_execute("COMMIT").await.unwrap();
    client.batch_execute("SELECT 7").await.unwrap();
}

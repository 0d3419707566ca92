//! `GET /v1/export` as a stream: whoever takes nothing, or goes away, holds nothing up, and what breaks off is no file.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::HOST;
use support::databases::{Database, Databases};
use support::raw::RawConnection;
use support::server::{ServerOptions, TestServer};
use support::shop::code;

/// More than all buffers on the way hold, as events with what was sent.
const CUSTOMERS: usize = 16_000;

const EXPORT: &str = "/v1/export?what=events";

/// A server over a database with many customers.
async fn large(databases: &Databases, receive_timeout: Duration) -> (Database, TestServer) {
    let database = databases.empty().await;
    let options = ServerOptions { receive_timeout, ..ServerOptions::default() };
    let server = TestServer::start(database.open().await, options).await;
    let mut client = server.client().await;
    for thousand in 0..CUSTOMERS / 1_000 {
        let line = |number: usize| {
            format!("{{\"email\":\"{}{thousand}.{number}@Hill.example\"}}\n", "X".repeat(220))
        };
        let body: String = (0..1_000).map(line).collect();
        assert_eq!(client.post_batch(body).await.expect("an answer").status, 200);
    }
    (database, server)
}

/// Begins an export, and reads nothing of it.
async fn begin(server: &TestServer) -> RawConnection {
    let mut connection = RawConnection::open(server.address).await;
    connection.send(format!("GET {EXPORT} HTTP/1.1\r\nhost: localhost\r\n\r\n")).await;
    connection
}

/// The answer's body, as it comes.
async fn body(server: &TestServer) -> Incoming {
    let mut client = server.client().await;
    let request = Request::get(EXPORT).header(HOST, "localhost").body(Full::<Bytes>::default());
    let response = client.begin(request.expect("a plain request")).await.expect("the head comes");
    assert_eq!(response.status(), 200);
    response.into_body()
}

/// Takes exports until one is let in: those before are gone when the server knows it.
async fn until_let_in(server: &TestServer) -> usize {
    let mut client = server.client().await;
    loop {
        let reply = client.get(EXPORT).await.expect("the server goes on");
        if reply.status == 200 {
            return reply.text().lines().count();
        }
        assert_eq!(code(&reply), (503, "too_many_exports".to_owned()));
        assert!(reply.headers.contains_key("retry-after"));
        tokio::task::yield_now().await;
    }
}

async fn gone(databases: Databases) {
    let (_database, server) = large(&databases, Duration::from_secs(30)).await;
    let mut stalled = Vec::new();
    for _ in 0..4 {
        stalled.push(begin(&server).await);
    }
    // As many as may be: one more is told so, and customers are answered all the same.
    let mut client = server.client().await;
    while client.get(EXPORT).await.expect("an answer").status == 200 {
        tokio::task::yield_now().await;
    }
    assert_eq!(client.identify(Some("new@hill.example"), None).await.expect("an answer").status, 200);
    drop(stalled);
    assert_eq!(until_let_in(&server).await, CUSTOMERS + 1, "whoever went away holds nothing");
    server.drain().await;
}

#[tokio::test]
async fn a_receiver_that_goes_away_holds_nothing_on_sqlite() {
    gone(Databases::Sqlite).await;
}

#[tokio::test]
async fn a_receiver_that_goes_away_holds_nothing_on_postgresql() {
    gone(Databases::postgres()).await;
}

#[tokio::test]
async fn a_receiver_that_takes_nothing_is_cut_off() {
    let (_database, server) = large(&Databases::Sqlite, Duration::from_millis(500)).await;
    let mut stalled = Vec::new();
    for _ in 0..4 {
        stalled.push(begin(&server).await);
    }
    assert_eq!(until_let_in(&server).await, CUSTOMERS, "though the four are still connected");
    drop(stalled);
    server.drain().await;
}

#[tokio::test]
async fn a_server_that_ends_breaks_an_export_off() {
    let (_database, server) = large(&Databases::Sqlite, Duration::from_secs(30)).await;
    let mut body = body(&server).await;
    body.frame().await.expect("it begins").expect("with a part of the file");
    let rest = async {
        loop {
            match body.frame().await {
                Some(Ok(_)) => {}
                Some(Err(_)) => return true,
                None => return false,
            }
        }
    };
    let ((), broken_off) = tokio::join!(server.drain(), rest);
    assert!(broken_off, "a part of the file was taken for the whole");
}

#[tokio::test]
async fn a_fault_in_the_middle_breaks_the_answer_off() {
    let (database, server) = large(&Databases::Sqlite, Duration::from_secs(30)).await;
    server.drain().await;
    database.execute("UPDATE events SET outcome = 'damaged' WHERE sequence = 9000").await;
    let server = TestServer::start(database.open().await, ServerOptions::default()).await;
    let broken_off = body(&server).await.collect().await;
    assert!(broken_off.is_err(), "a part of the file was taken for the whole");
    // Where nothing was sent yet, the answer tells it.
    let mut client = server.client().await;
    let reply = client.get("/v1/export?what=contacts&at=9500").await.expect("an answer");
    assert_eq!(code(&reply), (500, "internal_error".to_owned()));
    server.drain().await;
    let output = support::copies::run(&database, &["export", "events"]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("the export is not whole: event 9000 can't be written"), "{said}");
}

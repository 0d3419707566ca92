//! `/readyz` and the gauges beside it: in fixed words, and nothing of what is behind the server.

use std::time::Duration;

use serde_json::{Value, json};
use support::client::{Client, Reply};
use support::exposition::Exposition;
use support::home::Home;
use support::process::ServerProcess;
use support::raw::RawConnection;
use tokio::net::TcpStream;

const REASONS: [&str; 5] = ["shutting_down", "store_unavailable", "schema_newer", "store_failed", "no_space"];

async fn client(server: &ServerProcess) -> Client {
    Client::connect(server.address).await.unwrap()
}

/// The answer to `GET /readyz`, which must be a problem for this one reason.
async fn not_ready(client: &mut Client, reason: &str) -> Reply {
    let reply = client.get("/readyz").await.unwrap();
    assert_eq!(reply.status.as_u16(), 503, "{}", reply.text());
    assert_eq!(reply.headers["retry-after"], "1");
    assert_eq!((&reply.json()["code"], &reply.json()["reasons"]), (&json!(reason), &json!([reason])));
    reply
}

async fn ready(client: &mut Client) {
    let reply = client.get("/readyz").await.unwrap();
    assert_eq!((reply.status.as_u16(), reply.json()), (200, json!({ "status": "ready", "reasons": [] })));
}

/// Waits until the gauges say so, without anybody asking `/readyz`.
async fn told(client: &mut Client, ready: f64, store_up: f64, reason: Option<&str>) {
    let holds = |told: &Exposition| {
        let gauge = |name: &str| told.sum(name, &[]);
        let given = |word: &str| told.sum("selfsame_readiness_reason", &[("reason", word)]);
        let reasons = REASONS.iter().all(|word| given(word) == if reason == Some(word) { 1.0 } else { 0.0 });
        (gauge("selfsame_ready"), gauge("selfsame_store_up")) == (ready, store_up) && reasons
    };
    let asking = async { while !holds(&Exposition::of(client).await) {} };
    tokio::time::timeout(Duration::from_secs(20), asking).await.expect("the gauges follow");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_database_is_away_says_so_and_nothing_else() {
    let mut home = Home::postgres().await;
    let server = ServerProcess::start(home.path());
    let mut client = client(&server).await;
    ready(&mut client).await;
    told(&mut client, 1.0, 1.0, None).await;

    let port = home.cluster().port().to_string();
    home.cluster().kill();
    let reply = not_ready(&mut client, "store_unavailable").await;
    for inside in ["127.0.0.1", port.as_str(), "shop", "selfsame.", "SELECT", "onnection refused"] {
        assert!(!reply.text().contains(inside), "{inside}: {}", reply.text());
    }
    told(&mut client, 0.0, 0.0, Some("store_unavailable")).await;

    home.cluster().start_again();
    told(&mut client, 1.0, 1.0, None).await;
    ready(&mut client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_under_which_a_later_version_migrated_sends_requests_elsewhere() {
    let mut home = Home::postgres().await;
    let server = ServerProcess::start(home.path());
    let mut client = client(&server).await;
    ready(&mut client).await;
    let later = "INSERT INTO selfsame.refinery_schema_history SELECT 999, 'later', applied_on, checksum
        FROM selfsame.refinery_schema_history LIMIT 1";
    home.cluster().execute("shop", later).await;
    not_ready(&mut client, "schema_newer").await;
    told(&mut client, 0.0, 1.0, Some("schema_newer")).await;
    // Whoever comes all the same is served.
    assert_eq!(client.identify(Some("doc@hill.edu"), None).await.unwrap().status.as_u16(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_gets_in_while_the_server_ends_is_sent_elsewhere() {
    let home = Home::sqlite();
    let mut server = ServerProcess::start(home.path());
    let mut late = RawConnection::open(server.address).await;
    ready(&mut client(&server).await).await;
    // A connection on which nothing was read yet would just be closed.
    late.send_and_be_read("GET /readyz HTTP/1.1\r\nhost: localhost\r\n").await;
    server.signal_terminate();
    let refusing = async { while TcpStream::connect(server.address).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(20), refusing).await.expect("nobody new is let in");
    late.send("\r\n").await;
    let answer = late.read_to_end().await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    assert_eq!((&body["code"], &body["reasons"]), (&json!("shutting_down"), &json!(["shutting_down"])));
    assert_eq!(server.wait().code(), Some(0));
}

//! `GET /v1/events` as server-sent events: what is there, then what comes, until the server, the key or the workspace ends.

use axum::http::StatusCode;
use serde_json::{Value, json};
use support::client::Ask;
use support::databases::Databases;
use support::event_stream::{EventStream, Sent};
use support::server::{ServerOptions, TestServer};
use support::shop::{ADMIN, Shop, named};

async fn open(shop: &Shop, query: &str, last_event: Option<&str>) -> EventStream {
    let opened = EventStream::open(shop.server.address, ADMIN, query, last_event).await;
    opened.unwrap_or_else(|status| panic!("{query}, {last_event:?}: {status}"))
}

async fn saw(shop: &mut Shop, phone: &str) -> Value {
    let body = json!({ "identifiers": [{ "kind": "phone", "value": phone }] }).to_string();
    let reply = shop.client.ask(Ask::new("POST", "/v1/observations").key(ADMIN).body(&body)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

async fn page(shop: &mut Shop) -> Vec<Value> {
    let reply = shop.client.ask(Ask::new("GET", "/v1/events?limit=1000").key(ADMIN)).await;
    reply.json()["events"].as_array().expect("a list").clone()
}

async fn follow(databases: Databases) {
    let mut shop = Shop::open(&databases).await;
    for phone in ["1", "2", "3"] {
        saw(&mut shop, phone).await;
    }
    let log = page(&mut shop).await;
    let (first, last) =
        (log[0]["sequence"].as_i64().unwrap(), log.last().unwrap()["sequence"].as_i64().unwrap());
    assert_eq!(first, 1);

    // What is there, as the page has it; then what comes.
    let mut whole = open(&shop, "", None).await;
    for event in &log {
        let sequence = event["sequence"].as_i64().unwrap();
        let kind = event["kind"].as_str().unwrap().to_owned();
        assert_eq!(whole.next().await, Some(Sent::Event(sequence, kind, event.clone())));
    }
    let mut later = open(&shop, &format!("?after={last}"), None).await;
    assert_eq!(later.next().await, Some(Sent::Heartbeat), "who is let in hears so, even if nothing is there");
    saw(&mut shop, "4").await;
    for stream in [&mut whole, &mut later] {
        assert_eq!(stream.next_event().await.map(|(number, _)| number), Some(last + 1));
    }
    // A correction comes like anything else, and so does an administrator's change.
    let deleted = shop.client.ask(Ask::new("DELETE", "/v1/contacts/4").key(ADMIN)).await;
    assert_eq!(deleted.status, 200, "{}", deleted.text());
    assert_eq!(later.next_event().await.map(|(_, event)| event["kind"].clone()), Some(json!("deleted")));
    shop.key(named("reader", &["read"])).await;
    assert_eq!(later.next_event().await.map(|(_, event)| event["kind"].clone()), Some(json!("keyChanged")));

    // Who comes back goes on where he was, whatever his query says.
    let mut back = open(&shop, "?after=0", Some(&last.to_string())).await;
    assert_eq!(back.next_event().await.map(|(number, _)| number), Some(last + 1));
    for (query, last_event) in [("?after=x", None), ("?limit=5", None), ("", Some("x")), ("", Some("-1"))] {
        let refused = EventStream::open(shop.server.address, ADMIN, query, last_event).await;
        assert_eq!(refused.err(), Some(StatusCode::BAD_REQUEST), "{query} {last_event:?}");
    }

    // The server ends, and with it each stream, as it should.
    let ended = async { while whole.next().await.is_some() {} };
    let ended = async {
        tokio::join!(ended, async { while later.next().await.is_some() {} }, async {
            while back.next().await.is_some() {}
        })
    };
    tokio::join!(ended, shop.server.drain());
}

#[tokio::test]
async fn the_log_is_followed_on_sqlite() {
    follow(Databases::Sqlite).await;
}

#[tokio::test]
async fn the_log_is_followed_on_postgresql() {
    follow(Databases::postgres()).await;
}

#[tokio::test]
async fn what_another_replica_writes_is_followed_too() {
    let databases = Databases::postgres();
    let mut shop = Shop::open(&databases).await;
    let other = TestServer::start(shop.database.open().await, ServerOptions::default()).await;
    let last = page(&mut shop).await.len();
    let mut streams = Vec::new();
    for _ in 0..2 {
        let opened = EventStream::open(other.address, ADMIN, &format!("?after={last}"), None).await;
        streams.push(opened.expect("let in"));
    }
    saw(&mut shop, "1").await;
    for stream in &mut streams {
        let number = i64::try_from(last + 1).unwrap();
        assert_eq!(stream.next_event().await.map(|(number, _)| number), Some(number));
    }
    drop(streams);
    other.drain().await;
    shop.server.drain().await;
}

#[tokio::test]
async fn a_stream_ends_with_its_key_and_with_its_workspace() {
    let mut shop = Shop::open(&Databases::Sqlite).await;
    let address = shop.server.address;
    let key = shop.key(named("reader", &["read"])).await;
    let facts = shop.client.ask(Ask::new("GET", "/v1/keys/current").key(&key)).await.json();
    let mut of_key = EventStream::open(address, &key, "", None).await.expect("let in");
    of_key.next_event().await.expect("the key's own event");
    let path = format!("/v1/keys/{}", facts["id"].as_str().expect("a text"));
    let revoked = shop.client.ask(Ask::new("DELETE", &path).key(ADMIN)).await;
    assert!(revoked.status.is_success(), "{}", revoked.text());
    while of_key.next().await.is_some() {}
    assert_eq!(EventStream::open(address, &key, "", None).await.err(), Some(StatusCode::UNAUTHORIZED));

    let made =
        shop.client.ask(Ask::new("POST", "/v1/workspaces").key(ADMIN).body(r#"{"name":"other"}"#)).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let body = named("other", &["read"]).to_string();
    let key = shop.client.ask(Ask::new("POST", "/v1/keys").key(ADMIN).workspace("other").body(&body)).await;
    let key = key.json()["key"].as_str().expect("it is shown").to_owned();
    let mut of_workspace = EventStream::open(address, &key, "", None).await.expect("let in");
    of_workspace.next_event().await.expect("the workspace's own event");
    let erased = shop.client.ask(Ask::new("DELETE", "/v1/workspaces/other?confirm=other").key(ADMIN)).await;
    assert!(erased.status.is_success(), "{}", erased.text());
    while of_workspace.next().await.is_some() {}
    shop.server.drain().await;
}

#[tokio::test]
async fn a_stream_is_one_request_of_its_key_for_as_long_as_it_is_open() {
    let mut shop = Shop::open(&Databases::Sqlite).await;
    let body = json!({ "name": "reader", "scopes": ["read"], "requestsAtOnceMax": 1 });
    let key = shop.key(body).await;
    let address = shop.server.address;
    let mut stream = EventStream::open(address, &key, "", None).await.expect("let in");
    stream.next_event().await.expect("there are events");
    let second = EventStream::open(address, &key, "", None).await;
    assert_eq!(second.err(), Some(StatusCode::TOO_MANY_REQUESTS));
    drop(stream);
    // The server hears of it when the connection is closed, and tells nobody.
    while EventStream::open(address, &key, "", None).await.is_err() {
        tokio::task::yield_now().await;
    }
    shop.server.drain().await;
}

#[tokio::test]
async fn a_stream_that_has_nothing_to_tell_says_so_now_and_then() {
    let shop = Shop::open(&Databases::Sqlite).await;
    let mut stream = open(&shop, "?after=1000", None).await;
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    for _ in 0..3 {
        assert_eq!(stream.next().await, Some(Sent::Heartbeat));
    }
    let passed = begun.elapsed().as_secs();
    assert!((29..40).contains(&passed), "two heartbeats after the first took {passed} s");
    tokio::time::resume();
    let ended = async { while stream.next().await.is_some() {} };
    tokio::join!(ended, shop.server.drain());
}

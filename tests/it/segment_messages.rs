//! Messages as Segment's HTTP Tracking API has them, sent by hand: what is taken, what is refused, and what a repeat does.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HOST};
use serde_json::{Value, json};
use support::client::{Ask, Client, Reply};
use support::clock::ManualClock;
use support::databases::Databases;
use support::gated::GatedStore;
use support::server::{ServerOptions, TestServer, sqlite_store};
use support::shop::{ADMIN, Shop, code, named};

const POLICY: &str = r#"{"kinds":["userId","anonymousId"]}"#;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

async fn post(client: &mut Client, path: &str, body: &Value) -> Reply {
    client.ask(Ask::new("POST", path).key(ADMIN).body(&body.to_string())).await
}

async fn taken(client: &mut Client, path: &str, body: &Value) {
    let reply = post(client, path, body).await;
    assert_eq!((reply.status.as_u16(), reply.text()), (200, r#"{"success":true}"#), "{path} {body}");
}

/// What was observed, but for the time, and who caused it.
async fn log(client: &mut Client) -> Vec<Value> {
    let events = client.ask(Ask::new("GET", "/v1/events?limit=1000").key(ADMIN)).await.json();
    let mut events = events["events"].as_array().expect("a list").clone();
    events.retain(|event| !event["evidence"].as_array().expect("a list").is_empty());
    for event in &mut events {
        event["causedBy"] = Value::Null;
        event["at"] = Value::Null;
    }
    events
}

async fn opened(databases: &Databases) -> Shop {
    let mut shop = Shop::open(databases).await;
    let set = shop.client.ask(Ask::new("PUT", "/v1/policy").key(ADMIN).body(POLICY)).await;
    assert_eq!(set.status, 200, "{}", set.text());
    shop
}

fn messages() -> Vec<Value> {
    let traits = |email: &str| json!({ "email": email });
    let at = "2026-01-31T12:00:00+01:00";
    vec![
        json!({ "type": "track", "anonymousId": "v1", "event": "Opened", "messageId": "m1", "timestamp": at }),
        json!({ "type": "identify", "userId": "u1", "traits": traits("a@x.org"), "messageId": "m2" }),
        json!({ "type": "page", "anonymousId": "v2", "context": { "traits": { "phone": 4420 } } }),
        json!({ "type": "alias", "previousId": "v1", "userId": "u1", "messageId": "m3" }),
        json!({ "type": "screen", "anonymousId": "v2", "userId": "u1", "messageId": "m4" }),
        json!({ "type": "group", "userId": "u2", "groupId": "g", "traits": traits("office@x.org") }),
        json!({ "type": "identify", "userId": "u1", "traits": traits("a@x.org"), "messageId": "m5" }),
        json!({ "type": "track", "event": "Nobody" }),
    ]
}

async fn a_batch_does_what_its_messages_do(databases: Databases) {
    let mut logs = Vec::new();
    for as_batch in [true, false] {
        let mut shop = opened(&databases).await;
        let batch = messages();
        if as_batch {
            taken(
                &mut shop.client,
                "/v1/batch",
                &json!({ "batch": batch, "sentAt": "2026-02-01T00:00:00Z" }),
            )
            .await;
        } else {
            for mut message in batch {
                let path = format!("/v1/{}", message["type"].as_str().unwrap());
                if message["timestamp"].is_null() {
                    message["sentAt"] = json!("2026-02-01T00:00:00Z");
                }
                taken(&mut shop.client, &path, &message).await;
            }
        }
        let told = log(&mut shop.client).await;
        assert_eq!(told.len(), 6, "what is new in the messages: {told:?}");
        assert_eq!(told[0]["observedAt"], "2026-01-31T11:00:00.000Z");
        assert_eq!(told[1]["observedAt"], "2026-02-01T00:00:00.000Z");
        logs.push(told);
        shop.server.drain().await;
    }
    assert_eq!(logs[0], logs[1], "{databases}");
}

#[tokio::test]
async fn a_batch_does_what_its_messages_do_one_by_one_on_sqlite() {
    a_batch_does_what_its_messages_do(Databases::Sqlite).await;
}

#[tokio::test]
async fn a_batch_does_what_its_messages_do_one_by_one_on_postgresql() {
    a_batch_does_what_its_messages_do(Databases::postgres()).await;
}

async fn a_message_has_its_effect_once(databases: Databases) {
    let mut shop = opened(&databases).await;
    let identify = json!({ "userId": "u1", "traits": { "email": "a@x.org" }, "messageId": "m1" });
    let other = json!({ "userId": "u2", "traits": { "email": "b@x.org" }, "messageId": "m2" });
    taken(&mut shop.client, "/v1/identify", &identify).await;
    // It changed nothing, and isn't kept.
    let known = json!({ "userId": "u1", "messageId": "m3" });
    taken(&mut shop.client, "/v1/track", &known).await;
    let erased = shop.client.ask(Ask::new("DELETE", "/v1/identities/1").key(ADMIN)).await;
    assert_eq!(erased.status, 200, "{}", erased.text());
    let before = log(&mut shop.client).await;

    // Whichever way it comes again, and whatever comes with it.
    taken(&mut shop.client, "/v1/identify", &identify).await;
    assert_eq!(log(&mut shop.client).await, before, "{databases}");
    let mut typed = identify.clone();
    typed["type"] = json!("identify");
    let mut beside = other.clone();
    beside["type"] = json!("identify");
    taken(&mut shop.client, "/v1/batch", &json!({ "batch": [typed, beside] })).await;
    let after = log(&mut shop.client).await;
    assert_eq!(after.len(), before.len() + 1, "{databases}: {after:?}");
    assert_eq!(after.last().unwrap()["evidence"][0]["value"], "b@x.org");
    let nobody = shop.client.ask(Ask::new("GET", "/v1/identities?email=a@x.org").key(ADMIN)).await;
    assert_eq!(code(&nobody), (404, "nobody".to_owned()), "{databases}");

    // Another workspace has messages of its own, and so has the next day.
    let north = json!({ "name": "north" }).to_string();
    let made = shop.client.ask(Ask::new("POST", "/v1/workspaces").key(ADMIN).body(&north)).await;
    assert_eq!(made.status, 201);
    let body = identify.to_string();
    let there = Ask::new("POST", "/v1/identify").key(ADMIN).workspace("north").body(&body);
    assert_eq!(shop.client.ask(there).await.status, 200);
    let found = Ask::new("GET", "/v1/identities?email=a@x.org").key(ADMIN).workspace("north");
    assert_eq!(shop.client.ask(found).await.status, 200, "{databases}");
    shop.clock.set(1_000 + DAY_MS);
    taken(&mut shop.client, "/v1/identify", &identify).await;
    let found = shop.client.ask(Ask::new("GET", "/v1/identities?email=a@x.org").key(ADMIN)).await;
    assert_eq!(found.status, 200, "{databases}");
    shop.server.drain().await;
}

#[tokio::test]
async fn a_message_has_its_effect_once_on_sqlite() {
    a_message_has_its_effect_once(Databases::Sqlite).await;
}

#[tokio::test]
async fn a_message_has_its_effect_once_on_postgresql() {
    a_message_has_its_effect_once(Databases::postgres()).await;
}

/// What could not be stored isn't remembered either: it comes again, and has its effect then.
#[tokio::test]
async fn a_message_that_was_not_stored_is_new_when_it_comes_again() {
    let (_folder, store) = sqlite_store();
    let gated = GatedStore::refusing(store, vec![1]);
    let options = ServerOptions { clock: ManualClock::new(), ..ServerOptions::default() };
    let server = TestServer::start(Arc::<GatedStore>::clone(&gated), options).await;
    let mut client = server.client().await;
    let body =
        json!({ "batch": [{ "type": "identify", "traits": { "email": "a@x.org" }, "messageId": "m1" }] });
    let body = body.to_string();
    let ask = Ask::new("POST", "/v1/batch").body(&body);
    assert_eq!(code(&client.ask(ask.clone()).await), (503, "no_space".to_owned()));
    assert_eq!(client.ask(ask).await.status, 200);
    let found = client.get("/v1/identities?email=a@x.org").await.unwrap();
    assert_eq!(found.status, 200, "{}", found.text());
    server.drain().await;
}

/// A large batch is several transactions, and counts as many requests of its key.
#[tokio::test]
async fn a_batch_of_thousands_is_taken() {
    let mut shop = opened(&Databases::Sqlite).await;
    let batch: Vec<Value> =
        (0..2_500).map(|number| json!({ "type": "track", "userId": format!("u{number}") })).collect();
    taken(&mut shop.client, "/v1/batch", &json!({ "batch": batch })).await;
    let last = shop.client.ask(Ask::new("GET", "/v1/identities?userId=u2499").key(ADMIN)).await;
    assert_eq!(last.json()["primaryContactId"], 2_500);
    shop.server.drain().await;
}

/// What users saw: a client waited in vain for a batch that its key's rate held up, and sent it again and again.
#[tokio::test]
async fn a_batch_is_taken_at_once_and_made_up_for_before_the_next() {
    for databases in [Databases::Sqlite, Databases::postgres()] {
        let mut shop = opened(&databases).await;
        let limited = json!({ "name": "segment", "scopes": ["identify"], "requestsPerSecond": 1 });
        let key = shop.key(limited).await;
        let batch: Vec<Value> =
            (0..1_000).map(|number| json!({ "type": "track", "userId": format!("u{number}") })).collect();
        let body = json!({ "batch": batch }).to_string();
        let ask = Ask::new("POST", "/v1/batch").key(&key).body(&body);
        let reply = shop.client.ask(ask.clone()).await;
        assert_eq!((reply.status.as_u16(), reply.text()), (200, r#"{"success":true}"#), "{databases}");
        assert_eq!(reply.headers["ratelimit"], "\"key\";r=0;t=1");
        let last = shop.client.ask(Ask::new("GET", "/v1/identities?userId=u999").key(ADMIN)).await;
        assert_eq!(last.status, 200, "{databases}: all of it is stored");
        // Had it waited for its thousand seconds, nothing would be left of them.
        let refused = shop.client.ask(ask).await;
        assert_eq!(code(&refused), (429, "rate_limited".to_owned()), "{databases}");
        let wait: u32 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((500..=1_000).contains(&wait), "{databases}: {wait}");
        shop.server.drain().await;
    }
}

#[tokio::test]
async fn what_is_no_message_is_refused_and_changes_nothing() {
    let mut shop = opened(&Databases::Sqlite).await;
    let before = log(&mut shop.client).await;
    let good = json!({ "type": "track", "userId": "u1" });
    let long =
        |bytes| json!({ "type": "track", "userId": "u1", "properties": { "text": "x".repeat(bytes) } });
    for (path, body, want) in [
        ("/v1/identify", json!([]), (400, "not_an_object")),
        ("/v1/identify", Value::String("x".into()), (400, "not_an_object")),
        ("/v1/batch", json!({}), (400, "invalid_body")),
        ("/v1/batch", json!({ "batch": {} }), (400, "invalid_body")),
        ("/v1/batch", json!({ "batch": "jon.secret@x.example" }), (400, "invalid_body")),
        ("/v1/batch", json!({ "batch": vec![json!({}); 10_001] }), (413, "body_too_large")),
        ("/v1/batch", json!({ "batch": [long(1024 * 1024)] }), (413, "body_too_large")),
        ("/v1/track", long(64 * 1024), (413, "body_too_large")),
        ("/v1/track?debug=true", good.clone(), (400, "invalid_query")),
    ] {
        let reply = post(&mut shop.client, path, &body).await;
        assert_eq!(code(&reply), (want.0, want.1.to_owned()), "{path}");
        assert!(!reply.text().contains("jon.secret"), "{}", reply.text());
    }
    let cut = shop.client.ask(Ask::new("POST", "/v1/batch").key(ADMIN).body("{\"batch\":[")).await;
    assert_eq!(code(&cut), (400, "malformed_json".to_owned()));
    for (encoding, body, want) in [
        ("gzip", "{}", (400, "malformed_gzip")),
        ("br", "{}", (415, "unsupported_encoding")),
        ("gzip, gzip", "{}", (415, "unsupported_encoding")),
    ] {
        let request = Request::post("/v1/identify").header(HOST, "localhost");
        let request = request.header(CONTENT_TYPE, "application/json").header(CONTENT_ENCODING, encoding);
        let request = request.header(AUTHORIZATION, format!("Bearer {ADMIN}"));
        let reply = shop.client.send(request.body(Full::new(Bytes::from(body))).unwrap()).await.unwrap();
        assert_eq!(code(&reply), (want.0, want.1.to_owned()), "{encoding}");
        assert!(reply.text().contains("gzip"), "{encoding}: {}", reply.text());
    }
    assert_eq!(log(&mut shop.client).await, before);
    shop.server.drain().await;
}

/// What users saw: a client whose one message was odd lost a hundred with it.
#[tokio::test]
async fn what_can_not_be_read_in_a_batch_is_left_out_alone() {
    let mut shop = opened(&Databases::Sqlite).await;
    let long = format!(r#"{{"type":"track","userId":"long","properties":"{}"}}"#, "x".repeat(64 * 1024));
    let odd = [
        r#"{"type":"track","userId":"twice","userId":"two"}"#,
        r#"{"type":"track","userId":"surrogate","\ud800":1}"#,
        r#"{"type":"identify","userId":"u1","traits":{"email":"a@x.org","email":"b@x.org"}}"#,
        "1",
        "null",
        r#"["track","array"]"#,
        &*long,
    ];
    let (first, last) = (r#"{"type":"track","userId":"first"}"#, r#"{"type":"track","userId":"last"}"#);
    let body = format!(r#"{{"batch":[{first},{},{last}]}}"#, odd.join(","));
    let reply = shop.client.ask(Ask::new("POST", "/v1/batch").key(ADMIN).body(&body)).await;
    assert_eq!((reply.status.as_u16(), reply.text()), (200, r#"{"success":true}"#));
    let told = log(&mut shop.client).await;
    let values: Vec<_> = told.iter().map(|event| event["evidence"][0]["value"].clone()).collect();
    assert_eq!(values, ["first", "u1", "last"]);
    shop.server.drain().await;
}

/// A kind that the policy doesn't declare is no identifier, and what a policy blocks links nobody: neither is an error to a client
/// that can do nothing about it.
#[tokio::test]
async fn what_the_policy_lets_not_link_is_taken_without_effect() {
    let mut shop = Shop::open(&Databases::Sqlite).await;
    let key = shop.key(named("segment", &["identify"])).await;
    let before = log(&mut shop.client).await;
    taken(&mut shop.client, "/v1/alias", &json!({ "previousId": "v1", "userId": "u1" })).await;
    assert_eq!(log(&mut shop.client).await, before);
    let policy = r#"{"blocked":[{"kind":"email","pattern":"noreply@*"}]}"#;
    let set = shop.client.ask(Ask::new("PUT", "/v1/policy").key(ADMIN).body(policy)).await;
    assert_eq!(set.status, 200, "{}", set.text());
    let before = log(&mut shop.client).await;
    let blocked = json!({ "traits": { "email": "noreply@x.org" }, "messageId": "m1" }).to_string();
    let reply = shop.client.ask(Ask::new("POST", "/v1/identify").key(&key).body(&blocked)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(log(&mut shop.client).await, before);
    shop.server.drain().await;
}

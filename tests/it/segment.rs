//! Segment's own clients, unchanged, against a server on either store: what they tell becomes people, and what they send again
//! changes nothing.

use std::net::SocketAddr;

use serde_json::{Value, json};
use support::client::{Ask, Client};
use support::databases::Databases;
use support::segment::SegmentClient;
use support::server::{ServerOptions, TestServer};
use support::shop::{ADMIN, Shop, code, named};

/// What the documents say to set.
const POLICY: &str = r#"{"kinds":["userId","anonymousId"],"unique":["userId"]}"#;

/// A visit, an order, and what people type: pairs of a method of the clients and its parameters.
fn calls() -> Value {
    let calls = json!([
        ["track", { "anonymousId": "visitor-1", "event": "Opened", "messageId": "m1" }],
        ["page", { "anonymousId": "visitor-1", "name": "Home", "messageId": "m2" }],
        ["identify", { "userId": "user-1", "messageId": "m3",
            "traits": { "email": "Lorraine@HillValley.edu", "phone": "123456", "name": "Lorraine" } }],
        // The visitor was she.
        ["alias", { "previousId": "visitor-1", "userId": "user-1", "messageId": "m4" }],
        // The traits are the company's.
        ["group", { "userId": "user-1", "groupId": "g1", "traits": { "email": "office@hillvalley.edu" }, "messageId": "m5" }],
        ["screen", { "userId": "user-1", "anonymousId": "app-7", "name": "Cart", "messageId": "m6" }],
        ["identify", { "userId": "user-2", "traits": { "email": "none", "phone": "555" }, "messageId": "m7" }],
        // Two users of one address: they stay two.
        ["identify", { "userId": "user-2", "traits": { "email": "lorraine@hillvalley.edu" }, "messageId": "m8" }],
        ["track", { "userId": "user-1", "event": "Bought", "properties": { "email": "other@hillvalley.edu" }, "messageId": "m9" }],
    ]);
    calls
}

/// The same calls, by other ids.
fn sent_anew(calls: &Value, suffix: &str) -> Value {
    let mut calls = calls.clone();
    for call in calls.as_array_mut().expect("a list") {
        let id = call[1]["messageId"].as_str().expect("each has one").to_owned();
        call[1]["messageId"] = json!(id + suffix);
    }
    calls
}

/// Has the client send, outside of the runtime; why what could not be delivered was not.
async fn send(client: SegmentClient, server: SocketAddr, key: &str, calls: &Value) -> Vec<String> {
    let (key, calls) = (key.to_owned(), calls.clone());
    let sending = tokio::task::spawn_blocking(move || client.send(server, &key, &calls));
    sending.await.expect("it is installed, and runs")
}

async fn get(client: &mut Client, path: &str) -> Value {
    client.ask(Ask::new("GET", path).key(ADMIN)).await.json()
}

/// What the owner of an identifier owns, each as `kind=value`.
async fn owned(client: &mut Client, query: &str) -> Vec<String> {
    let body = get(client, &format!("/v1/identities?{query}")).await;
    let Some(list) = body["identifiers"].as_array() else { return vec![body["code"].to_string()] };
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    list.iter().map(|one| format!("{}={}", text(&one["kind"]), text(&one["value"]))).collect()
}

/// The events that observations caused.
async fn observed(client: &mut Client) -> Vec<Value> {
    let mut events = get(client, "/v1/events?limit=1000").await["events"].as_array().expect("a list").clone();
    events.retain(|event| !event["evidence"].as_array().expect("a list").is_empty());
    events
}

async fn opened(databases: &Databases) -> (Shop, String) {
    let mut shop = Shop::open(databases).await;
    let set = shop.client.ask(Ask::new("PUT", "/v1/policy").key(ADMIN).body(POLICY)).await;
    assert_eq!(set.status, 200, "{}", set.text());
    let key = shop.key(named("segment", &["identify"])).await;
    (shop, key)
}

async fn a_client_tells_who_is_who(databases: Databases) {
    for client in SegmentClient::ALL {
        let about = format!("{client:?} on {databases}");
        let (mut shop, key) = opened(&databases).await;
        let address = shop.server.address;
        assert_eq!(send(client, address, &key, &calls()).await, [""; 0], "{about}");

        let lorraine = [
            "anonymousId=visitor-1",
            "email=lorraine@hillvalley.edu",
            "phone=123456",
            "userId=user-1",
            "anonymousId=app-7",
        ];
        let mut got = owned(&mut shop.client, "userId=user-1").await;
        got.sort_unstable();
        let mut want = lorraine.map(str::to_owned);
        want.sort_unstable();
        assert_eq!(got, want, "{about}");
        let mut other = owned(&mut shop.client, "phone=555").await;
        other.sort_unstable();
        assert_eq!(other, ["phone=555", "userId=user-2"], "{about}");
        for nobody in ["email=office@hillvalley.edu", "email=other@hillvalley.edu"] {
            assert_eq!(owned(&mut shop.client, nobody).await, ["\"nobody\""], "{about}: {nobody}");
        }
        let events = observed(&mut shop.client).await;
        let kinds: Vec<_> = events.iter().map(|event| event["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["created", "created", "merged", "attached", "created", "refused"], "{about}");
        for event in &events {
            assert_eq!(event["causedBy"], "segment", "{about}");
            assert_eq!(event["source"], format!("segment:{}", client.library()), "{about}");
            assert!(event["observedAt"].is_string(), "{about}: {event}");
        }

        // Sent again, nothing changes: also where somebody was erased since, who would be new otherwise.
        assert_eq!(send(client, address, &key, &calls()).await, [""; 0], "{about}");
        assert_eq!(observed(&mut shop.client).await, events, "{about}");
        let id = get(&mut shop.client, "/v1/identities?phone=555").await["primaryContactId"].clone();
        let erase = format!("/v1/identities/{id}");
        let erased = shop.client.ask(Ask::new("DELETE", &erase).key(ADMIN)).await;
        assert_eq!(erased.status, 200, "{about}: {}", erased.text());
        let before = observed(&mut shop.client).await;
        assert_eq!(send(client, address, &key, &calls()).await, [""; 0], "{about}");
        assert_eq!(observed(&mut shop.client).await, before, "{about}");
        assert_eq!(owned(&mut shop.client, "phone=555").await, ["\"nobody\""], "{about}");
        // The negative control: by other ids it is other messages, which bring the person back.
        assert_eq!(send(client, address, &key, &sent_anew(&calls(), "-2")).await, [""; 0], "{about}");
        assert_eq!(owned(&mut shop.client, "phone=555").await.len(), 2, "{about}");
        shop.server.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn segment_s_clients_tell_who_is_who_on_sqlite() {
    a_client_tells_who_is_who(Databases::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn segment_s_clients_tell_who_is_who_on_postgresql() {
    a_client_tells_who_is_who(Databases::postgres()).await;
}

/// A client can't do without a write key. Where nobody is asked for one any will do, and where one was made an unknown one is a mistake.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_key_is_asked_for_where_keys_are() {
    let databases = Databases::Sqlite;
    let one = json!([["identify", { "userId": "u1", "traits": { "email": "one@hill.edu" } }]]);
    for client in [SegmentClient::Node, SegmentClient::Python] {
        let database = databases.empty().await;
        let server = TestServer::start(database.open().await, ServerOptions::default()).await;
        assert_eq!(send(client, server.address, "any", &one).await, [""; 0], "{client:?}");
        let mut asking = server.client().await;
        let found = asking.get("/v1/identities?email=one@hill.edu").await.unwrap();
        // Without a policy, `userId` is no identifier.
        assert_eq!(found.json()["identifiers"], json!([{ "kind": "email", "value": "one@hill.edu" }]));
        server.drain().await;

        let (mut shop, _) = opened(&databases).await;
        let reader = shop.key(named("reader", &["read"])).await;
        for (key, status) in [("any", "401"), (&*reader, "403")] {
            let failures = send(client, shop.server.address, key, &one).await;
            assert!(!failures.is_empty(), "{client:?}");
            for failure in failures {
                assert!(failure.contains(status), "{client:?}: {failure}");
            }
        }
        let found = shop.client.ask(Ask::new("GET", "/v1/identities?email=one@hill.edu").key(ADMIN)).await;
        assert_eq!(code(&found), (404, "nobody".to_owned()), "{client:?}");
        shop.server.drain().await;
    }
}

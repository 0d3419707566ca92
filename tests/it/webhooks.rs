//! Webhooks: what an endpoint gets, in which order, and that anybody can verify it. On both stores, through HTTP.

use std::collections::BTreeSet;
use std::time::Duration;

use selfsame_api::Admission;
use selfsame_rules::Actor;
use selfsame_service::WebhookSettings;
use serde_json::{Value, json};
use support::client::{Ask, Client};
use support::databases::{Database, Databases};
use support::receiver::{Delivered, Mood, Receiver};
use support::server::{ServerOptions, TestServer};
use support::shop::{ADMIN, code};
use support::standard_webhooks::verify;
use support::webhooks::{add, last_event, post, told, until};

/// As a test's server delivers: to this machine.
pub(crate) const HERE: WebhookSettings = WebhookSettings {
    allow_private: true,
    attempt_timeout: Duration::from_secs(5),
    parked_after: Duration::from_secs(3 * 24 * 60 * 60),
    idle_timeout: Duration::from_secs(5),
    connections_max: 64,
};

/// A server by the machine's clock: what is signed by another one, nobody verifies.
pub(crate) async fn serve(database: &Database, webhooks: WebhookSettings) -> TestServer {
    let options =
        ServerOptions { admission: Admission::Keys, webhooks: Some(webhooks), ..ServerOptions::default() };
    let server = TestServer::start(database.open().await, options).await;
    let made = server.installation.ensure_admin_key(ADMIN, &Actor::named("test")).await;
    made.expect("the store takes a key");
    server
}

/// Records somebody new for each number.
pub(crate) async fn saw(client: &mut Client, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let body = json!({ "identifiers": [{ "kind": "phone", "value": number }] });
        let reply = post(client, "/v1/observations", &body).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
}

/// The log, as `GET /v1/events` tells it.
pub(crate) async fn log(client: &mut Client) -> Vec<Value> {
    let reply = client.ask(Ask::new("GET", "/v1/events?limit=1000").key(ADMIN)).await;
    reply.json()["events"].as_array().expect("a list").clone()
}

/// Whatever is wrong with messages that should be the log, each once and in order, and verified by that secret.
pub(crate) fn wrong(messages: &[Delivered], log: &[Value], secret: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let sequences: Vec<i64> = messages.iter().map(Delivered::sequence).collect();
    let wanted: Vec<i64> = log.iter().filter_map(|event| event["sequence"].as_i64()).collect();
    if sequences != wanted {
        wrong.push(format!("{sequences:?} came of {wanted:?}"));
    }
    let differing = messages.iter().zip(log).filter(|(message, event)| message.event() != **event);
    wrong.extend(differing.map(|(message, event)| format!("{} is not {event}", message.body)));
    let ids: BTreeSet<&str> = messages.iter().map(|message| &*message.id).collect();
    if ids.len() != messages.len() {
        wrong.push("an id is another event's".to_owned());
    }
    wrong.extend(verify(secret, messages).into_iter().flatten());
    wrong
}

/// The acceptance: a receiver that is down gets all once it is back.
#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_was_down_gets_every_event_in_order_once_it_is_back() {
    for databases in [Databases::Sqlite, Databases::postgres()] {
        let database = databases.empty().await;
        let server = serve(&database, HERE).await;
        let mut client = server.client().await;
        let mut receiver = Receiver::start().await;
        let hook = add(&mut client, &receiver.url(), &[]).await;
        saw(&mut client, 0..30).await;
        receiver.until_taken(10).await;
        receiver.shut().await;
        saw(&mut client, 30..90).await;
        let failing =
            until(&mut client, &hook.id, "failing", |told| told["failures"].as_i64() >= Some(2)).await;
        assert_eq!((&failing["state"], &failing["lastStatus"]), (&json!("failing"), &Value::Null));
        assert_eq!(failing["lastProblem"], "it takes no connection");
        assert!(failing["failingSince"].is_string() && failing["nextAttemptAt"].is_string(), "{failing}");
        receiver.open().await;
        let last = last_event(&mut client).await;
        receiver.until_taken(last).await;
        let log = log(&mut client).await;
        assert_eq!(wrong(&receiver.taken(), &log, &hook.secret), [""; 0], "{databases}");
        let well = until(&mut client, &hook.id, "noted", |told| told["after"] == last).await;
        assert_eq!((&well["state"], &well["failures"]), (&json!("delivering"), &json!(0)));
        assert!(well.get("secret").is_none(), "it is shown once");

        // Replayed, each message comes again as it was; only its time, and so its signature, is another.
        let first = receiver.taken();
        let replay = format!("/v1/webhooks/{}/replay", hook.id);
        let reply = post(&mut client, &replay, &json!({ "after": 60 })).await;
        assert_eq!((reply.status.as_u16(), &reply.json()["after"]), (200, &json!(60)));
        receiver.until(first.len() + log.len() - 60).await;
        let again: Vec<_> = receiver.taken().into_iter().skip(first.len()).collect();
        assert_eq!(wrong(&again, &log[60..], &hook.secret), [""; 0], "{databases}");
        let same = |message: &Delivered| (message.id.clone(), message.body.clone());
        assert!(again.iter().map(same).eq(first[60..].iter().map(same)), "{databases}");

        // The judgement could fail.
        let mut turned = first.clone();
        turned.swap(3, 4);
        assert!(!wrong(&turned, &log, &hook.secret).is_empty());
        assert!(!wrong(&first[1..], &log, &hook.secret).is_empty());
        let mut forged = first.clone();
        forged[5].body = forged[5].body.replace("created", "Created");
        assert!(wrong(&forged, &log, &hook.secret).contains(&"No matching signature found".to_owned()));
        server.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_gets_the_kinds_that_it_asked_for_from_where_it_asked() {
    for databases in [Databases::Sqlite, Databases::postgres()] {
        let database = databases.empty().await;
        let server = serve(&database, HERE).await;
        let mut client = server.client().await;
        saw(&mut client, 0..3).await;
        let (some, new) = (Receiver::start().await, Receiver::start().await);
        add(&mut client, &some.url(), &["deleted", "keyChanged"]).await;
        let reply = post(&mut client, "/v1/webhooks", &json!({ "url": new.url() })).await;
        let before = last_event(&mut client).await;
        assert_eq!(reply.json()["after"], before, "it begins behind what there is");
        saw(&mut client, 3..5).await;
        let deleted = client.ask(Ask::new("DELETE", "/v1/contacts/1").key(ADMIN)).await;
        assert_eq!(deleted.status, 200, "{}", deleted.text());
        let last = last_event(&mut client).await;
        for receiver in [&some, &new] {
            receiver.until_taken(last).await;
        }
        let kinds = |receiver: &Receiver| -> Vec<String> {
            let taken = receiver.taken();
            taken.iter().map(|message| message.event()["kind"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(kinds(&some), ["keyChanged", "deleted"], "{databases}");
        assert_eq!(kinds(&new), ["created", "created", "deleted"], "{databases}");
        server.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_secrets_sign_after_a_rotation_and_a_message_can_be_tried() {
    for databases in [Databases::Sqlite, Databases::postgres()] {
        let database = databases.empty().await;
        let server = serve(&database, HERE).await;
        let mut client = server.client().await;
        let receiver = Receiver::start().await;
        let hook = add(&mut client, &receiver.url(), &["deleted"]).await;
        let rotate = format!("/v1/webhooks/{}/rotate", hook.id);
        let rotated = client.ask(Ask::new("POST", &rotate).key(ADMIN)).await;
        assert_eq!(rotated.status, 200, "{}", rotated.text());
        let secret = rotated.json()["secret"].as_str().expect("it is shown").to_owned();
        assert_ne!(secret, hook.secret);
        assert!(rotated.json()["formerSecretUntil"].is_string());

        let test = format!("/v1/webhooks/{}/test", hook.id);
        let tested = client.ask(Ask::new("POST", &test).key(ADMIN)).await.json();
        assert_eq!((&tested["delivered"], &tested["status"]), (&json!(true), &json!(204)), "{tested}");
        assert!(tested["milliseconds"].is_u64() && tested["problem"].is_null(), "{tested}");
        let messages = receiver.taken();
        assert_eq!(messages.len(), 1);
        assert_eq!(messages[0].event()["kind"], "test");
        for good in [&secret, &hook.secret] {
            assert_eq!(verify(good, &messages), [None], "{databases}");
        }
        let neither = verify("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", &messages);
        assert_eq!(neither, [Some("No matching signature found".to_owned())]);

        receiver.set(Mood::Answers(503));
        let tested = client.ask(Ask::new("POST", &test).key(ADMIN)).await.json();
        assert_eq!((&tested["delivered"], &tested["problem"]), (&json!(false), &json!("it answered 503")));
        let state = &told(&mut client, &hook.id).await["state"];
        assert_eq!(state, "delivering", "what is only tried says nothing of the endpoint");
        server.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_about_webhooks_is_carried_out_once_or_refused_in_plain_words() {
    for databases in [Databases::Sqlite, Databases::postgres()] {
        let database = databases.empty().await;
        let server = serve(&database, HERE).await;
        let mut client = server.client().await;
        for (body, want) in [
            (json!({ "url": "https://user@shop.example/" }), (400, "invalid_url")),
            (json!({ "url": "ftp://shop.example/" }), (400, "invalid_url")),
            (json!({ "url": "https://shop.example/", "kinds": ["merge"] }), (400, "invalid_body")),
            (json!({ "url": "https://shop.example/", "after": -1 }), (400, "invalid_body")),
            (json!({ "url": "https://shop.example/", "after": 99 }), (404, "event_not_found")),
            (json!({ "url": "https://shop.example/", "secret": "x" }), (400, "invalid_body")),
            (json!({}), (400, "invalid_body")),
        ] {
            let reply = post(&mut client, "/v1/webhooks", &body).await;
            assert_eq!(code(&reply), (want.0, want.1.to_owned()), "{databases}: {body}");
        }
        for (method, path) in [
            ("GET", "/v1/webhooks/none"),
            ("DELETE", "/v1/webhooks/none"),
            ("POST", "/v1/webhooks/none/test"),
            ("POST", "/v1/webhooks/none/rotate"),
        ] {
            let reply = client.ask(Ask::new(method, path).key(ADMIN)).await;
            assert_eq!(code(&reply), (404, "webhook_not_found".to_owned()), "{databases}: {method} {path}");
        }

        // What is no text of theirs is refused in JSON's words, and nothing of it is repeated.
        for (body, want) in [
            (r#"{"url":"https://shop.example/","after":"secret"}"#, "must be a whole number"),
            (r#"{"url":"https://shop.example/","kinds":"secret"}"#, "must be a list"),
            (r#"{"url":["secret"]}"#, "must be a string"),
        ] {
            let reply = client.ask(Ask::new("POST", "/v1/webhooks").key(ADMIN).body(body)).await;
            assert_eq!(code(&reply), (400, "invalid_body".to_owned()), "{databases}: {body}");
            let text = reply.text();
            assert!(text.contains(want) && !text.contains("secret"), "{databases}: {body}: {text}");
        }

        // The same request again makes no other, and shows the same secret.
        let once = "8e03978e-40d5-43dd";
        let body = json!({ "url": "https://shop.example/a" }).to_string();
        let make = Ask::new("POST", "/v1/webhooks").key(ADMIN).once(once).body(&body);
        let (made, again) = (client.ask(make.clone()).await, client.ask(make).await);
        assert_eq!((made.status.as_u16(), &made.body), (201, &again.body), "{databases}");
        assert_eq!(again.headers["idempotent-replayed"], "true");
        let id = made.json()["id"].as_str().expect("a text").to_owned();
        let path = format!("/v1/webhooks/{id}");
        // No body is taken where none belongs.
        let long = " ".repeat(30_000);
        for (method, what) in [("POST", "/rotate"), ("POST", "/test"), ("DELETE", "")] {
            for body in ["{}", r#"{"secret":"mine"}"#, &*long] {
                let ask = format!("{path}{what}");
                let reply = client.ask(Ask::new(method, &ask).key(ADMIN).body(body)).await;
                assert_eq!(code(&reply), (400, "invalid_body".to_owned()), "{databases}: {method} {ask}");
            }
        }
        assert_eq!(told(&mut client, &id).await["formerSecretUntil"], Value::Null, "{databases}");
        let remove = Ask::new("DELETE", &path).key(ADMIN).once(once);
        let (removed, again) = (client.ask(remove.clone()).await, client.ask(remove).await);
        assert_eq!((removed.status.as_u16(), &removed.body), (200, &again.body), "{databases}");

        // As many as there may be, in pages.
        for number in 0..50 {
            // What is null isn't said.
            let url = format!("https://shop.example/{number}");
            let body = json!({ "url": url, "kinds": null, "after": null });
            assert_eq!(post(&mut client, "/v1/webhooks", &body).await.status, 201);
        }
        let reply = post(&mut client, "/v1/webhooks", &json!({ "url": "https://shop.example/" })).await;
        assert_eq!(code(&reply), (409, "too_many_webhooks".to_owned()), "{databases}");
        let page = client.ask(Ask::new("GET", "/v1/webhooks?limit=30").key(ADMIN)).await.json();
        let cursor = page["nextCursor"].as_str().expect("there are more").to_owned();
        let next = format!("/v1/webhooks?limit=30&cursor={cursor}");
        let rest = client.ask(Ask::new("GET", &next).key(ADMIN)).await.json();
        let count = |page: &Value| page["webhooks"].as_array().expect("a list").len();
        assert_eq!((count(&page), count(&rest), &rest["nextCursor"]), (30, 20, &Value::Null));
        server.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_are_of_one_workspace_and_go_with_it() {
    for databases in [Databases::Sqlite, Databases::postgres()] {
        let database = databases.empty().await;
        let server = serve(&database, HERE).await;
        let mut client = server.client().await;
        let made = post(&mut client, "/v1/workspaces", &json!({ "name": "other" })).await;
        assert_eq!(made.status, 201, "{}", made.text());
        let receiver = Receiver::start().await;
        let body = json!({ "url": receiver.url(), "after": 0 }).to_string();
        let add = Ask::new("POST", "/v1/webhooks").key(ADMIN).workspace("other").body(&body);
        let added = client.ask(add).await.json();
        receiver.until_taken(1).await;
        assert!(receiver.taken()[0].id.starts_with("evt_2_1_"), "{:?}", receiver.taken());
        saw(&mut client, 0..3).await;
        let path = format!("/v1/webhooks/{}", added["id"].as_str().expect("a text"));
        let elsewhere = client.ask(Ask::new("GET", &path).key(ADMIN)).await;
        assert_eq!(code(&elsewhere), (404, "webhook_not_found".to_owned()), "{databases}");
        let erase = "/v1/workspaces/other?confirm=other";
        assert_eq!(client.ask(Ask::new("DELETE", erase).key(ADMIN)).await.status, 200);
        server.installation.sweep().await.expect("the store works");
        assert_eq!(receiver.taken().len(), 1, "nothing of another workspace, and nothing after its end");
        drop(client);
        server.drain().await;
        let rows = database.texts("SELECT id FROM webhooks").await;
        assert_eq!(rows, [""; 0], "{databases}");
    }
}

//! A story by HTTP, on both stores: two people share a phone number and are joined by a checkout; support asks why, undoes it,
//! the same checkout is held for review, the reviewer keeps them apart, one of them is erased, and an auditor asks what was
//! answered before.

use axum::http::StatusCode;
use serde_json::{Value, json};
use support::client::{Ask, Reply};
use support::databases::Databases;
use support::shop::{ADMIN, Shop};

const ANNA: &str = "anna@shared.example";
const BEN: &str = "ben@shared.example";

struct Story(Shop);

impl Story {
    async fn ask(&mut self, method: &str, path: &str, body: Option<Value>) -> Reply {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let mut ask = Ask::new(method, path).key(ADMIN);
        if !body.is_empty() {
            ask = ask.body(&body);
        }
        self.0.client.ask(ask).await
    }

    async fn done(&mut self, method: &str, path: &str, body: Option<Value>) -> Value {
        let reply = self.ask(method, path, body).await;
        assert_eq!(reply.status, StatusCode::OK, "{method} {path}: {}", reply.text());
        reply.json()
    }

    async fn saw(&mut self, email: &str, phone: &str, at: i64) -> Value {
        self.0.clock.set(at);
        let body = json!({ "identifiers": [
            { "kind": "email", "value": email }, { "kind": "phone", "value": phone, "verified": true },
        ], "source": "till 4", "observedAt": "2026-01-31T12:00:00+01:00" });
        self.done("POST", "/v1/observations", Some(body)).await
    }
}

fn contacts(identity: &Value) -> Vec<i64> {
    let contacts = identity["contacts"].as_array().expect("a list");
    contacts.iter().map(|contact| contact["id"].as_i64().expect("a number")).collect()
}

async fn tell(databases: Databases) {
    let mut story = Story(Shop::open(&databases).await);
    let before = story.0.server.engine.events(selfsame_rules::Sequence(0), 10).await.unwrap();
    let first = before.last().map_or(0, |event| event.sequence.0);

    // Two people; and then Ben pays with Anna's number.
    let anna = story.saw(ANNA, "111", 2_000).await;
    assert_eq!((&anna["outcome"], &anna["identity"]["primaryContactId"]), (&json!("created"), &json!(1)));
    assert_eq!(story.saw(BEN, "222", 3_000).await["outcome"], "created");
    let joined = story.saw(BEN, "111", 4_000).await;
    assert_eq!((&joined["outcome"], &joined["sequence"]), (&json!("merged"), &json!(first + 3)));
    assert_eq!(contacts(&joined["identity"]), [1, 2]);
    assert_eq!(story.saw(BEN, "111", 4_500).await["outcome"], "unchanged");

    // Support asks why.
    let why = story.done("GET", "/v1/identities/1/why?other=2", None).await;
    assert_eq!(why["samePerson"], true);
    assert_eq!(why["steps"][0]["sequence"], first + 3);
    assert_eq!(why["steps"][0]["evidence"][0]["value"], BEN);

    // And undoes it; first to see what would happen.
    let path = format!("/v1/events/{}/undo", first + 3);
    let reason = json!({ "reason": "a shared phone" });
    story.0.clock.set(5_000);
    let tried = story.done("POST", &format!("{path}?dryRun=true"), Some(reason.clone())).await;
    assert_eq!(contacts(&story.done("GET", "/v1/identities/2", None).await), [1, 2]);
    let undone = story.done("POST", &path, Some(reason.clone())).await;
    assert_eq!((&tried["event"], &undone["dryRun"]), (&undone["event"], &json!(false)));
    assert_eq!(undone["event"]["outcome"]["keptApart"], json!([[[1], [2]]]));
    assert_eq!(contacts(&story.done("GET", "/v1/identities/2", None).await), [2]);
    assert_eq!(story.ask("POST", &path, Some(reason)).await.json()["code"], "apart_already");

    // The same checkout again is held for review, once.
    for at in [6_000, 6_500] {
        let held = story.saw(BEN, "111", at).await;
        assert_eq!((&held["outcome"], &held["rule"]["name"]), (&json!("refused"), &json!("keptApart")));
        assert_eq!(held["sequence"], first + 5);
    }
    let reviews = story.done("GET", "/v1/reviews", None).await;
    assert_eq!(reviews["reviews"].as_array().map(Vec::len), Some(1), "{reviews}");
    assert_eq!(reviews["reviews"][0]["primaryContactIds"], json!([1, 2]));

    // The reviewer keeps them apart.
    let review = format!("/v1/reviews/{}", first + 5);
    story.done("POST", &review, Some(json!({ "decision": "keepApart" }))).await;
    assert_eq!(story.done("GET", "/v1/reviews", None).await["reviews"], json!([]));
    let again = story.ask("POST", &review, Some(json!({ "decision": "merge" }))).await;
    assert_eq!((again.status, &again.json()["code"]), (StatusCode::CONFLICT, &json!("not_open")));

    // Ben asks to be erased.
    story.0.clock.set(8_000);
    let dry = story.done("DELETE", "/v1/identities/2?dryRun=true", None).await;
    assert_eq!((&dry["dryRun"], &dry["contactIds"]), (&json!(true), &json!([2])));
    let receipt = story.done("DELETE", "/v1/identities/2", None).await;
    assert_eq!((&receipt["contactIds"], &receipt["values"]), (&json!([2]), &json!(2)));
    assert_eq!(story.ask("GET", "/v1/identities/2", None).await.status, StatusCode::GONE);
    let by_value = format!("/v1/identities?email={BEN}");
    assert_eq!(story.ask("GET", &by_value, None).await.status, StatusCode::NOT_FOUND);
    let log = story.done("GET", "/v1/events?limit=1000", None).await.to_string();
    assert!(!log.contains(BEN) && !log.contains("222") && log.contains(ANNA), "{log}");

    // The auditor asks what was answered before.
    let then = story.done("GET", &format!("/v1/identities/2?at={}", first + 3), None).await;
    assert_eq!(contacts(&then), [1, 2]);
    assert_eq!(then["contacts"][1]["identifiers"][0], json!({ "kind": "email", "value": null }));
    let by_time = story.done("GET", "/v1/identities/1?at=1970-01-01T00:00:04.100Z", None).await;
    assert_eq!(contacts(&by_time), [1, 2]);
    assert_eq!(contacts(&story.done("GET", &format!("/v1/identities?email={ANNA}"), None).await), [1]);

    story.0.server.drain().await;
}

#[tokio::test]
async fn a_wrong_merge_is_explained_undone_and_kept_undone_on_sqlite() {
    tell(Databases::Sqlite).await;
}

#[tokio::test]
async fn a_wrong_merge_is_explained_undone_and_kept_undone_on_postgresql() {
    tell(Databases::postgres()).await;
}

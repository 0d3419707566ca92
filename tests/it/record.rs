//! `GET /v1/identities/{id}/record`: everything that is held about a person, and nothing of anybody else.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use support::busy::{Play, Wish};
use support::consumer::Consumer;
use support::databases::Databases;
use support::process::command;
use support::random::Random;
use support::size::{Size, proved};

const ANNA: &str = "Anna@shared.example";
const BEN: &str = "ben@shared.example";

async fn saw(play: &mut Play, email: &str, phone: &str) -> Value {
    let identifiers = json!([
        { "kind": "email", "value": email }, { "kind": "phone", "value": phone, "verified": true },
    ]);
    let body = json!({ "identifiers": identifiers, "source": format!("form of {email}") });
    let wish = Wish { method: "POST", path: "/v1/observations".to_owned(), body: Some(body) };
    let reply = play.send(wish).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

async fn done(play: &mut Play, method: &'static str, path: String, body: Option<Value>) -> Value {
    let reply = play.send(Wish { method, path, body }).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

fn kinds(record: &Value) -> Vec<&str> {
    record["events"].as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap()).collect()
}

async fn tell(databases: Databases) {
    let mut play = Play::open(&databases).await;
    saw(&mut play, ANNA, "1-11").await;
    saw(&mut play, BEN, "222").await;
    // Ben pays with Anna's number; the two are joined, and parted again; and then it is held for a review.
    let joined = saw(&mut play, BEN, "111").await["sequence"].clone();
    let new = saw(&mut play, "bens.other@shared.example", "222").await;
    assert_eq!(new["outcome"], "attached");
    let reason = json!({ "reason": "a shared phone" });
    done(&mut play, "POST", format!("/v1/events/{joined}/undo"), Some(reason)).await;
    let held = saw(&mut play, BEN, "111").await;
    assert_eq!(held["outcome"], "refused");

    let anna = play.get("/v1/identities/1/record").await;
    let text = anna.to_string();
    assert!(!text.contains("ben") && !text.contains("222"), "{text}");
    assert_eq!(kinds(&anna), ["created", "merged", "attached", "undone", "refused"]);
    let identifiers = json!([
        { "kind": "email", "value": "anna@shared.example", "owned": true, "verified": false,
            "spellings": [ANNA], "contactIds": [1] },
        { "kind": "phone", "value": "111", "owned": true, "verified": true, "spellings": ["1-11"], "contactIds": [1] },
    ]);
    assert_eq!(anna["identifiers"], identifiers);
    assert_eq!(anna["events"][0]["source"], format!("form of {ANNA}"));
    let merged = &anna["events"][1];
    let evidence = json!([{ "kind": "email", "withheld": true }, { "kind": "phone", "value": "111" }]);
    assert_eq!(
        (&merged["own"], &merged["evidence"], &merged["source"]),
        (&json!(false), &evidence, &Value::Null)
    );
    let others = json!([{ "kind": "email", "withheld": true }, { "kind": "phone", "withheld": true }]);
    assert_eq!(anna["events"][2]["evidence"], others);
    assert_eq!(anna["events"][3]["outcome"]["reason"], "a shared phone");
    assert_eq!(
        (&anna["keptApart"], &anna["waitingReviews"]),
        (&json!([[[1], [2, 3]]]), &json!([held["sequence"]]))
    );

    let ben = play.get("/v1/identities/3/record").await;
    let text = ben.to_string();
    assert!(!text.to_lowercase().contains("anna") && !text.contains("111"), "{text}");
    assert_eq!((&ben["primaryContactId"], ben["contacts"].as_array().map(Vec::len)), (&json!(2), Some(2)));
    assert!(text.contains("bens.other@shared.example") && text.contains(BEN));

    // Ben is erased: tombstones stay, and what happened, without a value.
    done(&mut play, "DELETE", "/v1/identities/2".to_owned(), None).await;
    let ben = play.get("/v1/identities/3/record").await;
    assert_eq!((&ben["identifiers"], &ben["contacts"][0]["erased"]), (&json!([]), &json!(true)));
    assert_eq!(ben["events"][0]["evidence"][0], json!({ "kind": "email", "value": null }));
    assert!(!ben.to_string().contains(BEN));

    let missing = play
        .shop
        .client
        .ask(support::client::Ask::new("GET", "/v1/identities/99/record").key(support::shop::ADMIN));
    assert_eq!(missing.await.status, 404);
    play.shop.server.drain().await;
    let folder = tempfile::tempdir().unwrap();
    let mut told = command(folder.path(), &["record", "1"]);
    let told = told.env("DATABASE_URL", play.shop.database.url()).output().unwrap();
    let told: Value = serde_json::from_slice(&told.stdout).expect("JSON");
    assert_eq!(told["identifiers"], identifiers);
}

#[tokio::test]
async fn a_record_holds_all_that_is_theirs_and_nothing_of_others_on_sqlite() {
    tell(Databases::Sqlite).await;
}

#[tokio::test]
async fn a_record_holds_all_that_is_theirs_and_nothing_of_others_on_postgresql() {
    tell(Databases::postgres()).await;
}

/// The values in a text that are in none of a person's contacts, nor in what they were seen with.
fn leaked(text: &str, person: &BTreeSet<i64>, consumer: &Consumer, log: &[Value]) -> Vec<String> {
    let mut own: BTreeSet<String> = BTreeSet::new();
    for id in person {
        own.extend(consumer.contacts[id].values.values().flatten().cloned());
    }
    let mut all = own.clone();
    let refolded: Vec<(i64, i64)> = log
        .iter()
        .filter_map(|event| event["outcome"]["newContacts"].as_array())
        .flatten()
        .map(|new| (new["observedInSequence"].as_i64().unwrap(), new["contactId"].as_i64().unwrap()))
        .collect();
    for event in log {
        let seen = event["evidence"].as_array().unwrap().iter().filter_map(|seen| seen["value"].as_str());
        let seen: Vec<String> = seen.map(str::to_owned).collect();
        let sequence = event["sequence"].as_i64().unwrap();
        let made = refolded.iter().find(|new| new.0 == sequence).map(|new| new.1);
        let is_own = match event["outcome"]["contactId"].as_i64().or(made) {
            Some(made) => person.contains(&made),
            None => consumer.named(sequence).is_subset(person),
        };
        if is_own {
            own.extend(seen.clone());
        }
        all.extend(seen);
        // What refolds made of it, in whatever spelling.
        for refolded in ["newContacts", "respelt"].map(|member| &event["outcome"][member]) {
            for one in refolded.as_array().into_iter().flatten() {
                let values = one["identifiers"].as_array().unwrap().iter();
                let values: Vec<String> =
                    values.filter_map(|value| value["value"].as_str()).map(str::to_owned).collect();
                if person.contains(&one["contactId"].as_i64().unwrap()) {
                    own.extend(values.clone());
                }
                all.extend(values);
            }
        }
    }
    // Others may have sent theirs in any case. Of two that differ in that alone, a text of one is none of the other.
    let [own, all] =
        [own, all].map(|values| values.iter().map(|value| value.to_lowercase()).collect::<BTreeSet<_>>());
    // Only e-mail addresses: a short number may stand in a text as anything.
    let others = all.difference(&own).filter(|value| value.contains('@'));
    others.filter(|value| text.to_lowercase().contains(value.as_str())).cloned().collect()
}

async fn prove(databases: Databases, histories: u64) {
    let mut random = Random::of_this_run();
    let (mut records, mut withheld, mut leaks) = (0, 0, 0);
    for _ in 0..histories {
        let mut random = random.fork();
        let mut play = Play::open(&databases).await;
        for _ in 0..120 {
            play.step(&mut random).await;
        }
        let log = play.log().await;
        let mut consumer = Consumer::default();
        log.iter().for_each(|event| consumer.take(event));
        for id in consumer.contacts.keys().copied().collect::<Vec<_>>() {
            let record = play.get(&format!("/v1/identities/{id}/record")).await;
            let held = record["contacts"].as_array().unwrap().iter();
            let person: BTreeSet<i64> = held.map(|contact| contact["id"].as_i64().unwrap()).collect();
            assert_eq!(person, consumer.everybody_of(id), "all of their contacts");
            let text = record.to_string();
            assert_eq!(leaked(&text, &person, &consumer, &log), Vec::<String>::new(), "{id}: {text}");
            let named = log.iter().map(|event| event["sequence"].as_i64().unwrap());
            let named: BTreeSet<i64> =
                named.filter(|sequence| !consumer.named(*sequence).is_disjoint(&person)).collect();
            let told = record["events"].as_array().unwrap().iter();
            let told: BTreeSet<i64> = told.map(|event| event["sequence"].as_i64().unwrap()).collect();
            assert!(
                told.is_superset(&named),
                "{id}: an event that names them is left out: {named:?} {told:?}"
            );
            records += 1;
            withheld += text.matches("withheld").count();
            // The negative control: the history of everybody who was ever one with them tells of others.
            let history = play.get(&format!("/v1/identities/{id}/events?limit=1000")).await.to_string();
            leaks += leaked(&history, &person, &consumer, &log).len();
        }
        play.shop.server.drain().await;
    }
    assert!(withheld > 0 && leaks > 0, "{withheld} {leaks}");
    proved(&format!(
        "{databases}: {records} records of random people, {withheld} values of others withheld, none told"
    ));
}

#[tokio::test]
async fn records_of_random_people_tell_nothing_of_others_on_sqlite() {
    prove(Databases::Sqlite, Size::of_this_run().pick(4, 100)).await;
}

#[tokio::test]
async fn records_of_random_people_tell_nothing_of_others_on_postgresql() {
    prove(Databases::postgres(), Size::of_this_run().pick(2, 50)).await;
}

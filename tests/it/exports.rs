//! `selfsame export` and `GET /v1/export`, of a busy random shop: what is written is what the service says, in each form, now and as
//! of any moment.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use support::busy::Play;
use support::client::Ask;
use support::consumer::Consumer;
use support::copies::export;
use support::databases::Databases;
use support::random::Random;
use support::shop::{ADMIN, named};
use support::size::{Size, proved};

const SUBJECTS: [&str; 3] = ["contacts", "identities", "events"];

/// The lines of a file of JSON.
fn lines(file: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(file).expect("an export is UTF-8");
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// The rows of a file of CSV, each by the names of its header.
fn rows(file: &[u8]) -> Vec<BTreeMap<String, String>> {
    csv::Reader::from_reader(file).deserialize().map(|row| row.expect("each row has all fields")).collect()
}

/// What CSV has where JSON has that.
fn cell(subject: &str, name: &str, value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(list) if list.is_empty() && subject != "events" => String::new(),
        Value::Array(list) if ["emails", "phoneNumbers", "secondaryContactIds"].contains(&name) => {
            list.iter().map(|one| cell(subject, "", one)).collect::<Vec<_>>().join(" ")
        }
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// The same export by HTTP.
async fn asked(play: &mut Play, query: &str) -> Vec<u8> {
    let path = format!("/v1/export?{query}");
    let reply = play.shop.client.ask(Ask::new("GET", &path).key(ADMIN)).await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    reply.body.to_vec()
}

/// An erased value is none, whatever stands for it.
fn without_tokens(mut rows: Vec<Value>) -> Vec<Value> {
    for row in &mut rows {
        for member in ["email", "phoneNumber"] {
            if row[member].as_str().is_some_and(|value| value.starts_with(' ')) {
                row[member] = Value::Null;
            }
        }
    }
    rows
}

/// JSON, CSV, the command and HTTP say the same; and what they say is what the service does.
async fn forms(play: &mut Play) {
    for subject in SUBJECTS {
        let json = export(&play.shop.database, &[subject]);
        let csv = export(&play.shop.database, &[subject, "--format", "csv"]);
        assert_eq!(asked(play, &format!("what={subject}")).await, json, "{subject}");
        assert_eq!(asked(play, &format!("what={subject}&format=csv")).await, csv, "{subject}");
        let (lines, rows) = (lines(&json), rows(&csv));
        assert_eq!(lines.len(), rows.len(), "{subject}");
        for (line, row) in lines.iter().zip(&rows) {
            for (name, value) in line.as_object().expect("a line is an object") {
                let told = row.get(name).unwrap_or_else(|| panic!("CSV has no column {name}"));
                // The JSON texts of an event come in the order of their members there.
                match serde_json::from_str::<Value>(told) {
                    Ok(nested) if value.is_object() || value.is_array() && subject == "events" => {
                        assert_eq!(nested, *value, "{subject} {name}");
                    }
                    _ if name == "otherIdentifiers" && value != &json!([]) => {
                        assert_eq!(&serde_json::from_str::<Value>(told).expect("a list"), value);
                    }
                    _ => assert_eq!(*told, cell(subject, name, value), "{subject} {name}"),
                }
            }
        }
    }
}

fn sorted(list: &Value) -> Vec<String> {
    let mut texts: Vec<String> = list.as_array().expect("a list").iter().map(Value::to_string).collect();
    texts.sort();
    texts
}

/// What is counted is what the statistics say, and each identity is the one that `/v1/identities` shows.
async fn counts(play: &mut Play) {
    let workspace = play.get("/v1/workspaces/default").await;
    let contacts = lines(&export(&play.shop.database, &["contacts"]));
    let live = contacts.iter().filter(|contact| contact["deletedAt"].is_null());
    assert_eq!(json!(live.clone().count()), workspace["contacts"]);
    let primaries = live.filter(|contact| contact["linkPrecedence"] == "primary");
    assert_eq!(json!(primaries.count()), workspace["identities"]);
    let identities = lines(&export(&play.shop.database, &["identities"]));
    assert_eq!(json!(identities.len()), workspace["identities"]);
    let events = lines(&export(&play.shop.database, &["events"]));
    assert_eq!(json!(events.len()), workspace["events"]);
    let mut last = 0;
    for identity in &identities {
        let primary = identity["primaryContactId"].as_i64().expect("a number");
        assert!(primary > last, "in the order of their primaries");
        last = primary;
        let shown = play.get(&format!("/v1/identities/{primary}?limit=1000")).await;
        let of = |kind: &str| -> Vec<Value> {
            let owned = shown["identifiers"].as_array().expect("a list").iter();
            owned.filter(|one| one["kind"] == kind).map(|one| one["value"].clone()).collect()
        };
        assert_eq!(sorted(&identity["emails"]), sorted(&json!(of("email"))), "{primary}");
        assert_eq!(sorted(&identity["phoneNumbers"]), sorted(&json!(of("phone"))), "{primary}");
        let told = identity["otherIdentifiers"].as_array().expect("a list").iter();
        let told: Vec<Value> = told.map(|one| one["value"].clone()).collect();
        assert_eq!(sorted(&json!(told)), sorted(&json!(of("customerId"))), "{primary}");
        // The order is that of `POST /identify`, which shows by who owns a value; the other route, by who bears it.
        let email = json!({ "email": identity["emails"][0] }).to_string();
        let asked = Ask::new("POST", "/identify").key(ADMIN).body(&email);
        let answered = play.shop.client.ask(asked).await;
        if answered.status == 200 {
            let answered = &answered.json()["contact"];
            assert_eq!(answered["emails"], identity["emails"]);
            assert_eq!(answered["phoneNumbers"], identity["phoneNumbers"]);
        }
        let members = shown["contacts"].as_array().expect("a list");
        assert_eq!(members[0]["id"], identity["primaryContactId"]);
        let secondaries: Vec<Value> = members[1..].iter().map(|one| one["id"].clone()).collect();
        assert_eq!(identity["secondaryContactIds"], json!(secondaries));
        assert_eq!(identity["createdAt"], members[0]["createdAt"]);
        let latest = members.iter().filter_map(|one| one["updatedAt"].as_str()).max();
        assert_eq!(identity["updatedAt"].as_str(), latest);
    }
}

/// As of a moment, contacts, identities and events are what a consumer of the log has then.
async fn moments(play: &mut Play, random: &mut Random) {
    let log = play.log().await;
    let head = log.len() as u64;
    for at in [0, 1, random.below(head), random.below(head), random.below(head), head] {
        let last = usize::try_from(at).expect("few");
        let mut consumer = Consumer::default();
        log[..last].iter().for_each(|event| consumer.take(event));
        let number = at.to_string();
        let contacts = export(&play.shop.database, &["contacts", "--at", &number]);
        assert_eq!(without_tokens(lines(&contacts)), consumer.export(), "after event {at}");
        let identities = lines(&export(&play.shop.database, &["identities", "--at", &number]));
        let mut told = identities.iter();
        for id in consumer.contacts.keys() {
            let Some((primary, members)) = consumer.identity(*id).filter(|(primary, _)| primary == id) else {
                continue;
            };
            let identity = told.next().expect("each identity is there");
            assert_eq!(identity["primaryContactId"], json!(primary), "after event {at}");
            assert_eq!(identity["secondaryContactIds"], json!(members[1..]), "after event {at}");
            let owned = consumer.owned(&members);
            let count =
                |kind: &str| owned.iter().filter(|(own, value)| own == kind && value.is_some()).count();
            assert_eq!(identity["emails"].as_array().map(Vec::len), Some(count("email")), "after event {at}");
            let phones = identity["phoneNumbers"].as_array().map(Vec::len);
            assert_eq!(phones, Some(count("phone")), "after event {at}");
        }
        assert!(told.next().is_none(), "and no other");
        let events = lines(&export(&play.shop.database, &["events", "--at", &number]));
        assert_eq!(events.len(), last);
        for subject in SUBJECTS {
            let file = export(&play.shop.database, &[subject, "--at", &number]);
            assert_eq!(asked(play, &format!("what={subject}&at={at}")).await, file);
            // The clock moves between any two events but those of one moment.
            if let Some(time) = last.checked_sub(1).and_then(|place| log[place]["at"].as_str()) {
                let same = log[last..].first().is_some_and(|next| next["at"] == time);
                let by_time = export(&play.shop.database, &[subject, "--at", time]);
                assert!(same || by_time == file, "{subject} at {time}");
            }
        }
    }
    for subject in SUBJECTS {
        // What is of no moment is what is there now.
        let (now, then) = (export(&play.shop.database, &[subject]), head.to_string());
        let then = export(&play.shop.database, &[subject, "--at", &then]);
        assert_eq!(now, then, "{subject}: the log adds up to what is stored");
    }
}

async fn prove(databases: Databases, histories: u64) {
    let mut random = Random::of_this_run();
    for _ in 0..histories {
        let mut play = Play::open(&databases).await;
        for _ in 0..120 {
            play.step(&mut random).await;
        }
        forms(&mut play).await;
        counts(&mut play).await;
        moments(&mut play, &mut random).await;
        play.shop.server.drain().await;
    }
    proved(&format!("{databases}: {histories} busy shops exported in each form, now and as of six moments"));
}

#[tokio::test]
async fn an_export_of_sqlite_is_what_the_service_says() {
    prove(Databases::Sqlite, Size::of_this_run().pick(2, 40)).await;
}

#[tokio::test]
async fn an_export_of_postgresql_is_what_the_service_says() {
    prove(Databases::postgres(), Size::of_this_run().pick(1, 20)).await;
}

#[tokio::test]
async fn what_an_export_can_t_be_is_refused() {
    let mut play = Play::open(&Databases::Sqlite).await;
    for query in
        ["what=people", "format=xml", "at=yesterday", "at=-1", "colour=red", "what=events&what=events"]
    {
        let path = format!("/v1/export?{query}");
        let reply = play.shop.client.ask(Ask::new("GET", &path).key(ADMIN)).await;
        assert_eq!((reply.status.as_u16(), &reply.json()["code"]), (400, &json!("invalid_query")), "{query}");
    }
    let output = support::copies::run(&play.shop.database, &["export", "--at", "yesterday"]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.starts_with("error: `yesterday` is no moment"), "{said}");
    play.shop.server.drain().await;
}

#[tokio::test]
async fn an_export_is_of_one_workspace() {
    let mut play = Play::open(&Databases::Sqlite).await;
    let made = Ask::new("POST", "/v1/workspaces").key(ADMIN).body(r#"{"name":"north"}"#);
    assert_eq!(play.shop.client.ask(made).await.status, 201);
    let body = named("north", &["identify", "read"]).to_string();
    let made =
        play.shop.client.ask(Ask::new("POST", "/v1/keys").key(ADMIN).workspace("north").body(&body)).await;
    let key = made.json()["key"].as_str().expect("it is shown").to_owned();
    play.shop.identify(ADMIN).await;
    let body = r#"{"email":"doc@north.example"}"#;
    assert_eq!(play.shop.client.ask(Ask::new("POST", "/identify").key(&key).body(body)).await.status, 200);
    let north = play.shop.client.ask(Ask::new("GET", "/v1/export").key(&key)).await;
    assert_eq!(lines(&north.body)[0]["email"], "doc@north.example");
    assert_eq!(lines(&north.body).len(), 1);
    assert_eq!(export(&play.shop.database, &["contacts", "--workspace", "north"]), north.body);
    assert_eq!(lines(&export(&play.shop.database, &[])).len(), 1, "of the default one alone");
    play.shop.server.drain().await;
}

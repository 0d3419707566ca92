//! `POST /v1/import`: what a file comes to is what its rows come to one by one, whatever happens on the way.

use serde_json::{Value, json};
use support::busy::{exported, policy};
use support::client::{Ask, Reply};
use support::databases::Databases;
use support::orders::Orders;
use support::random::Random;
use support::server::{ServerOptions, TestServer};
use support::shop::{ADMIN, Shop};
use support::size::{Size, proved};

async fn import(shop: &mut Shop, query: &str, file: &str) -> Reply {
    let path = format!("/v1/import{query}");
    shop.client.ask(Ask::new("POST", &path).key(ADMIN).body(file)).await
}

/// What the lines of that name tell.
fn told(reply: &Reply, name: &str) -> Vec<Value> {
    assert_eq!(reply.status, 200, "{}", reply.text());
    let lines = reply.json_lines().into_iter();
    lines.filter_map(|line| line.get(name).cloned()).collect()
}

fn summary(reply: &Reply) -> Value {
    told(reply, "summary").pop().unwrap_or_else(|| panic!("no summary: {}", reply.text()))
}

fn code(reply: &Reply) -> Value {
    let last = reply.text().lines().last().unwrap_or_default();
    serde_json::from_str::<Value>(last).unwrap_or_default()["code"].clone()
}

async fn log(shop: &mut Shop) -> Vec<Value> {
    let (mut events, mut path) = (Vec::new(), "/v1/events?limit=1000".to_owned());
    loop {
        let reply = shop.client.ask(Ask::new("GET", &path).key(ADMIN)).await;
        let page = reply.json();
        events.extend(page["events"].as_array().expect("a list").clone());
        let Some(cursor) = page["nextCursor"].as_str() else { return events };
        path = format!("/v1/events?limit=1000&cursor={cursor}");
    }
}

/// The log, whose events of observations have no cause and the kind that a file's have.
async fn like_imported(shop: &mut Shop) -> Vec<Value> {
    let mut events = log(shop).await;
    // A key has a random number.
    events.retain(|event| event["kind"] != "keyChanged");
    for event in &mut events {
        let makes = event["outcome"]["contactId"].is_number() && event["kind"] != "refused";
        if makes {
            event["kind"] = json!("imported");
        }
        event["causedBy"] = Value::Null;
    }
    events
}

/// A random file of few people, with what each usable row is as an observation.
fn few_people(random: &mut Random, rows: u64) -> (String, Vec<Value>) {
    let (mut file, mut observations) =
        ("Kunde;E-Mail;Telefon;Bestellt am;Filiale;customerId\n".to_owned(), Vec::new());
    for row in 0..rows {
        let letter = if random.once_in(3) { 'e' } else { 'E' };
        let email = match random.below(8) {
            0 | 1 => String::new(),
            2 => "NULL".to_owned(),
            number => format!("{letter}{number}@shop.example"),
        };
        let phone = match random.below(8) {
            0..=2 => String::new(),
            3 => "020 7946 0011".to_owned(),
            number => number.to_string(),
        };
        let id = if random.once_in(4) { format!("c{}", random.below(4)) } else { String::new() };
        let place = if random.once_in(2) { "till 4" } else { "" };
        let at = 1_600_000_000_000 + i64::try_from(random.below(1_000_000)).expect("small") * 1_000;
        let at = jiff::Timestamp::from_millisecond(at).expect("a time");
        file.push_str(&format!("Kunde {row};{email};\"{phone}\";{at};{place};{id}\n"));
        let mut identifiers = Vec::new();
        for (kind, value) in [("email", email.as_str()), ("phone", &phone), ("customerId", &id)] {
            if !value.is_empty() && value != "NULL" {
                identifiers.push(json!({ "kind": kind, "value": value }));
            }
        }
        if !identifiers.is_empty() {
            let mut observation = json!({ "identifiers": identifiers, "observedAt": at.to_string() });
            if !place.is_empty() {
                observation["source"] = json!(place);
            }
            observations.push(observation);
        }
    }
    (file, observations)
}

/// SEMANTICS: the result of an import equals sending its rows one by one, under any policy.
async fn prove_one_by_one(databases: Databases, rounds: u64) {
    let mut random = Random::of_this_run();
    for round in 0..rounds {
        let document = if round == 0 { json!({ "kinds": ["customerId"] }) } else { policy(&mut random) };
        let rows = 1 + random.below(120);
        let (file, observations) = few_people(&mut random, rows);
        let (mut logs, mut contacts, mut told) = (Vec::new(), Vec::new(), Vec::new());
        for imports in [true, false] {
            let mut shop = Shop::open(&databases).await;
            shop.clock.set(1_700_000_000_000);
            let set = document.to_string();
            let set = shop.client.ask(Ask::new("PUT", "/v1/policy").key(ADMIN).body(&set)).await;
            assert_eq!(set.status, 200, "{}", set.text());
            if imports {
                let query = "?map=email%3DE-Mail,phone%3DTelefon,observedAt%3DBestellt%20am,source%3DFiliale,customerId%3DcustomerId";
                told.push(summary(&import(&mut shop, query, &file).await));
            } else {
                let mut refused = 0;
                for observation in &observations {
                    let body = observation.to_string();
                    let reply =
                        shop.client.ask(Ask::new("POST", "/v1/observations").key(ADMIN).body(&body)).await;
                    assert!([200, 400, 422].contains(&reply.status.as_u16()), "{}", reply.text());
                    refused += u64::from(reply.status != 200);
                }
                told.push(json!(refused + rows - u64::try_from(observations.len()).expect("few")));
            }
            logs.push(like_imported(&mut shop).await);
            contacts.push(exported(&shop.database));
            shop.server.drain().await;
        }
        assert_eq!(logs[0], logs[1], "under {document}, of\n{file}");
        assert_eq!(contacts[0], contacts[1], "under {document}, of\n{file}");
        assert_eq!(told[0]["rejected"], told[1], "under {document}, of\n{file}");
        assert_eq!(told[0]["rows"], rows);
        let live = contacts[0].len();
        assert_eq!(told[0]["contacts"], live, "all of them are new");
        let primaries = contacts[0].iter().filter(|contact| contact["linkedId"].is_null()).count();
        assert_eq!(told[0]["identities"], primaries);
    }
    proved(&format!("{databases}: {rounds} files came to what their rows come to one by one"));
}

#[tokio::test]
async fn a_file_comes_to_what_its_rows_come_to_one_by_one_on_sqlite() {
    prove_one_by_one(Databases::Sqlite, Size::of_this_run().pick(15, 400)).await;
}

#[tokio::test]
async fn a_file_comes_to_what_its_rows_come_to_one_by_one_on_postgresql() {
    prove_one_by_one(Databases::postgres(), Size::of_this_run().pick(6, 100)).await;
}

/// The negative control: rows that are missing are seen.
#[tokio::test]
async fn rows_that_are_lost_are_found() {
    let file = Orders::new(Random::seeded(7), 300).file(300);
    let without = file.lines().take(150).map(|line| format!("{line}\n")).collect::<String>();
    let mut logs = Vec::new();
    for file in [file, without] {
        let mut shop = Shop::open(&Databases::Sqlite).await;
        summary(&import(&mut shop, "", &file).await);
        logs.push(like_imported(&mut shop).await);
    }
    assert_ne!(logs[0], logs[1]);
}

#[tokio::test]
async fn a_file_that_comes_again_goes_on_where_it_was() {
    for databases in [Databases::Sqlite, Databases::postgres()] {
        let mut shop = Shop::open(&databases).await;
        let file = Orders::new(Random::of_this_run(), 12_000).file(12_000);
        let first: String = file.lines().take(7_001).map(|line| format!("{line}\n")).collect();
        let begun = summary(&import(&mut shop, "", &first).await);
        assert_eq!((&begun["rows"], &begun["rowsBefore"]), (&json!(7_000), &json!(0)));
        let whole = summary(&import(&mut shop, "", &file).await);
        let decided = begun["decided"].as_i64().unwrap();
        let before = whole["rowsBefore"].as_i64().unwrap();
        assert!(before > 0 && before <= decided, "{whole}");
        let again = summary(&import(&mut shop, "", &file).await);
        assert_eq!(again["contacts"], whole["contacts"], "what is told is of all that the file came to");
        let events = log(&mut shop).await.len();
        let once_more = summary(&import(&mut shop, "?again=true", &file).await);
        assert_eq!((&once_more["rowsBefore"], &once_more["contacts"]), (&json!(0), &json!(0)));
        assert_eq!(log(&mut shop).await.len(), events, "rows that are known change nothing");

        // A row among those that were imported says something else.
        let changed = file.replacen("\n300,", "\n300,2020-01-01T00:00:00Z,else@hill.example,,,,\n0,", 1);
        let reply = import(&mut shop, "", &changed).await;
        assert_eq!(code(&reply), "file_changed", "{}", reply.text());
        assert_eq!(log(&mut shop).await.len(), events);
        shop.server.drain().await;
    }
}

/// What users saw: a file with dates that can't be read was imported as of now, and its own times were lost for good.
#[tokio::test]
async fn an_empty_workspace_is_not_begun_as_of_now_because_times_cannot_be_read() {
    for databases in [Databases::Sqlite, Databases::postgres()] {
        let database = databases.empty().await;
        let server = TestServer::start(database.open().await, ServerOptions::default()).await;
        let mut client = server.client().await;
        for (column, value, want) in [
            ("Bestellt am", "01/02/2024", "`dateOrder=day-first`"),
            ("Datum", "31 Dez 2024", "`map=email=Header,observedAt=Header`"),
            ("Created", "1/2/18", "`times=false`"),
        ] {
            let file = format!("email,{column}\nada@hill.example,{value}\n");
            for query in ["", "?dryRun=true"] {
                let path = format!("/v1/import{query}");
                let reply = client.ask(Ask::new("POST", &path).body(&file)).await;
                assert_eq!(code(&reply), "invalid_file", "{}", reply.text());
                let text = reply.text();
                assert!(text.contains(want) && text.contains("Nothing was stored."), "{text}");
                assert!(!text.contains("`--"), "a request has no flags: {text}");
            }
        }
        let events = client.ask(Ask::new("GET", "/v1/events")).await.json();
        assert_eq!(events["events"], json!([]), "nothing is stored");
        let file = "email,Datum\nada@hill.example,01/02/2024\n";
        let both =
            client.ask(Ask::new("POST", "/v1/import?times=false&dateOrder=day-first").body(file)).await;
        assert_eq!(code(&both), "invalid_query", "{}", both.text());
        let done = client.ask(Ask::new("POST", "/v1/import?times=false").body(file)).await;
        assert_eq!(summary(&done)["contacts"], 1);
        // Beside customers the times decide nothing, and are only told.
        let file = "email,Datum\nbob@hill.example,01/02/2024\n";
        let done = client.ask(Ask::new("POST", "/v1/import").body(file)).await;
        assert_eq!(summary(&done)["contacts"], 1);
        assert_eq!(told(&done, "columns")[0]["unreadTimes"][0]["header"], "Datum");
        server.drain().await;
    }
}

/// A file that was put in the order of its times, and has grown by an older row, is told why it can't go on.
#[tokio::test]
async fn a_file_in_the_order_of_its_times_that_grew_by_an_older_row_is_told_why_it_is_refused() {
    let database = Databases::Sqlite.empty().await;
    let server = TestServer::start(database.open().await, ServerOptions::default()).await;
    let mut client = server.client().await;
    let mut file = "email,ordered at\n".to_owned();
    for number in 0..150 {
        file.push_str(&format!("a{number}@hill.example,2021-03-01T00:00:{:02}Z\n", number % 60));
    }
    let done = client.ask(Ask::new("POST", "/v1/import").body(&file)).await;
    assert_eq!(summary(&done)["contacts"], 150);
    file.push_str("older@hill.example,2020-01-01T00:00:00Z\n");
    let refused = client.ask(Ask::new("POST", "/v1/import").body(&file)).await;
    assert_eq!(code(&refused), "file_changed", "{}", refused.text());
    let text = refused.text();
    assert!(text.contains("in the order of their own times") && text.contains("`again=true`"), "{text}");
    let again = client.ask(Ask::new("POST", "/v1/import?again=true").body(&file)).await;
    assert_eq!(summary(&again)["contacts"], 1);
    server.drain().await;
}

#[tokio::test]
async fn a_dry_run_tells_what_comes_of_it_and_stores_nothing() {
    for databases in [Databases::Sqlite, Databases::postgres()] {
        let mut shop = Shop::open(&databases).await;
        let mut random = Random::of_this_run();
        let before = Orders::new(random.fork(), 500).file(500);
        summary(&import(&mut shop, "", &before).await);
        let events = log(&mut shop).await.len();
        let file = Orders::new(random.fork(), 6_000).file(6_000);
        let mut tried = summary(&import(&mut shop, "?dryRun=true", &file).await);
        assert_eq!(log(&mut shop).await.len(), events);
        let done = summary(&import(&mut shop, "", &file).await);
        tried["dryRun"] = json!(false);
        assert_eq!(tried, done);
        shop.server.drain().await;
    }
}

#[tokio::test]
async fn an_erasure_forgets_how_far_imports_are() {
    for databases in [Databases::Sqlite, Databases::postgres()] {
        let mut shop = Shop::open(&databases).await;
        let file = "email\nada@hill.example\nbob@hill.example\n";
        assert_eq!(summary(&import(&mut shop, "", file).await)["contacts"], 2);
        let erased = shop.client.ask(Ask::new("DELETE", "/v1/identities/1").key(ADMIN)).await;
        assert_eq!(erased.status, 200, "{}", erased.text());
        shop.server.drain().await;
        let notes = shop.database.texts("SELECT file FROM imports").await;
        assert_eq!(notes, Vec::<String>::new(), "a value could be guessed by a digest");
    }
}

#[tokio::test]
async fn what_cannot_be_imported_is_refused_in_plain_words_and_changes_nothing() {
    let mut shop = Shop::open(&Databases::Sqlite).await;
    let events = log(&mut shop).await.len();
    for (query, file, status, want) in [
        ("", "", 400, "empty_body"),
        ("", "email\n", 200, ""),
        ("", "Name;City\nAda;Rome\n", 400, "invalid_file"),
        ("", "PK\u{3}\u{4}rest", 400, "invalid_file"),
        ("", "[{\"email\":\"a@b.example\"}]", 400, "invalid_file"),
        ("?map=email", "email\na@b.example\n", 400, "invalid_query"),
        ("?map=email%3DMail", "email\na@b.example\n", 400, "invalid_file"),
        ("?map=pet%3Demail", "email\na@b.example\n", 400, "invalid_query"),
        ("?format=xml", "email\na@b.example\n", 400, "invalid_query"),
        ("?header=no", "email\na@b.example\n", 400, "invalid_query"),
        ("?dateOrder=up", "email\na@b.example\n", 400, "invalid_query"),
        ("?dryrun=true", "email\na@b.example\n", 400, "invalid_query"),
    ] {
        let reply = import(&mut shop, query, file).await;
        assert_eq!(reply.status, status, "{query} {file:?}: {}", reply.text());
        if status != 200 {
            assert_eq!(code(&reply), want, "{query} {file:?}: {}", reply.text());
            let detail = reply.json()["detail"].as_str().unwrap_or_default().to_owned();
            assert!(detail.ends_with('.') && !detail.contains('\n'), "{detail}");
        }
    }
    let form = Ask::new("POST", "/v1/import").key(ADMIN).once("key-1").body("email\na@b.example\n");
    let reply = shop.client.ask(form).await;
    assert_eq!(code(&reply), "invalid_idempotency_key", "{}", reply.text());
    assert_eq!(log(&mut shop).await.len(), events);
}

#[tokio::test]
async fn rows_that_cannot_be_used_are_told_and_stop_nobody() {
    let mut shop = Shop::open(&Databases::Sqlite).await;
    let policy = json!({ "blocked": [{ "kind": "email", "pattern": "noreply@*" }] }).to_string();
    let set = shop.client.ask(Ask::new("PUT", "/v1/policy").key(ADMIN).body(&policy)).await;
    assert_eq!(set.status, 200, "{}", set.text());
    let file = "Mail,Telefon\nada@hill.example,1234567\nno address,1\n,\n-,NULL\nnoreply@hill.example,\nbob@hill.example,1234567,9\n";
    let reply = import(&mut shop, "", file).await;
    let rejected = told(&reply, "rejected");
    let lines: Vec<_> = rejected.iter().map(|row| (row["line"].as_u64(), row["column"].as_str())).collect();
    assert_eq!(
        lines,
        [(Some(3), Some("Mail")), (Some(5), None), (Some(6), None), (Some(7), None)],
        "{rejected:?}"
    );
    assert!(rejected[2]["reason"].as_str().unwrap().contains("policy"), "{rejected:?}");
    assert!(rejected[0]["row"].as_str().unwrap().ends_with("no address,1\n"), "{rejected:?}");
    let summary = summary(&reply);
    assert_eq!(
        (&summary["rows"], &summary["rejected"], &summary["contacts"]),
        (&json!(5), &json!(4), &json!(1))
    );
}

//! Both stores give one answer: the same requests, good and bad, sent to a server over each, are answered byte for
//! byte alike, and leave the same rows and the same log.

use std::sync::Arc;

use selfsame_store::Store;
use support::client::{Client, Reply};
use support::clock::ManualClock;
use support::databases::{Database, Databases};
use support::faulty::{Fault, FaultyStore};
use support::process::run;
use support::random::Random;
use support::server::{ServerOptions, TestServer};
use support::size::{Size, proved};

/// Every member of an event, as text; both engines take it.
const EVENTS: &str = "SELECT sequence || ' ' || at_ms || ' ' || kind || ' ' || format || ' ' || caused_by
        || ' ' || evidence || ' ' || outcome
    FROM events ORDER BY sequence";
const OWNERS: &str = "SELECT kind || ' ' || value || ' ' || contact_id FROM identifiers";
const WORKSPACES: &str = "SELECT workspace || ' ' || name || ' ' || last_sequence || ' ' || last_contact_id
        || ' ' || last_event_at_ms || ' ' || contact_count || ' ' || identity_count FROM workspaces";

/// A request body, and the clock when it comes.
struct Sent {
    body: Vec<u8>,
    at: i64,
}

/// A server over one of the stores.
struct Side {
    database: Database,
    server: TestServer,
    client: Client,
}

impl Side {
    async fn start(
        databases: &Databases,
        clock: &Arc<ManualClock>,
        wrap: impl Fn(Arc<dyn Store>) -> Arc<dyn Store>,
    ) -> Self {
        let database = databases.empty().await;
        let options = ServerOptions { clock: Arc::<ManualClock>::clone(clock), ..ServerOptions::default() };
        let server = TestServer::start(wrap(database.open().await), options).await;
        let client = server.client().await;
        Self { database, server, client }
    }

    /// Ends the server; what it leaves: the export in both formats, the log, the owners, the counters.
    async fn end(self) -> Vec<Vec<String>> {
        drop(self.client);
        self.server.drain().await;
        let folder = tempfile::tempdir().expect("there is room for a temporary folder");
        let url = self.database.url();
        let mut left = Vec::new();
        for format in ["jsonl", "csv"] {
            let output = run(folder.path(), &["export", "--format", format, "--database-url", &url]);
            assert_eq!(
                (output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()),
                (Some(0), "")
            );
            let text = String::from_utf8(output.stdout).expect("an export is UTF-8");
            left.push(text.lines().map(str::to_owned).collect());
        }
        for sql in [EVENTS, OWNERS, WORKSPACES] {
            left.push(self.database.texts(sql).await);
        }
        // The order of their keys is each engine's own.
        left[3].sort();
        left
    }
}

/// All that may not differ: everything but the request's id and the time of day.
fn comparable(reply: &Reply) -> (u16, Vec<(String, String)>, String) {
    let id = reply.headers["x-request-id"].to_str().expect("ASCII");
    let mut headers: Vec<_> = reply
        .headers
        .iter()
        .filter(|(name, _)| !["x-request-id", "date"].contains(&name.as_str()))
        .map(|(name, value)| (name.to_string(), value.to_str().expect("ASCII").to_owned()))
        .collect();
    headers.sort();
    (reply.status.as_u16(), headers, reply.text().replace(id, "ID"))
}

/// Sends everything to both; the first difference, and otherwise how many were answered 200.
async fn compare(
    databases: &Databases,
    history: &[Sent],
    wrap: impl Fn(Arc<dyn Store>) -> Arc<dyn Store>,
) -> Result<usize, String> {
    let clock = ManualClock::new();
    let mut sqlite = Side::start(&Databases::Sqlite, &clock, |store| store).await;
    let mut postgres = Side::start(databases, &clock, wrap).await;
    let mut found = 0;
    for Sent { body, at } in history {
        clock.set(*at);
        let one = comparable(&sqlite.client.post_identify(body.clone()).await.expect("an answer"));
        let other = comparable(&postgres.client.post_identify(body.clone()).await.expect("an answer"));
        if one != other {
            return Err(format!("{}: {one:?} and {other:?}", body.escape_ascii()));
        }
        assert!([200, 400].contains(&one.0), "{}: {one:?}", body.escape_ascii());
        found += usize::from(one.0 == 200);
    }
    let (one, other) = (sqlite.end().await, postgres.end().await);
    for (one, other) in one.iter().zip(&other) {
        let mut pairs = one.iter().zip(other);
        if let Some((one, other)) = pairs.find(|(one, other)| one != other) {
            return Err(format!("left: {one} and {other}"));
        }
        if one.len() != other.len() {
            return Err(format!("left: {} rows and {}", one.len(), other.len()));
        }
    }
    assert!(one.iter().all(|rows| !rows.is_empty()), "there is something to compare");
    Ok(found)
}

/// As a JSON text, some characters escaped without need.
fn json_text(random: &mut Random, text: &str) -> String {
    let mut json = String::from("\"");
    for character in text.chars() {
        if character < ' ' || "\"\\".contains(character) || random.once_in(30) {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                json += &format!("\\u{unit:04x}");
            }
        } else {
            json.push(character);
        }
    }
    json + "\""
}

fn one_of<'choice>(random: &mut Random, choices: &[&'choice str]) -> &'choice str {
    choices[usize::try_from(random.below(choices.len() as u64)).expect("they are few")]
}

/// The JSON of an e-mail address of a few people, in a spelling that may be odd or wrong.
fn email(random: &mut Random, people: u64) -> String {
    let person = random.below(people);
    let domain = one_of(random, &["x.org", "exámple.org", "exa\u{301}mple.org", "例え.jp", "EXÁMPLE.org"]);
    let plain = format!("person{person}@{domain}");
    let text = match random.below(14) {
        0..6 => plain,
        6 => plain.to_uppercase(),
        7 => format!(" \t{plain}\u{a0}"),
        8 => format!("o'{person}\\\"{{,}}%_$1::text;--@{domain}"),
        9 => format!("{}{person}@{domain}", "long".repeat(usize::try_from(random.below(80)).unwrap())),
        10 => format!("\u{1f600}{person}@{domain}"),
        11 => format!("nul\0{person}@{domain}"),
        12 => {
            one_of(random, &["", "  ", "@", "a@b", "no at", "a@@x.org", "null", "\u{200b}", "\u{fffd}@x.org"])
                .to_owned()
        }
        _ => {
            return one_of(random, &["null", "7", "true", "[]", "{}", "\"\\ud800@x.org\"", "1e5"]).to_owned();
        }
    };
    json_text(random, &text)
}

/// The same of a phone number.
fn phone(random: &mut Random, people: u64) -> String {
    let number = 100 + random.below(people);
    let text = match random.below(12) {
        0..4 => format!("{number}"),
        4 => return format!("{number}"),
        5 => format!("+{number}"),
        6 => format!(" ({number:05}) "),
        7 => format!("+4 9.{number}/1–2\u{a0}[3]"),
        8 => format!("{number}\0"),
        9 => "9".repeat(usize::try_from(random.below(40)).unwrap()),
        10 => one_of(random, &["", " ", "+", "++1", "1+", "１２３", "12a", "-", "٣٤"]).to_owned(),
        _ => {
            return one_of(
                random,
                &["null", "-1", "1.0", "1e3", "00", "[1]", "123456789012345678901234567890"],
            )
            .to_owned();
        }
    };
    json_text(random, &text)
}

/// A body, now and then with bytes changed anywhere.
fn body(random: &mut Random, people: u64) -> Vec<u8> {
    let mut members = Vec::new();
    if !random.once_in(4) {
        members.push(format!("\"email\":{}", email(random, people)));
    }
    if !random.once_in(4) {
        members.push(format!("\"phoneNumber\": {}", phone(random, people)));
    }
    if random.once_in(10) {
        members.push(one_of(random, &["\"x\":[null]", "\"email\":null", "\"Email\":\"a@x.org\""]).to_owned());
    }
    if random.once_in(3) {
        members.reverse();
    }
    let mut body = format!("{{{}}}", members.join(",")).into_bytes();
    if random.once_in(12) {
        for _ in 0..=random.below(3) {
            let place = usize::try_from(random.below(body.len() as u64)).expect("it is short");
            let byte = random.number().to_le_bytes()[0];
            match random.below(3) {
                0 => body[place] = byte,
                1 => body.insert(place, byte),
                _ => body.truncate(place.max(1)),
            }
        }
    }
    body
}

fn history(random: &mut Random, people: u64, length: usize) -> Vec<Sent> {
    let mut clock = 1_700_000_000_000_i64;
    (0..length)
        .map(|_| {
            // Clocks of real machines stand still, and are set back.
            clock += i64::try_from(random.below(5_000)).unwrap() - 1_000;
            Sent { body: body(random, people), at: clock }
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_requests_to_both_stores_give_byte_equal_answers() {
    let mut random = Random::of_this_run();
    let (histories, length) = Size::of_this_run().pick((4, 300), (40, 2_000));
    let databases = Databases::postgres();
    let mut found = 0;
    for number in 0..histories {
        // So few that they meet, or so many that they stay apart for a while.
        let people = 5 + random.below(60);
        let history = history(&mut random, people, length);
        let compared = compare(&databases, &history, |store| store).await;
        found += compared.unwrap_or_else(|difference| panic!("history {number}: {difference}"));
    }
    let sent = histories * length;
    // Neither kind may be so rare that the comparison says little.
    assert!(found > sent / 5 && sent - found > sent / 10, "{found} of {sent} were answered 200");
    proved(&format!(
        "SQLite and PostgreSQL: {sent} requests ({found} good ones) got byte-equal answers, rows and logs"
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_answers_otherwise_is_seen() {
    let mut random = Random::of_this_run();
    let databases = Databases::postgres();
    // So few that each comes back after something has changed.
    let history = history(&mut random, 4, 600);
    for fault in [Fault::SkippedRelink, Fault::StaleLoad] {
        let compared = compare(&databases, &history, |store| FaultyStore::new(store, fault)).await;
        assert!(compared.is_err(), "{fault:?}");
    }
}

//! An export of events, imported into an empty database of either kind: the same bytes again, and the same tables.

use std::fmt::Write;

use selfsame_api::Admission;
use selfsame_bulk::EventLine;
use selfsame_store::{EventRow, event_text};
use serde_json::json;
use support::adoption_model::random_rows;
use support::busy::Play;
use support::client::Ask;
use support::copies::{export, import, run, tables};
use support::databases::{Database, Databases};
use support::process::ServerProcess;
use support::random::Random;
use support::server::{ServerOptions, TestServer};
use support::shop::{ADMIN, code, named};
use support::size::{Size, proved};

use crate::adopt_rules::adopted;

/// A busy shop that has closed.
async fn busy(databases: &Databases, random: &mut Random, steps: u64) -> (Database, Play) {
    let mut play = Play::open(databases).await;
    for _ in 0..steps {
        play.step(random).await;
    }
    let database = std::mem::replace(&mut play.shop.database, Databases::Sqlite.empty().await);
    (database, play)
}

/// How an import is answered, without what is said of the database besides.
fn said(database: &Database, events: &[u8]) -> (Option<i32>, String) {
    let output = import(database, events);
    let (done, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let error = told.find("error: ").map_or("", |place| &told[place..]);
    (output.status.code(), done.into_owned() + error)
}

/// Where a copy differs from its original; nothing where it is the same.
async fn difference(original: &Database, copy: &Database) -> Option<String> {
    for arguments in [&["events"][..], &["contacts"], &["identities"], &["events", "--format", "csv"]] {
        if export(original, arguments) != export(copy, arguments) {
            return Some(format!("export {arguments:?}"));
        }
    }
    let checked = run(copy, &["check"]);
    if !checked.status.success() {
        return Some(String::from_utf8_lossy(&checked.stdout).into_owned());
    }
    let (original, copy) = (tables(original).await, tables(copy).await);
    let mut both = original.lines().zip(copy.lines());
    both.find(|(one, other)| one != other)
        .map(|(one, other)| format!("{one}\n{other}"))
        .or_else(|| (original != copy).then(|| "one has more rows".to_owned()))
}

/// Busy shops of one kind, copied into the other.
async fn prove(from: Databases, to: Databases, histories: u64) {
    let mut random = Random::of_this_run();
    let (mut events, mut kinds) = (0, std::collections::BTreeSet::new());
    for _ in 0..histories {
        let (original, play) = busy(&from, &mut random, 150).await;
        play.shop.server.drain().await;
        let file = export(&original, &["events"]);
        let count = file.iter().filter(|byte| **byte == b'\n').count();
        let copy = to.empty().await;
        assert_eq!(said(&copy, &file), (Some(0), format!("imported {count} events\n")));
        assert_eq!(difference(&original, &copy).await, None, "{from} to {to}");
        // The same again changes nothing.
        let again = format!("imported 0 events; {count} were there before\n");
        assert_eq!(said(&copy, &file), (Some(0), again));
        assert_eq!(difference(&original, &copy).await, None, "{from} to {to}");
        events += count;
        kinds.extend(play.past.made.into_keys());
    }
    proved(&format!(
        "{from} to {to}: {histories} busy shops, {events} events imported, the same bytes and tables; they had seen {kinds:?}"
    ));
}

#[tokio::test]
async fn a_log_of_sqlite_makes_the_same_database_in_postgresql() {
    prove(Databases::Sqlite, Databases::postgres(), Size::of_this_run().pick(3, 40)).await;
}

#[tokio::test]
async fn a_log_of_postgresql_makes_the_same_database_in_sqlite() {
    prove(Databases::postgres(), Databases::Sqlite, Size::of_this_run().pick(3, 40)).await;
}

#[tokio::test]
async fn a_log_of_sqlite_makes_the_same_database_in_sqlite() {
    prove(Databases::Sqlite, Databases::Sqlite, Size::of_this_run().pick(3, 60)).await;
}

/// An import that was interrupted stands at some event; the same file goes on behind it.
#[tokio::test]
async fn an_import_that_broke_off_goes_on() {
    for (from, to) in [(Databases::Sqlite, Databases::postgres()), (Databases::Sqlite, Databases::Sqlite)] {
        let mut random = Random::of_this_run();
        let (original, play) = busy(&from, &mut random, 80).await;
        play.shop.server.drain().await;
        let file = export(&original, &["events"]);
        let lines: Vec<&[u8]> = file.split_inclusive(|byte| *byte == b'\n').collect();
        let copy = to.empty().await;
        let first = 1 + usize::try_from(random.below(lines.len() as u64 - 1)).expect("few");
        assert_eq!(said(&copy, &lines[..first].concat()).0, Some(0));
        // What a file that ends early has stored is the whole of it.
        assert_eq!(export(&copy, &["events"]), lines[..first].concat());
        let rest = lines.len() - first;
        let told = format!("imported {rest} events; {first} were there before\n");
        assert_eq!(said(&copy, &file), (Some(0), told), "{to}");
        assert_eq!(difference(&original, &copy).await, None, "{to}");
        // And a part of what is there is no import.
        let (status, told) = said(&copy, &lines[..first].concat());
        assert_eq!(status, Some(1), "{told}");
        let want = format!("has {} events, and these are its first {first}", lines.len());
        assert!(told.contains(&want), "{told}");
    }
}

/// Three events: a key, somebody, and more of them.
async fn small(databases: &Databases) -> (Database, Vec<String>) {
    let mut play = Play::open(databases).await;
    for body in [r#"{"email":"doc@hill.example"}"#, r#"{"email":"doc@hill.example","phoneNumber":"123"}"#] {
        play.shop.client.ask(Ask::new("POST", "/identify").key(ADMIN).body(body)).await;
    }
    let database = std::mem::replace(&mut play.shop.database, Databases::Sqlite.empty().await);
    play.shop.server.drain().await;
    let file = String::from_utf8(export(&database, &["events"])).expect("it is UTF-8");
    (database, file.split_inclusive('\n').map(str::to_owned).collect())
}

#[tokio::test]
async fn what_is_no_log_is_refused_and_nothing_of_it_is_stored() {
    let (_original, lines) = small(&Databases::Sqlite).await;
    let [one, two, three] = &lines[..] else { panic!("three events: {lines:?}") };
    let cut = &three[..three.len() - 1];
    let changed = |from: &str, to: &str| {
        assert!(three.contains(from), "{from} in {three}");
        format!("{one}{two}{}", three.replace(from, to))
    };
    for to in [Databases::Sqlite, Databases::postgres()] {
        let copy = to.empty().await;
        drop(copy.open().await);
        for (file, want) in [
            (String::new(), "The body is empty"),
            (format!("{one}{three}"), "Line 2: event 3 can't follow event 1: one is missing"),
            (format!("{one}{three}{two}"), "Line 2: event 3 can't follow event 1"),
            (format!("{one}{two}{two}{three}"), "Line 3: event 2 can't follow event 2"),
            (format!("{two}{three}"), "Line 1: event 2 can't follow event 0"),
            (format!("{one}{two}{cut}"), "Line 3 breaks off"),
            (format!("{one}\n{two}{three}"), "Line 2: it is no line of an export of events"),
            (format!("{one}{two}[]\n"), "Line 3: it is no line of an export of events"),
            (changed("\n", "\r\n"), "Line 3: it is not spelt as an export spells that event"),
            (changed("\"format\":1", "\"format\":9"), "Line 3: its format is 9"),
            (changed("\"attached\"", "\"attacked\""), "Line 3: its kind is unknown"),
            (
                changed("\"id\":2", "\"id\":1"),
                "Line 3: event 3 can't follow from those before it: it makes contact 1",
            ),
            (changed("\"primary\":1", "\"primary\":9"), "Line 3: event 3 can't follow from those before it"),
            (changed("\"owns\":[\"phone\"]", "\"owns\":[\"email\"]"), "a value that another contact owns"),
            (changed("1970", "1969"), "Line 3: event 3 is dated before the one before it"),
        ] {
            let (status, told) = said(&copy, file.as_bytes());
            assert_eq!(status, Some(1), "{to}: {want}: {told}");
            assert!(told.contains(want), "{to}: {want}: {told}");
            assert!(
                !told.contains("hill.example") && !told.contains("123"),
                "{to}: a value was told: {told}"
            );
            assert_eq!(export(&copy, &["events"]), b"", "{to}: {want}");
        }
        // What was stored before a broken line stands, and is told.
        assert_eq!(said(&copy, format!("{one}{two}").as_bytes()).0, Some(0));
        let (_, told) = said(&copy, format!("{one}{two}{cut}").as_bytes());
        assert!(told.contains("The events up to 2 are stored"), "{told}");
        // A log that begins otherwise is another one.
        let other = two.replace("doc@", "dog@");
        let (status, told) = said(&copy, format!("{one}{other}{three}").as_bytes());
        assert_eq!(status, Some(1), "{told}");
        assert!(
            told.contains("is not empty, nor the beginning of this one: its event 2 is another"),
            "{told}"
        );
        assert_eq!(export(&copy, &["events"]), format!("{one}{two}").as_bytes());
    }
}

/// A changed letter of a value is a log, too, but another one: the comparison that the proofs above rest on sees it, and each line
/// that is missing.
#[tokio::test]
async fn another_log_is_seen_in_the_copy() {
    let (original, lines) = small(&Databases::Sqlite).await;
    for file in [lines.concat().replace("doc@", "dog@"), lines[..2].concat(), lines[..1].concat()] {
        let copy = Databases::Sqlite.empty().await;
        assert_eq!(said(&copy, file.as_bytes()).0, Some(0));
        assert!(difference(&original, &copy).await.is_some(), "it is another log, and nobody saw it");
    }
    let copy = Databases::Sqlite.empty().await;
    assert_eq!(said(&copy, lines.concat().as_bytes()).0, Some(0));
    copy.execute("UPDATE contacts SET phone = '124' WHERE phone = '123'").await;
    assert!(difference(&original, &copy).await.is_some(), "a row is another, and nobody saw it");
}

/// A log that begins with an adoption gives numbers in any order, and deleted contacts before the primary that they link to.
#[tokio::test]
async fn a_log_that_was_adopted_makes_the_same_database_wherever_it_breaks_off() {
    let mut random = Random::of_this_run();
    for to in [Databases::Sqlite, Databases::postgres()] {
        for _ in 0..Size::of_this_run().pick(6, 200) {
            let adoption = adopted(random_rows(&mut random, 24), random.once_in(4), 20);
            let rows: Vec<EventRow> = adoption.events.iter().map(event_text::write).collect();
            let line = |row| format!("{}\n", EventLine::of(row).expect("it has a spelling"));
            let lines: Vec<String> = rows.iter().map(line).collect();
            let first = usize::try_from(random.below(lines.len() as u64 + 1)).expect("few");
            let copy = to.empty().await;
            for part in [&lines[..first], &lines[..]] {
                if !part.is_empty() {
                    let (status, told) = said(&copy, part.concat().as_bytes());
                    assert_eq!(status, Some(0), "{to}: {told}");
                }
            }
            drop(copy.open().await);
            assert_eq!(String::from_utf8_lossy(&export(&copy, &["events"])), lines.concat(), "{to}");
            let checked = run(&copy, &["check"]);
            assert!(checked.status.success(), "{to}: {}", String::from_utf8_lossy(&checked.stdout));
        }
    }
}

/// The log names keys, and no key is in it.
#[tokio::test]
async fn no_key_comes_alive_with_a_log() {
    for to in [Databases::Sqlite, Databases::postgres()] {
        let mut play = Play::open(&Databases::Sqlite).await;
        let reader = play.shop.key(named("reader", &["read"])).await;
        let revoked = play.shop.key(named("revoked", &["read"])).await;
        let id = revoked.split('_').nth(1).expect("a key has its id in it");
        let path = format!("/v1/keys/{id}");
        let ended = play.shop.client.ask(Ask::new("DELETE", &path).key(ADMIN)).await;
        assert!(ended.status.is_success(), "{}", ended.text());
        let file = export(&play.shop.database, &["events"]);
        play.shop.server.drain().await;
        let copy = to.empty().await;
        assert_eq!(said(&copy, &file).0, Some(0));

        let options = ServerOptions { admission: Admission::KeysOnceMade, ..ServerOptions::default() };
        let server = TestServer::start(copy.open().await, options).await;
        let mut client = server.client().await;
        for key in [&reader, &revoked, ADMIN] {
            let answered = code(&client.ask(Ask::new("GET", "/v1/keys/current").key(key)).await);
            assert_eq!(answered, (401, "invalid_key".to_owned()), "{to}");
        }
        // The copy asks for a key, as the original did.
        let answered = code(&client.ask(Ask::new("GET", "/v1/events")).await);
        assert_eq!(answered, (401, "key_required".to_owned()), "{to}");
        drop(client);
        server.drain().await;
        let listed = run(&copy, &["keys", "list"]);
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        assert!(listed.contains("reader") && listed.contains("environment"), "{listed}");
        let made = run(&copy, &["keys", "create", "new", "--scope", "read"]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        assert!(run(&copy, &["check"]).status.success());
    }
}

/// The log of another workspace than the default one names it, and makes none.
#[tokio::test]
async fn no_workspace_comes_alive_with_a_log() {
    let original = Databases::Sqlite.empty().await;
    for arguments in [
        &["workspaces", "create", "north"][..],
        &["keys", "create", "till", "--scope", "identify", "--workspace", "north"],
        &["identify", "--email", "doc@north.example", "--workspace", "north"],
    ] {
        assert!(run(&original, arguments).status.success(), "{arguments:?}");
    }
    let file = export(&original, &["events", "--workspace", "north"]);
    for to in [Databases::Sqlite, Databases::postgres()] {
        let copy = to.empty().await;
        assert_eq!(said(&copy, &file), (Some(0), "imported 3 events\n".to_owned()), "{to}");
        assert_eq!(export(&copy, &["events"]), file);
        assert_eq!(export(&copy, &["contacts"]), export(&original, &["contacts", "--workspace", "north"]));
        let checked = run(&copy, &["check"]);
        assert!(checked.status.success(), "{to}: {}", String::from_utf8_lossy(&checked.stdout));
        let listed = run(&copy, &["workspaces", "list", "--json"]);
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        assert!(listed.contains("default") && !listed.contains("north"), "{listed}");
    }
}

/// Beside a server, the import goes through it; and it knows everything at once.
#[tokio::test]
async fn an_import_beside_a_server_is_known_to_it_at_once() {
    let (original, lines) = small(&Databases::Sqlite).await;
    let folder = tempfile::tempdir().expect("there is room for a temporary folder");
    let mut server = ServerProcess::start(folder.path());
    std::fs::write(folder.path().join("one.jsonl"), lines[..1].concat()).expect("there is room");
    std::fs::write(folder.path().join("two.jsonl"), lines[1..].concat()).expect("there is room");
    let imported = support::process::run(folder.path(), &["import", "--events", "one.jsonl", "two.jsonl"]);
    let told =
        String::from_utf8_lossy(&imported.stdout).into_owned() + &String::from_utf8_lossy(&imported.stderr);
    assert_eq!((imported.status.code(), told.as_str()), (Some(0), "imported 3 events\n"));
    let known = support::process::run(folder.path(), &["identify", "--phone", "123"]);
    let known = String::from_utf8_lossy(&known.stdout).into_owned();
    assert!(known.contains("doc@hill.example") && known.contains("\"secondaryContactIds\":[2]"), "{known}");
    let beside = support::process::run(folder.path(), &["export", "events"]).stdout;
    assert_eq!(beside, export(&original, &["events"]));
    let missing = support::process::run(folder.path(), &["import", "--events", "three.jsonl"]);
    let told = String::from_utf8_lossy(&missing.stderr);
    assert_eq!(missing.status.code(), Some(2));
    assert!(told.starts_with("error: can't read three.jsonl: No such file"), "{told}");
    assert_eq!(server.terminate().code(), Some(0));
}

/// Over HTTP: the same file, the same answers, in whatever pieces it comes.
#[tokio::test]
async fn a_log_is_imported_by_http() {
    let (original, lines) = small(&Databases::Sqlite).await;
    let copy = Databases::Sqlite.empty().await;
    let server = TestServer::start(copy.open().await, ServerOptions::default()).await;
    let post = async |kind: &str, body: String| {
        let request = hyper::Request::post("/v1/import/events").header("host", "localhost");
        let request = request.header("content-type", kind).body(http_body_util::Full::from(body));
        server.client().await.send(request.expect("a plain request")).await.expect("an answer")
    };
    let refused = post("text/csv", lines.concat()).await;
    assert_eq!(code(&refused), (415, "unsupported_media_type".to_owned()));
    let refused = post("application/x-ndjson", lines[1..].concat()).await;
    assert_eq!(code(&refused), (400, "invalid_event".to_owned()));
    let mut told = String::new();
    write!(told, "{}", refused.text()).expect("a text takes any text");
    assert!(told.contains("Nothing was stored."), "{told}");
    let imported = post("application/x-ndjson", lines.concat()).await;
    assert_eq!((imported.status.as_u16(), imported.json()), (200, json!({ "events": 3, "imported": 3 })));
    // From now on it asks for a key, since the log has one; whoever has the files still may.
    assert_eq!(code(&post("application/x-ndjson", lines.concat()).await).0, 401);
    assert_eq!(export(&copy, &["events"]), export(&original, &["events"]));
    server.drain().await;
}

//! A person who was erased is in no byte of a store's files: tables, indexes, logs, unused places; on both stores, by HTTP. The bytes are
//! read by the test, not by the program. And restoring a backup erases them again.

use std::path::PathBuf;

use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use support::client::{Ask, Client};
use support::deadline::wait_for;
use support::home::Home;
use support::process::{ServerProcess, command, run};
use support::random::Random;
use support::traces_of::{files_beneath, traces_of};

use crate::backup::{done, told};

/// What is said of Ada: as sent, and canonical. Some only in events that were refused, or of a contact that was deleted.
const OF_ADA: [&str; 13] = [
    "AAA.Ada.Lovelace@Analytical.Example",
    "aaa.ada.lovelace@analytical.example",
    "+49 (1555) 000-123-4567",
    "+4915550001234567",
    "12345678901234567890",
    "ZOË.Ada@Exämple.example",
    "zoë.ada@exämple.example",
    "\"ada\\b\"@analytical.example",
    "K-ADA-0001",
    "K-ADA-0002",
    "countess@analytical.example",
    "till beside the engine of Ada",
    "deleted.ada@analytical.example",
];

const PHONE_OF_BOTH: &str = "3055501988";
const BEN: &str = "ben@household.example";

struct Shop {
    home: Home,
    server: ServerProcess,
    client: Client,
    random: Random,
}

impl Shop {
    async fn open(home: Home) -> Self {
        let server = ServerProcess::start(home.path());
        let client = Client::connect(server.address).await.expect("it listens");
        Self { home, server, client, random: Random::of_this_run() }
    }

    async fn ask(&mut self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut ask = Ask::new(method, path);
        if !body.is_empty() {
            ask = ask.body(&body);
        }
        let reply = self.client.ask(ask).await;
        (reply.status.as_u16(), reply.json())
    }

    async fn done(&mut self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask(method, path, body).await;
        assert_eq!(status, 200, "{method} {path}: {answer}");
        answer
    }

    /// Observes identifiers, each with its kind; the answer.
    async fn saw(&mut self, identifiers: &[(&str, &str)]) -> Value {
        self.saw_at(OF_ADA[11], identifiers).await
    }

    async fn saw_at(&mut self, source: &str, identifiers: &[(&str, &str)]) -> Value {
        let seen = identifiers.iter().map(|(kind, value)| json!({ "kind": kind, "value": value }));
        let body = json!({ "identifiers": seen.collect::<Vec<_>>(), "source": source });
        self.done("POST", "/v1/observations", body).await
    }

    /// Strangers, of all lengths, so that pages split and go on elsewhere.
    async fn strangers(&mut self, count: usize) {
        let mut lines = String::new();
        for _ in 0..count {
            let number = self.random.number();
            let long = "m".repeat(usize::try_from(self.random.below(150)).expect("it is small"));
            let email = format!("m{long}{number}@strangers.example");
            let seen = json!([{ "kind": "email", "value": email.to_uppercase() }, { "kind": "phone", "value": format!("7{number}") }]);
            let source = "s".repeat(usize::try_from(self.random.below(200)).expect("it is small"));
            lines += &json!({ "identifiers": seen, "source": source }).to_string();
            lines.push('\n');
        }
        for line in lines.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            self.done("POST", "/v1/observations", line).await;
        }
    }

    /// All that may happen to somebody; the contacts of Ada's identities.
    async fn ada(&mut self) -> Vec<i64> {
        let policy = json!({ "kinds": ["customerId", "deviceId"], "blocked": [], "contactsMax": null, "limits": [], "unique": ["customerId"],
            "claims": [], "exactEmail": false, "defaultRegion": null });
        self.done("PUT", "/v1/policy", policy).await;
        self.strangers(60).await;
        let first = self.saw(&[("email", OF_ADA[0]), ("phone", OF_ADA[2]), ("customerId", OF_ADA[8])]).await;
        self.strangers(30).await;
        let integer: Value =
            serde_json::from_str(&format!("{{\"email\":\"{}\",\"phoneNumber\":{}}}", OF_ADA[5], OF_ADA[4]))
                .unwrap();
        self.done("POST", "/identify", integer).await;
        self.saw(&[("email", OF_ADA[7]), ("phone", PHONE_OF_BOTH)]).await;
        self.strangers(30).await;
        self.saw_at("till 2", &[("email", BEN), ("phone", "3055501999")]).await;
        // Merged, by two ways; the merge with Ben is undone.
        self.saw(&[("email", OF_ADA[0]), ("phone", OF_ADA[4])]).await;
        self.saw(&[("email", OF_ADA[7]), ("phone", OF_ADA[4])]).await;
        let household = [("email", BEN), ("phone", PHONE_OF_BOTH), ("deviceId", "tablet of both")];
        let joined = self.saw_at("till 2", &household).await;
        assert_eq!(joined["outcome"], "merged", "{joined}");
        self.done("POST", &format!("/v1/events/{}/undo", joined["sequence"]), json!({})).await;
        // Refused: another customer's number; its e-mail is new, and attaches.
        let refused =
            self.saw(&[("email", OF_ADA[10]), ("phone", OF_ADA[4]), ("customerId", OF_ADA[9])]).await;
        assert_eq!(refused["outcome"], "refused", "{refused}");
        // Deleted.
        let mut attached = self.saw(&[("email", OF_ADA[12]), ("phone", OF_ADA[4])]).await;
        let contacts = attached["identity"]["contacts"].take();
        let last =
            contacts.as_array().unwrap().iter().map(|contact| contact["id"].as_i64().unwrap()).max().unwrap();
        self.done("DELETE", &format!("/v1/contacts/{last}"), Value::Null).await;
        self.strangers(60).await;
        // Spelt otherwise, and again otherwise: older spellings stand in older events.
        for (exact, region) in [(true, "DE"), (false, "GB")] {
            let spelt = json!({ "kinds": ["customerId", "deviceId"], "unique": ["customerId"], "exactEmail": exact,
                "defaultRegion": region });
            self.done("PUT", "/v1/policy?refold=true", spelt).await;
        }
        let primary = first["identity"]["primaryContactId"].as_i64().unwrap();
        contacts
            .as_array()
            .unwrap()
            .iter()
            .map(|contact| contact["id"].as_i64().unwrap())
            .chain([primary])
            .collect()
    }

    /// Erases whoever these contacts are, until nobody is left of them; the receipts.
    async fn erase(&mut self, contacts: &[i64]) -> Vec<Value> {
        let mut receipts = Vec::new();
        for contact in contacts {
            let (status, receipt) =
                self.ask("DELETE", &format!("/v1/identities/{contact}"), Value::Null).await;
            match status {
                200 => receipts.push(receipt),
                _ => assert_eq!((status, &receipt["code"]), (410, &json!("contact_gone")), "{receipt}"),
            }
        }
        assert!(!receipts.is_empty());
        receipts
    }
}

fn files(home: &Home) -> Vec<PathBuf> {
    files_beneath(home.path(), &[".sock", "values"])
}

fn write_values(home: &Home, values: &[&str]) {
    std::fs::write(home.path().join("values"), values.join("\n")).unwrap();
}

/// What of Ada stands in a file of SQLite's.
fn is_found(home: &Home) -> Vec<&'static str> {
    traces_of(&OF_ADA, &files(home)).into_iter().collect()
}

#[tokio::test]
async fn nothing_of_an_erased_person_is_in_any_file_of_sqlite() {
    let mut shop = Shop::open(Home::sqlite()).await;
    let ada = shop.ada().await;
    assert_eq!(
        is_found(&shop.home).len(),
        OF_ADA.len(),
        "all of it is there before: {:?}",
        is_found(&shop.home)
    );
    let receipts = shop.erase(&ada).await;
    for receipt in &receipts {
        let files = receipt["verified"]["files"].as_str().unwrap_or_default();
        assert!(["clean", "writtenAnew"].contains(&files), "{receipt}");
        assert_eq!(receipt["verified"]["foundElsewhere"], json!([]), "{receipt}");
    }
    assert_eq!(is_found(&shop.home), [""; 0], "beside the running server");
    assert_eq!(traces_of(&[BEN, PHONE_OF_BOTH], &files(&shop.home)).len(), 2, "others keep what is theirs");
    shop.strangers(20).await;
    assert_eq!(is_found(&shop.home), [""; 0], "and later");
    done(shop.home.path(), &["check"]);
    assert_eq!(shop.server.terminate().code(), Some(0));
    assert_eq!(is_found(&shop.home), [""; 0]);
    done(shop.home.path(), &["check"]);
}

/// What an earlier version left in unused places is found, and goes.
#[tokio::test]
async fn a_copy_in_an_unused_place_makes_the_file_be_written_anew() {
    let mut shop = Shop::open(Home::sqlite()).await;
    let ada = shop.ada().await;
    assert_eq!(shop.server.terminate().code(), Some(0));
    leave_a_copy(&shop.home, OF_ADA[1]);
    shop.server = ServerProcess::start(shop.home.path());
    shop.client = Client::connect(shop.server.address).await.expect("it listens");
    let receipts = shop.erase(&ada).await;
    assert_eq!(receipts[0]["verified"]["files"], "writtenAnew", "{}", receipts[0]);
    assert_eq!(is_found(&shop.home), [""; 0]);
    done(shop.home.path(), &["check"]);
}

/// A row that was deleted without being overwritten.
fn leave_a_copy(home: &Home, value: &str) {
    let connection = Connection::open(home.path().join("selfsame.db")).unwrap();
    let statements = format!(
        "PRAGMA secure_delete = OFF;
        INSERT INTO events (workspace, sequence, at_ms, kind, format, caused_by, evidence, outcome)
            VALUES (0, 1, 0, 'created', 1, '', '{value}', '');
        DELETE FROM events WHERE workspace = 0;"
    );
    connection.execute_batch(&statements).unwrap();
    connection.close().unwrap();
}

/// The planted fault: the same rows without overwriting, cutting off, or writing anew.
#[tokio::test]
async fn an_erasure_that_leaves_its_copies_is_caught() {
    let mut shop = Shop::open(Home::sqlite()).await;
    shop.ada().await;
    assert_eq!(shop.server.terminate().code(), Some(0));
    let connection = Connection::open(shop.home.path().join("selfsame.db")).unwrap();
    let erase = "PRAGMA secure_delete = OFF;
        UPDATE contacts SET email = NULL, phone = NULL, declared = NULL, owns_email = 0, owns_phone = 0, owns_declared = NULL;
        UPDATE events SET evidence = '[]', outcome = '{}', origin = NULL;";
    connection.execute_batch(erase).unwrap();
    let left = is_found(&shop.home);
    assert_eq!(left.len(), OF_ADA.len(), "the file is as it was, and the log beside it: {left:?}");
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    assert!(!is_found(&shop.home).is_empty(), "unused places hold it");
    connection.execute_batch("VACUUM").unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    assert_eq!(is_found(&shop.home), [""; 0]);
}

/// Killed while a reader of the time before keeps the log from being cut off.
#[tokio::test]
async fn an_erasure_that_was_killed_before_the_files_were_clean_is_finished_by_the_next_start() {
    let mut shop = Shop::open(Home::sqlite()).await;
    let ada = shop.ada().await;
    let reader = reader(&shop.home);
    let receipts = shop.erase(&ada).await;
    assert!(receipts.iter().all(|receipt| receipt["verified"]["files"] == "heldByReader"), "{receipts:?}");
    shop.server.kill();
    drop(reader);
    assert!(!is_found(&shop.home).is_empty(), "the kill came before the end of it");
    shop.server = ServerProcess::start(shop.home.path());
    assert_eq!(is_found(&shop.home), [""; 0]);
    done(shop.home.path(), &["check"]);
}

/// A program that sees the time before for as long as it is there.
fn reader(home: &Home) -> Connection {
    let file = home.path().join("selfsame.db");
    let reader = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    reader.query_row("SELECT count(*) FROM events", [], |row| row.get::<_, i64>(0)).unwrap();
    reader
}

#[tokio::test]
async fn a_running_server_finishes_an_erasure_when_a_reader_has_ended() {
    let mut shop = Shop::open(Home::sqlite()).await;
    let ada = shop.ada().await;
    let reader = reader(&shop.home);
    shop.erase(&ada).await;
    assert!(!is_found(&shop.home).is_empty());
    drop(reader);
    wait_for("files without Ada", || is_found(&shop.home).is_empty().then_some(()));
    done(shop.home.path(), &["check"]);
}

#[tokio::test]
async fn what_people_wrote_of_an_erased_person_is_told_by_the_receipt() {
    let mut shop = Shop::open(Home::sqlite()).await;
    let ada = shop.ada().await;
    let late = shop.saw_at("till 3", &[("email", "late@analytical.example"), ("phone", OF_ADA[4])]).await;
    // Where she was seen, others are too: that says nothing of her.
    shop.saw_at("till 3", &[("email", BEN), ("phone", "3055501999")]).await;
    let ids = late["identity"]["contacts"].as_array().unwrap().iter().map(|contact| contact["id"].as_i64());
    let reason = json!({ "reason": format!("not {}", OF_ADA[0]), "contactIds": [ids.max()] });
    let split = shop.done("POST", &format!("/v1/identities/{}/split", ada[0]), reason).await;
    let receipts = shop.erase(&ada).await;
    let want = json!([{ "sequence": split["event"]["sequence"], "part": "reason" }]);
    assert!(receipts.iter().any(|receipt| receipt["verified"]["foundElsewhere"] == want), "{receipts:?}");
}

#[tokio::test]
async fn scrub_tells_where_values_are_and_removes_copies_of_sqlite() {
    let mut shop = Shop::open(Home::sqlite()).await;
    shop.saw(&[("email", BEN), ("phone", "3055501999")]).await;
    assert_eq!(shop.server.terminate().code(), Some(0));
    leave_a_copy(&shop.home, OF_ADA[8]);
    write_values(&shop.home, &["nobody@nowhere.example", "", OF_ADA[8], BEN]);
    let look = &["scrub", "--dry-run", "--values-from", "values"];
    let (code, said) = told(&run(shop.home.path(), look));
    let want = "line 3: found in unused places of the file\nline 4: found in rows of `contacts`, rows of `events`\n\
         looked for 3 values: 2 found\n";
    assert_eq!((code, said.as_str()), (Some(1), want));
    assert!(!said.contains(BEN) && !said.contains(OF_ADA[8]));
    let (code, said) = told(&run(shop.home.path(), &["scrub", "--values-from", "values"]));
    assert!(code == Some(1) && !said.contains("line 3") && said.contains("line 4: found in rows"), "{said}");
    write_values(&shop.home, &[OF_ADA[8]]);
    done(shop.home.path(), look);
    done(shop.home.path(), &["check"]);
}

/// The files of tables and indexes, without the write-ahead log.
async fn files_of_postgres(home: &mut Home) -> Vec<PathBuf> {
    home.cluster().execute("shop", "CHECKPOINT").await;
    files_beneath(&home.cluster().data_folder().join("base"), &[])
}

#[tokio::test]
async fn nothing_of_an_erased_person_is_in_any_table_or_index_of_postgresql_once_it_is_scrubbed() {
    let mut shop = Shop::open(Home::postgres().await).await;
    let ada = shop.ada().await;
    // What PostgreSQL gathers of columns are values, too.
    shop.home.cluster().execute("shop", "ANALYZE").await;
    let before = files_of_postgres(&mut shop.home).await;
    assert_eq!(traces_of(&OF_ADA, &before).len(), OF_ADA.len(), "{:?}", traces_of(&OF_ADA, &before));
    for receipt in shop.erase(&ada).await {
        assert_eq!(receipt["verified"]["files"], "byCommand", "{receipt}");
    }
    // The planted fault: erased, and a plain VACUUM, and no more.
    shop.home.cluster().execute("shop", "VACUUM").await;
    let unscrubbed = files_of_postgres(&mut shop.home).await;
    assert!(!traces_of(&OF_ADA, &unscrubbed).is_empty(), "tables, indexes and statistics keep copies");

    // Somebody who still sees the time before keeps it.
    let watcher = shop.home.cluster().connect("shop").await;
    watcher
        .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM selfsame.events")
        .await
        .unwrap();
    let url = shop.home.cluster().socket_url("shop");
    let impatient = ["scrub", "--lock-timeout-seconds", "1", "--database-url", &url];
    let (code, said) = told(&run(shop.home.path(), &impatient));
    assert!(code == Some(2) && said.contains("still see the time before"), "{said}");
    watcher.batch_execute("COMMIT").await.unwrap();

    write_values(&shop.home, &OF_ADA);
    let said = done(shop.home.path(), &["scrub", "--values-from", "values"]);
    assert!(said.ends_with("looked for 13 values: 0 found\n"), "{said}");
    let after = files_of_postgres(&mut shop.home).await;
    assert_eq!(traces_of(&OF_ADA, &after).into_iter().collect::<Vec<_>>(), [""; 0]);
    assert_eq!(traces_of(&[BEN, PHONE_OF_BOTH], &after).len(), 2, "others keep what is theirs");
    done(shop.home.path(), &["check"]);

    // As superuser the files are read, too; what is there is found.
    write_values(&shop.home, &[OF_ADA[1], BEN]);
    let look =
        command(shop.home.path(), &["scrub", "--dry-run", "--values-from", "values", "--database-url", &url]);
    let (code, said) = told(&{ look }.output().unwrap());
    assert!(
        code == Some(1)
            && said.contains("line 2: found in file of `pg_statistic`, file of `selfsame.contacts`"),
        "{said}"
    );
    assert!(!said.contains("line 1"), "{said}");
}

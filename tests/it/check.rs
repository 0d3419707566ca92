//! `selfsame check` finds each law that the rows of a damaged database break, and nothing in a good one.
//! Damage to the log itself is in `check_log`.

use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rusqlite::Connection;
use selfsame_rules::Timestamp;
use selfsame_service::Clock;
use support::files::files_with_data;
use support::process::run;
use support::server::{ServerOptions, TestServer, open_sqlite};
use tempfile::TempDir;

/// Stands in every e-mail address and every phone number of the database: the list may show neither.
const PERSONAL: [&str; 3] = ["zelda", "5550", "@"];

/// A clock that moves on a second each time that somebody looks.
#[derive(Debug)]
struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::from_milliseconds(self.0.fetch_add(1_000, Ordering::SeqCst))
    }
}

/// Two identities: contacts 1 to 4, which event 5 merged from two pairs, and contacts 5 and 6.
async fn good_database() -> TempDir {
    let folder = tempfile::tempdir().expect("there is room for a temporary folder");
    let store = open_sqlite(&folder.path().join("selfsame.db"));
    let clock = Arc::new(Ticking(AtomicI64::new(1_795_354_140_000)));
    let server = TestServer::start(store, ServerOptions { clock, ..Default::default() }).await;
    let mut client = server.client().await;
    for (email, phone) in [("1", "1"), ("2", "1"), ("3", "2"), ("4", "2"), ("1", "2"), ("5", "3"), ("6", "3")]
    {
        let (email, phone) = (format!("zelda{email}@example.org"), format!("5550{phone}"));
        let reply = client.identify(Some(&email), Some(&phone)).await.expect("an answer");
        assert_eq!(reply.status.as_u16(), 200, "{}", reply.text());
    }
    drop(client);
    server.drain().await;
    folder
}

fn check_database(folder: &Path, file: &str) -> Output {
    run(folder, &["check", "--database-url", &format!("sqlite:{file}")])
}

/// Damages a copy of a good database with each statement; the check must end with 1 and list these faults alone.
pub(crate) async fn check(rows: &[(&str, &str, &[&str])]) {
    let folder = good_database().await;
    for (number, (what, damage, faults)) in rows.iter().enumerate() {
        let file = format!("damaged{number}.db");
        std::fs::copy(folder.path().join("selfsame.db"), folder.path().join(&file)).expect("there is room");
        let connection = Connection::open(folder.path().join(&file)).expect("it is a database");
        let changed = connection.execute(damage, []).expect("the schema allows it");
        assert_ne!(changed, 0, "{what}: nothing was damaged");
        connection.close().expect("nothing is running");

        let before = files_with_data(folder.path())[&file].clone();
        let output = check_database(folder.path(), &file);
        let (list, talk) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let found: Vec<&str> = list.lines().filter_map(|line| line.strip_prefix("fault: ")).collect();
        assert_eq!(found, *faults, "{what}: {talk}");
        assert_eq!((output.status.code(), talk.as_ref()), (Some(1), ""), "{what}");
        let last = list.lines().last().unwrap_or_default();
        let count =
            format!("{0} fault{1}, {0} listed", faults.len(), if faults.len() == 1 { "" } else { "s" });
        assert!(last.ends_with(&count), "{what}: {last}");
        for personal in PERSONAL {
            assert!(!list.contains(personal), "{what}: {personal:?} in {list}");
        }
        assert_eq!(files_with_data(folder.path())[&file], before, "{what}: a check only reads");
    }
}

#[tokio::test]
async fn a_good_database_passes() {
    let folder = good_database().await;
    let output = check_database(folder.path(), "selfsame.db");
    let list = String::from_utf8_lossy(&output.stdout);
    insta::assert_snapshot!(list, @"checked 7 events, 6 contacts, 2 identities, 9 identifiers: all laws hold");
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
}

#[tokio::test]
async fn links_that_no_log_made_are_found() {
    check(&[
        (
            "a chain",
            "UPDATE contacts SET linked_id = 3 WHERE id = 4",
            &[
                "contact 4 is not what the log adds up to: the log links it elsewhere",
                "contact 4 bears an identifier that contact 3 of another identity owns",
                "contact 4 links to contact 3, which is a secondary: a chain",
            ],
        ),
        (
            "an orphan",
            "UPDATE contacts SET linked_id = 99 WHERE id = 4",
            &[
                "contact 4 is not what the log adds up to: the log links it elsewhere",
                "contact 4 bears an identifier that contact 3 of another identity owns",
                "contact 4 links to contact 99, which is no live contact: an orphan",
            ],
        ),
        (
            "a link to itself",
            "UPDATE contacts SET linked_id = 4 WHERE id = 4",
            &[
                "contact 4 is not what the log adds up to: the log links it elsewhere",
                "contact 4 bears an identifier that contact 3 of another identity owns",
            ],
        ),
        (
            "two primaries",
            "UPDATE contacts SET linked_id = NULL WHERE id = 4",
            &[
                "contact 4 is not what the log adds up to: the log links it elsewhere",
                "contact 4 bears an identifier that contact 3 of another identity owns",
            ],
        ),
        (
            "two primaries, one with a family",
            "UPDATE contacts SET linked_id = nullif(3, id) WHERE id IN (3, 4)",
            &[
                "contact 3 is not what the log adds up to: the log links it elsewhere",
                "contact 4 is not what the log adds up to: the log links it elsewhere",
            ],
        ),
        (
            "a secondary of another identity",
            "UPDATE contacts SET linked_id = 5 WHERE id = 4",
            &[
                "contact 4 is not what the log adds up to: the log links it elsewhere",
                "contact 4 bears an identifier that contact 3 of another identity owns",
                "contact 4 is older than its primary, contact 5",
            ],
        ),
        (
            "a primary that is not the oldest",
            "UPDATE contacts SET linked_id = nullif(2, id) WHERE id < 5",
            &[
                "contact 1 is not what the log adds up to: the log links it elsewhere",
                "contact 2 is not what the log adds up to: the log links it elsewhere",
                "contact 3 is not what the log adds up to: the log links it elsewhere",
                "contact 4 is not what the log adds up to: the log links it elsewhere",
                "contact 1 is older than its primary, contact 2",
            ],
        ),
        (
            "a primary that became younger",
            "UPDATE contacts SET created_at_ms = created_at_ms + 999999 WHERE id = 5",
            &[
                "contact 5 is not what the log adds up to: the log has another `createdAt`",
                "contact 6 is older than its primary, contact 5",
            ],
        ),
    ])
    .await;
}

#[tokio::test]
async fn contacts_that_no_log_made_are_found() {
    check(&[
        (
            "a secondary deleted",
            "DELETE FROM contacts WHERE id = 2",
            &[
                "contact 2 is in the log, but not stored",
                "contact 2 does not own the identifiers that the log gave it",
            ],
        ),
        (
            "a primary deleted",
            "DELETE FROM contacts WHERE id = 5",
            &[
                "contact 6 bears an identifier that nobody owns",
                "contact 6 links to contact 5, which is no live contact: an orphan",
                "contact 5 is in the log, but not stored",
                "contact 5 does not own the identifiers that the log gave it",
            ],
        ),
        (
            "the last deleted",
            "DELETE FROM contacts WHERE id = 6",
            &[
                "contact 6 is in the log, but not stored",
                "contact 6 does not own the identifiers that the log gave it",
            ],
        ),
        (
            "one added",
            "INSERT INTO contacts (workspace, id, email, created_at_ms, updated_at_ms) \
             VALUES (1, 7, 'zelda7@example.org', 1, 1)",
            &[
                "contact 7 is not what the log adds up to: no event made it",
                "contact 7 bears an identifier that nobody owns",
            ],
        ),
        (
            "one added where no id can be",
            "INSERT INTO contacts (workspace, id, phone, created_at_ms, updated_at_ms) \
             VALUES (1, 0, '55507', 1, 1)",
            &[
                "contact 0 is not what the log adds up to: no event made it",
                "contact 0 bears an identifier that nobody owns",
            ],
        ),
        (
            "one added below zero",
            "INSERT INTO contacts (workspace, id, phone, created_at_ms, updated_at_ms) \
             VALUES (1, -1, '55507', 1, 1)",
            &[
                "contact -1 is not what the log adds up to: no event made it",
                "contact -1 bears an identifier that nobody owns",
            ],
        ),
        (
            "its e-mail changed",
            "UPDATE contacts SET email = 'zelda9@example.org' WHERE id = 6",
            &[
                "contact 6 is not what the log adds up to: the log has other identifiers",
                "contact 6 does not own the identifiers that the log gave it",
            ],
        ),
        (
            "its e-mail taken",
            "UPDATE contacts SET email = NULL, owns_email = 0 WHERE id = 6",
            &[
                "contact 6 is not what the log adds up to: the log has other identifiers",
                "contact 6 does not own the identifiers that the log gave it",
            ],
        ),
        (
            "its phone changed to somebody else's",
            "UPDATE contacts SET phone = '55501' WHERE id = 6",
            &[
                "contact 6 is not what the log adds up to: the log has other identifiers",
                "contact 6 bears an identifier that contact 1 of another identity owns",
            ],
        ),
        (
            "a kind added",
            "UPDATE contacts SET declared = '{\"customerId\":\"zelda\"}' WHERE id = 6",
            &[
                "contact 6 is not what the log adds up to: the log has other identifiers",
                "contact 6 bears an identifier that nobody owns",
            ],
        ),
        (
            "updatedAt changed",
            "UPDATE contacts SET updated_at_ms = updated_at_ms + 1 WHERE id = 6",
            &["contact 6 is not what the log adds up to: the log has another `updatedAt`"],
        ),
        (
            "createdAt changed",
            "UPDATE contacts SET created_at_ms = created_at_ms + 1 WHERE id = 6",
            &["contact 6 is not what the log adds up to: the log has another `createdAt`"],
        ),
        (
            "deletedAt set",
            "UPDATE contacts SET deleted_at_ms = 1 WHERE id = 6",
            &[
                "contact 6 is not what the log adds up to: the log has another `deletedAt`",
                "an identifier is owned by contact 6, which is no live contact",
            ],
        ),
    ])
    .await;
}

#[tokio::test]
async fn owners_that_no_log_made_are_found() {
    check(&[
        (
            "taken",
            "UPDATE contacts SET owns_email = 0 WHERE id = 6",
            &[
                "contact 6 bears an identifier that nobody owns",
                "contact 6 does not own the identifiers that the log gave it",
            ],
        ),
        (
            "taken from a phone that another bears",
            "UPDATE contacts SET owns_phone = 0 WHERE id = 5",
            &[
                "contact 6 bears an identifier that nobody owns",
                "contact 5 does not own the identifiers that the log gave it",
            ],
        ),
        (
            "given to a second",
            "UPDATE contacts SET owns_phone = 1 WHERE id = 6",
            &["contact 6 does not own the identifiers that the log gave it"],
        ),
        (
            "of a value that it doesn't bear",
            "UPDATE contacts SET owns_declared = '[\"customerId\"]', declared = '{\"customerId\":\"zelda\"}' \
             WHERE id = 6",
            &[
                "contact 6 is not what the log adds up to: the log has other identifiers",
                "contact 6 does not own the identifiers that the log gave it",
            ],
        ),
    ])
    .await;
}

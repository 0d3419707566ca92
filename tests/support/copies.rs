//! What `selfsame export` writes of a database, `selfsame import --events` makes of that, and the tables of both.

use std::fmt::Write;
use std::process::{Output, Stdio};

use crate::databases::Database;
use crate::process::command;

/// Each table, and a query of its rows as texts. What is left out: of a key the digest, which no log has, and of a workspace the
/// time that it was made at and its own numbers.
const TABLES: [(&str, &str); 8] = [
    (
        "contacts",
        "SELECT id || ' ' || coalesce(email, '-') || ' ' || coalesce(phone, '-') || ' ' || coalesce(declared, '-') || ' '
            || coalesce(linked_id, 0) || ' ' || created_at_ms || ' ' || updated_at_ms || ' ' || coalesce(deleted_at_ms, 0)
            || ' ' || event_sequence
        FROM contacts WHERE workspace = 1 ORDER BY id",
    ),
    (
        "identifiers",
        "SELECT contact_id || ' ' || kind || ' ' || value FROM identifiers WHERE workspace = 1 ORDER BY contact_id, kind",
    ),
    (
        "events",
        "SELECT sequence || ' ' || at_ms || ' ' || kind || ' ' || format || ' ' || caused_by || ' ' || evidence || ' ' || outcome
            || ' ' || coalesce(origin, '-')
        FROM events WHERE workspace = 1 ORDER BY sequence",
    ),
    (
        "event_contacts",
        "SELECT contact_id || ' ' || sequence FROM event_contacts WHERE workspace = 1 ORDER BY contact_id, sequence",
    ),
    (
        "kept_apart",
        "SELECT contact_id || ' ' || sequence FROM kept_apart WHERE workspace = 1 ORDER BY contact_id, sequence",
    ),
    (
        "refusals",
        "SELECT sequence || ' ' || evidence || ' ' || coalesce(settled_sequence, 0)
        FROM refusals WHERE workspace = 1 ORDER BY sequence",
    ),
    (
        "workspaces",
        "SELECT last_sequence || ' ' || last_contact_id || ' ' || last_event_at_ms || ' ' || contact_count || ' '
            || identity_count || ' ' || coalesce(policy, '-') || ' ' || policy_sequence
        FROM workspaces WHERE workspace = 1",
    ),
    (
        "keys",
        "SELECT id || ' ' || name || ' ' || scopes || ' ' || coalesce(revoked_at_ms, 0) || ' ' || coalesce(expires_at_ms, 0)
        FROM keys WHERE workspace = 1 ORDER BY id",
    ),
];

/// What `selfsame export` writes with these arguments.
pub fn export(database: &Database, arguments: &[&str]) -> Vec<u8> {
    let output = run(database, &[&["export"], arguments].concat());
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Runs a command on a database.
pub fn run(database: &Database, arguments: &[&str]) -> Output {
    let folder = std::env::temp_dir();
    let output = command(&folder, arguments).env("DATABASE_URL", database.url()).output();
    output.expect("the program can be started")
}

/// What `selfsame import --events -` makes of a file that it is given.
pub fn import(database: &Database, events: &[u8]) -> Output {
    use std::io::Write;

    let folder = std::env::temp_dir();
    let mut command = command(&folder, &["import", "--events", "-"]);
    command.env("DATABASE_URL", database.url());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program can be started");
    let mut stdin = child.stdin.take().expect("it is piped");
    let events = events.to_vec();
    // A command that has said no reads no more.
    let writing = std::thread::spawn(move || drop(stdin.write_all(&events)));
    let output = child.wait_with_output().expect("it ends");
    writing.join().expect("it doesn't panic");
    output
}

/// Every row of a closed database that an import is to make.
pub async fn tables(database: &Database) -> String {
    let mut text = String::new();
    for (table, query) in TABLES {
        for row in database.texts(query).await {
            writeln!(text, "{table}: {row}").expect("a text takes any text");
        }
    }
    text
}

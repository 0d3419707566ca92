//! The program itself, from its command lines: what it prints, how it ends, and who may write beside whom.
//!
//! Settings are in `settings`, files that it refuses in `refused_files`.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rusqlite::Connection;
use rusqlite::types::Value;
use support::deadline::run_to_end;
use support::files::files_with_data;
use support::process::{ServerProcess, clean, command, run};
use tempfile::TempDir;

const LORRAINE: &str = r#"{"contact":{"primaryContactId":1,"emails":["lorraine@hillvalley.edu"],"phoneNumbers":["123456"],"secondaryContactIds":[]}}"#;

fn folder() -> TempDir {
    tempfile::tempdir().expect("there is room for a temporary folder")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("the program speaks UTF-8")
}

/// The exit code, standard output and standard error.
fn told(output: &Output) -> (Option<i32>, &str, &str) {
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// Every row of a query, its columns as text.
fn query(folder: &Path, sql: &str) -> Vec<Vec<String>> {
    let connection = Connection::open(folder.join("selfsame.db")).expect("it is a database");
    let mut statement = connection.prepare(sql).expect("the query fits the schema");
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| {
        let value = |column| match row.get(column)? {
            Value::Null => Ok("null".to_owned()),
            Value::Integer(number) => Ok(number.to_string()),
            Value::Text(text) => Ok(text),
            other @ (Value::Real(_) | Value::Blob(_)) => panic!("{other:?}"),
        };
        (0..columns).map(value).collect()
    });
    rows.expect("the query runs").collect::<Result<_, _>>().expect("the rows can be read")
}

fn identify(folder: &Path, email: &str, phone: &str) {
    let output = run(folder, &["identify", "--email", email, "--phone", phone]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

#[test]
fn bare_selfsame_serves_and_its_greeting_can_be_pasted() {
    let folder = folder();
    let mut bare = command(folder.path(), &[]);
    bare.env("PORT", "0");
    let mut server = ServerProcess::spawn(bare).expect("it serves");
    let greeting = server.said();
    let address = server.address.to_string();
    insta::assert_snapshot!(greeting.replace(&address, "ADDRESS").replace(env!("CARGO_PKG_VERSION"), "VERSION"), @r#"
    selfsame VERSION is ready
      address   http://ADDRESS
      database  sqlite:selfsame.db
      try it    curl -s http://ADDRESS/identify -H 'content-type: application/json' \
                  -d '{"email":"lorraine@hillvalley.edu","phoneNumber":"123456"}'
    "#);

    let (_, pasted) = greeting.split_once("try it").expect("it says how to try it");
    let mut shell = Command::new("sh");
    let output = clean(&mut shell, folder.path()).args(["-c", pasted]).output().expect("there is a shell");
    assert_eq!(told(&output), (Some(0), LORRAINE, ""));
    assert_eq!(server.terminate().code(), Some(0));
}

#[test]
fn identify_prints_the_answer_and_its_exit_code_says_how_it_went() {
    let folder = folder();
    let output = run(folder.path(), &["identify", "--email", "Lorraine@HillValley.edu", "--phone", "123456"]);
    assert_eq!(told(&output), (Some(0), format!("{LORRAINE}\n").as_str(), ""));
    let output = run(folder.path(), &["identify", "--phone", "-12 34 56"]);
    assert_eq!(told(&output), (Some(0), format!("{LORRAINE}\n").as_str(), ""));
    assert_eq!(
        query(folder.path(), "SELECT sequence, caused_by FROM events"),
        [["1", "selfsame identify"]],
        "an answer that changes nothing leaves no event"
    );

    let before = files_with_data(folder.path());
    for (arguments, code, error) in [
        (
            &["identify"][..],
            1,
            "error: There is no `email` and no `phoneNumber` that isn't blank; send at least one of them.\n",
        ),
        (
            &["identify", "--email", "lorraine"],
            1,
            "error: `email` is not an e-mail address: it has no `@`; correct it, or leave it out.\n",
        ),
        (
            &["identify", "--email", "a@b.c", "--database-url", "mysql://root:secret@db/shop"],
            2,
            "error: DATABASE_URL must begin with `sqlite:` or `postgresql:`\n\
             hint: for example sqlite:selfsame.db, or postgresql://user:password@localhost:5432/shop\n",
        ),
    ] {
        assert_eq!(told(&run(folder.path(), arguments)), (Some(code), "", error), "{arguments:?}");
    }
    let output = run(folder.path(), &["identify", "--fax", "1"]);
    assert_eq!(output.status.code(), Some(2), "what clap refuses could not be done");
    assert_eq!(files_with_data(folder.path()), before);
}

#[test]
fn identify_beside_a_server_goes_through_the_server() {
    let folder = folder();
    let mut arguments = command(folder.path(), &["serve", "--port", "0", "--log", "debug"]);
    arguments.env("SELFSAME_RESPONSE_SPELLING", "task");
    let mut server = ServerProcess::spawn(arguments).expect("it serves");
    let output = run(folder.path(), &["identify", "--email", "lorraine@hillvalley.edu", "--phone", "123456"]);
    // Commands print what the original would answer, however the server spells it for its clients.
    assert_eq!(told(&output), (Some(0), format!("{LORRAINE}\n").as_str(), ""));

    let socket = folder.path().join("selfsame.db.sock");
    let mode = socket.metadata().expect("the server has made it").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "nobody else may write customers");
    assert_eq!(query(folder.path(), "SELECT caused_by FROM events"), [["selfsame identify"]]);

    let output = run(folder.path(), &["identify", "--email", "lorraine"]);
    assert_eq!(output.status.code(), Some(1), "a refusal is the same through the server");

    assert_eq!(server.terminate().code(), Some(0));
    assert!(!socket.exists(), "the server took its socket with it");
    let said = server.said();
    assert!(said.contains("observations=1 events=1"), "the server has written it: {said}");
    assert_eq!(said.matches("hillvalley").count(), 1, "only the greeting's example, no customer: {said}");
}

#[test]
fn twenty_identify_processes_at_once_make_one_primary() {
    let folder = folder();
    let children: Vec<_> = (0..20)
        .map(|_| {
            command(folder.path(), &["identify", "--email", "doc@hill.edu", "--phone", "1"])
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("the program can be started")
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().expect("it is our child");
        let want = "{\"contact\":{\"primaryContactId\":1,\"emails\":[\"doc@hill.edu\"],\"phoneNumbers\":[\"1\"],\"secondaryContactIds\":[]}}\n";
        assert_eq!(told(&output), (Some(0), want, ""));
    }
    assert_eq!(query(folder.path(), "SELECT count(*), count(linked_id) FROM contacts"), [["1", "0"]]);
    let output = run(folder.path(), &["check"]);
    insta::assert_snapshot!(text(&output.stdout), @"checked 1 event, 1 contact, 1 identity, 2 identifiers: all laws hold");
}

#[test]
fn a_second_server_on_the_same_file_is_refused_at_once() {
    let folder = folder();
    let server = ServerProcess::start(folder.path());
    symlink("selfsame.db", folder.path().join("link.db")).expect("links can be made");
    symlink(".", folder.path().join("folder")).expect("links can be made");
    for url in ["sqlite:selfsame.db", "sqlite://./selfsame.db", "sqlite:link.db", "sqlite:folder/selfsame.db"]
    {
        let second = run_to_end(folder.path(), &["serve", "--port", "0", "--database-url", url]);
        let path = folder.path().canonicalize().expect("it is there").join("selfsame.db");
        let want = format!(
            "error: another process (process {}) has the database `{}` open for writing\n\
             hint: stop it first, or give this server a file of its own with DATABASE_URL=sqlite:PATH\n",
            server.id(),
            path.display()
        );
        assert_eq!(told(&second), (Some(2), "", want.as_str()), "{url}");
    }
}

/// Two servers wrote one file: the first was started on a link to a file that was yet to be made, and locked the
/// link's name; the second locked the file's.
#[test]
fn a_link_to_a_file_that_is_yet_to_be_made_is_the_same_file() {
    let folder = folder();
    std::fs::create_dir(folder.path().join("data")).expect("folders can be made");
    symlink("data/shop.db", folder.path().join("near.db")).expect("links can be made");
    symlink("near.db", folder.path().join("far.db")).expect("links can be made");
    let _server = {
        let start = command(folder.path(), &["serve", "--port", "0", "--database-url", "sqlite:far.db"]);
        ServerProcess::spawn(start).expect("it serves")
    };
    for url in ["sqlite:data/shop.db", "sqlite:near.db", "sqlite:far.db"] {
        let second = run_to_end(folder.path(), &["serve", "--port", "0", "--database-url", url]);
        let (code, _, error) = told(&second);
        assert!(code == Some(2) && error.contains("open for writing"), "{url}: {code:?} {error}");
    }
    assert!(folder.path().join("data/shop.db.lock").exists());
}

#[test]
fn what_a_killed_server_leaves_behind_is_no_obstacle() {
    let folder = folder();
    let mut server = ServerProcess::start(folder.path());
    identify(folder.path(), "lorraine@hillvalley.edu", "123456");
    server.kill();
    assert!(folder.path().join("selfsame.db.sock").exists(), "it was left behind");

    // A command that finds nobody behind the socket writes by itself.
    let output = run(folder.path(), &["identify", "--phone", "123456"]);
    assert_eq!(told(&output), (Some(0), format!("{LORRAINE}\n").as_str(), ""));
    let mut server = ServerProcess::start(folder.path());
    identify(folder.path(), "mcfly@hillvalley.edu", "123456");
    assert_eq!(server.terminate().code(), Some(0));
    assert_eq!(run(folder.path(), &["check"]).status.code(), Some(0));
}

#[test]
fn sigterm_ends_with_0_and_leaves_one_file() {
    let folder = folder();
    let mut server = ServerProcess::start(folder.path());
    identify(folder.path(), "lorraine@hillvalley.edu", "123456");
    assert!(folder.path().join("selfsame.db-wal").exists(), "it runs with a write-ahead log");
    assert_eq!(server.terminate().code(), Some(0));
    let files: Vec<String> = files_with_data(folder.path()).into_keys().collect();
    assert_eq!(files, ["selfsame.db"], "neither a log nor a socket");
    assert!(!folder.path().join("selfsame.db-shm").exists());
    let said = server.said();
    assert!(said.contains("draining") && said.trim_end().ends_with("ended"), "{said}");
}

#[test]
fn the_database_and_its_log_are_for_their_owner_alone() {
    let folder = folder();
    let _server = ServerProcess::start(folder.path());
    identify(folder.path(), "lorraine@hillvalley.edu", "123456");
    for name in ["selfsame.db", "selfsame.db-wal", "selfsame.db-shm"] {
        let mode = folder.path().join(name).metadata().expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

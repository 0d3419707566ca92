//! `selfsame export`, and the view by which other programs read the same rows.

use std::path::Path;
use std::process::{Command, Output};

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use support::files::files_with_data;
use support::process::{ServerProcess, clean, program, run};
use support::server::{ServerOptions, TestServer, open_sqlite};
use tempfile::TempDir;
use tokio::task::JoinSet;

/// A database of three contacts that two observations and a merge made.
fn three_contacts() -> TempDir {
    let folder = tempfile::tempdir().expect("there is room for a temporary folder");
    for (kind, value) in [("--phone", "123456"), ("--email", "\"a,b\"@hill.edu")] {
        assert_eq!(run(folder.path(), &["identify", kind, value]).status.code(), Some(0));
    }
    let both = ["identify", "--phone", "123456", "--email", "\"a,b\"@hill.edu"];
    assert_eq!(run(folder.path(), &both).status.code(), Some(0));
    let new = ["identify", "--phone", "123456", "--email", "c@hill.edu"];
    assert_eq!(run(folder.path(), &new).status.code(), Some(0));
    folder
}

/// The export, with its times checked for their shape and put out of the way.
fn export(folder: &Path, format: &str) -> String {
    let output = run(folder, &["export", "--format", format]);
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
    without_times(&String::from_utf8(output.stdout).expect("an export is UTF-8"))
}

/// Replaces each `2026-11-22T13:29:00.000Z` by `TIME`; a time of another shape stays and fails the snapshot.
fn without_times(text: &str) -> String {
    let shape = "0000-00-00T00:00:00.000Z";
    let digits_as_zeros = text.replace(|character: char| character.is_ascii_digit(), "0");
    let mut result = String::new();
    let mut rest = 0;
    for (place, _) in digits_as_zeros.match_indices(shape) {
        result += &text[rest..place];
        result += "TIME";
        rest = place + shape.len();
    }
    result + &text[rest..]
}

#[test]
fn an_export_has_the_original_s_fields_in_id_order() {
    let folder = three_contacts();
    insta::assert_snapshot!(export(folder.path(), "jsonl"), @r#"
    {"id":1,"phoneNumber":"123456","email":null,"linkedId":null,"linkPrecedence":"primary","createdAt":"TIME","updatedAt":"TIME","deletedAt":null}
    {"id":2,"phoneNumber":null,"email":"\"a,b\"@hill.edu","linkedId":1,"linkPrecedence":"secondary","createdAt":"TIME","updatedAt":"TIME","deletedAt":null}
    {"id":3,"phoneNumber":"123456","email":"c@hill.edu","linkedId":1,"linkPrecedence":"secondary","createdAt":"TIME","updatedAt":"TIME","deletedAt":null}
    "#);
    insta::assert_snapshot!(export(folder.path(), "csv"), @r#"
    id,phoneNumber,email,linkedId,linkPrecedence,createdAt,updatedAt,deletedAt
    1,123456,,,primary,TIME,TIME,
    2,,"""a,b""@hill.edu",1,secondary,TIME,TIME,
    3,123456,c@hill.edu,1,secondary,TIME,TIME,
    "#);
}

#[test]
fn an_export_of_nothing_is_empty_but_for_the_header() {
    let folder = tempfile::tempdir().expect("there is room for a temporary folder");
    let _server = ServerProcess::start(folder.path());
    assert_eq!(export(folder.path(), "jsonl"), "");
    assert_eq!(
        export(folder.path(), "csv"),
        "id,phoneNumber,email,linkedId,linkPrecedence,createdAt,updatedAt,deletedAt\n"
    );
}

#[test]
fn export_and_check_run_beside_a_server_and_after_it_and_change_nothing() {
    let folder = three_contacts();
    let alone = export(folder.path(), "jsonl");
    let mut server = ServerProcess::start(folder.path());
    let new = ["identify", "--email", "new@hill.edu"];
    assert_eq!(run(folder.path(), &new).status.code(), Some(0));

    let before = files_with_data(folder.path());
    let beside = export(folder.path(), "jsonl");
    assert_eq!(
        beside.strip_prefix(&alone).map(str::lines).map(Iterator::count),
        Some(1),
        "one more row: {beside}"
    );
    let checked = run(folder.path(), &["check"]);
    assert_eq!(checked.status.code(), Some(0));
    insta::assert_snapshot!(String::from_utf8_lossy(&checked.stdout), @"checked 5 events, 4 contacts, 2 identities, 4 identifiers: all laws hold");
    assert_eq!(files_with_data(folder.path()), before);

    assert_eq!(server.terminate().code(), Some(0));
    assert_eq!(export(folder.path(), "jsonl"), beside);
    assert_eq!(run(folder.path(), &["check"]).stdout, checked.stdout);
}

/// As `shell` runs it, with `$SELFSAME` for the program, and `pipefail`.
fn shell(folder: &Path, line: &str) -> Output {
    let mut bash = Command::new("bash");
    let bash = clean(&mut bash, folder).env("SELFSAME", program());
    bash.args(["-c", &format!("set -o pipefail; {line}")]).output().expect("there is a bash")
}

/// `export --format csv | head -1` ended with an error about a broken pipe, and exit code 2; in JSON it did not.
#[tokio::test]
async fn an_export_whose_reader_has_enough_ends_quietly() {
    let folder = tempfile::tempdir().expect("there is room for a temporary folder");
    let server =
        TestServer::start(open_sqlite(&folder.path().join("selfsame.db")), ServerOptions::default()).await;
    // More than a pipe and all buffers on the way hold.
    let mut sending = JoinSet::new();
    for connection in 0..20 {
        let mut client = server.client().await;
        sending.spawn(async move {
            for number in 0..150 {
                let email = format!("{}{connection}.{number}@hill.edu", "x".repeat(200));
                client.identify(Some(&email), None).await.expect("an answer");
            }
        });
    }
    sending.join_all().await;
    server.drain().await;
    for (format, want) in [("jsonl", "{\"id\":1,"), ("csv", "id,phoneNumber,")] {
        let output = shell(folder.path(), &format!("\"$SELFSAME\" export --format {format} | head -1"));
        let (code, error) = (output.status.code(), String::from_utf8_lossy(&output.stderr));
        assert_eq!((code, error.as_ref()), (Some(0), ""), "{format}");
        let lines = String::from_utf8_lossy(&output.stdout);
        assert!(lines.starts_with(want) && lines.lines().count() == 1, "{format}: {lines}");
    }
}

#[test]
fn an_export_to_a_full_disk_fails_with_a_sentence() {
    let folder = three_contacts();
    for format in ["jsonl", "csv"] {
        let output = shell(folder.path(), &format!("\"$SELFSAME\" export --format {format} > /dev/full"));
        assert_eq!(output.status.code(), Some(2), "{format}");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(
            error.starts_with("error: can't write the export: No space left on device"),
            "{format}: {error}"
        );
    }
}

#[test]
fn the_contact_view_holds_the_original_s_columns_and_cannot_be_written() {
    let folder = three_contacts();
    let connection = Connection::open(folder.path().join("selfsame.db")).unwrap();
    let mut statement = connection.prepare("SELECT * FROM \"Contact\" ORDER BY id").unwrap();
    let mut text = statement.column_names().collect::<Vec<_>>().join(" | ");
    let mut rows = statement.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let column = |place| match row.get_ref(place).unwrap() {
            ValueRef::Null => "null".to_owned(),
            ValueRef::Integer(number) => number.to_string(),
            ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
            other @ (ValueRef::Real(_) | ValueRef::Blob(_)) => panic!("{other:?}"),
        };
        text += "\n";
        // `2026-11-22 13:29:00.000`, as the original's table has times.
        let columns = (0..8).map(column).map(|value| without_times(&(value.replacen(' ', "T", 1) + "Z")));
        text += &columns.map(|value| value.trim_end_matches('Z').to_owned()).collect::<Vec<_>>().join(" | ");
    }
    drop(rows);
    insta::assert_snapshot!(text, @r#"
    id | phoneNumber | email | linkedId | linkPrecedence | createdAt | updatedAt | deletedAt
    1 | 123456 | null | null | primary | TIME | TIME | null
    2 | null | "a,b"@hill.edu | 1 | secondary | TIME | TIME | null
    3 | 123456 | c@hill.edu | 1 | secondary | TIME | TIME | null
    "#);

    for statement in [
        "INSERT INTO \"Contact\" (id, email, \"linkPrecedence\") VALUES (9, 'x@y.z', 'primary')",
        "UPDATE \"Contact\" SET email = 'x@y.z'",
        "DELETE FROM \"Contact\"",
    ] {
        let error = connection.execute(statement, []).unwrap_err().to_string();
        assert!(error.contains("cannot modify Contact because it is a view"), "{statement}: {error}");
    }
}

//! `selfsame backup`: a copy that holds all that was acknowledged before it began, whatever a server does meanwhile.
//!
//! What `restore` makes of it is in `restore`, and of a damaged one in `backup_damage`.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;
use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use selfsame_store::Store;
use support::acknowledged::Found;
use support::crowd::{Addresses, Crowd};
use support::deadline::run_to_end;
use support::fill::fill;
use support::home::Home;
use support::load::Traffic;
use support::process::{ServerProcess, run};
use support::random::Random;
use support::server::open_sqlite;
use support::size::{Size, proved};
use support::small_disk::SmallDisk;
use tempfile::TempDir;

pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().expect("there is room for a temporary folder")
}

/// The exit code, and all that was said.
pub(crate) fn told(output: &Output) -> (Option<i32>, String) {
    let said = [&output.stdout[..], &output.stderr].concat();
    (output.status.code(), String::from_utf8(said).expect("the program speaks UTF-8"))
}

/// Runs a command that must succeed; what it put on standard output.
pub(crate) fn done(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", told(&output).1);
    String::from_utf8(output.stdout).expect("the program speaks UTF-8")
}

pub(crate) fn identify(folder: &Path, email: &str, phone: &str) {
    done(folder, &["identify", "--email", email, "--phone", phone]);
}

/// The names in a folder.
pub(crate) fn names(folder: &Path) -> BTreeSet<String> {
    let entries = folder.read_dir().expect("it is there");
    entries.map(|entry| entry.expect("it can be listed").file_name().into_string().expect("ASCII")).collect()
}

/// Changes `selfsame.db` past the program.
pub(crate) fn change(folder: &Path, sql: &str) {
    let connection = Connection::open(folder.join("selfsame.db")).expect("it is a database");
    connection.execute_batch(sql).expect("the statements fit");
    connection.close().expect("nothing is running");
}

/// The log of a file, a text for each row.
fn log(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).expect("it is a database");
    let row = "SELECT format('%d %d %d %s %d %s %s %s', workspace, sequence, at_ms, kind, format, caused_by, evidence, \
         outcome) FROM events ORDER BY workspace, sequence";
    let mut statement = connection.prepare(row).expect("it has the table");
    let rows = statement.query_map([], |row| row.get(0)).expect("it has no parameters");
    rows.collect::<Result<_, _>>().expect("texts")
}

fn traffic(load: u64, people: u64, random: &mut Random) -> Vec<Traffic> {
    (0..8).map(|client| Traffic::new(load, client, 0..people, random.fork())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_beside_a_busy_server_has_all_that_was_acknowledged_before() {
    let (people, answers, rounds) = Size::of_this_run().pick((3_000, 300, 2), (300_000, 3_000, 10));
    let mut random = Random::of_this_run();
    let home = Home::sqlite();
    let store = home.open().await;
    fill(store.as_ref(), people).await;
    store.close().await.expect("nobody else has it open");
    let mut server = ServerProcess::start(home.path());
    let addresses: Addresses = Arc::new(Mutex::new(vec![server.address]));
    let (mut acknowledged, mut meanwhile, mut backups) = (Vec::new(), 0, Vec::new());
    for round in 0..rounds {
        let mut before = Crowd::start(&addresses, traffic(2 * round, people, &mut random));
        before.answers(answers).await;
        acknowledged.extend(before.end().await.answers);

        if round == 0 {
            // The harness could fail: what `cp` makes of a database that is open lacks what is in the log.
            let copied = folder();
            std::fs::copy(home.path().join("selfsame.db"), copied.path().join("selfsame.db")).unwrap();
            assert_ne!(Found::by_export(copied.path()).losses(&acknowledged), BTreeSet::new());
        }

        let mut during = Crowd::start(&addresses, traffic(2 * round + 1, people, &mut random));
        during.answers(50).await;
        let begun = during.tally().answered;
        let file = format!("{round}.backup");
        let (path, name) = (home.path().to_owned(), file.clone());
        let said = tokio::task::spawn_blocking(move || done(&path, &["backup", &name])).await.unwrap();
        let ended = during.tally().answered;
        assert!(ended > begun, "the server went on meanwhile");
        meanwhile += ended - begun;
        during.answers(50).await;
        drop(during.end().await);
        assert!(said.starts_with(&format!("{file}: ")), "{said}");

        let restored = folder();
        done(restored.path(), &["restore", &home.path().join(&file).display().to_string()]);
        done(restored.path(), &["check"]);
        assert_eq!(Found::by_export(restored.path()).losses(&acknowledged), BTreeSet::new());
        backups.push(home.path().join(file));
    }
    assert_eq!(server.terminate().code(), Some(0));
    let whole = log(&home.path().join("selfsame.db"));
    for backup in &backups {
        let copied = log(backup);
        assert!(copied.len() < whole.len(), "more came after it");
        assert!(whole.starts_with(&copied), "it is what the log was at one moment");
    }
    proved(&format!(
        "backup: {rounds} beside a server at {people} people, each a prefix of the log with all {} answers given before, \
         {meanwhile} answers given meanwhile",
        acknowledged.len()
    ));
}

#[test]
fn a_backup_is_one_private_packed_file_and_says_what_to_compare() {
    let folder = folder();
    identify(folder.path(), "doc@hill.edu", "1");
    identify(folder.path(), "marty@hill.edu", "1");
    let said = done(folder.path(), &["backup", "copy"]);
    let file = folder.path().join("copy");
    let metadata = file.metadata().unwrap();
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o600);
    let digest = std::process::Command::new("sha256sum").arg(&file).output().unwrap();
    let digest = String::from_utf8(digest.stdout).unwrap()[..64].to_owned();
    assert_eq!(said, format!("copy: {} bytes, 2 events, 2 contacts, sha256 {digest}\n", metadata.len()));

    // Any SQLite tool opens it, and what a person can do by hand agrees.
    let shell = format!(
        "sqlite3 copy 'PRAGMA integrity_check; PRAGMA journal_mode; PRAGMA freelist_count; SELECT count(*) FROM \"Contact\"'
         test $(head -c -{seal} copy | sha256sum | cut -c 1-64) = $(tail -n 1 copy | grep -o '[0-9a-f]*$')",
        seal = "\nselfsame backup, format 1; sha256 of all before this line: \n".len() + 64
    );
    let shell =
        std::process::Command::new("sh").args(["-ec", &shell]).current_dir(folder.path()).output().unwrap();
    assert_eq!(told(&shell), (Some(0), "ok\ndelete\n0\n2\n".to_owned()));
    let left: BTreeSet<String> =
        names(folder.path()).into_iter().filter(|name| !name.starts_with("selfsame.db")).collect();
    assert_eq!(left, BTreeSet::from(["copy".to_owned()]), "nothing else was left");
}

#[test]
fn a_backup_overwrites_nothing_and_is_refused_with_a_sentence() {
    let folder = folder();
    let at = |path: &str| folder.path().canonicalize().unwrap().join(path).display().to_string();
    let missing = format!(
        "error: there is no database `{}`\nhint: check DATABASE_URL; `selfsame serve` makes a new one\n",
        at("selfsame.db")
    );
    assert_eq!(told(&run_to_end(folder.path(), &["backup", "copy"])), (Some(2), missing));
    assert_eq!(names(folder.path()), BTreeSet::new());

    identify(folder.path(), "doc@hill.edu", "1");
    std::fs::write(folder.path().join("file"), "mine").unwrap();
    std::os::unix::fs::symlink("nowhere", folder.path().join("link")).unwrap();
    for name in ["file", "link", "selfsame.db"] {
        let want = format!(
            "error: `{name}` is there already, and a backup overwrites nothing\nhint: name another file\n"
        );
        assert_eq!(told(&run_to_end(folder.path(), &["backup", name])), (Some(2), want));
    }
    assert_eq!(std::fs::read_to_string(folder.path().join("file")).unwrap(), "mine");
    let (code, said) = told(&run_to_end(folder.path(), &["backup", "none/copy"]));
    assert!(code == Some(2) && said.starts_with("error: the folder `none` can't be used: "), "{said}");

    let url = "postgresql://shop:secret@127.0.0.1:1/shop";
    for arguments in [["backup", "copy"], ["restore", "file"]] {
        let arguments = [&arguments[..], &["--database-url", url]].concat();
        let want = "error: postgresql://127.0.0.1:1/shop is in PostgreSQL, which has its own tools for this\n\
             hint: pg_dump and pg_restore; docs/OPERATIONS.md, \"Backup and restore\", has the commands\n";
        assert_eq!(told(&run_to_end(folder.path(), &arguments)), (Some(2), want.to_owned()));
    }
}

/// Rows that a merge has yet to move are right in the copy because the copy knows that they are; where it doesn't, the
/// database breaks a law, and there is no backup.
#[test]
fn a_merge_that_is_being_written_is_right_in_the_copy_and_a_broken_database_is_not_copied() {
    let folder = folder();
    identify(folder.path(), "doc@hill.edu", "1");
    identify(folder.path(), "marty@hill.edu", "2");
    identify(folder.path(), "doc@hill.edu", "2");
    let merged = done(folder.path(), &["export"]);
    change(
        folder.path(),
        "UPDATE contacts SET linked_id = NULL, updated_at_ms = created_at_ms WHERE id = 2;
         UPDATE workspaces SET linked_sequence = 2",
    );
    done(folder.path(), &["backup", "copy"]);
    let restored = self::folder();
    done(restored.path(), &["restore", &folder.path().join("copy").display().to_string()]);
    assert_eq!(done(restored.path(), &["export"]), merged);
    let linked = Connection::open(restored.path().join("selfsame.db")).unwrap();
    let linked: i64 =
        linked.query_row("SELECT linked_sequence FROM workspaces", [], |row| row.get(0)).unwrap();
    assert_eq!(linked, 2, "the next server ends the merge");

    change(folder.path(), "UPDATE workspaces SET linked_sequence = 3");
    let (code, said) = told(&run_to_end(folder.path(), &["backup", "broken"]));
    let want = "fault: contact 2 is not what the log adds up to: ";
    assert!(code == Some(1) && said.starts_with(want) && said.contains("no backup: "), "{said}");
    assert!(!folder.path().join("broken").exists());
}

#[tokio::test]
async fn a_disk_without_room_for_a_backup_is_told_and_left_as_it_was() {
    let folder = folder();
    let store = open_sqlite(&folder.path().join("selfsame.db"));
    fill(&*store, 20_000).await;
    store.close().await.expect("nobody else has it open");
    let disk = SmallDisk::mount(1 << 20, 1 << 10);
    let target = disk.path().join("copy").display().to_string();
    let (code, said) = told(&run_to_end(folder.path(), &["backup", &target]));
    assert!(code == Some(2) && said.starts_with("error: no space is left for "), "{said}");
    assert_eq!(names(disk.path()), BTreeSet::from(["ballast".to_owned()]));
}

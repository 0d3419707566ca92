//! Files that the program can't use: each is refused with a sentence, and not a byte of it is changed.

use std::path::Path;

use rusqlite::Connection;
use support::deadline::run_to_end;
use support::files::files_with_data;
use support::process::run;
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().expect("there is room for a temporary folder")
}

/// A database of this version.
fn database(folder: &Path) {
    assert_eq!(run(folder, &["identify", "--email", "doc@hill.edu"]).status.code(), Some(0));
}

fn change(folder: &Path, sql: &str) {
    let connection = Connection::open(folder.join("selfsame.db")).expect("it can be made");
    connection.execute_batch(sql).expect("the statements fit");
    connection.close().expect("nothing is running");
}

/// Every command refuses `selfsame.db` in `folder` with exit code 2 and `want`, in which `PATH` is its path, and
/// leaves what is there as it is.
fn check_refused(folder: &Path, commands: &[&[&str]], want: &str) {
    let path = folder.canonicalize().expect("it is there").join("selfsame.db");
    let before = files_with_data(folder);
    for command in commands {
        let output = run_to_end(folder, command);
        let error = String::from_utf8(output.stderr).expect("the program speaks UTF-8");
        let error = error.replace(&path.display().to_string(), "PATH");
        assert_eq!((output.status.code(), error.as_str()), (Some(2), want), "{command:?}");
        assert_eq!(files_with_data(folder), before, "{command:?}");
    }
}

const SERVE: &[&str] = &["serve", "--port", "0"];
const IDENTIFY: &[&str] = &["identify", "--email", "doc@hill.edu"];
const EXPORT: &[&str] = &["export"];
const CHECK: &[&str] = &["check"];
const ALL: &[&[&str]] = &[SERVE, IDENTIFY, EXPORT, CHECK];

#[test]
fn a_database_of_a_newer_version_is_refused() {
    let folder = folder();
    database(folder.path());
    change(
        folder.path(),
        "INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
         VALUES (99, 'later', '2030-01-01T00:00:00Z', '1')",
    );
    check_refused(
        folder.path(),
        ALL,
        "error: the database `PATH` was made by a newer version of selfsame (schema 99, and this version knows 6)\n\
         hint: run that version or a later one; the file was not touched\n",
    );
}

#[test]
fn a_database_of_another_program_is_refused() {
    for sql in [
        "CREATE TABLE shop (id INTEGER)",
        "PRAGMA journal_mode = WAL; CREATE TABLE shop (id INTEGER)",
        // It has tables of our names, but isn't ours.
        "CREATE TABLE contacts (id INTEGER); CREATE TABLE refinery_schema_history (version INTEGER)",
        "PRAGMA application_id = 7; CREATE TABLE shop (id INTEGER)",
    ] {
        let folder = folder();
        change(folder.path(), sql);
        check_refused(
            folder.path(),
            ALL,
            "error: `PATH` is a SQLite database, but not one of selfsame's\n\
             hint: give selfsame a file of its own with DATABASE_URL=sqlite:PATH; this one was not touched\n",
        );
        assert_eq!(folder.path().read_dir().unwrap().count(), 1, "nothing was made beside it");
    }
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    for bytes in [&b"zelda@example.org,123456\n"[..], &[0; 8192], b"SQLite format 3"] {
        let folder = folder();
        std::fs::write(folder.path().join("selfsame.db"), bytes).expect("there is room");
        check_refused(
            folder.path(),
            ALL,
            "error: `PATH` is not a SQLite database\nhint: check DATABASE_URL; the file was not touched\n",
        );
        assert_eq!(folder.path().read_dir().unwrap().count(), 1, "nothing was made beside it");
    }
}

#[test]
fn a_database_that_is_not_there_is_made_by_commands_that_write_and_by_no_other() {
    let folder = folder();
    check_refused(
        folder.path(),
        &[EXPORT, CHECK],
        "error: there is no database `PATH`\nhint: check DATABASE_URL; `selfsame serve` makes a new one\n",
    );
    assert_eq!(folder.path().read_dir().expect("it is there").count(), 0, "nothing was made");
    assert_eq!(run(folder.path(), IDENTIFY).status.code(), Some(0));
}

#[test]
fn a_folder_that_is_not_there_is_not_made() {
    let folder = folder();
    for command in ALL {
        let arguments = [*command, &["--database-url", "sqlite:none/shop.db"]].concat();
        check_refused(
            folder.path(),
            &[&arguments],
            "error: the folder of the database `none/shop.db` does not exist\nhint: make it, or check DATABASE_URL\n",
        );
    }
    assert_eq!(folder.path().read_dir().expect("it is there").count(), 0, "nothing was made");
}

#[test]
fn a_folder_in_the_place_of_a_database_is_refused() {
    let folder = folder();
    std::fs::create_dir(folder.path().join("selfsame.db")).expect("folders can be made");
    for command in ALL {
        let output = run_to_end(folder.path(), command);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{command:?}: {error}");
        assert!(error.starts_with("error: the database `"), "{command:?}: {error}");
    }
}

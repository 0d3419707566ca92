//! `selfsame restore`: a backup in the place of a database, which is as it was when the backup was made, and whoever stands in
//! the way.

use std::os::unix::fs::FileExt;
use std::path::Path;

use rusqlite::Connection;
use support::deadline::run_to_end;
use support::process::{ServerProcess, command};

use crate::backup::{change, done, folder, identify, names, told};
use crate::migrations::BACK_TO_THE_FIRST;

/// The name under which an old database was kept.
fn kept(folder: &Path) -> String {
    let kept: Vec<String> =
        names(folder).into_iter().filter(|name| name.contains(".before-restore-")).collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    kept[0].clone()
}

#[test]
fn a_restored_database_is_the_one_that_was_backed_up_and_is_served() {
    let folder = folder();
    let mut server = ServerProcess::start(folder.path());
    identify(folder.path(), "doc@hill.edu", "1");
    identify(folder.path(), "marty@hill.edu", "1");
    let before = done(folder.path(), &["export"]);
    let said = done(folder.path(), &["backup", "copy"]);
    identify(folder.path(), "late@hill.edu", "2");
    let after = done(folder.path(), &["export"]);
    assert_ne!(after, before);

    // Only looking is allowed beside a server.
    assert_eq!(done(folder.path(), &["restore", "--dry-run", "copy"]), said);
    let path = folder.path().canonicalize().unwrap().join("selfsame.db").display().to_string();
    let want = format!(
        "error: a server (process {}) has the database `{path}` open\nhint: stop it first; nothing was changed\n",
        server.id()
    );
    assert_eq!(told(&run_to_end(folder.path(), &["restore", "--replace", "copy"])), (Some(2), want));
    assert_eq!(done(folder.path(), &["export"]), after);

    // Killed, so that what is to be kept is in the log.
    server.kill();
    let want = format!(
        "error: there is a database at `{path}` already\n\
         hint: --replace puts the backup in its place, and keeps it beside under another name\n"
    );
    assert_eq!(told(&run_to_end(folder.path(), &["restore", "copy"])), (Some(2), want));
    let replaced = done(folder.path(), &["restore", "--replace", "copy"]);
    let kept = kept(folder.path());
    assert_eq!(
        replaced,
        format!(
            "{said}restored: `{path}` now has 2 contacts\nkept: what was there is `{}`\n",
            path.replace("selfsame.db", &kept)
        )
    );
    assert_eq!(done(folder.path(), &["export"]), before);
    assert_eq!(done(folder.path(), &["export", "--database-url", &format!("sqlite:{kept}")]), after);

    let mut server = ServerProcess::start(folder.path());
    identify(folder.path(), "new@hill.edu", "3");
    assert_eq!(server.terminate().code(), Some(0));
    done(folder.path(), &["check"]);
    assert_eq!(done(folder.path(), &["restore", "--dry-run", "copy"]), said, "the backup is as it was");
}

#[test]
fn a_restore_into_an_empty_folder_needs_no_word_for_it() {
    let made = folder();
    identify(made.path(), "doc@hill.edu", "1");
    done(made.path(), &["backup", "copy"]);
    let copy = made.path().join("copy").display().to_string();
    let empty = folder();
    done(empty.path(), &["restore", "--dry-run", &copy]);
    assert!(names(empty.path()).is_empty(), "only looked at");
    done(empty.path(), &["restore", &copy]);
    assert_eq!(names(empty.path()).into_iter().collect::<Vec<_>>(), ["selfsame.db", "selfsame.db.lock"]);
    assert_eq!(done(empty.path(), &["export"]), done(made.path(), &["export"]));
}

/// SQLite would take a log that stands there for the restored file's.
#[test]
fn a_log_without_its_database_is_refused() {
    let made = folder();
    identify(made.path(), "doc@hill.edu", "1");
    done(made.path(), &["backup", "copy"]);
    std::fs::remove_file(made.path().join("selfsame.db")).unwrap();
    std::fs::write(made.path().join("selfsame.db-wal"), "acknowledged").unwrap();
    let (code, said) = told(&run_to_end(made.path(), &["restore", "copy"]));
    assert!(code == Some(2) && said.contains("selfsame.db-wal` stands there without its database"), "{said}");
    assert!(!made.path().join("selfsame.db").exists());
}

#[test]
fn a_program_that_reads_the_old_database_is_waited_for_by_the_person() {
    let folder = folder();
    identify(folder.path(), "doc@hill.edu", "1");
    done(folder.path(), &["backup", "copy"]);
    let reader = Connection::open(folder.path().join("selfsame.db")).unwrap();
    let read = || reader.query_row("SELECT count(*) FROM contacts", [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(read(), 1);
    let (code, said) = told(&run_to_end(folder.path(), &["restore", "--replace", "copy"]));
    assert!(code == Some(2) && said.contains("error: another program has the database `"), "{said}");
    assert!(!names(folder.path()).iter().any(|name| name.contains(".before-restore-")));
    reader.close().unwrap();
    done(folder.path(), &["restore", "--replace", "copy"]);
}

/// The worst case that a restore is for: the file's header is gone. What stood in the log is in what is kept.
#[test]
fn what_is_left_of_a_damaged_database_is_kept_with_what_was_in_its_log() {
    let folder = folder();
    identify(folder.path(), "doc@hill.edu", "1");
    let whole = done(folder.path(), &["export"]);
    done(folder.path(), &["backup", "copy"]);
    let mut server = ServerProcess::start(folder.path());
    identify(folder.path(), "late@hill.edu", "2");
    server.kill();
    let file = folder.path().join("selfsame.db");
    let header = std::fs::read(&file).unwrap()[..16].to_owned();
    overwrite(&file, &[b'x'; 16]);

    let (code, said) = told(&run_to_end(folder.path(), &["restore", "copy"]));
    assert!(code == Some(2) && said.contains("there is a database at `"), "{said}");
    done(folder.path(), &["restore", "--replace", "copy"]);
    assert_eq!(done(folder.path(), &["export"]), whole);
    // Mended by hand, to be read.
    let kept = kept(folder.path());
    overwrite(&folder.path().join(&kept), &header);
    let kept = done(folder.path(), &["export", "--database-url", &format!("sqlite:{kept}")]);
    assert!(kept.starts_with(&whole) && kept.contains("late@hill.edu"), "{kept}");
}

fn overwrite(path: &Path, header: &[u8]) {
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(header, 0).unwrap();
}

#[test]
fn a_backup_of_the_first_schema_is_restored_as_it_is_and_migrated_by_the_next_server() {
    let folder = folder();
    identify(folder.path(), "doc@hill.edu", "1");
    let whole = done(folder.path(), &["export"]);
    change(folder.path(), BACK_TO_THE_FIRST);
    done(folder.path(), &["backup", "copy"]);
    done(folder.path(), &["restore", "--replace", "copy"]);
    let connection = Connection::open(folder.path().join("selfsame.db")).unwrap();
    let schema = "SELECT max(version) FROM refinery_schema_history";
    assert_eq!(connection.query_row(schema, [], |row| row.get::<_, i64>(0)).unwrap(), 1);
    connection.close().unwrap();
    let mut serve = command(folder.path(), &["serve", "--port", "0", "--migrate=false"]);
    serve.env("SELFSAME_LOG", "error");
    assert!(ServerProcess::spawn(serve).is_err(), "it is of an older schema");
    let mut server = ServerProcess::start(folder.path());
    assert_eq!(server.terminate().code(), Some(0));
    assert_eq!(done(folder.path(), &["export"]), whole);
}

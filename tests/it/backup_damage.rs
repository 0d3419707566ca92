//! Backups that were damaged: whatever was changed, none is taken for good.

use std::path::Path;

use rusqlite::Connection;
use selfsame_store::Store;
use support::deadline::run_to_end;
use support::fill::fill;
use support::random::Random;
use support::server::open_sqlite;
use support::size::{Size, proved};

use crate::backup::{done, folder, identify, names, told};

/// Changes some bytes, or cuts the file off; what was done.
fn damage(bytes: &mut Vec<u8>, random: &mut Random) -> String {
    let place = |random: &mut Random, length: usize| {
        usize::try_from(random.below(length as u64)).expect("it is below a length")
    };
    if random.once_in(4) {
        let length = place(random, bytes.len());
        bytes.truncate(length);
        return format!("cut off to {length}");
    }
    let mut done = Vec::new();
    for _ in 0..=random.below(4) {
        // Often at the end, where the seal is.
        let length = bytes.len();
        let from = if random.once_in(3) { length - 200 } else { 0 };
        let at = from + place(random, length - from);
        let flip = u8::try_from(1 + random.below(255)).expect("it is below 256");
        bytes[at] ^= flip;
        done.push(format!("{at} ^ {flip}"));
    }
    done.join(", ")
}

#[tokio::test]
async fn no_damaged_backup_is_taken_for_good() {
    let (people, rounds) = Size::of_this_run().pick((200, 60), (2_000, 3_000));
    let mut random = Random::of_this_run();
    let folder = folder();
    let store = open_sqlite(&folder.path().join("selfsame.db"));
    fill(&*store, people).await;
    store.close().await.expect("nobody else has it open");
    done(folder.path(), &["backup", "good"]);
    let good = std::fs::read(folder.path().join("good")).unwrap();
    let elsewhere = self::folder();
    let file = elsewhere.path().join("file");
    let mut judged = 0;
    while judged < rounds {
        let mut bytes = good.clone();
        let what = damage(&mut bytes, &mut random);
        if bytes == good {
            continue;
        }
        judged += 1;
        std::fs::write(&file, bytes).unwrap();
        let (code, said) = told(&run_to_end(elsewhere.path(), &["restore", "file"]));
        assert_eq!(code, Some(1), "{what}: {said}");
        assert!(said.contains("not restored: `file` can't be trusted: "), "{what}: {said}");
        assert!(!elsewhere.path().join("selfsame.db").exists(), "{what}");
    }
    std::fs::write(&file, good).unwrap();
    done(elsewhere.path(), &["restore", "file"]);
    proved(&format!("backup: {rounds} damaged ones, none taken for good"));
}

/// What the laws alone would take for good, which is why the seal is there: and that a restore of changed bytes would be seen.
#[test]
fn a_change_that_breaks_no_law_is_seen_by_the_seal_alone() {
    let folder = folder();
    identify(folder.path(), "doc@hill.edu", "1");
    done(folder.path(), &["backup", "good"]);
    let mut bytes = std::fs::read(folder.path().join("good")).unwrap();
    let typed = b"selfsame identify";
    let at = bytes.windows(typed.len()).position(|window| window == typed).expect("who caused the event");
    bytes[at] = b'S';
    std::fs::write(folder.path().join("changed"), &bytes).unwrap();
    let (code, said) = told(&run_to_end(folder.path(), &["restore", "--dry-run", "changed"]));
    let want = "not restored: `changed` can't be trusted: it was changed since it was written\nhint: nothing was changed\n";
    assert_eq!((code, said.as_str()), (Some(1), want));

    // Without its seal it is a database like any other that somebody copied, and is taken on trust.
    bytes.truncate(bytes.len() - bytes.len() % 4096);
    std::fs::write(folder.path().join("unsealed"), &bytes).unwrap();
    let (code, said) = told(&run_to_end(folder.path(), &["restore", "--dry-run", "unsealed"]));
    assert!(code == Some(1) && said.contains("there is --unsealed"), "{said}");
    done(folder.path(), &["restore", "--replace", "--unsealed", "unsealed"]);
    assert_eq!(caused_by(&folder.path().join("selfsame.db")), "Selfsame identify");
}

fn caused_by(path: &Path) -> String {
    let connection = Connection::open(path).unwrap();
    connection.query_row("SELECT caused_by FROM events", [], |row| row.get(0)).unwrap()
}

#[test]
fn what_is_no_backup_of_selfsames_is_refused_and_nothing_is_touched() {
    let made = folder();
    let sqlite = |name: &str, sql: &str| {
        Connection::open(made.path().join(name)).unwrap().execute_batch(sql).unwrap();
    };
    identify(made.path(), "doc@hill.edu", "1");
    done(made.path(), &["backup", "good"]);
    std::fs::write(made.path().join("text"), "zelda@example.org,123456\n").unwrap();
    std::fs::write(made.path().join("empty"), "").unwrap();
    sqlite("foreign", "CREATE TABLE shop (id INTEGER)");
    for name in ["newer", "fewer", "logged"] {
        std::fs::copy(made.path().join("good"), made.path().join(name)).unwrap();
    }
    sqlite(
        "newer",
        "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) VALUES (99, 'l', '2030-01-01T00:00:00Z', '1')",
    );
    sqlite("fewer", "DELETE FROM contacts");
    std::fs::write(made.path().join("logged-wal"), "some").unwrap();
    let there = names(made.path());
    for (name, unsealed, want) in [
        ("text", false, "it is not a SQLite database"),
        ("empty", false, "it is empty"),
        ("foreign", false, "it is a SQLite database, but not one of selfsame's"),
        ("newer", true, "it was made by a newer version of selfsame (schema 99, and this version knows 6)"),
        ("fewer", true, "contact 1 is in the log, but not stored"),
        ("logged", false, "`logged-wal` belongs to it, so it is no whole backup"),
    ] {
        // The seal of a changed file is taken off, so that what is behind it is looked at.
        if unsealed {
            let bytes = std::fs::read(made.path().join(name)).unwrap();
            std::fs::write(made.path().join(name), &bytes[..bytes.len() - bytes.len() % 4096]).unwrap();
        }
        let mut arguments = vec!["restore", "--replace", name];
        arguments.extend(unsealed.then_some("--unsealed"));
        let before = done(made.path(), &["export"]);
        let (code, said) = told(&run_to_end(made.path(), &arguments));
        assert_eq!(code, Some(1), "{name}: {said}");
        assert!(
            said.contains(&format!("not restored: `{name}` can't be trusted: {want}\n")),
            "{name}: {said}"
        );
        assert_eq!(done(made.path(), &["export"]), before, "{name}");
        let new: Vec<String> = names(made.path()).difference(&there).cloned().collect();
        assert!(new.iter().all(|name| name.starts_with("selfsame.db-")), "{name}: {new:?}");
    }
    let (code, said) = told(&run_to_end(made.path(), &["restore", "--replace", "none"]));
    assert_eq!(
        (code, said.as_str()),
        (Some(2), "error: `none` can't be copied: No such file or directory (os error 2)\n")
    );
}

//! `selfsame doctor`: what it says of installations that are broken, each in its own way, and of one that isn't.
//!
//! Those on PostgreSQL are in `doctor_postgres`.

use std::fs::{Permissions, set_permissions, write};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use rusqlite::Connection;
use serde_json::Value;
use support::deadline::run_to_end;
use support::files::files_with_data;
use support::process::{ServerProcess, clean, command, program};
use support::small_disk::SmallDisk;
use tempfile::TempDir;

use crate::backup::{change, folder, identify, names, told};
use crate::migrations::BACK_TO_THE_FIRST;

/// What must be said: how bad it is, by which check, and some of its words.
pub(crate) type Line = (&'static str, &'static str, &'static str);

/// A server that nobody needs: the settings name a port on which nobody listens.
pub(crate) const NO_SERVER: &str = "--port=1";

/// What the program reports of a folder, and its exit code.
pub(crate) fn report(folder: &Path, arguments: &[&str]) -> (Option<i32>, Value) {
    let output = run_to_end(folder, &[&["doctor", "--json"], arguments].concat());
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{:?}", told(&output)));
    (output.status.code(), report)
}

/// Whether the report has that line.
pub(crate) fn says(report: &Value, (level, check, words): Line) -> bool {
    let lines = report["checks"].as_array().expect("a list");
    lines.iter().any(|line| {
        line["level"] == level && line["check"] == check && line["says"].as_str().unwrap().contains(words)
    })
}

/// Asserts that it is said, that what isn't well has a hint, and that counts and exit code say the same.
pub(crate) fn assert_says(what: &str, (code, report): &(Option<i32>, Value), line: Line) {
    assert!(says(report, line), "{what}: {line:?} is not in {report:#}");
    let lines = report["checks"].as_array().expect("a list");
    let of_level = |level| lines.iter().filter(|line| line["level"] == level).count();
    let problems = of_level("problem");
    assert_eq!((&report["problems"], &report["warnings"]), (&problems.into(), &of_level("warning").into()));
    assert_eq!(*code, Some(i32::from(problems > 0)), "{what}: {report:#}");
    for line in lines {
        assert_eq!(line["hint"].is_null(), line["level"] == "ok", "{what}: {line}");
        assert!(!line.to_string().contains("secret"), "{what}: {line}");
    }
}

/// An installation with a customer.
fn healthy() -> TempDir {
    let folder = folder();
    identify(folder.path(), "doc@hill.edu", "1");
    folder
}

fn mode(path: &Path, mode: u32) {
    set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
}

/// How an installation is broken, with which arguments it is looked at, and what must be said.
type Broken = (&'static str, fn(&Path), &'static [&'static str], Line);

const BROKEN: &[Broken] = &[
    (
        "a file that others may read",
        |folder| mode(&folder.join("selfsame.db"), 0o644),
        &[],
        (
            "problem",
            "permissions",
            "selfsame.db` holds personal data, and others than its owner may use it (mode 0644)",
        ),
    ),
    (
        "a folder that others may write",
        |folder| mode(folder, 0o777),
        &[],
        ("warning", "folder", "others may take files away from"),
    ),
    (
        "a file that a command of root's left",
        |folder| {
            write(folder.join("selfsame.db-shm"), "").unwrap();
            chown(folder.join("selfsame.db-shm"), Some(12_345), None).expect("run this test as root");
        },
        &[],
        ("problem", "owner", "selfsame.db-shm` belongs to user 12345, and the database to user "),
    ),
    (
        "a database of another user",
        |folder| {
            for name in names(folder) {
                chown(folder.join(name), Some(12_345), None).expect("run this test as root");
            }
        },
        &[],
        ("warning", "owner", "the database belongs to user 12345, and the one who asks is "),
    ),
    (
        "a file that is no database",
        |folder| write(folder.join("selfsame.db"), "zelda@example.org,123456\n".repeat(9)).unwrap(),
        &[],
        ("problem", "database", ""),
    ),
    (
        "a damaged page",
        |folder| {
            let path = folder.join("selfsame.db");
            let root = "SELECT rootpage - 1 FROM sqlite_schema WHERE name = 'contacts'";
            let root: u32 = Connection::open(&path).unwrap().query_row(root, [], |row| row.get(0)).unwrap();
            let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
            file.write_all_at(&[0xff; 64], u64::from(root) * 4096).unwrap();
        },
        &[],
        ("problem", "integrity", "SQLite finds: "),
    ),
    (
        "a database of a newer version",
        |folder| {
            change(
                folder,
                "INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
                 VALUES (99, 'later', '2030-01-01T00:00:00Z', '1')",
            );
        },
        &[],
        ("problem", "schema", "99, of a newer version of selfsame; this one knows 6"),
    ),
    (
        "a database of an older version",
        |folder| change(folder, BACK_TO_THE_FIRST),
        &[],
        ("warning", "schema", "1, and this version has 6"),
    ),
    (
        "a database of an older version that may not be migrated",
        |folder| change(folder, BACK_TO_THE_FIRST),
        &["--migrate=false"],
        ("problem", "schema", "1, and this version needs 6; with --migrate=false `serve` does not start"),
    ),
    (
        "no database",
        |_| (),
        &["--database-url", "sqlite:shop.db"],
        ("warning", "database", "shop.db` is not there yet"),
    ),
    (
        "no database, and none may be made",
        |_| (),
        &["--database-url", "sqlite:shop.db", "--migrate=false"],
        ("problem", "database", "shop.db` is not there yet"),
    ),
    (
        "no folder",
        |_| (),
        &["--database-url", "sqlite:none/shop.db"],
        ("problem", "database", "the folder of `none/shop.db` is not there"),
    ),
    (
        "a URL of nothing",
        |_| (),
        &["--database-url", "mysql://root:secret@db/shop"],
        ("problem", "database", "DATABASE_URL must begin with `sqlite:` or `postgresql:`"),
    ),
    (
        "a server that was killed",
        |folder| {
            let mut server = ServerProcess::start(folder);
            identify(folder, "marty@hill.edu", "1");
            server.kill();
        },
        &[],
        ("warning", "write-ahead log", " of a server that did not end by itself"),
    ),
    (
        "a socket that was left",
        |folder| ServerProcess::start(folder).kill(),
        &[],
        ("warning", "writer", "a server that was killed has left its socket"),
    ),
    (
        "a clock that is behind",
        |folder| change(folder, "UPDATE workspaces SET last_event_at_ms = last_event_at_ms + 3600000"),
        &[],
        ("warning", "clock", "s behind the last event"),
    ),
    (
        "more contacts than the memory holds",
        |folder| change(folder, "UPDATE workspaces SET last_contact_id = 1000000000000"),
        &[],
        ("problem", "memory", "the number of contacts (1000000000000) asks for "),
    ),
    (
        "a file of passwords that others may read",
        |folder| {
            write(folder.join(".env"), "PGPASSWORD=secret\n").unwrap();
            mode(&folder.join(".env"), 0o644);
        },
        &[],
        (
            "problem",
            "settings files",
            "`.env` holds a password, and others than its owner may use it (mode 0644)",
        ),
    ),
    (
        "a TOML file with a password that others may read",
        |folder| {
            write(
                folder.join("selfsame.toml"),
                "database-url = \"postgresql://shop:secret@127.0.0.1:1/shop\"",
            )
            .unwrap();
            mode(&folder.join("selfsame.toml"), 0o640);
        },
        &[],
        ("problem", "settings files", "`selfsame.toml` holds a password"),
    ),
    (
        "a setting that nobody knows",
        |folder| write(folder.join("selfsame.toml"), "prot = 1\n").unwrap(),
        &[],
        ("problem", "settings", "the settings file `selfsame.toml`: unknown field `prot`"),
    ),
    (
        "a part of the URL that nobody knows",
        |_| (),
        &["--database-url", "postgresql://shop:secret@127.0.0.1:1/shop?colour=red"],
        ("warning", "settings", "DATABASE_URL: "),
    ),
    ("a log filter that is none", |_| (), &["--log", "=x=y"], ("problem", "log", "`--log` is no log filter")),
    ("a log of everything", |_| (), &["--log", "trace"], ("warning", "log", "which may name customers")),
    (
        "an address that strangers reach",
        |_| (),
        &["--host", "0.0.0.0"],
        ("problem", "address", "HOST 0.0.0.0 can be reached from other machines"),
    ),
    (
        "a key that anybody could guess",
        |folder| {
            write(folder.join(".env"), "SELFSAME_ADMIN_KEY=guess\n").unwrap();
            mode(&folder.join(".env"), 0o600);
        },
        &[],
        ("problem", "admin key", "SELFSAME_ADMIN_KEY is shorter than 32 characters"),
    ),
    (
        "an address that strangers reach, as was asked for",
        |_| (),
        &["--host", "0.0.0.0", "--insecure-no-auth"],
        ("warning", "address", "whoever gets there reads and writes every customer"),
    ),
    (
        "a host that is none",
        |_| (),
        &["--host", "not a host"],
        ("problem", "address", "HOST `not a host` is no address"),
    ),
    (
        "too little time for the end",
        |_| (),
        &["--drain-timeout-seconds", "5"],
        ("warning", "drain timeout", "the server waits 5 s for requests that may take 10 s"),
    ),
    (
        "more time for the end than there is",
        |_| (),
        &["--drain-timeout-seconds", "45"],
        ("warning", "drain timeout", "45 s: what stops the server may kill it before"),
    ),
    ("no server", |_| (), &[], ("warning", "server", "nobody listens at 127.0.0.1:1")),
];

#[test]
fn each_broken_installation_is_called_so() {
    let sound = healthy();
    let (code, sound) = report(sound.path(), &[NO_SERVER]);
    assert_eq!((code, &sound["problems"]), (Some(0), &0.into()), "{sound:#}");
    for (what, break_it, arguments, line) in BROKEN {
        let folder = healthy();
        break_it(folder.path());
        let found = report(folder.path(), &[*arguments, &[NO_SERVER]].concat());
        assert_says(what, &found, *line);
        // Otherwise it would prove nothing that the line is there.
        assert!(*what == "no server" || !says(&sound, *line), "{what}: it is said of a sound one, too");
    }
}

#[test]
fn a_sound_installation_is_told_in_a_line_each_and_nothing_is_changed() {
    let folder = healthy();
    let mut server = ServerProcess::start(folder.path());
    let port = format!("--port={}", server.address.port());
    let before = (files_with_data(folder.path()), names(folder.path()));
    let (code, said) = told(&run_to_end(folder.path(), &["doctor", &port]));
    assert_eq!(code, Some(0), "{said}");
    for want in [
        "ok       settings: they can be read\n".to_owned(),
        "ok       database: sqlite:selfsame.db is there\n".to_owned(),
        "ok       schema: 6, which is this version's\n".to_owned(),
        format!("ok       writer: process {} has the database open for writing\n", server.id()),
        format!("ok       server: it listens at {}, and is ready\n", server.address),
        "ok       version: the server is selfsame ".to_owned(),
    ] {
        assert!(said.contains(&want), "{want:?} is not in {said}");
    }
    assert!(said.lines().last().unwrap().starts_with("0 problems, "), "{said}");
    assert_eq!((files_with_data(folder.path()), names(folder.path())), before);

    assert_eq!(server.terminate().code(), Some(0));
    let before = (files_with_data(folder.path()), names(folder.path()));
    report(folder.path(), &[]);
    assert_eq!((files_with_data(folder.path()), names(folder.path())), before, "also where nobody writes");
}

#[test]
fn a_server_that_is_not_well_is_called_so() {
    let folder = healthy();
    let server = ServerProcess::start(folder.path());
    let port = format!("--port={}", server.address.port());
    std::fs::remove_file(folder.path().join("selfsame.db.sock")).unwrap();
    let found = report(folder.path(), &[&port]);
    assert_says("no socket", &found, ("warning", "writer", "and no socket for commands is there"));

    std::fs::rename(folder.path().join("selfsame.db"), folder.path().join("aside.db")).unwrap();
    let found = report(folder.path(), &[&port]);
    assert_says("no database", &found, ("problem", "server", "and is not ready: 503 Service Unavailable: "));
    assert_says("no database", &found, ("warning", "database", "selfsame.db` is not there yet"));

    for (body, line) in [
        (
            r#"{"status":"ok","version":"0.0.1"}"#,
            ("warning", "version", "the server is selfsame 0.0.1, and this program is "),
        ),
        (r#"{"status":"ok"}"#, ("warning", "version", "the server is selfsame of an earlier version")),
        (
            r#"{"it":"works"}"#,
            ("problem", "server", "is not selfsame: its answer to /healthz is not selfsame's"),
        ),
    ] {
        let address = answering(body);
        let found = report(folder.path(), &[&format!("--port={}", address.port())]);
        assert_says(body, &found, line);
    }
}

/// Something that gives that answer to whatever is asked.
fn answering(body: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("the listener is open");
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).expect("a request has a head");
                head.extend(byte);
            }
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
        }
    });
    address
}

#[test]
fn a_small_disk_in_memory_is_called_so() {
    let disk = SmallDisk::mount(16 << 20, 1 << 10);
    identify(disk.path(), "doc@hill.edu", "1");
    let found = report(disk.path(), &[NO_SERVER]);
    assert_says("a small disk", &found, ("problem", "disk space", " MB are free: when the disk is full"));
    assert_says("a tmpfs", &found, ("warning", "file system", "the database is on a disk in memory"));
}

#[test]
fn few_open_files_are_called_so() {
    let folder = healthy();
    for (limit, level, words) in
        [(64, "problem", "64 at once"), (512, "warning", "512 at once"), (4_096, "ok", "4096 at once")]
    {
        let mut shell = Command::new("sh");
        let limited = format!("ulimit -n {limit}; exec {} doctor --json {NO_SERVER}", program().display());
        let output =
            clean(&mut shell, folder.path()).args(["-c", &limited]).output().expect("there is a shell");
        let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert!(says(&found, (level, "open files", words)), "{found:#}");
    }
}

#[test]
fn settings_that_cannot_be_looked_at_are_an_error() {
    let folder = healthy();
    write(folder.path().join(".env"), "PORT").unwrap();
    let (code, said) = told(&run_to_end(folder.path(), &["doctor"]));
    assert!(code == Some(2) && said.starts_with("error: `.env` has a line that can't be read"), "{said}");
    let mut nonsense = command(folder.path(), &["doctor", "--port", "x"]);
    assert_eq!(nonsense.output().unwrap().status.code(), Some(2));
}

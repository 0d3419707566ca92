//! `kill -9` at every call by which a restore changes the disk: what stands there then is the old database or the new one,
//! whole, and the old one's log is never taken for the new one's.
//!
//! `strace` kills the program as it enters the call of a given number.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use support::process::{ServerProcess, clean, program};
use support::size::proved;
use tempfile::TempDir;

use crate::backup::{done, folder, identify, names};

/// The calls that change a disk; `?` marks those that not every processor has.
const CALLS: [&str; 16] = [
    "write",
    "pwrite64",
    "ftruncate",
    "fallocate",
    "copy_file_range",
    "fsync",
    "fdatasync",
    "?rename",
    "?renameat",
    "renameat2",
    "?link",
    "linkat",
    "?unlink",
    "unlinkat",
    "?mkdir",
    "mkdirat",
];

/// A folder with a database whose last changes are in its log, and a backup of another state; and what an export of each says.
struct Scene {
    files: TempDir,
    old: String,
    new: String,
}

impl Scene {
    fn new() -> Self {
        let files = folder();
        identify(files.path(), "doc@hill.edu", "1");
        done(files.path(), &["backup", "copy"]);
        let new = done(files.path(), &["export"]);
        let mut server = ServerProcess::start(files.path());
        identify(files.path(), "marty@hill.edu", "1");
        identify(files.path(), "late@hill.edu", "2");
        server.kill();
        let scene = Self { old: String::new(), new, files };
        let old = done(scene.copied().path(), &["export"]);
        assert_ne!(old, scene.new);
        Self { old, ..scene }
    }

    /// The same folder again.
    fn copied(&self) -> TempDir {
        let copied = folder();
        for name in names(self.files.path()) {
            // The socket of a server that is gone can't be copied.
            if !name.ends_with(".sock") {
                std::fs::copy(self.files.path().join(&name), copied.path().join(&name)).unwrap();
            }
        }
        copied
    }

    /// What is wrong after `command` was killed at that one of its calls, counted by itself; nothing, if it ended before.
    fn kill(&self, command: &[&str], call: &str, number: usize) -> Option<Result<(), String>> {
        let folder = self.copied();
        let aside = self::folder();
        let mut strace = Command::new("strace");
        clean(&mut strace, folder.path()).args(["-f", "-qq", "-e", &format!("trace={call}")]);
        strace.args(["-e", &format!("inject={call}:signal=KILL:when={number}")]);
        strace.arg("-o").arg(aside.path().join("trace")).args(command);
        let status = strace.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("strace is there");
        (!status.success()).then(|| self.judge(folder.path()))
    }

    fn judge(&self, folder: &Path) -> Result<(), String> {
        let export = |url: &str| {
            let output = support::process::run(folder, &["export", "--database-url", url]);
            String::from_utf8_lossy(if output.status.success() { &output.stdout } else { &output.stderr })
                .into_owned()
        };
        let kept = names(folder).into_iter().find(|name| name.contains(".before-restore-"));
        let found = export("sqlite:selfsame.db");
        if found == self.new {
            let kept = kept.ok_or("the new one is there, and the old one was not kept")?;
            let kept = export(&format!("sqlite:{kept}"));
            if kept != self.old {
                return Err(format!("what was kept is not the old one: {kept}"));
            }
        } else if found != self.old {
            return Err(format!("neither the old one nor the new one: {found}"));
        }
        // And a second try gets there.
        let again = support::process::run(folder, &["restore", "--replace", "copy"]);
        if again.status.success() && export("sqlite:selfsame.db") == self.new {
            Ok(())
        } else {
            Err(format!("a second restore fails: {}", String::from_utf8_lossy(&again.stderr)))
        }
    }
}

#[test]
fn a_restore_that_is_killed_leaves_the_old_database_or_the_new_one() {
    let scene = Scene::new();
    let program = program().display().to_string();
    let mut kills = BTreeMap::new();
    for call in CALLS {
        let mut number = 1;
        while let Some(judged) = scene.kill(&[&program, "restore", "--replace", "copy"], call, number) {
            assert_eq!(judged, Ok(()), "killed at {call} {number}");
            *kills.entry(call.trim_start_matches('?')).or_insert(0) = number;
            number += 1;
        }
    }
    let renames: usize =
        kills.iter().filter(|(call, _)| call.starts_with("rename")).map(|(_, kills)| kills).sum();
    assert!(renames > 0 && kills["fsync"] > 3, "it was killed where it matters: {kills:?}");
    let kills: usize = kills.values().sum();
    proved(&format!(
        "restore: killed at each of {kills} calls that change the disk, the old database or the new one was there, whole"
    ));
}

/// As somebody might do it by hand: a kill in the middle leaves half a file.
#[test]
fn a_restore_by_copying_is_caught() {
    let scene = Scene::new();
    let by_hand = "set -e; mv selfsame.db selfsame.db.before-restore-by-hand; rm selfsame.db-wal; \
         dd if=copy of=selfsame.db bs=4096";
    // Each process has a count of its own: only `dd` writes so often.
    let judged = scene.kill(&["sh", "-c", by_hand], "write", 3).expect("it was killed");
    let fault = judged.expect_err("half a file is no database");
    assert!(fault.starts_with("neither the old one nor the new one: "), "{fault}");
}

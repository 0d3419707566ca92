//! Misfortunes of an installation: a log that can't be written, an output that can't, a database that is gone.

use std::fs::{File, OpenOptions};
use std::process::{Command, Stdio};

use support::client::Client;
use support::process::{ServerProcess, command};

fn full_device() -> File {
    OpenOptions::new().write(true).open("/dev/full").expect("Linux has a device that is always full")
}

/// What users saw: with the log on a full disk, new customers got an empty reply, and the server ended with 101.
#[test]
fn a_log_that_cannot_be_written_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut log =
        command(folder.path(), &["serve", "--port", "0", "--log", "debug", "--drain-timeout-seconds", "1"]);
    let mut child = log.stdout(Stdio::null()).stderr(full_device()).spawn().unwrap();
    // It listens on its socket when it is ready; its greeting is lost with its log.
    let reply = loop {
        let answer = Command::new("curl")
            .args(["-s", "--unix-socket", "selfsame.db.sock", "http://localhost/identify"])
            .args(["-H", "content-type: application/json", "-d", r#"{"email":"doc@hill.edu"}"#])
            .current_dir(folder.path())
            .output()
            .unwrap();
        if answer.status.success() {
            break String::from_utf8(answer.stdout).unwrap();
        }
        assert!(child.try_wait().unwrap().is_none(), "the server ended");
    };
    assert!(reply.contains("doc@hill.edu"), "{reply}");
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn an_output_that_cannot_be_written_is_an_error_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["identify", "--phone", "1"][..], &["check"], &["export"]] {
        let output = command(folder.path(), arguments).stdout(full_device()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.starts_with("error: can't write"), "{arguments:?}: {said}");
    }
}

/// What users saw: with a file deleted under it, the server went on saying 200, and all of that was lost.
#[tokio::test]
async fn a_database_that_is_deleted_under_the_server_takes_no_changes() {
    let folder = tempfile::tempdir().unwrap();
    let server = ServerProcess::start(folder.path());
    let mut client = Client::connect(server.address).await.unwrap();
    assert_eq!(client.identify(Some("doc@hill.edu"), None).await.unwrap().status, 200);
    for name in ["selfsame.db", "selfsame.db-wal"] {
        let new = format!("{name}@hill.edu");
        let (file, aside) = (folder.path().join(name), folder.path().join("aside"));
        std::fs::rename(&file, &aside).unwrap();

        let refused = client.identify(Some(&new), None).await.unwrap();
        assert_eq!(
            (refused.status.as_u16(), &refused.json()["code"]),
            (503, &"store_unavailable".into()),
            "{name}"
        );
        assert_eq!(client.get("/readyz").await.unwrap().status, 503, "{name}");
        assert_eq!(client.identify(Some("doc@hill.edu"), None).await.unwrap().status, 200, "{name}");

        std::fs::rename(&aside, &file).unwrap();
        assert_eq!(client.identify(Some(&new), None).await.unwrap().status, 200, "{name}");
        assert_eq!(client.get("/readyz").await.unwrap().status, 200, "{name}");
    }
}

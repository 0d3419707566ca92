//! The door of the program itself: what it asks before it listens, what its commands do with keys, what its log says.

use std::path::Path;
use std::process::Output;

use support::client::{Ask, Client};
use support::process::{ServerProcess, command, run};
use support::shop::ADMIN;
use tempfile::TempDir;

/// An address that no machine has: a server that would listen there ends, and says that it can't.
const NOWHERE: &str = "192.0.2.1";

fn folder() -> TempDir {
    tempfile::tempdir().expect("there is room for a temporary folder")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("the program speaks UTF-8")
}

/// Runs the program with a server key in its environment.
fn run_with_key(folder: &Path, key: &str, arguments: &[&str]) -> Output {
    command(folder, arguments).env("SELFSAME_ADMIN_KEY", key).output().expect("it can be started")
}

/// What `serve` on an address that strangers reach says, as it ends.
fn refusal(folder: &Path, key: &str) -> String {
    let output = run_with_key(folder, key, &["serve", "--port", "0", "--host", NOWHERE]);
    assert_eq!(output.status.code(), Some(2));
    text(&output.stderr)
}

#[test]
fn beyond_loopback_a_server_needs_a_key_that_is_good_for_something() {
    let folder = folder();
    let nobody = "there is no key that anybody could be asked for";
    assert!(refusal(folder.path(), "").contains(nobody));
    assert!(!folder.path().join("selfsame.db").exists(), "refused before a file is made");
    for (key, want) in [
        ("too-short", "SELFSAME_ADMIN_KEY is shorter than 32 characters"),
        ("forty characters with a blank in between", "SELFSAME_ADMIN_KEY has a character"),
    ] {
        assert!(refusal(folder.path(), key).contains(want), "{key}");
    }
    let listens = "can't listen on 192.0.2.1:0";
    assert!(refusal(folder.path(), ADMIN).contains(listens), "with a key it tries");
    // The key is in the database from then on.
    assert!(refusal(folder.path(), "").contains(listens));
    let list = text(&run(folder.path(), &["keys", "list", "--json"]).stdout);
    let id = list.split("\"id\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a key");
    assert_eq!(run(folder.path(), &["keys", "revoke", id]).status.code(), Some(0));
    assert!(refusal(folder.path(), "").contains(nobody), "a revoked key is none");
    assert!(refusal(folder.path(), ADMIN).contains(nobody), "and doesn't come back");
    let other = "another-admin-key-of-some-forty-characters";
    assert!(refusal(folder.path(), other).contains(listens));
}

#[tokio::test]
async fn a_key_made_by_a_command_opens_the_running_server() {
    let folder = folder();
    let mut server =
        ServerProcess::spawn(command(folder.path(), &["serve", "--port", "0"])).expect("it serves");
    let mut client = Client::connect(server.address).await.expect("it listens");
    let identify = || Ask::new("POST", "/identify").body(r#"{"email":"doc@hill.edu"}"#);
    assert_eq!(client.ask(identify()).await.status, 200, "loopback is open without a key");

    let made = run(folder.path(), &["keys", "create", "checkout", "--scope", "identify"]);
    assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    let key = text(&made.stdout).trim_end().to_owned();
    assert!(key.starts_with("selfsame_") && !key.contains(char::is_whitespace), "nothing but the key");
    assert!(!text(&made.stderr).contains(&key));
    assert_eq!(client.ask(identify()).await.status, 401);
    assert_eq!(client.ask(identify().key(&key)).await.status, 200);

    // The log names the key and not the secret.
    assert_eq!(client.ask(Ask::new("GET", "/v1/keys").key(&key)).await.status, 403);
    assert_eq!(server.terminate().code(), Some(0));
    let said = server.said();
    let secret = key.split('_').nth(2).expect("a key has a secret");
    assert!(said.contains("key=\"checkout\"") || said.contains("key=checkout"), "{said}");
    assert!(said.contains("key_required"), "{said}");
    assert!(!said.contains(secret), "{said}");
}

#[test]
fn commands_make_list_rename_and_erase_workspaces() {
    let folder = folder();
    let run = |arguments: &[&str]| {
        let output = run(folder.path(), arguments);
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    assert_eq!(
        run(&["workspaces", "create", "north"]),
        (Some(0), String::new(), "made workspace north\n".into())
    );
    let taken = "error: Another one has that name; choose another.\n";
    assert_eq!(run(&["workspaces", "create", "north"]), (Some(1), String::new(), taken.into()));
    let (code, answer, _) = run(&["identify", "--workspace", "north", "--phone", "1"]);
    assert_eq!(code, Some(0));
    assert!(answer.contains("\"primaryContactId\":1"));
    let (_, list, _) = run(&["workspaces", "list"]);
    let lines: Vec<Vec<&str>> = list.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["NAME", "CONTACTS", "IDENTITIES", "EVENTS", "CREATED"]);
    assert_eq!(lines[1], ["default", "0", "0", "0"]);
    assert_eq!(lines[2][..4], ["north", "1", "1", "2"]);
    let (_, exported, _) = run(&["export", "--workspace", "north"]);
    assert_eq!(exported.lines().count(), 1);
    assert_eq!(run(&["export"]).1, "");
    let (code, _, said) = run(&["export", "--workspace", "none"]);
    assert_eq!((code, said.lines().next()), (Some(2), Some("error: there is no workspace `none`")));
    let (code, checked, _) = run(&["check"]);
    assert_eq!(code, Some(0));
    assert_eq!(
        checked,
        "default: checked 0 events, 0 contacts, 0 identities, 0 identifiers: all laws hold\n\
         north: checked 2 events, 1 contact, 1 identity, 1 identifier: all laws hold\n"
    );
    assert_eq!(run(&["workspaces", "rename", "north", "west"]).2, "workspace north is called west now\n");
    let (code, _, said) = run(&["workspaces", "erase", "west", "--confirm", "north"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("repeat the name"), "{said}");
    assert_eq!(run(&["workspaces", "erase", "west", "--confirm", "west"]).0, Some(0));
    assert_eq!(run(&["identify", "--workspace", "west", "--phone", "1"]).0, Some(1));
    assert_eq!(run(&["workspaces", "list"]).1.lines().count(), 2);
}

//! `selfsame webhooks`: beside a server and without one, and what no log may have.

use std::process::Output;

use serde_json::Value;
use support::deadline::wait_for;
use support::home::Home;
use support::process::{ServerProcess, command};
use support::receiver::{Mood, Receiver};
use support::standard_webhooks::verify;

/// Without what only tells of lines that nobody reads.
const SERVE: [&str; 5] = ["serve", "--port", "0", "--webhooks-allow-private", "--log=debug"];

fn run(home: &Home, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut running = command(home.path(), &[&["webhooks"], arguments].concat());
    let output: Output = running.env("SELFSAME_WEBHOOKS_ALLOW_PRIVATE", "true").output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn list(home: &Home) -> Value {
    let (code, out, err) = run(home, &["list", "--json"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 1, "{out}");
    lines[0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_are_managed_by_commands_beside_a_server_and_without_one() {
    for home in [Home::sqlite(), Home::postgres().await] {
        let migrated = command(home.path(), &["migrate"]).output().unwrap();
        assert!(migrated.status.success(), "{migrated:?}");
        let receiver = Receiver::start().await;
        let (code, secret, err) =
            run(&home, &["add", &receiver.url(), "--kind", "created", "--kind", "merged", "--after", "0"]);
        assert_eq!(code, Some(0), "{err}");
        assert!(secret.starts_with("whsec_"), "{secret}");
        let webhook = list(&home);
        let id = webhook["id"].as_str().unwrap().to_owned();
        assert!(
            err.contains(&format!(
                "added webhook {id}, which gets what comes after event 0; its secret is shown here once:"
            )),
            "{err}"
        );
        let server =
            ServerProcess::spawn(command(home.path(), &SERVE)).unwrap_or_else(|said| panic!("{said}"));
        let identified = command(home.path(), &["identify", "--email", "ada@hill.example"]).output().unwrap();
        assert!(identified.status.success(), "{identified:?}");
        receiver.until_taken(1).await;
        assert_eq!(verify(secret.trim(), &receiver.taken()), [None]);

        let (code, out, _) = run(&home, &["test", &id]);
        assert!(code == Some(0) && out.starts_with("it answered 204 after "), "{out}");
        let (code, new, err) = run(&home, &["rotate", &id]);
        assert!(code == Some(0) && new.starts_with("whsec_") && new != secret, "{err}");
        receiver.set(Mood::Answers(500));
        let (code, out, _) = run(&home, &["test", &id, "--json"]);
        let tested: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((code, tested["problem"].as_str()), (Some(1), Some("it answered 500")));
        receiver.set(Mood::Answers(410));
        let (code, _, err) = run(&home, &["replay", &id, "--after", "0"]);
        assert_eq!((code, err.trim()), (Some(0), &*format!("webhook {id} gets what comes after event 0")));
        wait_for("it is parked", || (list(&home)["state"] == "parked").then_some(()));
        let (_, table, _) = run(&home, &["list"]);
        let cells: Vec<&str> = table.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(cells[..5], [&*id, "parked", "0", "created,merged", &*receiver.url()]);
        assert!(table.contains(": it answered 410"), "{table}");
        let (code, _, err) = run(&home, &["remove", &id]);
        assert_eq!((code, err.contains("nothing more is sent to it")), (Some(0), true), "{err}");
        let (code, _, err) = run(&home, &["remove", &id]);
        assert_eq!(code, Some(1));
        assert!(err.contains("error: The workspace has no webhook of that id"), "{err}");

        // The log names the endpoint, and neither a secret nor its URL, nor what it was sent.
        let said = server.said();
        assert!(said.contains("a webhook is parked") && said.contains(&id), "{said}");
        for secret in [secret.trim(), new.trim(), "not-for-the-log", "ada@hill"] {
            assert!(!said.contains(secret), "{said}");
        }
    }
}

//! A known customer is answered from a read: nothing of the database changes, not a byte and not a time.

use serde_json::json;
use support::files::files_with_data;
use support::server::{ServerOptions, TestServer, sqlite_store};

/// Sends `known` a hundred times over to a server that has seen `seen`; all get the answer that the last of `seen`
/// got, and no file changes.
async fn check(seen: &[(Option<&str>, Option<&str>)], known: &[(Option<&str>, Option<&str>)]) {
    let (folder, store) = sqlite_store();
    let server = TestServer::start(store, ServerOptions::default()).await;
    let mut client = server.client().await;
    let mut answer = None;
    for (email, phone) in seen {
        let reply = client.identify(*email, *phone).await.expect("an answer");
        assert_eq!(reply.status.as_u16(), 200, "{}", reply.text());
        answer = Some(reply.body);
    }
    let before = files_with_data(folder.path());
    assert!(before.values().any(|file| !file.bytes.is_empty()));
    for _ in 0..100 {
        for (email, phone) in known {
            let reply = client.identify(*email, *phone).await.expect("an answer");
            assert_eq!(Some(reply.body), answer, "{email:?} {phone:?}");
        }
    }
    assert_eq!(files_with_data(folder.path()), before);
    // The proof could fail: a new customer does change the files.
    client.identify(Some("somebody@else.org"), None).await.expect("an answer");
    assert_ne!(files_with_data(folder.path()), before);
}

#[tokio::test]
async fn the_same_observation_again_writes_nothing() {
    let ada = (Some("ada@example.org"), Some("+4915550100"));
    check(&[ada], &[ada, (ada.0, None), (None, ada.1)]).await;
}

#[tokio::test]
async fn another_spelling_of_what_is_known_writes_nothing() {
    check(
        &[(Some("ada@exámple.org"), Some("+4915550100"))],
        &[
            (Some("  ADA@Exámple.ORG "), Some("+49 (155) 501-00")),
            // The accent as a character of its own.
            (Some("ada@exa\u{301}mple.org"), Some("+49.155/50100")),
            (Some("Ada@exámple.org"), Some("  ")),
            (Some(""), Some("[+49]\u{a0}155–50100")),
        ],
    )
    .await;
}

#[tokio::test]
async fn identifiers_from_different_contacts_of_one_identity_write_nothing() {
    // Three contacts, of which the last merged two identities; no pair below was ever seen together.
    check(
        &[
            (Some("a@example.org"), Some("1")),
            (Some("b@example.org"), Some("2")),
            (Some("c@example.org"), Some("2")),
            (Some("a@example.org"), Some("2")),
        ],
        &[
            (Some("b@example.org"), Some("1")),
            (Some("c@example.org"), Some("1")),
            (Some("a@example.org"), Some("2")),
            (Some("c@example.org"), None),
        ],
    )
    .await;
}

#[tokio::test]
async fn health_and_heartbeat_write_nothing() {
    let (folder, store) = sqlite_store();
    let server = TestServer::start(store, ServerOptions::default()).await;
    let mut client = server.client().await;
    let before = files_with_data(folder.path());
    for path in ["/", "/healthz", "/readyz", "/identify", "/nowhere"] {
        client.get(path).await.expect("an answer");
    }
    assert_eq!(files_with_data(folder.path()), before);
    let reply = client.get("/readyz").await.expect("an answer");
    assert_eq!(reply.json(), json!({ "status": "ready", "reasons": [] }));
}

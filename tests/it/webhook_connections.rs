//! The connections to endpoints of webhooks: how long they are kept, how many there may be, and what comes by them that is no answer.

use std::time::Duration;

use selfsame_service::WebhookSettings;
use serde_json::{Value, json};
use support::client::{Ask, Client};
use support::databases::Databases;
use support::open_files::raise_limit;
use support::process::{ServerProcess, clean, program};
use support::receiver::{Delivered, Mood, Receiver};
use support::shop::ADMIN;
use support::webhooks::{add, last_event, told, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::webhooks::{HERE, saw, serve};

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_kept_for_the_next_message_and_closed_when_none_comes() {
    for (idle_timeout, is_kept) in [(Duration::from_millis(1), false), (Duration::from_secs(3_600), true)] {
        let database = Databases::Sqlite.empty().await;
        let server = serve(&database, WebhookSettings { idle_timeout, ..HERE }).await;
        let mut client = server.client().await;
        let receiver = Receiver::start().await;
        let hook = add(&mut client, &receiver.url(), &[]).await;
        for number in 0..3 {
            saw(&mut client, number..number + 1).await;
            receiver.until_taken(last_event(&mut client).await).await;
            if !is_kept {
                receiver.until_left_alone().await;
            }
        }
        assert_eq!(receiver.connections() == 1, is_kept, "{} connections", receiver.connections());
        assert_eq!(told(&mut client, &hook.id).await["failures"], 0);
        server.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_that_hang_leave_half_of_the_connections_to_the_others() {
    let database = Databases::Sqlite.empty().await;
    let settings =
        WebhookSettings { connections_max: 4, attempt_timeout: Duration::from_secs(3_600), ..HERE };
    let server = serve(&database, settings).await;
    let mut client = server.client().await;
    let quick = Receiver::start().await;
    add(&mut client, &quick.url(), &[]).await;
    quick.until_taken(last_event(&mut client).await).await;
    let hanging = Receiver::start().await;
    hanging.set(Mood::Hangs);
    let mut hooks = Vec::new();
    for _ in 0..6 {
        hooks.push(add(&mut client, &hanging.url(), &[]).await);
    }
    hanging.until(2).await;
    saw(&mut client, 0..50).await;
    let last = last_event(&mut client).await;
    quick.until_taken(last).await;
    assert_eq!(hanging.connections(), 2, "the others wait");
    for hook in &hooks {
        let told = told(&mut client, &hook.id).await;
        assert_eq!(told["failures"], 0, "to wait is no failure: {told}");
    }
    // A message that is to try one waits for none of them, and when the server ends, none is waited for.
    let path = format!("/v1/webhooks/{}/test", hooks[5].id);
    hanging.set(Mood::Answers(204));
    let tested = client.ask(Ask::new("POST", &path).key(ADMIN)).await.json();
    assert_eq!(tested["delivered"], true, "{tested}");
    drop(hanging);
    server.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_endpoints_take_turns_on_few_connections() {
    let database = Databases::Sqlite.empty().await;
    let server = serve(&database, WebhookSettings { connections_max: 2, ..HERE }).await;
    let mut client = server.client().await;
    let mut receivers = Vec::new();
    for _ in 0..12 {
        let receiver = Receiver::start().await;
        add(&mut client, &receiver.url(), &[]).await;
        receivers.push(receiver);
    }
    saw(&mut client, 0..20).await;
    let last = last_event(&mut client).await;
    for receiver in &receivers {
        receiver.until_taken(last).await;
        let sequences: Vec<i64> = receiver.taken().iter().map(Delivered::sequence).collect();
        assert_eq!(sequences, (1..=last).collect::<Vec<_>>());
    }
    server.drain().await;
}

/// What users saw: with a few hundred webhooks, a server that may open a few hundred files answered nobody.
#[tokio::test(flavor = "multi_thread")]
async fn more_endpoints_than_files_may_be_open_leave_the_server_able_to_answer() {
    raise_limit();
    let folder = tempfile::tempdir().unwrap();
    let mut shell = std::process::Command::new("sh");
    let limited = "ulimit -n 200 && exec \"$0\" serve --port 0 --webhooks-allow-private";
    clean(&mut shell, folder.path()).args(["-c", limited]).arg(program());
    let server = ServerProcess::spawn(shell).unwrap_or_else(|said| panic!("{said}"));
    let mut client = Client::connect(server.address).await.unwrap();
    let receiver = Receiver::start().await;
    let hook = json!({ "url": receiver.url() }).to_string();
    let seen = json!({ "identifiers": [{ "kind": "phone", "value": "1" }] }).to_string();
    let shops = ["one", "two", "three", "four", "five"];
    for shop in shops {
        let workspace = json!({ "name": shop }).to_string();
        assert_eq!(client.ask(Ask::new("POST", "/v1/workspaces").body(&workspace)).await.status, 201);
        for _ in 0..50 {
            let added = Ask::new("POST", "/v1/webhooks").workspace(shop).body(&hook);
            assert_eq!(client.ask(added).await.status, 201);
        }
    }
    for shop in shops {
        let observed = Ask::new("POST", "/v1/observations").workspace(shop).body(&seen);
        assert_eq!(client.ask(observed).await.status, 200);
    }
    receiver.until(250).await;
    assert_eq!(receiver.taken().len(), 250, "each once");
    let mut other = Client::connect(server.address).await.unwrap();
    let ready = other.get("/readyz").await.unwrap();
    assert_eq!(ready.status, 200, "{}", ready.text());
}

/// Takes connections, says that on each once a message comes, and nothing more.
async fn saying(answer: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.expect("it takes connections");
            let answer = answer.clone();
            tokio::spawn(async move {
                // What is said before a message comes is no answer to it.
                let mut message = [0; 16];
                let _ = stream.read(&mut message).await;
                // Whoever has heard enough goes before the end.
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
                let _ = stream.read_to_end(&mut Vec::new()).await;
            });
        }
    });
    format!("http://{address}/")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_answer_is_told_from_no_answer() {
    let database = Databases::Sqlite.empty().await;
    let server = serve(&database, HERE).await;
    let mut client = server.client().await;
    let no_http = "what it answered is no HTTP/1.1, or its head is too large";
    let ended = "the connection ended before a whole answer had come";
    let huge = format!("HTTP/1.1 204 No Content\r\nlong: {}", "x".repeat(1_000_000));
    for (answer, want) in [
        ("SSH-2.0-OpenSSH_9.2\r\n", no_http),
        ("<html>hello</html>\r\n\r\n", no_http),
        (&*huge, no_http),
        ("HTTP/1.1 199 Nothing\r\n\r\n", ended),
        ("HTTP/1.1 2", ended),
        ("", ended),
    ] {
        let hook = add(&mut client, &saying(answer.to_owned()).await, &[]).await;
        let path = format!("/v1/webhooks/{}/test", hook.id);
        let tested = client.ask(Ask::new("POST", &path).key(ADMIN)).await.json();
        let start: String = answer.chars().take(20).collect();
        assert_eq!((&tested["status"], &tested["problem"]), (&Value::Null, &json!(want)), "{start}");
        let failing = until(&mut client, &hook.id, "failing", |told| told["state"] == "failing").await;
        assert_eq!(failing["lastProblem"], want, "{start}");
    }
    server.drain().await;
}

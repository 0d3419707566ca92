//! Whom the server takes for a request's client: who connects, or whom a trusted proxy speaks for. The log tells, at
//! `debug` alone.

use http_body_util::Full;
use hyper::Request;
use hyper::header::HOST;
use serde_json::Value;
use support::client::Client;
use support::deadline::{run_to_end, wait_for};
use support::process::{ServerProcess, command};

/// A server on loopback that trusts these proxies.
fn start(folder: &std::path::Path, level: &str, trusted: Option<&str>) -> ServerProcess {
    let mut serve = command(folder, &["serve", "--port", "0", "--log-format", "json", "--log", level]);
    if let Some(trusted) = trusted {
        serve.env("SELFSAME_TRUSTED_PROXIES", trusted);
    }
    ServerProcess::spawn(serve).unwrap_or_else(|said| panic!("{said}"))
}

/// Asks with that header, and returns the request's id.
async fn ask(client: &mut Client, (name, value): (&'static str, &str)) -> String {
    let request = Request::get("/healthz").header(HOST, "localhost").header(name, value);
    let reply = client.send(request.body(Full::default()).unwrap()).await.unwrap();
    reply.headers["x-request-id"].to_str().unwrap().to_owned()
}

/// The client that the log names for a request.
fn client_of(server: &ServerProcess, id: &str) -> Value {
    wait_for("a line of the request", || {
        let said = server.said();
        let mut lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.find(|line| line["message"] == "answered" && line["request.id"] == id)
    })["client"]
        .clone()
}

const FORWARDED: [(&str, &str, &str); 3] = [
    ("x-forwarded-for", "203.0.113.9, 192.0.2.1", "192.0.2.1"),
    // One more proxy of ours before it.
    ("x-forwarded-for", "203.0.113.9, 192.0.2.1, 10.0.0.7", "192.0.2.1"),
    ("forwarded", "for=203.0.113.9, for=\"[2001:db8::1]:4711\";proto=https", "2001:db8::1"),
];

#[tokio::test]
async fn a_trusted_proxy_is_believed_no_further_than_to_the_first_stranger() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), "debug", Some("127.0.0.0/8,10.0.0.7"));
    let mut client = Client::connect(server.address).await.unwrap();
    for (name, value, want) in FORWARDED {
        let id = ask(&mut client, (name, value)).await;
        assert_eq!(client_of(&server, &id), want, "{name}: {value}");
    }
}

#[tokio::test]
async fn anybody_else_s_word_is_not_believed() {
    for trusted in [None, Some("192.0.2.0/24,::1")] {
        let folder = tempfile::tempdir().unwrap();
        let server = start(folder.path(), "debug", trusted);
        let mut client = Client::connect(server.address).await.unwrap();
        for (name, value, _) in FORWARDED {
            let id = ask(&mut client, (name, value)).await;
            assert_eq!(client_of(&server, &id), "127.0.0.1", "{trusted:?}: {name}: {value}");
        }
    }
}

#[tokio::test]
async fn nobody_s_address_is_in_the_log_at_the_default_level() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = start(folder.path(), "info", Some("127.0.0.1"));
    let mut client = Client::connect(server.address).await.unwrap();
    for (name, value, _) in FORWARDED {
        ask(&mut client, (name, value)).await;
    }
    assert_eq!(server.terminate().code(), Some(0));
    for address in ["192.0.2.1", "203.0.113.9", "2001:db8"] {
        assert!(!server.said().contains(address), "{}", server.said());
    }
}

#[test]
fn what_is_no_network_is_refused_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let output = run_to_end(folder.path(), &["serve", "--port=0", "--trusted-proxies=10.0.0.0/8,localhost"]);
    let error = String::from_utf8(output.stderr).unwrap();
    let want = "`localhost` is neither an address nor a network\nhint: for example 10.0.0.0/8";
    assert!(output.status.code() == Some(2) && error.contains(want), "{error}");
}

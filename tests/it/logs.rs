//! The log as programs read it: an object a line, with the request's id, and with no value of anybody.

use serde_json::{Value, json};
use support::client::Client;
use support::home::{Home, PASSWORD};
use support::process::{ServerProcess, command};

/// What the traffic below sends, and what only we know.
const SECRETS: [&str; 6] = ["marty", "emmett", "hill.edu", "8881985", "8881955", PASSWORD];

/// A server that logs JSON, at this level.
fn start(home: &Home, level: &str) -> ServerProcess {
    let mut serve =
        command(home.path(), &["serve", "--port", "0", "--answer-timeout-seconds", "1", "--log", level]);
    serve.env("SELFSAME_LOG_FORMAT", "json");
    ServerProcess::spawn(serve).unwrap_or_else(|said| panic!("{said}"))
}

/// Every line as an object, none with a value of anybody.
fn lines(said: &str) -> Vec<Value> {
    assert_eq!(leaks(said), Vec::<&str>::new());
    let line = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let lines: Vec<Value> = said.lines().map(line).collect();
    for line in &lines {
        for member in ["timestamp", "level", "target", "message"] {
            assert!(line[member].is_string(), "{member}: {line}");
        }
    }
    lines
}

fn leaks(said: &str) -> Vec<&'static str> {
    let said = said.to_lowercase();
    SECRETS.into_iter().filter(|secret| said.contains(secret)).collect()
}

/// New, known, merged, refused; the id of a request that the database could not answer.
async fn traffic(server: &ServerProcess, home: &mut Home) -> String {
    let mut client = Client::connect(server.address).await.unwrap();
    for (email, phone) in [
        (Some("marty@hill.edu"), None),
        (None, Some("8881985")),
        (Some("marty@hill.edu"), Some("888-1985")),
        (Some("emmett"), None),
        (Some("MARTY@hill.edu"), None),
    ] {
        client.identify(email, phone).await.unwrap();
    }
    client.get("/emmett@hill.edu?phone=8881955").await.unwrap();
    home.cluster().kill();
    let reply = client.identify(Some("emmett@hill.edu"), Some("8881955")).await.unwrap();
    assert_eq!(reply.status.as_u16(), 503);
    reply.headers["x-request-id"].to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_is_an_object_with_its_fields_and_without_a_value_of_anybody() {
    let mut home = Home::postgres().await;
    for level in ["info", "debug"] {
        let mut server = start(&home, level);
        let id = traffic(&server, &mut home).await;
        assert_eq!(server.terminate().code(), Some(0));
        let lines = lines(&server.said());
        let with = |message: &str| lines.iter().filter(|line| line["message"] == message).collect::<Vec<_>>();
        let [greeting] = with("ready")[..] else { panic!("{lines:?}") };
        assert_eq!(greeting["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(greeting["address"], json!(format!("http://{}", server.address)));
        let [turned_away] = with("a request was turned away")[..] else { panic!("{lines:?}") };
        assert_eq!((&turned_away["level"], &turned_away["request.id"]), (&json!("WARN"), &json!(id)));
        assert_eq!(
            (&turned_away["status"], &turned_away["code"]),
            (&json!(503), &json!("store_unavailable"))
        );
        assert_eq!(with("answered").len(), if level == "debug" { 7 } else { 0 }, "{level}");
        home.cluster().start_again();
    }
}

#[test]
fn a_value_in_a_log_is_found() {
    assert_eq!(leaks("{\"message\":\"linked MARTY@x to 8881985\"}"), ["marty", "8881985"]);
}

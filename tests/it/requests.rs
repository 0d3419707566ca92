//! What the HTTP interface answers to good requests, byte for byte. Refusals are in `refusals` and `limits`.

use std::collections::HashSet;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use selfsame_api::ResponseSpelling;
use serde_json::Value;
use support::client::{Client, Reply};
use support::server::{ServerOptions, TestServer, sqlite_store};
use tempfile::TempDir;

/// A server on an empty database, and a client of it.
async fn start(response_spelling: ResponseSpelling) -> (TempDir, TestServer, Client) {
    let (folder, store) = sqlite_store();
    let server = TestServer::start(store, ServerOptions { response_spelling, ..Default::default() }).await;
    let client = server.client().await;
    (folder, server, client)
}

async fn send(client: &mut Client, method: Method, path: &str, body: &'static str) -> Reply {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, "localhost")
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from_static(body.as_bytes())))
        .expect("a plain request");
    client.send(request).await.expect("the server answers")
}

/// Sends the bodies in their order to one server; each must be answered 200 with exactly that text.
async fn check(response_spelling: ResponseSpelling, exchanges: &[(&'static str, &str)]) {
    let (_folder, _server, mut client) = start(response_spelling).await;
    for (body, want) in exchanges {
        let reply = client.post_identify(*body).await.expect("the server answers");
        assert_eq!((reply.status.as_u16(), reply.text()), (200, *want), "{body}");
        assert_eq!(reply.headers[CONTENT_TYPE], "application/json; charset=utf-8", "{body}");
    }
}

#[tokio::test]
async fn the_examples_of_the_task_are_answered_byte_for_byte() {
    let linked = r#"{"contact":{"primaryContactId":1,"emails":["lorraine@hillvalley.edu","mcfly@hillvalley.edu"],"phoneNumbers":["123456"],"secondaryContactIds":[2]}}"#;
    let merged = r#"{"contact":{"primaryContactId":3,"emails":["george@hillvalley.edu","biffsucks@hillvalley.edu"],"phoneNumbers":["919191","717171"],"secondaryContactIds":[4]}}"#;
    check(
        ResponseSpelling::Original,
        &[
            (
                r#"{"email":"lorraine@hillvalley.edu","phoneNumber":"123456"}"#,
                r#"{"contact":{"primaryContactId":1,"emails":["lorraine@hillvalley.edu"],"phoneNumbers":["123456"],"secondaryContactIds":[]}}"#,
            ),
            (r#"{"email":"mcfly@hillvalley.edu","phoneNumber":"123456"}"#, linked),
            (r#"{"email":null,"phoneNumber":"123456"}"#, linked),
            (r#"{"email":"lorraine@hillvalley.edu","phoneNumber":null}"#, linked),
            (r#"{"email":"mcfly@hillvalley.edu"}"#, linked),
            (
                r#"{"email":"george@hillvalley.edu","phoneNumber":"919191"}"#,
                r#"{"contact":{"primaryContactId":3,"emails":["george@hillvalley.edu"],"phoneNumbers":["919191"],"secondaryContactIds":[]}}"#,
            ),
            (
                r#"{"email":"biffsucks@hillvalley.edu","phoneNumber":"717171"}"#,
                r#"{"contact":{"primaryContactId":4,"emails":["biffsucks@hillvalley.edu"],"phoneNumbers":["717171"],"secondaryContactIds":[]}}"#,
            ),
            (r#"{"email":"george@hillvalley.edu","phoneNumber":"717171"}"#, merged),
            (r#"{"phoneNumber":"717171"}"#, merged),
        ],
    )
    .await;
}

#[tokio::test]
async fn the_text_of_the_task_spells_the_primary_its_own_way() {
    check(
        ResponseSpelling::Task,
        &[(
            r#"{"email":"doc@hill.edu","phoneNumber":"1"}"#,
            r#"{"contact":{"primaryContatctId":1,"emails":["doc@hill.edu"],"phoneNumbers":["1"],"secondaryContactIds":[]}}"#,
        )],
    )
    .await;
}

#[tokio::test]
async fn both_spellings_can_stand_side_by_side() {
    check(
        ResponseSpelling::Both,
        &[(
            r#"{"email":"doc@hill.edu","phoneNumber":"1"}"#,
            r#"{"contact":{"primaryContactId":1,"primaryContatctId":1,"emails":["doc@hill.edu"],"phoneNumbers":["1"],"secondaryContactIds":[]}}"#,
        )],
    )
    .await;
}

#[tokio::test]
async fn every_way_to_write_one_customer_gets_one_answer() {
    let want = r#"{"contact":{"primaryContactId":1,"emails":["ada@example.org"],"phoneNumbers":["+4915550100"],"secondaryContactIds":[]}}"#;
    let bodies = [
        r#"{"email":"ada@example.org","phoneNumber":"+4915550100"}"#,
        r#"{"phoneNumber":"+4915550100","email":"ada@example.org"}"#,
        "\u{feff}{\"email\":\"ada@example.org\"}",
        " \r\n\t{ \"email\" : \"  Ada@Example.ORG \" } \n",
        r#"{"email":"ada\u0040example.org"}"#,
        r#"{"em\u0061il":"ada@example.org"}"#,
        r#"{"phoneNumber":"+49 (155) 501-00"}"#,
        r#"{"phoneNumber":"+49.155/50100","email":"   "}"#,
        r#"{"email":"ada@example.org","phoneNumber":""}"#,
        r#"{"email":"ada@example.org","phoneNumber":null,"name":"Ada","tags":[1,{"email":"x"}],"at":1e400}"#,
        r#"{"Email":"bob@example.org","phonenumber":"7","email":"ada@example.org"}"#,
        r#"{"x":1,"x":2,"email":"ada@example.org"}"#,
    ];
    check(ResponseSpelling::Original, &bodies.map(|body| (body, want))).await;
}

#[tokio::test]
async fn a_phone_number_that_is_a_json_integer_keeps_its_digits() {
    check(
        ResponseSpelling::Original,
        &[
            // One more than the largest number that a float holds exactly.
            (
                r#"{"phoneNumber":9007199254740993}"#,
                r#"{"contact":{"primaryContactId":1,"emails":[],"phoneNumbers":["9007199254740993"],"secondaryContactIds":[]}}"#,
            ),
            (
                r#"{"phoneNumber":12345678901234567890123456789012}"#,
                r#"{"contact":{"primaryContactId":2,"emails":[],"phoneNumbers":["12345678901234567890123456789012"],"secondaryContactIds":[]}}"#,
            ),
            (
                r#"{"phoneNumber":"12345678901234567890123456789012"}"#,
                r#"{"contact":{"primaryContactId":2,"emails":[],"phoneNumbers":["12345678901234567890123456789012"],"secondaryContactIds":[]}}"#,
            ),
            (
                r#"{"phoneNumber":0}"#,
                r#"{"contact":{"primaryContactId":3,"emails":[],"phoneNumbers":["0"],"secondaryContactIds":[]}}"#,
            ),
            (
                r#"{"phoneNumber":"0"}"#,
                r#"{"contact":{"primaryContactId":3,"emails":[],"phoneNumbers":["0"],"secondaryContactIds":[]}}"#,
            ),
            // A text may begin with zeros, and they are kept.
            (
                r#"{"phoneNumber":"00"}"#,
                r#"{"contact":{"primaryContactId":4,"emails":[],"phoneNumbers":["00"],"secondaryContactIds":[]}}"#,
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_trailing_slash_and_a_query_lead_to_the_same_endpoint() {
    let (_folder, _server, mut client) = start(ResponseSpelling::Original).await;
    let body = r#"{"email":"doc@hill.edu"}"#;
    let want = r#"{"contact":{"primaryContactId":1,"emails":["doc@hill.edu"],"phoneNumbers":[],"secondaryContactIds":[]}}"#;
    for path in ["/identify", "/identify/", "/identify?utm_source=shop"] {
        let reply = send(&mut client, Method::POST, path, body).await;
        assert_eq!((reply.status.as_u16(), reply.text()), (200, want), "{path}");
    }
}

#[tokio::test]
async fn every_spelling_of_the_json_content_type_is_taken() {
    let (_folder, _server, mut client) = start(ResponseSpelling::Original).await;
    for content_type in [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON;charset=\"UTF-8\"",
        "application/vnd.shop+json",
    ] {
        let request = Request::post("/identify")
            .header(HOST, "localhost")
            .header(CONTENT_TYPE, content_type)
            .body(Full::new(Bytes::from_static(br#"{"email":"doc@hill.edu"}"#)))
            .expect("a plain request");
        let reply = client.send(request).await.expect("the server answers");
        assert_eq!(reply.status.as_u16(), 200, "{content_type}");
    }
}

#[tokio::test]
async fn the_heartbeat_has_the_keys_of_the_original_in_its_order() {
    let (_folder, _server, mut client) = start(ResponseSpelling::Original).await;
    let reply = client.get("/").await.expect("the server answers");
    assert_eq!(reply.status.as_u16(), 200);
    let body = reply.json();
    let value = |key: &str| body[key].as_str().expect("every value is a string").to_owned();

    let uptime: Vec<String> = value("uptime").split(' ').map(str::to_owned).collect();
    let units: Vec<&str> =
        uptime.iter().map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit())).collect();
    assert_eq!(units, ["h", "m", "s"], "{uptime:?}");

    let shape = value("currentTime").replace(|character: char| character.is_ascii_digit(), "0");
    assert_eq!(shape, "0000-00-00T00:00:00.000Z");

    // The text, because a parsed object has no order.
    let text = reply.text().replace(&value("uptime"), "UPTIME").replace(&value("currentTime"), "NOW");
    insta::assert_snapshot!(text, @r#"{"serviceName":"selfsame","description":"Identity reconciliation: which of your customers is this?","author":"the selfsame authors","uptime":"UPTIME","currentTime":"NOW","status":"Ok"}"#);
}

#[tokio::test]
async fn health_and_readiness_answer_at_their_paths() {
    let (_folder, _server, mut client) = start(ResponseSpelling::Original).await;
    for (path, want) in [
        ("/healthz", concat!(r#"{"status":"ok","version":""#, env!("CARGO_PKG_VERSION"), r#""}"#)),
        ("/health", concat!(r#"{"status":"ok","version":""#, env!("CARGO_PKG_VERSION"), r#""}"#)),
        ("/readyz", r#"{"status":"ready","reasons":[]}"#),
    ] {
        let reply = client.get(path).await.expect("the server answers");
        assert_eq!((reply.status.as_u16(), reply.text()), (200, want), "{path}");
        assert!(reply.headers[CONTENT_TYPE].as_bytes().starts_with(b"application/json"), "{path}");
    }
}

#[tokio::test]
async fn every_answer_has_a_request_id_of_its_own_and_security_headers_and_no_banner() {
    let (_folder, _server, mut client) = start(ResponseSpelling::Original).await;
    let mut ids = HashSet::new();
    for (method, path, body, status) in [
        (Method::POST, "/identify", r#"{"email":"doc@hill.edu"}"#, 200),
        (Method::POST, "/identify", "{", 400),
        (Method::GET, "/identify", "", 405),
        (Method::GET, "/", "", 200),
        (Method::HEAD, "/", "", 200),
        (Method::GET, "/healthz", "", 200),
        (Method::GET, "/readyz", "", 200),
        (Method::GET, "/nowhere", "", 404),
    ] {
        let reply = send(&mut client, method, path, body).await;
        let what = format!("{path} {status}");
        assert_eq!(reply.status.as_u16(), status, "{what}");
        let header =
            |name: &str| reply.headers.get(name).map(|value| value.to_str().expect("ASCII").to_owned());
        for (name, want) in [
            ("cache-control", "no-store"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(header(name).as_deref(), Some(want), "{what}: {name}");
        }
        for name in ["server", "x-powered-by", "via"] {
            assert_eq!(header(name), None, "{what}: {name}");
        }
        let id = header("x-request-id").expect("every answer has an id");
        assert_eq!(id.len(), 36, "{what}: {id}");
        if status >= 400 {
            assert_eq!(
                reply.json()["requestId"],
                Value::from(id.clone()),
                "{what}: header and body name one id"
            );
        }
        assert!(ids.insert(id), "{what}: an id stands for one request");
    }
}

#[tokio::test]
async fn a_request_id_of_the_client_is_not_taken_over() {
    let (_folder, _server, mut client) = start(ResponseSpelling::Original).await;
    let request = Request::get("/")
        .header(HOST, "localhost")
        .header("x-request-id", "forged")
        .body(Full::default())
        .expect("a plain request");
    let reply = client.send(request).await.expect("the server answers");
    assert_ne!(reply.headers["x-request-id"], "forged");
}

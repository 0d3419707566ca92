//! A batch's lines and jobs: what a line may be, what is one transaction, what is answered when, and what is refused.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HOST};
use selfsame_api::ResponseSpelling;
use selfsame_service::EngineSettings;
use selfsame_store::Store;
use serde_json::{Value, json};
use support::backend::rows_of;
use support::client::{Client, Reply};
use support::gated::GatedStore;
use support::process::ServerProcess;
use support::raw::RawConnection;
use support::server::{ServerOptions, TestServer, sqlite_store};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The most bytes that a line may have.
const LINE_BYTES_MAX: usize = 64 * 1024;

async fn start(options: ServerOptions) -> (TempDir, TestServer, Client) {
    let (folder, store) = sqlite_store();
    let server = TestServer::start(store, options).await;
    let client = server.client().await;
    (folder, server, client)
}

fn jobs_of(batch_observations_max: usize) -> ServerOptions {
    let engine = EngineSettings { batch_observations_max, ..EngineSettings::default() };
    ServerOptions { engine, ..ServerOptions::default() }
}

/// Lines that bring so many new customers.
fn newcomers(numbers: std::ops::Range<usize>) -> String {
    numbers.map(|number| format!("{{\"email\":\"new{number}@hill.edu\"}}\n")).collect()
}

/// What each line of an answer says, in short: the primary's id, or the code and the line.
fn told(reply: &Reply) -> Vec<String> {
    assert_eq!(reply.status.as_u16(), 200, "{}", reply.text());
    assert_eq!(reply.headers[CONTENT_TYPE], "application/x-ndjson");
    let told = |line: &Value| match line["code"].as_str() {
        Some(code) => format!("{code} {}", line["line"]),
        None => line["contact"]["primaryContactId"].to_string(),
    };
    reply.json_lines().iter().map(told).collect()
}

fn assert_refused(reply: &Reply, status: u16, code: &str) {
    assert_eq!((reply.status.as_u16(), &reply.json()["code"]), (status, &json!(code)), "{}", reply.text());
    assert_eq!(reply.headers[CONTENT_TYPE], "application/problem+json");
    assert_eq!(reply.json()["line"], Value::Null, "it is the whole request's");
    assert_eq!(reply.headers.contains_key("retry-after"), status == 503);
}

#[tokio::test]
async fn a_line_is_answered_as_identify_answers_byte_for_byte() {
    for response_spelling in [ResponseSpelling::Original, ResponseSpelling::Task, ResponseSpelling::Both] {
        let (_folder, _server, mut client) =
            start(ServerOptions { response_spelling, ..ServerOptions::default() }).await;
        let lines = [
            r#"{"email":"Lorraine@HillValley.edu","phoneNumber":"123456"}"#,
            r#"{"email":"mcfly@hillvalley.edu","phoneNumber":123456}"#,
            r#"{"phoneNumber":null,"email":"mcfly@hillvalley.edu","x":[1]}"#,
            "\u{feff}{\"email\":\"mcfly@hillv\\u0061lley.edu\"}",
        ];
        let reply = client.post_batch(lines.join("\n")).await.expect("an answer");
        let answers: Vec<&str> = reply.text().lines().collect();
        assert_eq!(answers.len(), lines.len());
        assert!(reply.headers.contains_key("content-length"), "a body of one job is answered in one piece");
        // The last one is what all of them answer now.
        for line in &lines {
            let single = client.post_identify(*line).await.expect("an answer");
            assert_eq!(answers[3], single.text());
        }
    }
}

#[tokio::test]
async fn a_bad_line_is_its_own_error_and_stops_no_other() {
    let (_folder, _server, mut client) = start(jobs_of(4)).await;
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(64), "]".repeat(64));
    let mut body: Vec<u8> = Vec::new();
    let mut want = Vec::new();
    for (number, (line, code)) in [
        (&b"zelda"[..], "malformed_json"),
        (b"{\"email\":\"a@b.c\"", "malformed_json"),
        (b"{\"email\":\"a@b.c\"} {\"email\":\"a@b.c\"}", "malformed_json"),
        (b"{\"email\":\"\xff@b.c\"}", "not_utf8"),
        (b"[{\"email\":\"a@b.c\"}]", "not_an_object"),
        (b"null", "not_an_object"),
        (deep.as_bytes(), "nested_too_deeply"),
        (b"{\"email\":\"a@b.c\",\"email\":null}", "repeated_member"),
        (b"{\"email\":5550199}", "wrong_type"),
        (b"{\"phoneNumber\":1.5}", "wrong_type"),
        (b"{\"email\":\"zelda\"}", "invalid_email"),
        (b"{\"email\":\"\\ud800@b.c\"}", "malformed_json"),
        (b"{\"phoneNumber\":\"zelda\"}", "invalid_phone_number"),
        (b"{}", "nothing_to_identify"),
        (b"\x00", "malformed_json"),
    ]
    .into_iter()
    .enumerate()
    {
        body.extend_from_slice(line);
        body.extend_from_slice(format!("\r\n{{\"email\":\"good{number}@hill.edu\"}}\n").as_bytes());
        want.extend([format!("{code} {}", 2 * number + 1), format!("{}", number + 1)]);
    }
    let reply = client.post_batch(body).await.expect("an answer");
    assert_eq!(told(&reply), want);
    let id = reply.headers["x-request-id"].to_str().expect("ASCII");
    let (first, last) = (reply.text().lines().next().unwrap(), reply.text().lines().nth(20).unwrap());
    insta::assert_snapshot!(format!("{first}\n{last}").replace(id, "ID"), @r#"
    {"type":"urn:selfsame:problem:malformed_json","title":"Bad Request","status":400,"detail":"The line is not valid JSON; send a JSON object.","code":"malformed_json","requestId":"ID","error":"Bad Request","line":1}
    {"type":"urn:selfsame:problem:invalid_email","title":"Bad Request","status":400,"detail":"`email` is not an e-mail address: it has no `@`; correct it, or leave it out.","code":"invalid_email","requestId":"ID","error":"Bad Request","line":21}
    "#);
}

#[tokio::test]
async fn blank_lines_give_no_result_and_the_last_line_needs_no_end() {
    let (_folder, _server, mut client) = start(ServerOptions::default()).await;
    let known = r#"{"email":"doc@hill.edu"}"#;
    for (body, want) in [
        (known.to_owned(), vec!["1"]),
        (format!("{known}\n"), vec!["1"]),
        (format!("{known}\r\n"), vec!["1"]),
        (format!("\n\r\n \t\n{known}\n\n\n{known}\r\n\r\n"), vec!["1", "1"]),
        (format!("\n{known}\n\n7"), vec!["1", "not_an_object 4"]),
        // A carriage return ends no line.
        (format!("{known}\r{known}\n"), vec!["malformed_json 1"]),
    ] {
        let reply = client.post_batch(body.clone()).await.expect("an answer");
        assert_eq!(told(&reply), want, "{body:?}");
    }
    for blank in ["", "\n", "\r\n \t\n\n"] {
        let reply = client.post_batch(blank).await.expect("an answer");
        assert_refused(&reply, 400, "empty_body");
    }
}

#[tokio::test]
async fn a_line_of_64_kib_is_taken_and_a_longer_one_is_that_lines_error() {
    let (_folder, _server, mut client) = start(ServerOptions::default()).await;
    let line = |length_bytes: usize| {
        let start = r#"{"email":"doc@hill.edu","x":""#;
        format!("{start}{}\"}}", "x".repeat(length_bytes - start.len() - 2))
    };
    for end in ["\n", "\r\n"] {
        let lengths =
            [LINE_BYTES_MAX, LINE_BYTES_MAX + 1, 3_000_000, 100, LINE_BYTES_MAX + 2, LINE_BYTES_MAX];
        let body: Vec<String> = lengths.map(line).into();
        let reply = client.post_batch(body.join(end)).await.expect("an answer");
        assert_eq!(told(&reply), ["1", "line_too_long 2", "line_too_long 3", "1", "line_too_long 5", "1"]);
    }
    let reply = client.post_batch(line(LINE_BYTES_MAX + 1)).await.expect("an answer");
    assert_eq!(told(&reply), ["line_too_long 1"]);
    assert_eq!(reply.json_lines()[0]["status"], 413);
}

#[tokio::test]
async fn a_body_of_another_type_is_refused() {
    let (_folder, _server, mut client) = start(ServerOptions::default()).await;
    let request = |content_type: Option<&str>| {
        let mut request = Request::post("/v1/observations/batch").header(HOST, "localhost");
        if let Some(content_type) = content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        request.body(Full::new(Bytes::from_static(b"{\"email\":\"doc@hill.edu\"}"))).expect("a plain request")
    };
    for (content_type, status) in [
        (Some("application/x-ndjson"), 200),
        (Some("application/ndjson"), 200),
        (Some("application/jsonl"), 200),
        (Some("Application/Json-Lines; charset=\"UTF-8\""), 200),
        (Some("application/x-ndjson; charset=latin1"), 415),
        (Some("application/json"), 415),
        (Some("text/plain"), 415),
        (None, 415),
    ] {
        let reply = client.send(request(content_type)).await.expect("an answer");
        assert_eq!(reply.status.as_u16(), status, "{content_type:?}");
        if status == 415 {
            assert_refused(&reply, 415, "unsupported_media_type");
        }
    }
    let mut request = request(Some("application/x-ndjson"));
    request.headers_mut().insert(CONTENT_ENCODING, "gzip".parse().expect("a header's value"));
    assert_refused(&client.send(request).await.expect("an answer"), 415, "unsupported_encoding");
    let reply = client.get("/v1/observations/batch").await.expect("an answer");
    assert_refused(&reply, 405, "method_not_allowed");
}

#[tokio::test]
async fn a_body_is_one_transaction_and_is_answered_after_it() {
    let (_folder, sqlite) = sqlite_store();
    let store = GatedStore::new(sqlite);
    let server = TestServer::start(store.clone(), ServerOptions::default()).await;
    let mut client = server.client().await;
    let answering = tokio::spawn(async move { client.post_batch(newcomers(0..1_000)).await });
    store.arrived(1).await;
    assert_eq!(rows_of(&*store).await.len(), 0, "nothing is there yet");
    assert!(!answering.is_finished(), "and nothing is answered");

    store.open_gate();
    let reply = answering.await.expect("no panic").expect("an answer");
    assert_eq!(told(&reply), (1..=1_000).map(|id| id.to_string()).collect::<Vec<_>>());
    assert_eq!(store.writes(), 1);

    // All known: no transaction at all, and so for a body of bad lines.
    let mut client = server.client().await;
    assert_eq!(told(&client.post_batch(newcomers(0..1_000)).await.expect("an answer")).len(), 1_000);
    assert_eq!(told(&client.post_batch("7\n{}\n").await.expect("an answer")).len(), 2);
    assert_eq!(store.writes(), 1);
}

#[tokio::test]
async fn a_queue_counts_the_observations_that_wait() {
    let (_folder, sqlite) = sqlite_store();
    let store = GatedStore::new(sqlite);
    let engine =
        EngineSettings { queue_length_max: 5, batch_observations_max: 3, ..EngineSettings::default() };
    let server = TestServer::start(store.clone(), ServerOptions { engine, ..Default::default() }).await;
    let mut waiting = tokio::task::JoinSet::new();
    let mut send = async |numbers| {
        let mut client = server.client().await;
        waiting.spawn(async move { client.post_batch(newcomers(numbers)).await.expect("an answer") });
    };
    send(0..3).await;
    store.arrived(1).await;
    // Three wait; there is room for two more, and not for three.
    for numbers in [3..6, 6..9] {
        send(numbers).await;
    }
    let refused = waiting.join_next().await.expect("one finds no room").expect("no panic");
    assert_refused(&refused, 503, "queue_full");
    let mut client = server.client().await;
    waiting.spawn(async move { client.post_batch(newcomers(9..11)).await.expect("an answer") });
    store.open_gate();
    let mut answered = 0;
    while let Some(reply) = waiting.join_next().await {
        answered += told(&reply.expect("no panic")).len();
    }
    assert_eq!((answered, rows_of(&*store).await.len()), (8, 8));
}

/// Five lines in jobs of two over a store that has no space for these writes.
async fn five_lines(refused: Vec<usize>) -> (TempDir, Arc<GatedStore>, Reply, TestServer) {
    let (folder, sqlite) = sqlite_store();
    let store = GatedStore::refusing(sqlite, refused);
    let server = TestServer::start(store.clone(), jobs_of(2)).await;
    let body = newcomers(0..2) + "7\n" + &newcomers(2..4);
    let reply = server.client().await.post_batch(body).await.expect("an answer");
    (folder, store, reply, server)
}

#[tokio::test]
async fn a_refused_job_is_told_line_by_line_or_at_the_head_if_it_is_the_first() {
    let (_folder, store, reply, _server) = five_lines(vec![]).await;
    assert_eq!(told(&reply), ["1", "2", "not_an_object 3", "3", "4"]);
    assert_eq!(store.writes(), 3, "a job has two lines, bad ones included");

    let (_folder, store, reply, server) = five_lines(vec![1]).await;
    assert_refused(&reply, 503, "no_space");
    assert_eq!(reply.headers["retry-after"], "10");
    assert_eq!((store.writes(), rows_of(&*store).await.len()), (1, 0), "the rest is not tried");
    // The same body again is always safe.
    let again = newcomers(0..2) + "7\n" + &newcomers(2..4);
    let reply = server.client().await.post_batch(again).await.expect("an answer");
    assert_eq!(told(&reply), ["1", "2", "not_an_object 3", "3", "4"]);

    let (_folder, store, reply, _server) = five_lines(vec![2]).await;
    assert_eq!(told(&reply), ["1", "2", "not_an_object 3", "no_space 4", "3"]);
    let refused = &reply.json_lines()[3];
    assert_eq!((&refused["status"], &refused["error"]), (&json!(503), &json!("Service Unavailable")));
    assert_eq!(rows_of(&*store).await.len(), 3, "later jobs are done");
}

/// The head of a batch whose body comes in chunks.
const CHUNKED: &str = "POST /v1/observations/batch HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
    content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n";

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

#[tokio::test]
async fn a_job_is_answered_before_the_rest_of_the_body_is_sent() {
    let (_folder, server, _client) = start(jobs_of(2)).await;
    let mut connection = RawConnection::open(server.address).await;
    connection.send(CHUNKED).await;
    connection.send(chunk(&newcomers(0..2))).await;
    connection.read_until("new1@hill.edu").await;
    // In the middle of a line, and of a line end.
    connection.send(chunk("{\"email\":\"new")).await;
    connection.send(chunk("2@hill.edu\"}\r")).await;
    connection.send(chunk("\n")).await;
    connection.send(chunk(&newcomers(3..4))).await;
    connection.read_until("new3@hill.edu").await;
    connection.send(chunk(newcomers(4..5).trim_end())).await;
    connection.send("0\r\n\r\n").await;
    let answer = connection.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n0\r\n\r\n"), "{answer}");
    assert_eq!(answer.matches("primaryContactId").count(), 5, "{answer}");
}

#[tokio::test]
async fn a_body_that_breaks_off_or_stalls_leaves_what_was_answered() {
    let receive_timeout = Duration::from_millis(300);
    for (stalls, code) in [(true, "request_timeout"), (false, "body_broken_off")] {
        // The first job is not whole: that is the answer to all of it, and nothing is stored.
        let (_folder, sqlite) = sqlite_store();
        let store: Arc<dyn Store> = sqlite;
        let options = ServerOptions { receive_timeout, ..jobs_of(2) };
        let server = TestServer::start(Arc::clone(&store), options).await;
        for (lines, stored) in [(1, 0), (3, 2)] {
            let mut connection = RawConnection::open(server.address).await;
            connection.send(CHUNKED).await;
            connection.send(chunk(&newcomers(0..lines))).await;
            if lines == 3 {
                connection.read_until("new1@hill.edu").await;
            }
            if !stalls {
                connection.end_sending().await;
            }
            let answer = connection.read_to_end().await;
            assert!(answer.contains(&format!("\"code\":\"{code}\"")), "{answer}");
            assert_eq!(answer.starts_with("HTTP/1.1 200 OK\r\n"), lines == 3, "{answer}");
            assert_eq!(answer.contains("\"line\":3}"), lines == 3, "from where on it is missing: {answer}");
            assert_eq!(rows_of(&*store).await.len(), stored, "{answer}");
        }
    }
}

/// The most memory that a process has had, in KiB.
fn memory_max_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("every process has one");
    most.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_300_000_lines_takes_no_more_memory_than_one_of_100_000() {
    let folder = tempfile::tempdir().expect("there is room for a temporary folder");
    let server = ServerProcess::start(folder.path());
    let line = format!("{{\"email\":\"doc@hill.edu\",\"x\":\"{}\"}}\n", "x".repeat(1_000));
    let mut memory_kib = Vec::new();
    for lines in [100_000, 300_000] {
        let stream = TcpStream::connect(server.address).await.expect("the server accepts connections");
        let (mut from, mut to) = stream.into_split();
        let line = line.clone();
        let sending = tokio::spawn(async move {
            to.write_all(CHUNKED.as_bytes()).await.expect("the server reads");
            let hundred = chunk(&line.repeat(100));
            for _ in 0..lines / 100 {
                to.write_all(hundred.as_bytes()).await.expect("the server reads");
            }
            to.write_all(b"0\r\n\r\n").await.expect("the server reads");
            // Closed, even for sending alone, it would be a client that has gone.
            to
        });
        let (mut answer, mut answered) = (vec![0; 64 * 1024], 0);
        loop {
            let count = from.read(&mut answer).await.expect("the connection stands");
            if count == 0 {
                break;
            }
            answered += answer[..count].iter().filter(|byte| **byte == b'[').count();
        }
        drop(sending.await.expect("no panic"));
        assert_eq!(answered, 3 * lines, "three lists a result");
        memory_kib.push(memory_max_kib(server.id()));
    }
    // The body of the second has 200 MB more; an allocator keeps some megabytes by it for each thread.
    assert!(memory_kib[1] < memory_kib[0] + 32 * 1024, "{memory_kib:?} KiB");
}

/// What a first user saw: a body of a few kilobytes about one customer of many contacts took gigabytes, and nobody else was
/// answered for seconds.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_about_a_large_customer_is_answered_in_parts() {
    let folder = tempfile::tempdir().expect("there is room for a temporary folder");
    let server = ServerProcess::start(folder.path());
    let mut client = Client::connect(server.address).await.expect("it listens");
    let contacts = 2_000;
    for first in (0..contacts).step_by(100) {
        let line = |phone| format!("{{\"email\":\"doc@hill.edu\",\"phoneNumber\":\"{phone}\"}}\n");
        let body: String = (first..first + 100).map(line).collect();
        let reply = client.post_batch(body).await.expect("an answer");
        assert_eq!(reply.json_lines().len(), 100);
    }
    let before_kib = memory_max_kib(server.id());
    let body = "{\"email\":\"doc@hill.edu\"}\n{\"email\":\"mcfly\"}\n".repeat(500);
    let reply = client.post_batch(body).await.expect("an answer");
    let lines = reply.json_lines();
    assert_eq!(lines.len(), 1_000);
    for (number, line) in (1_u64..).zip(&lines) {
        if number % 2 == 1 {
            let phones = line["contact"]["phoneNumbers"].as_array().expect("a list");
            assert_eq!(phones.len(), contacts, "line {number}");
        } else {
            assert_eq!((&line["code"], &line["line"]), (&json!("invalid_email"), &json!(number)));
        }
    }
    // All answers at once, as values and as text, are some hundred megabytes.
    let after_kib = memory_max_kib(server.id());
    assert!(after_kib < before_kib + 64 * 1024, "{before_kib} and then {after_kib} KiB");
}

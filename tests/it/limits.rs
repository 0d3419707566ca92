//! What the server does with bytes that no honest client sends: too many, too slow, too few, or no HTTP at all.

use std::time::{Duration, Instant};

use support::files::files_with_data;
use support::raw::{RawConnection, exchange};
use support::server::{ServerOptions, TestServer, sqlite_store};
use tempfile::TempDir;

/// The most bytes that a body may have.
const BODY_BYTES_MAX: usize = 64 * 1024;

const KNOWN: &str = r#"{"email":"doc@hill.edu"}"#;

async fn start(receive_timeout: Duration) -> (TempDir, TestServer) {
    let (folder, store) = sqlite_store();
    let server = TestServer::start(store, ServerOptions { receive_timeout, ..Default::default() }).await;
    (folder, server)
}

/// Patience that no test here exhausts.
fn patient() -> Duration {
    Duration::from_secs(60)
}

fn post(headers: &str, body: &str) -> String {
    format!(
        "POST /identify HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{headers}\r\n\r\n{body}"
    )
}

/// A request that closes its connection, with a true `Content-Length`.
fn post_and_close(body: &str) -> String {
    post(&format!("content-length: {}\r\nconnection: close", body.len()), body)
}

/// A JSON body of exactly so many bytes, most of them in a member that is ignored.
fn body_of(length_bytes: usize) -> String {
    let start = r#"{"email":"doc@hill.edu","x":""#;
    let padding = length_bytes - start.len() - 2;
    format!("{start}{}\"}}", "x".repeat(padding))
}

/// The body as chunks of so many bytes.
fn chunked(body: &str, chunk_bytes: usize) -> String {
    let chunks = body.as_bytes().chunks(chunk_bytes).map(|chunk| {
        format!("{:x}\r\n{}\r\n", chunk.len(), std::str::from_utf8(chunk).expect("the body is ASCII"))
    });
    chunks.chain(["0\r\n\r\n".to_owned()]).collect()
}

/// A head with that status, and a whole problem with that code behind it.
fn assert_problem(answer: &str, status: &str, code: &str) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    assert!(answer.contains("content-type: application/problem+json"), "{answer}");
    assert!(answer.contains(&format!(r#""code":"{code}""#)), "{answer}");
    assert!(answer.ends_with('}'), "the body is whole: {answer}");
}

#[tokio::test]
async fn a_body_of_64_kib_is_answered_and_one_byte_more_is_refused() {
    let (folder, server) = start(patient()).await;
    for (length_bytes, chunk_bytes) in [(BODY_BYTES_MAX, 1_000), (BODY_BYTES_MAX, BODY_BYTES_MAX)] {
        let body = body_of(length_bytes);
        let answer = exchange(server.address, post_and_close(&body)).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        let request = post("transfer-encoding: chunked\r\nconnection: close", &chunked(&body, chunk_bytes));
        let answer = exchange(server.address, request).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }
    let before = files_with_data(folder.path());
    // Up to a mebibyte is read to its end, so that the client reads its answer instead of a reset connection.
    for length_bytes in [BODY_BYTES_MAX + 1, 70 * 1024, 1_000_000] {
        let body = body_of(length_bytes).replace("doc@", "new@");
        let answer = exchange(server.address, post_and_close(&body)).await;
        assert_problem(&answer, "413 Payload Too Large", "body_too_large");
        let request = post("transfer-encoding: chunked\r\nconnection: close", &chunked(&body, 4_096));
        let answer = exchange(server.address, request).await;
        assert_problem(&answer, "413 Payload Too Large", "body_too_large");
    }
    assert_eq!(files_with_data(folder.path()), before);
}

#[tokio::test]
async fn a_policy_of_two_mebibytes_is_read_whole_and_one_byte_more_is_refused() {
    let (_folder, server) = start(patient()).await;
    let put = |headers: &str, body: &str| post(headers, body).replace("POST /identify", "PUT /v1/policy");
    let close = "transfer-encoding: chunked\r\nconnection: close";
    for (length_bytes, ending, status, code) in [
        (2 * 1024 * 1024, "}", "200 OK", None),
        // What stands behind the first mebibyte is read, too.
        (2 * 1024 * 1024, "}}", "400 Bad Request", Some("malformed_json")),
        (2 * 1024 * 1024 + 1, "}", "413 Payload Too Large", Some("body_too_large")),
        (3_000_000, "}", "413 Payload Too Large", Some("body_too_large")),
    ] {
        let body = format!("{{{}{ending}", " ".repeat(length_bytes - 1 - ending.len()));
        let announced = format!("content-length: {length_bytes}\r\nconnection: close");
        for request in [put(&announced, &body), put(close, &chunked(&body, 60_000))] {
            let answer = exchange(server.address, request).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{length_bytes}: {answer}");
            code.into_iter().for_each(|code| assert_problem(&answer, status, code));
        }
    }
}

#[tokio::test]
async fn a_body_that_is_announced_as_huge_is_refused_before_it_is_sent() {
    let (_folder, server) = start(patient()).await;
    let mut connection = RawConnection::open(server.address).await;
    connection.send(post("content-length: 99999999999", "")).await;
    assert_problem(&connection.read_to_end().await, "413 Payload Too Large", "body_too_large");
}

#[tokio::test]
async fn a_chunked_body_without_end_is_cut_off() {
    let (_folder, server) = start(patient()).await;
    let mut connection = RawConnection::open(server.address).await;
    connection.send(post("transfer-encoding: chunked", "")).await;
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    // A mebibyte and a little: what the server reads before it has had enough. It has not been told an end.
    connection.send(chunk.repeat(16)).await;
    connection.send("1\r\nx\r\n").await;
    assert_problem(&connection.read_to_end().await, "413 Payload Too Large", "body_too_large");
}

#[tokio::test]
async fn a_body_that_trickles_in_for_ever_is_cut_off() {
    let timeout = Duration::from_millis(300);
    let (folder, server) = start(timeout).await;
    let before = files_with_data(folder.path());
    let began = Instant::now();
    let mut connection = RawConnection::open(server.address).await;
    connection.send(post("content-length: 60000", "")).await;
    let answer = connection.trickle(body_of(60_000).bytes()).await;
    assert_problem(&answer, "408 Request Timeout", "request_timeout");
    assert!(began.elapsed() >= timeout, "the client had its time");
    assert_eq!(files_with_data(folder.path()), before);
}

#[tokio::test]
async fn a_head_that_trickles_in_for_ever_is_cut_off() {
    let timeout = Duration::from_millis(300);
    let (_folder, server) = start(timeout).await;
    let began = Instant::now();
    let mut connection = RawConnection::open(server.address).await;
    connection.send("POST /identify HTTP/1.1\r\nhost: localhost\r\nx-slow: ").await;
    // There is no request yet that could be answered.
    assert_eq!(connection.trickle("x".repeat(60_000).bytes()).await, "");
    assert!(began.elapsed() >= timeout, "the client had its time");
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let (_folder, server) = start(Duration::from_millis(100)).await;
    let silent = RawConnection::open(server.address).await;
    assert_eq!(silent.read_to_end().await, "");
    let mut answered = RawConnection::open(server.address).await;
    answered.send(post(&format!("content-length: {}", KNOWN.len()), KNOWN)).await;
    let answer = answered.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("}}"), "{answer}");
}

#[tokio::test]
async fn a_slow_client_keeps_nobody_else_waiting() {
    let (_folder, server) = start(patient()).await;
    let mut slow = Vec::new();
    for _ in 0..100 {
        let mut connection = RawConnection::open(server.address).await;
        connection.send(post("content-length: 60000", "{")).await;
        slow.push(connection);
    }
    let mut client = server.client().await;
    let reply = client.post_identify(KNOWN).await.expect("the server answers");
    assert_eq!(reply.status.as_u16(), 200);
    drop(slow);
}

#[tokio::test]
async fn a_content_length_that_lies_is_refused_or_taken_at_its_word() {
    let (folder, server) = start(patient()).await;
    let mut client = server.client().await;
    assert_eq!(client.post_identify(KNOWN).await.expect("an answer").status.as_u16(), 200);
    let before = files_with_data(folder.path());

    // More than is sent: the body broke off.
    let mut connection = RawConnection::open(server.address).await;
    connection.send(post("content-length: 100", r#"{"email":"new@hill.edu"}"#)).await;
    connection.end_sending().await;
    assert_problem(&connection.read_to_end().await, "400 Bad Request", "body_broken_off");

    // Less than is sent: the rest is no request.
    let request = post("content-length: 5", r#"{"email":"new@hill.edu"}"#);
    let answer = exchange(server.address, request).await;
    assert!(answer.contains(r#""code":"malformed_json""#), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 2, "{answer}");
    assert!(answer.contains("}HTTP/1.1 400 Bad Request\r\n"), "{answer}");

    for headers in [
        "content-length: -1",
        "content-length: zelda",
        "content-length: 24, 24",
        "content-length: 24\r\ncontent-length: 5",
        "content-length: 99999999999999999999999999",
        "transfer-encoding: zelda",
        "transfer-encoding: chunked\r\nx: y\r\ncontent-length: 5\r\ncontent-length: 6",
    ] {
        let answer = exchange(server.address, post(headers, r#"{"email":"new@hill.edu"}"#)).await;
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{headers}: {answer}");
    }
    assert_eq!(files_with_data(folder.path()), before);
}

#[tokio::test]
async fn what_is_no_http_is_refused_and_the_server_goes_on() {
    let (folder, server) = start(patient()).await;
    let before = files_with_data(folder.path());
    for (bytes, status) in [
        (&b"zelda\r\n\r\n"[..], "400"),
        (b"POST /identify\r\n\r\n", "400"),
        (b"POST /identify HTTP/9.9\r\n\r\n", "400"),
        (b"POST  /identify HTTP/1.1\r\n\r\n", "400"),
        (b"POST /identify HTTP/1.1\r\nno colon\r\n\r\n", "400"),
        (b"POST /identify HTTP/1.1\r\nx: a\0b\r\n\r\n", "400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400"),
        (b"\0\0\0\0\r\n\r\n", "400"),
        (b"OPTIONS * HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n", "404"),
        (b"GET http://localhost/nowhere HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n", "404"),
        (b"CONNECT localhost:443 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n", "404"),
        (b"POST /identify HTTP/1.1\r\nconnection: close\r\n\r\n", "400"),
    ] {
        let answer = exchange(server.address, bytes).await;
        let what = String::from_utf8_lossy(bytes);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{what:?}: {answer}");
    }
    // A client that begins with HTTP/2 could read no answer of ours.
    assert_eq!(exchange(server.address, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await, "");
    assert_eq!(files_with_data(folder.path()), before);
    assert_eq!(server.client().await.get("/healthz").await.expect("an answer").status.as_u16(), 200);
}

#[tokio::test]
async fn a_head_over_64_kib_is_refused() {
    let (_folder, server) = start(patient()).await;
    let head = format!("GET / HTTP/1.1\r\nhost: localhost\r\nx-long: {}", "x".repeat(64 * 1024));
    let mut connection = RawConnection::open(server.address).await;
    connection.send(head).await;
    let answer = connection.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"), "{answer}");
}

#[tokio::test]
async fn a_client_that_asks_before_it_sends_is_told_to_go_on() {
    let (_folder, server) = start(patient()).await;
    let mut connection = RawConnection::open(server.address).await;
    let headers = format!("content-length: {}\r\nexpect: 100-continue\r\nconnection: close", KNOWN.len());
    connection.send(post(&headers, "")).await;
    assert_eq!(connection.read_until("\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    connection.send(KNOWN).await;
    let answer = connection.read_to_end().await;
    assert!(answer.contains("\r\n\r\nHTTP/1.1 200 OK\r\n") && answer.ends_with("}}"), "{answer}");

    // Told at once that its body is not wanted, it need not send it.
    let mut connection = RawConnection::open(server.address).await;
    connection.send(post("content-length: 9999999\r\nexpect: 100-continue", "")).await;
    assert_problem(&connection.read_to_end().await, "413 Payload Too Large", "body_too_large");
}

#[tokio::test]
async fn http_1_0_is_answered_and_closed() {
    let (_folder, server) = start(patient()).await;
    let request = format!(
        "POST /identify HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{KNOWN}",
        KNOWN.len()
    );
    let answer = exchange(server.address, request).await;
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n") && answer.ends_with("}}"), "{answer}");
    assert!(!answer.contains("transfer-encoding"), "HTTP/1.0 knows no chunks: {answer}");
}

#[tokio::test]
async fn head_gets_the_head_of_the_heartbeat_and_no_body() {
    let (_folder, server) = start(patient()).await;
    let answer =
        exchange(server.address, "HEAD / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
    assert!(answer.contains("content-type: application/json\r\n"), "{answer}");
}

#[tokio::test]
async fn two_requests_in_one_packet_get_two_answers_in_their_order() {
    let (_folder, server) = start(patient()).await;
    let first = post(&format!("content-length: {}", KNOWN.len()), KNOWN);
    let second = post_and_close(r#"{"email":"other@hill.edu"}"#);
    let answer = exchange(server.address, format!("{first}{second}")).await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK\r\n").count(), 2, "{answer}");
    let places =
        ["doc@hill.edu", "other@hill.edu"].map(|email| answer.find(email).expect("both are answered"));
    assert!(places.is_sorted(), "{answer}");
}

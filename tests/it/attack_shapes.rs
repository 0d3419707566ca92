//! Requests that can be read in two ways, in bytes, with another request hidden in each: one request in, one answer out, or
//! a refusal and the end of the connection. Never two answers.

use support::process::ServerProcess;
use support::raw::provoke;

/// What the hidden request would be answered with.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nhost: localhost\r\n\r\n";

const KNOWN: &str = r#"{"email":"doc@hill.edu"}"#;

/// Headers of `POST /identify`, and what follows them; the status of its only answer.
fn posts() -> Vec<(String, String, &'static str)> {
    let empty_chunks = format!("0\r\n\r\n{HIDDEN}");
    let good_chunk = format!("{:x}\r\n{KNOWN}\r\n", KNOWN.len());
    let mut posts = Vec::new();
    // `Content-Length` and `Transfer-Encoding` together: the latter counts, and nothing after it.
    for headers in
        ["content-length: 6\r\ntransfer-encoding: chunked", "transfer-encoding: chunked\r\ncontent-length: 6"]
    {
        posts.push((headers.to_owned(), empty_chunks.clone(), "400"));
        posts.push((headers.to_owned(), format!("{good_chunk}{empty_chunks}"), "200"));
    }
    for encoding in [
        "transfer-encoding: chunked\r\ntransfer-encoding: identity",
        "transfer-encoding: identity\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked, chunked",
        "transfer-encoding: gzip, chunked",
        "transfer-encoding: chunked, identity",
        "transfer-encoding: identity",
        "transfer-encoding: xchunked",
        "transfer-encoding: \"chunked\"",
        "transfer-encoding: chunked;q=1",
        "transfer-encoding: \x0bchunked",
        "transfer-encoding:",
        "transfer-encoding : chunked",
        "transfer-encoding\t: chunked",
        " transfer-encoding: chunked",
        "x: y\r\n transfer-encoding: chunked",
        "transfer-encoding: chunked\r\n\tidentity",
        "x: a\rtransfer-encoding: chunked",
        "transfer-encoding: chunked\0",
    ] {
        posts.push((encoding.to_owned(), empty_chunks.clone(), "400"));
    }
    for length in [
        "5\r\ncontent-length: 24",
        "5, 24",
        "24, 24",
        "+24",
        "-1",
        "0x18",
        "2 4",
        "24;",
        "1e1",
        "",
        "99999999999999999999",
    ] {
        posts.push((format!("content-length: {length}"), format!("{KNOWN}{HIDDEN}"), "400"));
    }
    for head in ["host: other\r\ncontent-length: 24", "host: localhost\r\ncontent-length: 24"] {
        posts.push((head.to_owned(), format!("{KNOWN}{HIDDEN}"), "400"));
    }
    // Chunks that are cut in a way of their own.
    for chunks in [
        format!("0x18\r\n{KNOWN}\r\n"),
        format!("+18\r\n{KNOWN}\r\n"),
        format!("-18\r\n{KNOWN}\r\n"),
        format!("18\n{KNOWN}\r\n"),
        format!("18\r{KNOWN}\r\n"),
        format!("18\r\n{KNOWN}\n"),
        format!("18\r\n{KNOWN}"),
        format!("18;x=\n\r\n{KNOWN}\r\n"),
        format!("17\r\n{KNOWN}\r\n"),
        format!("10000000000000018\r\n{KNOWN}\r\n"),
        format!("\r\n18\r\n{KNOWN}\r\n"),
        format!("zelda\r\n{KNOWN}\r\n"),
    ] {
        posts.push(("transfer-encoding: chunked".to_owned(), format!("{chunks}{empty_chunks}"), "400"));
    }
    posts
}

/// Whole requests, and the status of the only answer; nothing where there is none.
fn others() -> Vec<(String, &'static str)> {
    let body = format!("content-length: {}\r\n\r\n{HIDDEN}", HIDDEN.len());
    vec![
        // A body that looks like a request is a body, wanted or not.
        (format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\n{body}"), "200"),
        (format!("POST /nowhere HTTP/1.1\r\nhost: localhost\r\n{body}"), "404"),
        (format!("POST /identify HTTP/1.1\r\nhost: localhost\r\n{body}"), "415"),
        (
            format!("GET / HTTP/1.1\r\nhost: localhost\r\nupgrade: h2c\r\nconnection: upgrade\r\n{body}"),
            "200",
        ),
        // A line feed alone ends a line of the head, as RFC 9112 allows, whoever reads it.
        (
            format!(
                "POST /identify HTTP/1.1\nhost: localhost\ncontent-type: application/json\ncontent-length: 24\n\n{KNOWN}"
            ),
            "200",
        ),
        ("GET http://other.example/healthz HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned(), "200"),
        (
            "GET http://other.example HTTP/1.1\r\nhost: localhost\r\nhost: other.example\r\n\r\n".to_owned(),
            "400",
        ),
        ("GET /healthz HTTP/1.1\r\n\r\n".to_owned(), "400"),
        ("GET /healthz HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n".to_owned(), "400"),
        (format!("GET /healthz\r\n\r\n{HIDDEN}"), "400"),
        (format!("GET  /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n{HIDDEN}"), "400"),
        (format!("GET /healthz HTTP/1.1 \r\nhost: localhost\r\n\r\n{HIDDEN}"), "400"),
        (format!("GET /health\tz HTTP/1.1\r\nhost: localhost\r\n\r\n{HIDDEN}"), "400"),
        (format!("POST /identify HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{HIDDEN}"), "400"),
        (format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{HIDDEN}"), ""),
    ]
}

fn statuses(answers: &str) -> Vec<&str> {
    let status = |at: usize| answers.get(at + 9..at + 12).unwrap_or("?");
    answers.match_indices("HTTP/1.").map(|(at, _)| status(at)).collect()
}

#[tokio::test]
async fn no_request_is_taken_for_two() {
    let folder = tempfile::tempdir().unwrap();
    let server = ServerProcess::start(folder.path());
    let posts = posts().into_iter().map(|(headers, rest, want)| {
        let head = "POST /identify HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json";
        (format!("{head}\r\n{headers}\r\n\r\n{rest}"), want)
    });
    for (request, want) in posts.chain(others()) {
        let answers = provoke(server.address, &request).await;
        let want: Vec<&str> = if want.is_empty() { Vec::new() } else { vec![want] };
        assert_eq!(statuses(&answers), want, "{request:?}: {answers}");
    }
    // A second answer would be seen: these are two requests.
    let first = format!(
        "POST /identify HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 24\r\n\r\n{KNOWN}"
    );
    let answers = provoke(server.address, format!("{first}{HIDDEN}")).await;
    assert_eq!(statuses(&answers), ["200", "404"], "{answers}");
}

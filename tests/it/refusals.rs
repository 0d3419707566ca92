//! How bad requests are refused: with a JSON body that helps, with nothing stored, and with nobody's data.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use serde_json::Value;
use support::client::{Client, Reply};
use support::files::files_with_data;
use support::server::{ServerOptions, TestServer, sqlite_store};
use tempfile::TempDir;

/// Stands in every value that a refused request sends and in the customer who is stored: no error may show it.
const PERSONAL: &str = "zelda";
/// The same for phone numbers.
const PERSONAL_DIGITS: &str = "5550199";
/// Words by which a parser, a library or an engine would give itself away.
const INTERNALS: [&str; 9] =
    ["serde", "expected", "line 1", "column", "EOF", "SQL", "panicked", "utf-8 sequence", "crates/"];

/// A server that knows one customer.
struct Shop {
    folder: TempDir,
    _server: TestServer,
    client: Client,
}

impl Shop {
    async fn open() -> Self {
        let (folder, store) = sqlite_store();
        let server = TestServer::start(store, ServerOptions::default()).await;
        let mut client = server.client().await;
        let reply = client.identify(Some("zelda@example.org"), Some("5550199")).await.expect("an answer");
        assert_eq!(reply.status.as_u16(), 200);
        Self { folder, _server: server, client }
    }

    /// Sends a request that must be refused with that status and code, and must change nothing.
    async fn refused(&mut self, request: Request<Full<Bytes>>, status: u16, code: &str, what: &str) -> Reply {
        let before = files_with_data(self.folder.path());
        let reply = self.client.send(request).await.expect("the server answers");
        assert_eq!(files_with_data(self.folder.path()), before, "{what}: nothing may be stored");
        check_problem(&reply, status, code, what);
        reply
    }
}

/// A refusal has every member, in order and agreeing with each other, and shows nobody's data.
fn check_problem(reply: &Reply, status: u16, code: &str, what: &str) {
    let text = reply.text();
    assert_eq!(reply.status.as_u16(), status, "{what}: {text}");
    assert_eq!(reply.headers[CONTENT_TYPE], "application/problem+json", "{what}");
    let body = reply.json();
    let member = |name: &str| body[name].as_str().unwrap_or_else(|| panic!("{what}: no `{name}`")).to_owned();
    assert_eq!(member("code"), code, "{what}: {text}");
    assert_eq!(member("type"), format!("urn:selfsame:problem:{code}"), "{what}");
    assert_eq!(body["status"], status, "{what}");
    let reason = reply.status.canonical_reason().expect("a status of the standard");
    assert_eq!((member("title"), member("error")), (reason.to_owned(), reason.to_owned()), "{what}");
    let members = ["type", "title", "status", "detail", "code", "requestId", "error"];
    let places = members.map(|name| text.find(&format!("\"{name}\":")).expect("every member is there"));
    assert!(places.is_sorted(), "{what}: {text}");
    assert_eq!(body.as_object().map(serde_json::Map::len), Some(members.len()), "{what}: {text}");

    let detail = member("detail");
    assert!(detail.ends_with('.') && !detail.contains(". "), "{what}: one sentence, not {detail:?}");
    let lower = text.to_lowercase();
    assert!(!lower.contains(PERSONAL) && !lower.contains(PERSONAL_DIGITS), "{what}: {text}");
    for word in INTERNALS {
        assert!(!text.contains(word), "{what}: {word:?} in {text}");
    }
}

fn json(body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post("/identify")
        .header(HOST, "localhost")
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(body.into()))
        .expect("a plain request")
}

/// Sends each body as JSON: what it is, the body, and the code of its refusal, which is a 400.
async fn check(rows: &[(&str, &[u8], &str)]) {
    let mut shop = Shop::open().await;
    for (what, body, code) in rows {
        shop.refused(json(Bytes::copy_from_slice(body)), 400, code, what).await;
    }
}

#[tokio::test]
async fn a_body_that_is_no_json_is_refused() {
    check(&[
        ("nothing at all", b"", "empty_body"),
        ("white space", b" \n", "malformed_json"),
        ("a word", b"zelda", "malformed_json"),
        ("an object that never ends", br#"{"email":"zelda@example.org""#, "malformed_json"),
        ("a string that never ends", br#"{"email":"zelda@example.org"#, "malformed_json"),
        ("a comma too many", br#"{"email":"zelda@example.org",}"#, "malformed_json"),
        ("single quotes", br"{'email':'zelda@example.org'}", "malformed_json"),
        ("keys without quotes", br#"{email:"zelda@example.org"}"#, "malformed_json"),
        ("a comment", br#"{/* zelda */"email":"zelda@example.org"}"#, "malformed_json"),
        ("two objects", br#"{"email":"zelda@example.org"}{}"#, "malformed_json"),
        ("a word after the object", br#"{"email":"zelda@example.org"} zelda"#, "malformed_json"),
        ("a number with leading zeros", br#"{"phoneNumber":005550199}"#, "malformed_json"),
        ("a number with a plus", br#"{"phoneNumber":+5550199}"#, "malformed_json"),
        ("NaN", br#"{"phoneNumber":NaN}"#, "malformed_json"),
        ("a raw line break in a string", b"{\"email\":\"zelda\n@example.org\"}", "malformed_json"),
        ("a raw NUL in a string", b"{\"email\":\"zelda\0@example.org\"}", "malformed_json"),
        ("a raw NUL after the object", b"{\"email\":\"zelda@example.org\"}\0", "malformed_json"),
        ("half a surrogate pair", br#"{"email":"zelda\ud800@example.org"}"#, "malformed_json"),
        ("an escape that is none", br#"{"email":"zelda\x40example.org"}"#, "malformed_json"),
        ("a form", b"email=zelda%40example.org", "malformed_json"),
        ("Latin-1", b"{\"email\":\"zelda\xe9@example.org\"}", "not_utf8"),
        (
            "bytes in a member that is ignored",
            b"{\"x\":\"\xff\",\"email\":\"zelda@example.org\"}",
            "not_utf8",
        ),
        ("UTF-16", b"\xff\xfe{\0}\0", "not_utf8"),
    ])
    .await;
}

#[tokio::test]
async fn json_of_another_shape_is_refused() {
    check(&[
        ("a list", br#"["zelda@example.org","5550199"]"#, "not_an_object"),
        ("a list of observations", br#"[{"email":"zelda@example.org"}]"#, "not_an_object"),
        ("a string", br#""zelda@example.org""#, "not_an_object"),
        ("a number", b"5550199", "not_an_object"),
        ("null", b"null", "not_an_object"),
        ("an e-mail that is a number", br#"{"email":5550199}"#, "wrong_type"),
        ("an e-mail that is a boolean", br#"{"email":true,"phoneNumber":"1"}"#, "wrong_type"),
        ("an e-mail that is a list", br#"{"email":["zelda@example.org"]}"#, "wrong_type"),
        ("an e-mail that is an object", br#"{"email":{"zelda":1}}"#, "wrong_type"),
        ("a phone that is a boolean", br#"{"email":"zelda@example.org","phoneNumber":false}"#, "wrong_type"),
        ("a phone that is a list", br#"{"phoneNumber":[5550199]}"#, "wrong_type"),
        ("a phone that is an object", br#"{"phoneNumber":{}}"#, "wrong_type"),
        ("a phone below zero", br#"{"phoneNumber":-5550199}"#, "wrong_type"),
        ("a phone with a fraction", br#"{"phoneNumber":5550199.0}"#, "wrong_type"),
        ("a phone with an exponent", br#"{"phoneNumber":5550199e2}"#, "wrong_type"),
        ("two e-mails", br#"{"email":"zelda@example.org","email":"b@example.org"}"#, "repeated_member"),
        ("two phones, one null", br#"{"phoneNumber":null,"phoneNumber":"5550199"}"#, "repeated_member"),
    ])
    .await;
}

#[tokio::test]
async fn a_value_that_breaks_a_rule_is_refused() {
    check(&[
        ("no at sign", br#"{"email":"zelda"}"#, "invalid_email"),
        (
            "a bad e-mail beside a known phone",
            br#"{"email":"zelda","phoneNumber":"5550199"}"#,
            "invalid_email",
        ),
        ("two at signs", br#"{"email":"zelda@a@example.org"}"#, "invalid_email"),
        ("no local part", br#"{"email":"@zelda.org"}"#, "invalid_email"),
        ("a domain without a dot", br#"{"email":"zelda@example"}"#, "invalid_email"),
        ("white space inside", br#"{"email":"zel da@zelda.org"}"#, "invalid_email"),
        ("a NUL", br#"{"email":"zelda@example.org\u0000"}"#, "invalid_email"),
        ("a NUL alone", br#"{"email":"\u0000"}"#, "invalid_email"),
        ("an escape of the terminal", br#"{"email":"zelda\u001b[2J@example.org"}"#, "invalid_email"),
        ("a phone of letters", br#"{"phoneNumber":"call zelda"}"#, "invalid_phone_number"),
        ("a phone with a NUL", br#"{"phoneNumber":"5550199\u0000"}"#, "invalid_phone_number"),
        ("a phone of separators", br#"{"phoneNumber":"+ () -"}"#, "invalid_phone_number"),
        ("a plus inside", br#"{"phoneNumber":"555+0199"}"#, "invalid_phone_number"),
        ("digits that are not ASCII", "{\"phoneNumber\":\"٥٥٥\"}".as_bytes(), "invalid_phone_number"),
        ("33 digits", br#"{"phoneNumber":"555019900000000000000000000000000"}"#, "invalid_phone_number"),
        (
            "an integer of 33 digits",
            br#"{"phoneNumber":555019900000000000000000000000000}"#,
            "invalid_phone_number",
        ),
        (
            "a bad phone beside a known e-mail",
            br#"{"email":"zelda@example.org","phoneNumber":"x"}"#,
            "invalid_phone_number",
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_body_that_identifies_nobody_is_refused() {
    // The original stored an empty contact for each of these, and linked strangers through it.
    check(&[
        ("an empty object", b"{}", "nothing_to_identify"),
        ("both null", br#"{"email":null,"phoneNumber":null}"#, "nothing_to_identify"),
        ("an e-mail that is null", br#"{"email":null}"#, "nothing_to_identify"),
        ("both empty", br#"{"email":"","phoneNumber":""}"#, "nothing_to_identify"),
        ("both blank", br#"{"email":" \t\n","phoneNumber":"\u00a0 "}"#, "nothing_to_identify"),
        ("other members only", br#"{"phone":"5550199","mail":"zelda@example.org"}"#, "nothing_to_identify"),
        ("members in another case", br#"{"Email":"zelda@example.org"}"#, "nothing_to_identify"),
    ])
    .await;
}

#[tokio::test]
async fn values_without_end_and_nesting_without_end_are_refused() {
    let email = format!("{{\"email\":\"{}@example.org\"}}", "zelda".repeat(10_000));
    let phone = format!("{{\"phoneNumber\":\"{}\"}}", "5550199".repeat(9_000));
    let integer = format!("{{\"phoneNumber\":{}}}", "5550199".repeat(9_000));
    let lists = format!("{{\"email\":{}", "[".repeat(60_000));
    let closed = format!("{{\"x\":{}{}}}", "[".repeat(30_000), "]".repeat(30_000));
    let objects = "{\"email\":".repeat(7_000);
    let beside = format!("{{\"email\":\"new@example.org\",\"x\":{}1{}}}", "[".repeat(64), "]".repeat(64));
    check(&[
        ("an e-mail of 50 KB", email.as_bytes(), "invalid_email"),
        ("a phone of 60 KB", phone.as_bytes(), "invalid_phone_number"),
        ("an integer of 60 KB", integer.as_bytes(), "invalid_phone_number"),
        ("lists that never close", lists.as_bytes(), "nested_too_deeply"),
        ("lists that close", closed.as_bytes(), "nested_too_deeply"),
        ("objects in objects", objects.as_bytes(), "nested_too_deeply"),
        ("deep within a member that is ignored", beside.as_bytes(), "nested_too_deeply"),
    ])
    .await;
}

#[tokio::test]
async fn a_body_that_is_not_json_by_its_content_type_is_refused() {
    let mut shop = Shop::open().await;
    let body = br#"{"email":"new@zelda.org"}"#;
    for content_type in [
        None,
        Some("text/plain"),
        Some("text/json"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data; boundary=zelda"),
        Some("application/json; charset=iso-8859-1"),
        Some("application/jsonp"),
        Some(""),
    ] {
        let mut request = json(&body[..]);
        request.headers_mut().remove(CONTENT_TYPE);
        if let Some(content_type) = content_type {
            request.headers_mut().insert(CONTENT_TYPE, content_type.parse().expect("a header's value"));
        }
        let what = format!("{content_type:?}");
        shop.refused(request, 415, "unsupported_media_type", &what).await;
    }
    let mut request = json(&body[..]);
    request.headers_mut().insert(CONTENT_ENCODING, "gzip".parse().expect("a header's value"));
    shop.refused(request, 415, "unsupported_encoding", "gzip").await;
}

#[tokio::test]
async fn other_paths_and_methods_are_refused_in_json() {
    let mut shop = Shop::open().await;
    let request = |method: &Method, path: &str| {
        let mut request = json(&br#"{"email":"new@zelda.org"}"#[..]);
        *request.method_mut() = method.clone();
        *request.uri_mut() = path.parse().expect("a path");
        request
    };
    for path in [
        "/nowhere",
        "/identify/1",
        "/identify//",
        "//identify",
        "/Identify",
        "/zelda@example.org",
        "/%00",
        "/../identify",
    ] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            shop.refused(request(&method, path), 404, "not_found", &format!("{method} {path}")).await;
        }
    }
    for (method, path, allowed) in [
        (Method::GET, "/identify", "POST"),
        (Method::PUT, "/identify/", "POST"),
        (Method::DELETE, "/identify", "POST"),
        (Method::OPTIONS, "/identify", "POST"),
        (Method::PATCH, "/identify", "POST"),
        (Method::POST, "/", "GET,HEAD"),
        (Method::POST, "/healthz", "GET,HEAD"),
        (Method::from_bytes(b"ZELDA").expect("a token"), "/readyz", "GET,HEAD"),
    ] {
        let what = format!("{method} {path}");
        let reply = shop.refused(request(&method, path), 405, "method_not_allowed", &what).await;
        assert_eq!(reply.headers[ALLOW], allowed, "{what}");
    }
}

#[tokio::test]
async fn a_refusal_reads_as_one_sentence_for_a_person_and_one_word_for_a_program() {
    let mut shop = Shop::open().await;
    let mut texts = String::new();
    for (body, status, code) in [
        (r#"{"email":"zelda"}"#, 400, "invalid_email"),
        (r#"{"phoneNumber":"zelda"}"#, 400, "invalid_phone_number"),
        (r#"{"email":7}"#, 400, "wrong_type"),
        (r#"{"phoneNumber":1.5}"#, 400, "wrong_type"),
        ("{}", 400, "nothing_to_identify"),
        ("{", 400, "malformed_json"),
        ("[]", 400, "not_an_object"),
    ] {
        let reply = shop.refused(json(body), status, code, body).await;
        let id = reply.json()["requestId"].as_str().expect("an id").to_owned();
        texts += &format!("{}\n", reply.text().replace(&id, "ID"));
    }
    insta::assert_snapshot!(texts, @r#"
    {"type":"urn:selfsame:problem:invalid_email","title":"Bad Request","status":400,"detail":"`email` is not an e-mail address: it has no `@`; correct it, or leave it out.","code":"invalid_email","requestId":"ID","error":"Bad Request"}
    {"type":"urn:selfsame:problem:invalid_phone_number","title":"Bad Request","status":400,"detail":"`phoneNumber` is not a phone number: it has a character that is no digit, separator or leading `+`; correct it, or leave it out.","code":"invalid_phone_number","requestId":"ID","error":"Bad Request"}
    {"type":"urn:selfsame:problem:wrong_type","title":"Bad Request","status":400,"detail":"`email` must be a string or null.","code":"wrong_type","requestId":"ID","error":"Bad Request"}
    {"type":"urn:selfsame:problem:wrong_type","title":"Bad Request","status":400,"detail":"`phoneNumber` must be a string, a whole number without sign or exponent, or null.","code":"wrong_type","requestId":"ID","error":"Bad Request"}
    {"type":"urn:selfsame:problem:nothing_to_identify","title":"Bad Request","status":400,"detail":"There is no `email` and no `phoneNumber` that isn't blank; send at least one of them.","code":"nothing_to_identify","requestId":"ID","error":"Bad Request"}
    {"type":"urn:selfsame:problem:malformed_json","title":"Bad Request","status":400,"detail":"The body is not valid JSON; send a JSON object.","code":"malformed_json","requestId":"ID","error":"Bad Request"}
    {"type":"urn:selfsame:problem:not_an_object","title":"Bad Request","status":400,"detail":"The body must be a JSON object with `email`, `phoneNumber` or both.","code":"not_an_object","requestId":"ID","error":"Bad Request"}
    "#);
}

#[tokio::test]
async fn after_every_refusal_the_same_connection_goes_on_working() {
    let mut shop = Shop::open().await;
    for body in ["{", "[]", "{}", r#"{"email":7}"#] {
        shop.client.post_identify(body).await.expect("an answer");
        let reply = shop.client.identify(Some("zelda@example.org"), None).await.expect("an answer");
        assert_eq!(reply.json()["contact"]["primaryContactId"], Value::from(1), "after {body}");
    }
}

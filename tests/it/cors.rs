//! CORS: which pages a browser lets at the answers. Off unless set.

use http_body_util::Full;
use hyper::header::{ACCESS_CONTROL_REQUEST_METHOD, HOST, ORIGIN};
use hyper::{HeaderMap, Request};
use selfsame_api::Edge;
use support::client::{Client, Reply};
use support::deadline::run_to_end;
use support::process::{ServerProcess, command};
use support::server::{ServerOptions, TestServer, sqlite_store};
use tempfile::TempDir;

const OURS: &str = "https://shop.example";
const FOREIGN: &str = "https://evil.example";

async fn start(cors: Option<&str>) -> (TempDir, TestServer) {
    let (folder, store) = sqlite_store();
    let cors = cors.map(|origins| origins.parse().unwrap());
    let edge = Edge { cors, ..Edge::default() };
    (folder, TestServer::start(store, ServerOptions { edge, ..Default::default() }).await)
}

/// What a browser asks before a page of `origin` may send JSON.
async fn preflight(client: &mut Client, origin: &str, path: &str) -> Reply {
    let request = Request::options(path).header(HOST, "localhost").header(ORIGIN, origin);
    let request = request.header(ACCESS_CONTROL_REQUEST_METHOD, "POST");
    client.send(request.body(Full::default()).unwrap()).await.unwrap()
}

/// The answer to a page of `origin`, which sends `{}`.
async fn asked_by(client: &mut Client, origin: &str) -> Reply {
    let request = Request::post("/identify").header(HOST, "localhost").header(ORIGIN, origin);
    let request = request.header("content-type", "application/json");
    client.send(request.body(Full::new("{}".into())).unwrap()).await.unwrap()
}

/// All that a browser goes by.
fn allowances(headers: &HeaderMap) -> Vec<String> {
    let named = headers.iter().filter(|(name, _)| name.as_str().starts_with("access-control-"));
    let mut lines: Vec<_> =
        named.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn a_page_of_a_listed_origin_may_ask_and_read_also_refusals() {
    let (_folder, server) = start(Some("https://admin.example,https://shop.example")).await;
    let mut client = server.client().await;
    let reply = preflight(&mut client, OURS, "/identify").await;
    assert_eq!((reply.status.as_u16(), reply.text()), (204, ""));
    assert_eq!(
        allowances(&reply.headers),
        [
            "access-control-allow-headers: authorization,content-type,idempotency-key,selfsame-workspace",
            "access-control-allow-methods: POST",
            "access-control-allow-origin: https://shop.example",
            "access-control-max-age: 600",
        ]
    );
    assert_eq!(reply.headers["vary"], "origin");
    let reply = asked_by(&mut client, OURS).await;
    assert_eq!((reply.status.as_u16(), &reply.json()["code"]), (400, &"nothing_to_identify".into()));
    assert_eq!(
        allowances(&reply.headers),
        [
            "access-control-allow-origin: https://shop.example",
            "access-control-expose-headers: x-request-id,retry-after,ratelimit,ratelimit-policy,location,idempotent-replayed",
        ]
    );
    assert_eq!(preflight(&mut client, OURS, "/nowhere").await.status.as_u16(), 404);
}

#[tokio::test]
async fn a_page_of_another_origin_is_allowed_nothing() {
    let (_folder, server) = start(Some(OURS)).await;
    let mut client = server.client().await;
    for origin in [FOREIGN, "null", "https://shop.example.evil.example", "http://shop.example"] {
        let reply = preflight(&mut client, origin, "/identify").await;
        assert_eq!((reply.status.as_u16(), &reply.json()["code"]), (405, &"method_not_allowed".into()));
        let answer = asked_by(&mut client, origin).await;
        for headers in [reply.headers, answer.headers] {
            assert_eq!(allowances(&headers), Vec::<String>::new(), "{origin}");
            // Or something on the way could hand it to a page that is allowed.
            assert_eq!(headers["vary"], "origin", "{origin}");
        }
    }
}

#[tokio::test]
async fn a_star_is_every_page_and_never_with_credentials() {
    let (_folder, server) = start(Some("*")).await;
    let mut client = server.client().await;
    let replies = [preflight(&mut client, FOREIGN, "/identify").await, asked_by(&mut client, FOREIGN).await];
    for reply in replies {
        assert_eq!(reply.headers["access-control-allow-origin"], "*");
        assert!(!reply.headers.contains_key("access-control-allow-credentials"));
        assert!(!reply.headers.contains_key("vary"));
    }
    let of_no_page = client.get("/healthz").await.unwrap();
    assert_eq!(allowances(&of_no_page.headers), Vec::<String>::new());
}

#[tokio::test]
async fn nothing_is_allowed_unless_it_is_set() {
    let (_folder, server) = start(None).await;
    let mut client = server.client().await;
    let reply = preflight(&mut client, OURS, "/identify").await;
    assert_eq!(reply.status.as_u16(), 405);
    for headers in [reply.headers, asked_by(&mut client, OURS).await.headers] {
        assert_eq!(allowances(&headers), Vec::<String>::new());
        assert!(!headers.contains_key("vary"));
    }
}

#[tokio::test]
async fn the_origins_are_a_setting() {
    let folder = tempfile::tempdir().unwrap();
    let lists = r#"cors-origins = ["https://admin.example", "https://shop.example"]"#;
    std::fs::write(folder.path().join("selfsame.toml"), lists).unwrap();
    let mut serve = command(folder.path(), &["serve", "--port", "0"]);
    let server = ServerProcess::spawn(command(folder.path(), &["serve", "--port", "0"])).unwrap();
    let mut client = Client::connect(server.address).await.unwrap();
    assert_eq!(asked_by(&mut client, OURS).await.headers["access-control-allow-origin"], OURS);
    assert!(!server.said().contains("every web page"), "{}", server.said());
    drop(server);

    serve.env("SELFSAME_CORS_ORIGINS", "*");
    let server = ServerProcess::spawn(serve).unwrap();
    assert!(server.said().contains("every web page"), "{}", server.said());
    let output = run_to_end(folder.path(), &["doctor", "--cors-origins=*", "--port=1"]);
    assert!(String::from_utf8(output.stdout).unwrap().contains("warning  web pages: every web page"));

    let output = run_to_end(folder.path(), &["serve", "--port=0", "--cors-origins=https://shop.example/"]);
    let error = String::from_utf8(output.stderr).unwrap();
    let want = "`https://shop.example/` is no origin: it ends with its host or port, without a slash or path\nhint: ";
    assert!(output.status.code() == Some(2) && error.contains(want), "{error}");
}

/// Where nobody is asked for a key, a page may come that is of this machine or that CORS names; and nobody reads by a name
/// that a page may have brought here.
#[tokio::test]
async fn no_page_from_elsewhere_comes_as_this_machines_user() {
    let (own, rebound) = ("http://localhost:5173", "http://rebind.example:3000");
    for (cors, origin, host, write, read) in [
        (None, None, "localhost", 400, 200),
        (None, None, "rebind.example:3000", 400, 403),
        (None, Some(own), "localhost", 400, 200),
        (None, Some(FOREIGN), "localhost", 403, 403),
        (None, Some(rebound), "rebind.example:3000", 403, 403),
        (Some(OURS), None, "localhost", 400, 200),
        (Some(OURS), None, "rebind.example:3000", 400, 403),
        (Some(OURS), Some(own), "localhost", 400, 200),
        (Some(OURS), Some(OURS), "localhost", 400, 200),
        (Some(OURS), Some(FOREIGN), "localhost", 403, 403),
        (Some(OURS), Some(rebound), "rebind.example:3000", 403, 403),
        (Some("*"), None, "rebind.example:3000", 400, 200),
        (Some("*"), Some(FOREIGN), "localhost", 400, 200),
    ] {
        let (_folder, server) = start(cors).await;
        let mut client = server.client().await;
        let said = format!("{cors:?} {origin:?} {host}");
        for (request, want) in [(Request::post("/identify"), write), (Request::get("/v1/workspaces"), read)] {
            let request = request.header(HOST, host).header("content-type", "application/json");
            let request = origin.iter().fold(request, |request, origin| request.header(ORIGIN, *origin));
            let reply = client.send(request.body(Full::new("{}".into())).unwrap()).await.unwrap();
            assert_eq!(reply.status.as_u16(), want, "{said}: {}", reply.text());
            assert!(want != 403 || reply.json()["code"] == "foreign_page", "{said}: {}", reply.text());
        }
    }
}

//! Keys: who gets in, what he may do, and how much. On both stores, through HTTP.

use std::time::{Duration, Instant};

use data_encoding::BASE64;
use selfsame_api::description;
use serde_json::json;
use support::client::Ask;
use support::databases::Databases;
use support::raw::RawConnection;
use support::server::{ServerOptions, TestServer};
use support::shop::{ADMIN, Shop, code, named};

/// The route that asks for a signature in place of a key.
const SIGNED: &str = "/v1/sources/shopify";

/// Each route that is described, and the scope that it needs; none for one that is open to all, or [`SIGNED`].
const SCOPES: [(&str, &str, Option<&str>); 52] = [
    ("DELETE", "/v1/contacts/{id}", Some("write")),
    ("DELETE", "/v1/identities/{id}", Some("admin")),
    ("DELETE", "/v1/keys/{id}", Some("admin")),
    ("DELETE", "/v1/webhooks/{id}", Some("admin")),
    ("DELETE", "/v1/workspaces/{name}", Some("admin")),
    ("GET", "/", None),
    ("GET", "/healthz", None),
    ("GET", "/metrics", Some("read")),
    ("GET", "/openapi.json", None),
    ("GET", "/readyz", None),
    ("GET", "/v1/events", Some("read")),
    ("GET", "/v1/export", Some("read")),
    ("GET", "/v1/identities", Some("read")),
    ("GET", "/v1/identities/{id}", Some("read")),
    ("GET", "/v1/identities/{id}/events", Some("read")),
    ("GET", "/v1/identities/{id}/record", Some("read")),
    ("GET", "/v1/identities/{id}/why", Some("read")),
    ("GET", "/v1/keys", Some("admin")),
    ("GET", "/v1/keys/current", Some("any")),
    ("GET", "/v1/keys/{id}", Some("admin")),
    ("GET", "/v1/policy", Some("read")),
    ("GET", "/v1/reviews", Some("read")),
    ("GET", "/v1/webhooks", Some("admin")),
    ("GET", "/v1/webhooks/{id}", Some("admin")),
    ("GET", "/v1/workspaces", Some("admin")),
    ("GET", "/v1/workspaces/{name}", Some("admin")),
    ("PATCH", "/v1/workspaces/{name}", Some("admin")),
    ("POST", "/identify", Some("identify")),
    ("POST", "/v1/alias", Some("identify")),
    ("POST", "/v1/batch", Some("identify")),
    ("POST", "/v1/events/{sequence}/undo", Some("write")),
    ("POST", "/v1/group", Some("identify")),
    ("POST", "/v1/identify", Some("identify")),
    ("POST", "/v1/identities/{id}/merge", Some("write")),
    ("POST", "/v1/identities/{id}/split", Some("write")),
    ("POST", "/v1/import", Some("identify")),
    ("POST", "/v1/import/events", Some("admin")),
    ("POST", "/v1/keys", Some("admin")),
    ("POST", "/v1/observations", Some("identify")),
    ("POST", "/v1/observations/batch", Some("identify")),
    ("POST", "/v1/page", Some("identify")),
    ("POST", "/v1/policy/preview", Some("admin")),
    ("POST", "/v1/reviews/{sequence}", Some("write")),
    ("POST", "/v1/screen", Some("identify")),
    ("POST", "/v1/sources/shopify", None),
    ("POST", "/v1/track", Some("identify")),
    ("POST", "/v1/webhooks", Some("admin")),
    ("POST", "/v1/webhooks/{id}/replay", Some("admin")),
    ("POST", "/v1/webhooks/{id}/rotate", Some("admin")),
    ("POST", "/v1/webhooks/{id}/test", Some("admin")),
    ("POST", "/v1/workspaces", Some("admin")),
    ("PUT", "/v1/policy", Some("admin")),
];

/// What the description says there is: method and path of each.
fn described() -> Vec<(String, String)> {
    let description = description();
    let paths = description["paths"].as_object().expect("a description has paths");
    let mut described: Vec<_> = paths
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().expect("each with its methods");
            methods.keys().map(|method| (method.to_uppercase(), path.clone()))
        })
        .collect();
    described.sort();
    described
}

#[test]
fn each_route_is_described_and_its_scope_is_known() {
    let known: Vec<_> =
        SCOPES.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(described(), known);
    let router = include_str!("../../crates/api/src/router.rs");
    let mut routes: Vec<&str> =
        router.split(".route(\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    // Another spelling of a described one, and the page that shows the description.
    routes.retain(|route| !["/identify/", "/health", "/docs", "/docs/", "/docs/{file}"].contains(route));
    let mut paths: Vec<_> = known.iter().map(|(_, path)| path.as_str()).collect();
    paths.dedup();
    for route in &routes {
        assert!(paths.contains(route), "{route} is not described");
    }
    assert!(paths.iter().all(|path| routes.contains(path)), "each described route is there");
}

#[tokio::test]
async fn every_route_asks_for_a_key_and_for_its_scope() {
    for databases in [Databases::Sqlite, Databases::postgres()] {
        let mut shop = Shop::open(&databases).await;
        let mut keys = Vec::new();
        for scope in ["identify", "read", "write", "admin"] {
            let body = json!({ "name": scope, "scopes": [scope], "everyWorkspace": true });
            keys.push((scope, shop.key(body).await));
        }
        for (method, template, needs) in SCOPES {
            let path = ["{id}", "{name}", "{sequence}"]
                .iter()
                .fold((*template).to_owned(), |path, part| path.replace(part, "none"));
            let ask = Ask::new(method, &path);
            let without = code(&shop.client.ask(ask.clone()).await);
            let unknown = code(&shop.client.ask(ask.clone().key("selfsame_none_none")).await);
            let Some(needs) = needs else {
                // A key opens nothing there, and this server has no secret.
                let open = if path == SIGNED { 404 } else { 200 };
                assert_eq!((without.0, unknown.0), (open, open), "{databases}: {method} {path}");
                continue;
            };
            assert_eq!(without, (401, "key_required".to_owned()), "{databases}: {method} {path}");
            assert_eq!(unknown, (401, "invalid_key".to_owned()), "{databases}: {method} {path}");
            for (scope, key) in &keys {
                let answered = code(&shop.client.ask(ask.clone().key(key)).await);
                let allowed = [*scope, "any"].contains(&needs) || *scope == "admin";
                let refused = answered == (403, "wrong_scope".to_owned());
                assert_eq!(refused, !allowed, "{databases}: {method} {path} by {scope}: {answered:?}");
                assert_ne!(answered.0, 401, "{databases}: {method} {path} by {scope}");
            }
        }
    }
}

#[tokio::test]
async fn a_key_may_come_as_the_user_of_basic() {
    let mut shop = Shop::open(&Databases::Sqlite).await;
    let key = shop.key(named("segment", &["identify"])).await;
    let basic = |key: &str| format!("Basic {}", BASE64.encode(format!("{key}:").as_bytes()));
    for (sent, want) in [(basic(&key), 200), (basic("selfsame_x_y"), 401)] {
        let request = hyper::Request::post("/identify")
            .header("host", "localhost")
            .header("content-type", "application/json")
            .header("authorization", sent)
            .body(http_body_util::Full::from(r#"{"email":"doc@hill.edu"}"#));
        let reply = shop.client.send(request.expect("a plain request")).await.expect("an answer");
        assert_eq!(reply.status, want, "{}", reply.text());
        assert_eq!(reply.headers.contains_key("www-authenticate"), want == 401);
    }
}

#[tokio::test]
async fn a_key_is_shown_once_and_stored_as_a_digest() {
    for databases in [Databases::Sqlite, Databases::postgres()] {
        let mut shop = Shop::open(&databases).await;
        let key = shop.key(named("checkout", &["identify", "read"])).await;
        let id = key.split('_').nth(1).expect("a key has its id in it").to_owned();
        let path = format!("/v1/keys/{id}");
        let about = shop.client.ask(Ask::new("GET", &path).key(ADMIN)).await;
        let current = shop.client.ask(Ask::new("GET", "/v1/keys/current").key(&key)).await;
        assert_eq!(about.text(), current.text());
        let want = json!({
            "id": id, "name": "checkout", "scopes": ["identify", "read"], "workspace": "default",
            "requestsPerSecond": null, "requestsAtOnceMax": null,
            "createdAt": "1970-01-01T00:00:01.000Z", "expiresAt": null, "revokedAt": null,
        });
        assert_eq!(about.json(), want, "{databases}");
        let list = shop.client.ask(Ask::new("GET", "/v1/keys").key(ADMIN)).await;
        assert_eq!(list.json()["keys"].as_array().map(Vec::len), Some(2), "{}", list.text());
        assert!(!list.text().contains(&key));
        assert_eq!(shop.identify(&key).await.status, 200);

        drop(shop.client);
        shop.server.drain().await;
        let stored = "SELECT digest || ' ' || name FROM keys UNION ALL SELECT outcome FROM events
            UNION ALL SELECT caused_by FROM events";
        let stored = shop.database.texts(stored).await;
        let secret = key.split('_').nth(2).expect("and its secret");
        assert!(stored.iter().all(|text| !text.contains(secret) && !text.contains(ADMIN)), "{databases}");
        // Whoever used it is the cause.
        for cause in ["test", "environment", "checkout"] {
            assert!(stored.iter().any(|text| text == cause), "{databases}: {cause}");
        }
        assert_eq!(stored.iter().filter(|text| text.contains("\"name\":\"checkout\"")).count(), 1);
    }
}

#[tokio::test]
async fn what_a_new_key_may_not_be_is_refused_and_changes_nothing() {
    let mut shop = Shop::open(&Databases::Sqlite).await;
    shop.key(named("taken", &["identify"])).await;
    for (body, want) in [
        ("", (400, "empty_body")),
        ("[]", (400, "not_an_object")),
        ("{", (400, "malformed_json")),
        ("{}", (400, "invalid_body")),
        (r#"{"name":"a","scopes":["identify"],"expiresat":"2030-01-01T00:00:00Z"}"#, (400, "invalid_body")),
        (r#"{"name":"","scopes":["identify"]}"#, (400, "invalid_name")),
        (r#"{"name":"Checkout","scopes":["identify"]}"#, (400, "invalid_name")),
        (r#"{"name":"a","scopes":[]}"#, (400, "invalid_scopes")),
        (r#"{"name":"a","scopes":["all"]}"#, (400, "invalid_scopes")),
        (r#"{"name":"a","scopes":["read"],"requestsPerSecond":0}"#, (400, "invalid_limit")),
        (r#"{"name":"a","scopes":["read"],"requestsAtOnceMax":-1}"#, (400, "invalid_body")),
        (r#"{"name":"a","scopes":["read"],"expiresAt":"1970-01-01T00:00:01Z"}"#, (400, "invalid_time")),
        (r#"{"name":"a","scopes":["read"],"expiresAt":"tomorrow"}"#, (400, "invalid_time")),
        (r#"{"name":"a","scopes":["read"],"expiresAt":"9999-12-31T23:59:59Z"}"#, (400, "invalid_time")),
        (r#"{"name":"taken","scopes":["read"]}"#, (409, "name_taken")),
    ] {
        let reply = shop.client.ask(Ask::new("POST", "/v1/keys").key(ADMIN).body(body)).await;
        assert_eq!(code(&reply), (want.0, want.1.to_owned()), "{body}: {}", reply.text());
    }
    let list = shop.client.ask(Ask::new("GET", "/v1/keys").key(ADMIN)).await;
    assert_eq!(list.json()["keys"].as_array().map(Vec::len), Some(2));

    // What is wrong is told in JSON's words, not in those of our types.
    let nested = Ask::new("PUT", "/v1/policy").key(ADMIN).body(r#"{"blocked":[1]}"#);
    let reply = shop.client.ask(nested).await;
    assert_eq!(code(&reply), (400, "invalid_body".to_owned()));
    let told = reply.json()["detail"].as_str().expect("a sentence").to_owned();
    assert!(told.contains("must be an object") && !told.contains("Body"), "{told}");
}

#[tokio::test]
async fn paths_and_queries_that_say_what_nobody_understands_are_refused() {
    let mut shop = Shop::open(&Databases::Sqlite).await;
    for number in 0..3 {
        shop.key(named(&format!("key-{number}"), &["identify"])).await;
    }
    let page = shop.client.ask(Ask::new("GET", "/v1/keys?limit=2").key(ADMIN)).await.json();
    let cursor = page["nextCursor"].as_str().expect("there are four").to_owned();
    for (method, path, want) in [
        ("GET", format!("/v1/keys?limit=2&cursor={cursor}"), (200, "")),
        ("GET", format!("/v1/workspaces?limit=2&cursor={cursor}"), (400, "invalid_cursor")),
        ("GET", "/v1/keys?limit=2&colour=red".to_owned(), (400, "invalid_query")),
        ("GET", "/v1/keys/none?colour=red".to_owned(), (400, "invalid_query")),
        ("GET", "/v1/keys/none".to_owned(), (404, "key_not_found")),
        ("GET", "/v1/keys/%ff".to_owned(), (400, "invalid_path")),
        ("GET", "/v1/keys/current?colour=red".to_owned(), (400, "invalid_query")),
        ("DELETE", "/v1/keys/none?colour=red".to_owned(), (400, "invalid_query")),
        ("DELETE", "/v1/keys/%ff".to_owned(), (400, "invalid_path")),
        ("POST", "/v1/keys?colour=red".to_owned(), (400, "invalid_query")),
        ("POST", "/v1/workspaces?colour=red".to_owned(), (400, "invalid_query")),
        ("GET", "/v1/workspaces/default?colour=red".to_owned(), (400, "invalid_query")),
        ("GET", "/v1/workspaces/%ff".to_owned(), (400, "invalid_path")),
        ("PATCH", "/v1/workspaces/default?colour=red".to_owned(), (400, "invalid_query")),
        ("DELETE", "/v1/workspaces/north?confirm=north&colour=red".to_owned(), (400, "invalid_query")),
        ("DELETE", "/v1/workspaces/%ff?confirm=%ff".to_owned(), (400, "invalid_path")),
        ("POST", "/v1/observations/batch?colour=red".to_owned(), (400, "invalid_query")),
        ("GET", "/docs/%ff".to_owned(), (400, "invalid_path")),
        ("GET", "/v1/identities/%ff".to_owned(), (400, "invalid_path")),
        ("GET", "/v1/identities/%ff/why?other=1".to_owned(), (400, "invalid_path")),
        ("GET", "/v1/identities/%ff/record".to_owned(), (400, "invalid_path")),
        ("DELETE", "/v1/contacts/%ff".to_owned(), (400, "invalid_path")),
    ] {
        let ask = Ask::new(method, &path).key(ADMIN).body(r#"{"name":"a","scopes":["read"]}"#);
        let takes_body = !["GET", "DELETE"].contains(&method);
        let reply = shop.client.ask(if takes_body { ask } else { Ask { body: None, ..ask } }).await;
        assert_eq!(code(&reply), (want.0, want.1.to_owned()), "{method} {path}: {}", reply.text());
    }
}

/// A key to every workspace sees those of all, or of the one that it names.
#[tokio::test]
async fn keys_are_listed_of_all_workspaces_or_of_one() {
    for databases in [Databases::Sqlite, Databases::postgres()] {
        let mut shop = Shop::open(&databases).await;
        let north = Ask::new("POST", "/v1/workspaces").key(ADMIN).body(r#"{"name":"north"}"#);
        assert_eq!(shop.client.ask(north).await.status, 201, "{databases}");
        let mut own = Vec::new();
        for workspace in ["default", "north"] {
            let body = named(workspace, &["admin"]).to_string();
            let made = Ask::new("POST", "/v1/keys").key(ADMIN).workspace(workspace).body(&body);
            let made = shop.client.ask(made).await.json();
            own.push(made["key"].as_str().expect("it is shown").to_owned());
        }
        let list = Ask::new("GET", "/v1/keys");
        for (ask, want) in [
            (list.clone().key(ADMIN), &["default", "environment", "north"][..]),
            (list.clone().key(ADMIN).workspace("north"), &["environment", "north"]),
            (list.clone().key(ADMIN).workspace("default"), &["default", "environment"]),
            (list.clone().key(&own[0]), &["default"]),
            (list.clone().key(&own[1]), &["north"]),
        ] {
            let keys = shop.client.ask(ask).await.json()["keys"].as_array().expect("a list").clone();
            let mut names: Vec<_> = keys.iter().map(|key| key["name"].as_str().expect("a name")).collect();
            names.sort_unstable();
            assert_eq!(names, want, "{databases}");
        }
    }
}

#[tokio::test]
async fn a_key_is_held_to_its_limits() {
    let mut shop = Shop::open(&Databases::Sqlite).await;
    let limited = json!({ "name": "limited", "scopes": ["identify"], "requestsPerSecond": 1 });
    let (limited, free) = (shop.key(limited).await, shop.key(named("free", &["identify"])).await);
    let first = shop.identify(&limited).await;
    assert_eq!(
        (first.status.as_u16(), &first.headers["ratelimit-policy"]),
        (200, &"\"key\";q=1;w=1".parse().unwrap())
    );
    assert_eq!(first.headers["ratelimit"], "\"key\";r=0;t=1");
    let second = shop.identify(&limited).await;
    assert_eq!(code(&second), (429, "rate_limited".to_owned()));
    assert_eq!(
        (&second.headers["retry-after"], &second.headers["ratelimit"]),
        (&"1".parse().unwrap(), &"\"key\";r=0;t=1".parse().unwrap())
    );
    // A refusal is one of its requests, and says so.
    let refused = shop.client.ask(Ask::new("GET", "/v1/keys").key(&limited)).await;
    assert_eq!((refused.status.as_u16(), refused.headers.contains_key("ratelimit")), (429, true));
    let other = shop.identify(&free).await;
    assert_eq!((other.status.as_u16(), other.headers.contains_key("ratelimit")), (200, false));
    // A batch pays for each of its lines, and waits.
    let begun = Instant::now();
    let lines = "{\"phoneNumber\":1}\n{\"phoneNumber\":2}\n{\"phoneNumber\":3}\n";
    let batch = loop {
        let ask = Ask::new("POST", "/v1/observations/batch").key(&limited).body(lines);
        let batch = shop.client.ask(ask).await;
        if batch.status != 429 {
            break batch;
        }
    };
    assert_eq!((batch.status.as_u16(), batch.json_lines().len()), (200, 3));
    assert!(begun.elapsed() >= Duration::from_secs(2), "three lines of one a second");
}

#[tokio::test]
async fn a_key_is_held_to_so_many_requests_at_once() {
    let mut shop = Shop::open(&Databases::Sqlite).await;
    let one = json!({ "name": "one", "scopes": ["identify"], "requestsAtOnceMax": 1 });
    let one = shop.key(one).await;
    let mut slow = RawConnection::open(shop.server.address).await;
    let head = format!(
        "POST /identify HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {one}\r\ncontent-type: application/json\r\n\
         content-length: 19\r\n\r\n"
    );
    slow.send(head.as_bytes()).await;
    let deadline = Instant::now() + Duration::from_secs(60);
    while code(&shop.identify(&one).await) != (429, "too_many_at_once".to_owned()) {
        assert!(Instant::now() < deadline, "the slow request is under way");
    }
    slow.send(br#"{"phoneNumber":"1"}"#).await;
    while shop.identify(&one).await.status != 200 {
        assert!(Instant::now() < deadline, "the slow request has ended");
    }
}

/// As long as there is no key, loopback is open; the first one closes it, also when it is revoked.
#[tokio::test]
async fn the_first_key_closes_the_door() {
    for databases in [Databases::Sqlite, Databases::postgres()] {
        let database = databases.empty().await;
        let server = TestServer::start(database.open().await, ServerOptions::default()).await;
        let mut client = server.client().await;
        let body = named("first", &["admin"]).to_string();
        let made = client.ask(Ask::new("POST", "/v1/keys").body(&body)).await;
        assert_eq!(made.status, 201, "{databases}");
        let key = made.json()["key"].as_str().expect("it is shown").to_owned();
        let identify = || Ask::new("POST", "/identify").body(r#"{"phoneNumber":"1"}"#);
        assert_eq!(code(&client.ask(identify()).await), (401, "key_required".to_owned()), "{databases}");
        assert_eq!(client.ask(identify().key(&key)).await.status, 200, "{databases}");
        let path = format!("/v1/keys/{}", made.json()["id"].as_str().expect("an id"));
        assert_eq!(client.ask(Ask::new("DELETE", &path).key(&key)).await.status, 200, "{databases}");
        assert_eq!(client.ask(identify()).await.status, 401, "{databases}");
    }
}

#[tokio::test]
async fn pages_of_keys_hold_each_once() {
    let mut shop = Shop::open(&Databases::Sqlite).await;
    for number in 0..7 {
        shop.key(named(&format!("k{number}"), &["read"])).await;
    }
    let (mut names, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/keys?limit=3{cursor}");
        let page = shop.client.ask(Ask::new("GET", &path).key(ADMIN)).await.json();
        let keys = page["keys"].as_array().expect("a list").clone();
        assert!(keys.len() <= 3);
        names.extend(keys.iter().map(|key| key["name"].as_str().expect("a name").to_owned()));
        let Some(next) = page["nextCursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    names.sort();
    assert_eq!(names, ["environment", "k0", "k1", "k2", "k3", "k4", "k5", "k6"]);
}

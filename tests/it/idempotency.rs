//! `Idempotency-Key`: a request that is sent again has its effect once, and gets the same answer, byte for byte.

use serde_json::{Value, json};
use support::client::{Ask, Reply};
use support::databases::{Database, Databases, connect};
use support::shop::{ADMIN, Shop, code};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// A UUID, as clients make one for each request.
const KEY: &str = "8e03978e-40d5-43dd-bc93-6894a57f9324";

type Request = (&'static str, &'static str, Value);

/// Sends a request with a key.
async fn send(shop: &mut Shop, (method, path, body): &Request, once: Option<&str>) -> Reply {
    let body = (!body.is_null()).then(|| body.to_string());
    let ask = Ask { body: body.as_deref(), once, ..Ask::new(method, path).key(ADMIN) };
    shop.client.ask(ask).await
}

fn observation(email: &str, phone: &str) -> Request {
    let identifiers = json!([{ "kind": "email", "value": email }, { "kind": "phone", "value": phone }]);
    ("POST", "/v1/observations", json!({ "identifiers": identifiers, "source": "till 4" }))
}

/// The whole log of the default workspace, and how many workspaces and keys there are.
async fn state(shop: &mut Shop) -> (Value, usize, usize) {
    let mut read = Vec::new();
    for path in ["/v1/events?limit=1000", "/v1/workspaces", "/v1/keys"] {
        read.push(shop.client.ask(Ask::new("GET", path).key(ADMIN)).await.json());
    }
    let count = |value: &Value, list: &str| value[list].as_array().expect("a list").len();
    (read[0].clone(), count(&read[1], "workspaces"), count(&read[2], "keys"))
}

/// A request of each route that changes something, in an order in which each can be carried out; and its status.
fn requests() -> Vec<(u16, Request)> {
    let policy = json!({ "kinds": ["customerId"], "unique": ["customerId"] });
    vec![
        (200, observation("ada@shop.example", "1")),
        (200, observation("ada@shop.example", "2")),
        (200, observation("ben@shop.example", "3")),
        // Nothing changes, and that is kept too.
        (200, observation("ben@shop.example", "3")),
        (200, ("POST", "/v1/events/3/undo", json!({ "reason": "typed wrong" }))),
        (409, ("POST", "/v1/events/3/undo", json!({ "reason": "again" }))),
        (200, ("POST", "/v1/identities/1/merge", json!({ "withContactId": 2, "reason": "she says so" }))),
        (200, ("POST", "/v1/identities/1/split", json!({ "contactIds": [2] }))),
        (200, observation("ada@shop.example", "2")),
        (400, ("POST", "/v1/identities/1/split", json!({ "contactIds": [3] }))),
        (200, ("PUT", "/v1/policy", policy)),
        (200, ("DELETE", "/v1/contacts/3", Value::Null)),
        (410, ("DELETE", "/v1/contacts/3", Value::Null)),
        (200, ("DELETE", "/v1/identities/2", Value::Null)),
        (404, ("DELETE", "/v1/identities/99", Value::Null)),
        (201, ("POST", "/v1/workspaces", json!({ "name": "north" }))),
        (409, ("POST", "/v1/workspaces", json!({ "name": "north" }))),
        (200, ("PATCH", "/v1/workspaces/north", json!({ "name": "south" }))),
        (200, ("DELETE", "/v1/workspaces/south?confirm=south", Value::Null)),
        (201, ("POST", "/v1/keys", json!({ "name": "till", "scopes": ["identify"] }))),
        (409, ("POST", "/v1/keys", json!({ "name": "till", "scopes": ["identify"] }))),
    ]
}

async fn each_route_answers_a_repeat_alike(databases: Databases) {
    let mut shop = Shop::open(&databases).await;
    // The first event is that of the key.
    for (place, (status, request)) in requests().iter().enumerate() {
        let key = format!("{KEY}-{place}");
        let first = send(&mut shop, request, Some(&key)).await;
        assert_eq!(first.status, *status, "{request:?}: {}", first.text());
        assert!(!first.headers.contains_key("idempotent-replayed"));
        let before = state(&mut shop).await;
        for _ in 0..2 {
            let again = send(&mut shop, request, Some(&key)).await;
            assert_eq!((again.status, &again.body), (first.status, &first.body), "{request:?}");
            assert_eq!(again.headers["idempotent-replayed"], "true");
            for name in ["content-type", "location"] {
                assert_eq!(again.headers.get(name), first.headers.get(name), "{request:?}: {name}");
            }
        }
        let (method, path, _) = request;
        let other = (*method, *path, json!({ "another": place }));
        let refused = send(&mut shop, &other, Some(&key)).await;
        if method != &"DELETE" {
            assert_eq!(code(&refused), (422, "idempotency_key_reused".to_owned()), "{request:?}");
        }
        assert_eq!(state(&mut shop).await, before, "{request:?}");
    }
    shop.server.drain().await;
}

#[tokio::test]
async fn each_route_answers_a_repeat_alike_on_sqlite() {
    each_route_answers_a_repeat_alike(Databases::Sqlite).await;
}

#[tokio::test]
async fn each_route_answers_a_repeat_alike_on_postgresql() {
    each_route_answers_a_repeat_alike(Databases::postgres()).await;
}

/// The negative control: without keys, most requests of that table are carried out twice, or are answered otherwise.
#[tokio::test]
async fn without_a_key_a_repeat_is_another_request() {
    let mut shop = Shop::open(&Databases::Sqlite).await;
    let mut otherwise = 0;
    for (_, request) in requests() {
        let first = send(&mut shop, &request, None).await;
        let again = send(&mut shop, &request, None).await;
        otherwise += u32::from((first.status, &first.body) != (again.status, &again.body));
    }
    assert!(otherwise > 10, "{otherwise} were answered otherwise");
    shop.server.drain().await;
}

#[tokio::test]
async fn a_key_belongs_to_its_route_its_workspace_and_its_day() {
    let mut shop = Shop::open(&Databases::Sqlite).await;
    send(&mut shop, &("POST", "/v1/workspaces", json!({ "name": "north" })), None).await;
    let first = send(&mut shop, &observation("ada@shop.example", "1"), Some(KEY)).await;
    // On another route.
    let undo = send(&mut shop, &("POST", "/v1/events/2/undo", json!({})), Some(KEY)).await;
    assert_eq!(code(&undo).1, "not_undoable");
    // In another workspace.
    let (_, path, body) = observation("ada@shop.example", "1");
    let body = body.to_string();
    let ask = Ask::new("POST", path).key(ADMIN).workspace("north").once(KEY).body(&body);
    let north = shop.client.ask(ask).await;
    assert!(!north.headers.contains_key("idempotent-replayed"));
    assert_eq!(north.json()["outcome"], "created");
    // Not as a dry run, which does nothing.
    let dry = ("POST", "/v1/observations?dryRun=true", observation("ada@shop.example", "2").2);
    let dry = send(&mut shop, &dry, Some(KEY)).await;
    assert_eq!((dry.status.as_u16(), &dry.json()["outcome"]), (200, &json!("attached")));
    // A day later it is nobody's.
    shop.clock.set(1_000 + DAY_MS - 1);
    let again = send(&mut shop, &observation("ada@shop.example", "1"), Some(KEY)).await;
    assert_eq!(again.body, first.body);
    shop.clock.set(1_000 + DAY_MS);
    let other = send(&mut shop, &observation("ada@shop.example", "2"), Some(KEY)).await;
    assert_eq!(other.json()["outcome"], "attached");
    assert!(!other.headers.contains_key("idempotent-replayed"));
    shop.server.drain().await;
}

#[tokio::test]
async fn what_cannot_be_a_key_is_refused_and_what_failed_is_not_kept() {
    let mut shop = Shop::open(&Databases::Sqlite).await;
    let request = observation("ada@shop.example", "1");
    for key in ["", &"k".repeat(256), "schlüssel", "a\tb"] {
        let refused = send(&mut shop, &request, Some(key)).await;
        assert_eq!(code(&refused), (400, "invalid_idempotency_key".to_owned()), "{key:?}");
    }
    // A secret needs one that nobody guesses.
    let short =
        send(&mut shop, &("POST", "/v1/keys", json!({ "name": "till", "scopes": ["read"] })), Some("1"))
            .await;
    assert_eq!(code(&short), (400, "invalid_idempotency_key".to_owned()));
    let batch = ("POST", "/v1/observations/batch", json!({ "email": "ada@shop.example" }));
    assert_eq!(code(&send(&mut shop, &batch, Some(KEY)).await), (400, "invalid_idempotency_key".to_owned()));
    // What can't be read was never a request: the key is free.
    let malformed = ("POST", "/v1/observations", json!({ "identifiers": 1 }));
    assert_eq!(code(&send(&mut shop, &malformed, Some(KEY)).await), (400, "invalid_body".to_owned()));
    let created = send(&mut shop, &request, Some(KEY)).await;
    assert_eq!(created.json()["outcome"], "created");
    // The longest is one.
    assert_eq!(send(&mut shop, &request, Some(&"k".repeat(255))).await.json()["outcome"], "unchanged");
    shop.server.drain().await;
}

async fn erasing_takes_what_is_kept(databases: Databases) {
    let mut shop = Shop::open(&databases).await;
    let ada = observation("ada@shop.example", "1");
    send(&mut shop, &ada, Some("ada")).await;
    let ben = send(&mut shop, &observation("ben@shop.example", "3"), Some("ben")).await;
    let erase = ("DELETE", "/v1/identities/1", Value::Null);
    let receipt = send(&mut shop, &erase, Some("erase")).await;
    assert_eq!(receipt.status, 200, "{}", receipt.text());
    assert!(receipt.json()["verified"].is_object(), "{}", receipt.text());
    // The repeat has what was verified, too.
    assert_eq!(send(&mut shop, &erase, Some("erase")).await.body, receipt.body);
    // Whatever is sent with it: what the request was can't be guessed any more.
    for request in [&ada, &observation("guess@shop.example", "1")] {
        let gone = send(&mut shop, request, Some("ada")).await;
        assert_eq!(code(&gone), (410, "answer_erased".to_owned()));
    }
    let digests = shop.database.texts("SELECT request_digest FROM answers WHERE body IS NULL").await;
    assert_eq!(digests, [""]);
    // Others' answers stay.
    assert_eq!(send(&mut shop, &observation("ben@shop.example", "3"), Some("ben")).await.body, ben.body);
    let kept = shop.database.texts("SELECT coalesce(body, 'none') FROM answers").await;
    assert_eq!(kept.iter().filter(|body| *body == "none").count(), 1, "{kept:?}");
    assert!(kept.iter().all(|body| !body.contains("ada@")), "{kept:?}");
    shop.server.drain().await;
}

#[tokio::test]
async fn erasing_takes_what_is_kept_on_sqlite() {
    erasing_takes_what_is_kept(Databases::Sqlite).await;
}

#[tokio::test]
async fn erasing_takes_what_is_kept_on_postgresql() {
    erasing_takes_what_is_kept(Databases::postgres()).await;
}

#[tokio::test]
async fn a_new_key_is_shown_again_and_stands_nowhere() {
    let mut shop = Shop::open(&Databases::Sqlite).await;
    let request = ("POST", "/v1/keys", json!({ "name": "till", "scopes": ["identify"] }));
    let made = send(&mut shop, &request, Some(KEY)).await;
    let text = made.json()["key"].as_str().expect("it is shown").to_owned();
    assert_eq!(send(&mut shop, &request, Some(KEY)).await.body, made.body);
    assert_eq!(shop.identify(&text).await.status, 200);
    shop.server.drain().await;
    let kept = shop.database.texts("SELECT body || key_digest || request_digest FROM answers").await;
    assert!(
        !kept.is_empty() && kept.iter().all(|row| !row.contains(&text) && !row.contains(KEY)),
        "{kept:?}"
    );
    let Database::Sqlite(folder) = &shop.database else { panic!("it is a file") };
    let (_, secret) = text.rsplit_once('_').expect("an id and a secret");
    for file in std::fs::read_dir(folder.path()).expect("it is there") {
        let bytes = std::fs::read(file.expect("it is there").path()).expect("it can be read");
        assert!(!bytes.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()));
    }
}

#[tokio::test]
async fn a_new_key_is_shown_again_to_nobody_who_may_know_of_less() {
    let mut shop = Shop::open(&Databases::Sqlite).await;
    let body = json!({ "name": "every", "scopes": ["admin"], "everyWorkspace": true });
    let request = ("POST", "/v1/keys", body.clone());
    assert_eq!(send(&mut shop, &request, Some(KEY)).await.status, 201);
    let lesser = shop.key(json!({ "name": "lesser", "scopes": ["admin"] })).await;
    let body = body.to_string();
    let ask = Ask::new("POST", "/v1/keys").key(&lesser).once(KEY).body(&body);
    assert_eq!(code(&shop.client.ask(ask).await), (422, "idempotency_key_reused".to_owned()));
    shop.server.drain().await;
}

#[tokio::test]
async fn one_that_is_under_way_is_not_begun_again() {
    let databases = Databases::postgres();
    let mut shop = Shop::open(&databases).await;
    let Database::Postgres { url } = &shop.database else { panic!("it is PostgreSQL") };
    let (mut holder, watcher) = (connect(url).await, connect(url).await);
    let holding = holder.transaction().await.expect("it begins");
    holding
        .execute("SELECT 1 FROM selfsame.workspaces WHERE workspace = 1 FOR UPDATE", &[])
        .await
        .expect("it locks");
    let mut other = shop.server.client().await;
    let first = tokio::spawn(async move {
        let body = observation("ada@shop.example", "1").2.to_string();
        other.ask(Ask::new("POST", "/v1/observations").key(ADMIN).once(KEY).body(&body)).await
    });
    // It waits for its turn.
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted";
    while watcher.query_one(waits, &[]).await.expect("it can be read").get::<_, i64>(0) == 0 {}
    let in_use = send(&mut shop, &observation("ada@shop.example", "1"), Some(KEY)).await;
    assert_eq!(code(&in_use), (409, "idempotency_key_in_use".to_owned()));
    assert_eq!(in_use.headers["retry-after"], "1");
    holding.rollback().await.expect("it ends");
    let first = first.await.expect("it does not panic");
    assert_eq!(first.json()["outcome"], "created", "{}", first.text());
    assert_eq!(send(&mut shop, &observation("ada@shop.example", "1"), Some(KEY)).await.body, first.body);
    shop.server.drain().await;
}

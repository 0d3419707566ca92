//! Keys: until when they are good for something, on every replica. On both stores, through HTTP.

use std::time::{Duration, Instant};

use selfsame_api::Admission;
use selfsame_rules::Actor;
use selfsame_service::{AdminKey, EngineSettings};
use serde_json::json;
use support::client::Ask;
use support::databases::Databases;
use support::faulty::{Fault, FaultyStore};
use support::server::{ServerOptions, TestServer};
use support::shop::{ADMIN, Shop, code, named};

#[tokio::test]
async fn a_key_ends_when_it_is_revoked_or_over() {
    for databases in [Databases::Sqlite, Databases::postgres()] {
        let mut shop = Shop::open(&databases).await;
        let over = json!({ "name": "over", "scopes": ["identify"], "expiresAt": "1970-01-01T00:00:02Z" });
        let (over, revoked) = (shop.key(over).await, shop.key(named("revoked", &["identify"])).await);
        assert_eq!(
            (shop.identify(&over).await.status, shop.identify(&revoked).await.status.as_u16()),
            (hyper::StatusCode::OK, 200)
        );
        shop.clock.set(2_000);
        assert_eq!(code(&shop.identify(&over).await), (401, "invalid_key".to_owned()), "{databases}");

        let path = format!("/v1/keys/{}", revoked.split('_').nth(1).expect("an id"));
        for _ in 0..2 {
            let told = shop.client.ask(Ask::new("DELETE", &path).key(ADMIN)).await;
            assert_eq!(told.json()["revokedAt"], "1970-01-01T00:00:02.000Z", "{}", told.text());
        }
        assert_eq!(code(&shop.identify(&revoked).await), (401, "invalid_key".to_owned()), "{databases}");
        // Its name is free, and the log has one event for each change.
        shop.key(named("revoked", &["identify"])).await;
        drop(shop.client);
        shop.server.drain().await;
        let kinds = shop.database.texts("SELECT kind FROM events ORDER BY sequence").await;
        assert_eq!(
            kinds,
            ["keyChanged", "keyChanged", "keyChanged", "created", "keyChanged", "keyChanged"],
            "{databases}"
        );
    }
}

/// A deployment that goes back to the key before has that one again, and no other.
#[tokio::test]
async fn the_key_of_the_environment_is_the_one_given_last() {
    for databases in [Databases::Sqlite, Databases::postgres()] {
        let mut shop = Shop::open(&databases).await;
        let keys =
            [ADMIN, "the-second-admin-key-of-forty-characters", "the-third-admin-key-of-forty-characters0"];
        let statuses = async |shop: &mut Shop| {
            let mut statuses = Vec::new();
            for key in keys {
                statuses.push(shop.identify(key).await.status.as_u16());
            }
            statuses
        };
        // Which is given, also within one millisecond, what becomes of it, and which is good for something then.
        for (moment, given, became, good) in [
            (1_000, 1, AdminKey::Made, 1),
            (1_000, 0, AdminKey::Made, 0),
            (1_000, 0, AdminKey::Usable, 0),
            (2_000, 1, AdminKey::Made, 1),
            (3_000, 2, AdminKey::Made, 2),
            (3_000, 0, AdminKey::Made, 0),
        ] {
            shop.clock.set(moment);
            let done = shop.server.installation.ensure_admin_key(keys[given], &Actor::named("test")).await;
            assert_eq!(done.expect("the store takes it"), became, "{databases}: {moment} {given}");
            let want: Vec<_> = (0..3).map(|key| if key == good { 200 } else { 401 }).collect();
            assert_eq!(statuses(&mut shop).await, want, "{databases}: {moment} {given}");
        }
        // What somebody has revoked stays so, whatever is given after it.
        let current = shop.client.ask(Ask::new("GET", "/v1/keys/current").key(ADMIN)).await.json();
        let path = format!("/v1/keys/{}", current["id"].as_str().expect("an id"));
        shop.clock.set(4_000);
        assert_eq!(shop.client.ask(Ask::new("DELETE", &path).key(ADMIN)).await.status, 200);
        for (given, became) in [(0, AdminKey::Revoked), (1, AdminKey::Made), (0, AdminKey::Revoked)] {
            shop.clock.set(5_000);
            let done = shop.server.installation.ensure_admin_key(keys[given], &Actor::named("test")).await;
            assert_eq!(done.expect("the store takes it"), became, "{databases}: {given}");
        }
        assert_eq!(statuses(&mut shop).await, [401, 200, 401], "{databases}");
        // So does one that another had replaced already.
        let list = shop.client.ask(Ask::new("GET", "/v1/keys").key(keys[1])).await.json();
        for key in list["keys"].as_array().expect("a list") {
            let path = format!("/v1/keys/{}", key["id"].as_str().expect("an id"));
            if key["expiresAt"] == "1970-01-01T00:00:03.000Z" {
                assert_eq!(shop.client.ask(Ask::new("DELETE", &path).key(keys[1])).await.status, 200);
            }
        }
        let done = shop.server.installation.ensure_admin_key(keys[2], &Actor::named("test")).await;
        assert_eq!(done.expect("the store takes it"), AdminKey::Revoked, "{databases}");
        assert_eq!(statuses(&mut shop).await, [401, 200, 401], "{databases}");
        // Nor does one become it that was made for something else; and no other has its name.
        let body = named("checkout", &["identify"]).to_string();
        let made = shop.client.ask(Ask::new("POST", "/v1/keys").key(keys[1]).body(&body)).await.json();
        let text = made["key"].as_str().expect("it is shown");
        let done = shop.server.installation.ensure_admin_key(text, &Actor::named("test")).await;
        assert_eq!(done.expect("the store takes it"), AdminKey::Another, "{databases}");
        let body = named("environment", &["identify"]).to_string();
        let refused = shop.client.ask(Ask::new("POST", "/v1/keys").key(keys[1]).body(&body)).await;
        assert_eq!(code(&refused), (409, "name_taken".to_owned()), "{databases}");
    }
}

#[tokio::test]
async fn a_key_revoked_on_one_replica_is_refused_on_all() {
    let databases = Databases::postgres();
    let mut shop = Shop::open(&databases).await;
    let options = ServerOptions { admission: Admission::Keys, ..ServerOptions::default() };
    let other = TestServer::start(shop.database.open().await, options).await;
    let mut client = other.client().await;
    let key = shop.key(named("checkout", &["identify"])).await;
    let body = r#"{"email":"doc@hill.edu"}"#;
    let path = format!("/v1/keys/{}", key.split('_').nth(1).expect("an id"));
    for want in [200, 401] {
        let deadline = Instant::now() + Duration::from_secs(60);
        while client.ask(Ask::new("POST", "/identify").key(&key).body(body)).await.status != want {
            assert!(Instant::now() < deadline, "the other replica sees it");
            tokio::task::yield_now().await;
        }
        shop.client.ask(Ask::new("DELETE", &path).key(ADMIN)).await;
    }
}

/// What can't be known is not guessed: a revoked key must not go on where nobody can find out.
#[tokio::test]
async fn a_replica_that_cannot_read_the_keys_lets_nobody_in() {
    let database = Databases::Sqlite.empty().await;
    let store = FaultyStore::new(database.open().await, Fault::UnreadableKeys);
    let engine = EngineSettings { answer_timeout: Duration::from_secs(1), ..EngineSettings::default() };
    let server = TestServer::start(store, ServerOptions { engine, ..ServerOptions::default() }).await;
    let mut client = server.client().await;
    let identify = || Ask::new("POST", "/identify").body(r#"{"phoneNumber":"1"}"#);
    assert_eq!(client.ask(identify()).await.status, 200, "it was read a moment ago");
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let answered = code(&client.ask(identify()).await);
        if answered == (503, "store_unavailable".to_owned()) {
            break;
        }
        assert_eq!(answered.0, 200);
        assert!(Instant::now() < deadline, "what is old is believed no longer");
    }
    assert_eq!(client.get("/healthz").await.expect("an answer").status, 200);
}

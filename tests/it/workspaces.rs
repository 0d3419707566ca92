//! Workspaces: closed sets of customers, made, renamed and erased. On both stores, through HTTP.

use std::sync::Arc;
use std::time::{Duration, Instant};

use selfsame_rules::Actor;
use selfsame_service::check::check;
use serde_json::{Value, json};
use support::client::{Ask, Client, Reply};
use support::clock::ManualClock;
use support::databases::{Database, Databases};
use support::server::{ServerOptions, TestServer};
use support::shop::{ADMIN, code};

/// A server that has a key to every workspace.
struct House {
    database: Database,
    server: TestServer,
    client: Client,
}

impl House {
    async fn open(databases: &Databases) -> Self {
        Self::over(databases.empty().await, ServerOptions::default()).await
    }

    async fn over(database: Database, options: ServerOptions) -> Self {
        let server = TestServer::start(database.open().await, options).await;
        let made = server.installation.ensure_admin_key(ADMIN, &Actor::named("test")).await;
        made.expect("the store takes a key");
        let client = server.client().await;
        Self { database, server, client }
    }

    async fn ask(&mut self, method: &str, path: &str, body: Option<Value>) -> Reply {
        let body = body.map(|body| body.to_string());
        self.client.ask(Ask { body: body.as_deref(), ..Ask::new(method, path).key(ADMIN) }).await
    }

    async fn make(&mut self, name: &str) {
        let made = self.ask("POST", "/v1/workspaces", Some(json!({ "name": name }))).await;
        assert_eq!(made.status, 201, "{}", made.text());
    }

    async fn identify(&mut self, workspace: &str, body: &str) -> Reply {
        self.client.ask(Ask::new("POST", "/identify").key(ADMIN).workspace(workspace).body(body)).await
    }

    /// The text of a new key to one workspace.
    async fn key(&mut self, workspace: &str) -> String {
        let body = json!({ "name": "own", "scopes": ["identify", "admin"] }).to_string();
        let ask = Ask::new("POST", "/v1/keys").key(ADMIN).workspace(workspace).body(&body);
        let made = self.client.ask(ask).await;
        made.json()["key"].as_str().unwrap_or_else(|| panic!("{}", made.text())).to_owned()
    }

    async fn names(&mut self) -> Vec<String> {
        let list = self.ask("GET", "/v1/workspaces", None).await.json();
        let workspaces = list["workspaces"].as_array().expect("a list").clone();
        workspaces.iter().map(|one| one["name"].as_str().expect("a name").to_owned()).collect()
    }
}

#[tokio::test]
async fn a_workspace_has_its_own_customers_and_numbers() {
    for databases in [Databases::Sqlite, Databases::postgres()] {
        let mut house = House::open(&databases).await;
        house.make("north").await;
        house.make("south").await;
        assert_eq!(house.names().await, ["default", "north", "south"], "{databases}");
        let (both, phone) = (r#"{"email":"a@x.org","phoneNumber":"1"}"#, r#"{"phoneNumber":"1"}"#);
        let alone =
            r#"{"contact":{"primaryContactId":1,"emails":[],"phoneNumbers":["1"],"secondaryContactIds":[]}}"#;
        house.identify("north", both).await;
        assert_eq!(house.identify("south", phone).await.text(), alone, "{databases}");
        assert_eq!(house.identify("default", phone).await.text(), alone, "{databases}");
        house.identify("north", r#"{"email":"b@x.org","phoneNumber":"1"}"#).await;

        let north = house.ask("GET", "/v1/workspaces/north", None).await.json();
        assert_eq!(
            (&north["contacts"], &north["identities"], &north["events"]),
            (&json!(2), &json!(1), &json!(3)),
            "{databases}: {north}"
        );
        drop(house.client);
        house.server.drain().await;
        let store = house.database.open().await;
        for workspace in store.access().await.expect("it can be read").workspaces {
            let report = check(&*store, workspace.key).await.expect("it can be read");
            assert_eq!(report.faults, Vec::<String>::new(), "{databases}: {}", workspace.facts.name);
        }
    }
}

#[tokio::test]
async fn a_workspace_can_be_renamed_and_its_keys_stay() {
    for databases in [Databases::Sqlite, Databases::postgres()] {
        let mut house = House::open(&databases).await;
        house.make("north").await;
        house.make("south").await;
        let key = house.key("north").await;
        house.identify("north", r#"{"phoneNumber":"1"}"#).await;
        for (path, name, want) in [
            ("/v1/workspaces/north", "south", (409, "name_taken")),
            ("/v1/workspaces/north", "North", (400, "invalid_name")),
            ("/v1/workspaces/default", "shop", (409, "default_stays")),
            ("/v1/workspaces/none", "shop", (404, "workspace_not_found")),
            ("/v1/workspaces/north", "west", (200, "")),
            ("/v1/workspaces/west", "west", (200, "")),
            ("/v1/workspaces/north", "east", (404, "workspace_not_found")),
        ] {
            let reply = house.ask("PATCH", path, Some(json!({ "name": name }))).await;
            assert_eq!(code(&reply), (want.0, want.1.to_owned()), "{databases}: {path} {name}");
        }
        let own = Ask::new("POST", "/identify").key(&key).body(r#"{"phoneNumber":"1"}"#);
        let answered = house.client.ask(own.clone()).await;
        assert!(answered.text().contains("\"primaryContactId\":1"), "{}", answered.text());
        assert_eq!(house.client.ask(own.clone().workspace("west")).await.status, 200);
        assert_eq!(
            code(&house.client.ask(own.workspace("north")).await),
            (403, "other_workspace".to_owned())
        );
        assert_eq!(code(&house.identify("north", "{}").await), (404, "workspace_not_found".to_owned()));
        // Whoever may use one workspace only, makes, renames and erases none.
        for (method, path) in [
            ("POST", "/v1/workspaces"),
            ("PATCH", "/v1/workspaces/west"),
            ("PATCH", "/v1/workspaces/none"),
            ("DELETE", "/v1/workspaces/west?confirm=west"),
        ] {
            let ask = Ask::new(method, path).key(&key).body(r#"{"name":"mine"}"#);
            let answered = code(&house.client.ask(ask).await);
            assert_eq!(answered, (403, "needs_every_workspace".to_owned()), "{databases}: {method} {path}");
        }
        let seen = house.client.ask(Ask::new("GET", "/v1/workspaces").key(&key)).await.json();
        assert_eq!(seen["workspaces"].as_array().map(Vec::len), Some(1), "{databases}: {seen}");
    }
}

#[tokio::test]
async fn an_erased_workspace_is_gone_for_good() {
    for databases in [Databases::Sqlite, Databases::postgres()] {
        let mut house = House::open(&databases).await;
        house.make("north").await;
        let key = house.key("north").await;
        for number in 0..50 {
            let body = format!("{{\"email\":\"secret{number}@x.org\",\"phoneNumber\":\"1\"}}");
            house.identify("north", &body).await;
        }
        let refused = house.ask("DELETE", "/v1/workspaces/north", None).await;
        assert_eq!(code(&refused), (400, "not_confirmed".to_owned()), "{databases}");
        let default = house.ask("DELETE", "/v1/workspaces/default?confirm=default", None).await;
        assert_eq!(code(&default), (409, "default_stays".to_owned()), "{databases}");
        let erased = house.ask("DELETE", "/v1/workspaces/north?confirm=north", None).await;
        assert_eq!(erased.status, 200, "{databases}: {}", erased.text());
        assert_eq!(code(&house.identify("north", "{}").await), (404, "workspace_not_found".to_owned()));
        let own = house.client.ask(Ask::new("GET", "/v1/keys/current").key(&key)).await;
        assert_eq!(code(&own), (401, "invalid_key".to_owned()), "{databases}");
        let again = house.ask("DELETE", "/v1/workspaces/north?confirm=north", None).await;
        assert_eq!(code(&again), (404, "workspace_not_found".to_owned()), "{databases}");

        // Its name is free, and its number isn't.
        house.make("north").await;
        let alone =
            r#"{"contact":{"primaryContactId":1,"emails":[],"phoneNumbers":["1"],"secondaryContactIds":[]}}"#;
        assert_eq!(house.identify("north", r#"{"phoneNumber":"1"}"#).await.text(), alone, "{databases}");
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let snapshot = house.server.installation.read().await.expect("it can be read");
            let erased = snapshot.access().workspaces[1].clone();
            assert_eq!((erased.key.0, erased.facts.name.as_str()), (2, "north"));
            if erased.swept {
                break;
            }
            assert!(Instant::now() < deadline, "{databases}: it is swept");
        }
        drop(house.client);
        house.server.drain().await;
        let left = "SELECT CAST(workspace AS TEXT) || ' ' || kind FROM events WHERE workspace > 1
            UNION ALL SELECT CAST(workspace AS TEXT) || ' contact' FROM contacts WHERE workspace > 1
            UNION ALL SELECT CAST(workspace AS TEXT) || ' ' || kind FROM identifiers WHERE workspace > 1
            ORDER BY 1";
        let want = [
            "2 keyChanged",
            "2 workspaceChanged",
            "2 workspaceChanged",
            "3 contact",
            "3 created",
            "3 phone",
            "3 workspaceChanged",
        ];
        assert_eq!(house.database.texts(left).await, want, "{databases}");
    }
}

/// A replica may still take a name for the workspace that has given it up, so no other gets it for a while.
#[tokio::test]
async fn a_name_that_is_given_up_is_held_back_where_there_are_replicas() {
    for (databases, held) in [(Databases::Sqlite, false), (Databases::postgres(), true)] {
        let clock = ManualClock::new();
        clock.set(1_000_000);
        let options = ServerOptions { clock: Arc::<ManualClock>::clone(&clock), ..ServerOptions::default() };
        let mut house = House::over(databases.empty().await, options).await;
        house.make("north").await;
        house.make("south").await;
        let while_held = if held { (409, "name_just_given_up".to_owned()) } else { (200, String::new()) };
        let rename = async |house: &mut House, from: &str, to: &str| {
            let path = format!("/v1/workspaces/{from}");
            house.ask("PATCH", &path, Some(json!({ "name": to }))).await
        };
        // Itself, it may have it back, and give it up again.
        for (from, to) in [("north", "west"), ("west", "north"), ("north", "west"), ("west", "east")] {
            assert_eq!(rename(&mut house, from, to).await.status, 200, "{databases}: {from} {to}");
        }
        clock.set(1_009_999);
        for name in ["north", "west"] {
            let answered = rename(&mut house, "south", name).await;
            assert_eq!(code(&answered), while_held, "{databases}: {name}");
            let wait = answered.headers.get("retry-after").map(|wait| wait.to_str().expect("digits"));
            assert_eq!(wait, held.then_some("10"), "{databases}: {name}");
            if held {
                let made = house.ask("POST", "/v1/workspaces", Some(json!({ "name": name }))).await;
                assert_eq!(code(&made), while_held, "{databases}: {name}");
            } else {
                assert_eq!(rename(&mut house, name, "south").await.status, 200, "{databases}: {name}");
            }
        }
        clock.set(1_010_000);
        house.make("north").await;
        assert_eq!(rename(&mut house, "south", "west").await.status, 200, "{databases}");
        assert_eq!(house.names().await, ["default", "east", "west", "north"], "{databases}");
    }
}

/// What one replica has made, the others know when they are asked for it.
#[tokio::test]
async fn a_replica_looks_for_what_it_doesnt_know_before_it_refuses() {
    let databases = Databases::postgres();
    let mut house = House::open(&databases).await;
    let other = TestServer::start(house.database.open().await, ServerOptions::default()).await;
    let mut elsewhere = other.client().await;
    for name in ["north", "south", "west"] {
        house.make(name).await;
        let named = Ask::new("POST", "/identify").key(ADMIN).workspace(name).body(r#"{"phoneNumber":"1"}"#);
        assert_eq!(elsewhere.ask(named).await.status, 200, "{name}");
        let key = house.key(name).await;
        let own = Ask::new("POST", "/identify").key(&key).body(r#"{"phoneNumber":"1"}"#);
        assert_eq!(elsewhere.ask(own).await.status, 200, "{name}");
    }
}

#[tokio::test]
async fn two_replicas_that_make_workspaces_at_once_give_each_its_number() {
    let databases = Databases::postgres();
    let house = House::open(&databases).await;
    let other = TestServer::start(house.database.open().await, ServerOptions::default()).await;
    let make = async |server: &TestServer, prefix: &str| {
        let mut client = server.client().await;
        for number in 0..20 {
            let body = format!("{{\"name\":\"{prefix}{number}\"}}");
            let made = client.ask(Ask::new("POST", "/v1/workspaces").key(ADMIN).body(&body)).await;
            assert_eq!(made.status, 201, "{}", made.text());
        }
        // The same name at the same time.
        client
            .ask(Ask::new("POST", "/v1/workspaces").key(ADMIN).body(r#"{"name":"same"}"#))
            .await
            .status
            .as_u16()
    };
    let (one, two) = tokio::join!(make(&house.server, "a"), make(&other, "b"));
    let mut statuses = [one, two];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
    let numbers = house.database.texts("SELECT CAST(workspace AS TEXT) FROM workspaces").await;
    let mut numbers: Vec<i64> = numbers.iter().map(|number| number.parse().expect("a number")).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=42).collect::<Vec<_>>());
}

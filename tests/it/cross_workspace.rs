//! The attack from the shop next door: whoever has a key to one workspace learns nothing of another, neither a byte of it
//! nor whether anything exists there.
//!
//! The same random requests go to two installations. In one there is a second workspace full of customers and keys, in the
//! other there is none. Names, ids, cursors, values and keys of the second workspace are in the requests. Whatever is
//! answered must be the same, byte for byte.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::join_all;
use selfsame_api::Admission;
use selfsame_rules::Actor;
use selfsame_store::Store;
use serde_json::{Value, json};
use support::client::{Ask, Client, Reply};
use support::clock::ManualClock;
use support::databases::{Database, Databases};
use support::faulty::{Fault, FaultyStore};
use support::random::Random;
use support::server::{ServerOptions, TestServer};
use support::shop::ADMIN;
use support::size::{Size, proved};

/// How many pairs of installations are attacked beside each other.
const AT_ONCE: usize = 6;

/// An installation with the attacker's workspace, and perhaps the victim's.
struct World {
    _database: Database,
    server: TestServer,
    client: Client,
    clock: Arc<ManualClock>,
    /// The attacker's keys, by scope.
    keys: Vec<String>,
    /// What is random in answers, by the order in which it was seen.
    seen: HashMap<String, usize>,
}

/// What the attacker knows of the victim, by whatever leak.
struct Victim {
    workspace: String,
    key_ids: Vec<String>,
    keys: Vec<String>,
    cursors: Vec<String>,
    values: Vec<String>,
}

impl World {
    async fn open(databases: &Databases, wrap: impl Fn(Arc<dyn Store>) -> Arc<dyn Store>) -> Self {
        let database = databases.empty().await;
        let clock = ManualClock::new();
        let options = ServerOptions {
            clock: Arc::<ManualClock>::clone(&clock),
            admission: Admission::Keys,
            ..ServerOptions::default()
        };
        let server = TestServer::start(wrap(database.open().await), options).await;
        let made = server.installation.ensure_admin_key(ADMIN, &Actor::named("test")).await;
        made.expect("the store takes a key");
        let client = server.client().await;
        let (keys, seen) = (Vec::new(), HashMap::new());
        let mut world = Self { _database: database, server, client, clock, keys, seen };
        world.make("attacker").await;
        let all = [&["identify", "read", "write", "admin"][..], &["identify"], &["admin"]];
        for (at, scopes) in (1..).zip(all) {
            // Keys of one moment stand in lists by their ids, which are random.
            world.clock.set(at);
            let (_, key) = world.key("attacker", &scopes.join("-"), scopes).await;
            world.keys.push(key);
        }
        world
    }

    async fn make(&mut self, workspace: &str) {
        let body = json!({ "name": workspace }).to_string();
        let made = self.client.ask(Ask::new("POST", "/v1/workspaces").key(ADMIN).body(&body)).await;
        assert_eq!(made.status, 201, "{}", made.text());
    }

    /// The id and the text of a new key.
    async fn key(&mut self, workspace: &str, name: &str, scopes: &[&str]) -> (String, String) {
        let body = json!({ "name": name, "scopes": scopes }).to_string();
        let ask = Ask::new("POST", "/v1/keys").key(ADMIN).workspace(workspace).body(&body);
        let made = self.client.ask(ask).await.json();
        let text = |member: &str| made[member].as_str().expect("it is shown").to_owned();
        (text("id"), text("key"))
    }

    /// Lets a second shop move in.
    async fn move_in(&mut self, random: &mut Random) -> Victim {
        let workspace = "victim".to_owned();
        self.clock.set(100);
        self.make(&workspace).await;
        let (mut key_ids, mut keys, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for name in ["shop", "backoffice", "export"] {
            let (id, key) = self.key(&workspace, name, &["identify", "read", "admin"]).await;
            key_ids.push(id);
            keys.push(key);
        }
        for _ in 0..30 {
            let person = random.below(12);
            values.push(format!("victim{person}@secret.example"));
            let body = json!({ "email": values.last(), "phoneNumber": format!("55{}", random.below(9)) });
            let body = body.to_string();
            let ask = Ask::new("POST", "/identify").key(&keys[0]).body(&body);
            assert_eq!(self.client.ask(ask).await.status, 200);
        }
        let page = self.client.ask(Ask::new("GET", "/v1/keys?limit=1").key(&keys[0])).await.json();
        let cursors = vec![page["nextCursor"].as_str().expect("there are more").to_owned()];
        Victim { workspace, key_ids, keys, cursors, values }
    }

    /// Sends a request of the attacker's; the answer, with whatever differs by chance told by a number.
    async fn attack(&mut self, attack: &Attack) -> String {
        self.clock.set(attack.at);
        let key = match &attack.key {
            Key::Own(number) => self.keys[*number].clone(),
            Key::Said(text) => text.clone(),
        };
        let ask = Ask {
            method: attack.method,
            once: None,
            path: &attack.path,
            key: Some(&key),
            workspace: attack.workspace.as_deref(),
            body: attack.body.as_deref(),
            header: None,
        };
        let reply = self.client.ask(ask).await;
        self.plain(&reply)
    }

    fn plain(&mut self, reply: &Reply) -> String {
        let mut told = format!("{} ", reply.status.as_u16());
        let mut names: Vec<_> = reply.headers.iter().collect();
        names.sort_by_key(|(name, _)| name.as_str());
        for (name, value) in names {
            if !["x-request-id", "date", "location", "content-length"].contains(&name.as_str()) {
                told += &format!("{name}: {}; ", value.to_str().expect("headers are texts"));
            }
        }
        for line in reply.text().lines() {
            match serde_json::from_str::<Value>(line) {
                Ok(mut json) => {
                    self.number(&mut json);
                    told += &json.to_string();
                }
                Err(_) => told += line,
            }
        }
        told
    }

    /// Replaces what a server makes at random.
    fn number(&mut self, json: &mut Value) {
        match json {
            Value::Object(members) => {
                for (name, value) in members {
                    let text = value.as_str().map(str::to_owned);
                    match text {
                        Some(_) if name == "requestId" => *value = Value::Null,
                        Some(text) if ["id", "key", "nextCursor"].contains(&name.as_str()) => {
                            let next = self.seen.len();
                            *value = (*self.seen.entry(text).or_insert(next)).into();
                        }
                        _ => self.number(value),
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.number(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

/// A request of the attacker's.
#[derive(Debug)]
struct Attack {
    at: i64,
    method: &'static str,
    path: String,
    key: Key,
    workspace: Option<String>,
    body: Option<String>,
}

#[derive(Debug)]
enum Key {
    /// One of the attacker's.
    Own(usize),
    /// A text.
    Said(String),
}

/// Every route that takes a key, by method and path; `{}` is a name or an id.
const ROUTES: [(&str, &str); 13] = [
    ("POST", "/identify"),
    ("POST", "/v1/observations/batch"),
    ("GET", "/metrics"),
    ("GET", "/v1/keys"),
    ("POST", "/v1/keys"),
    ("GET", "/v1/keys/current"),
    ("GET", "/v1/keys/{}"),
    ("DELETE", "/v1/keys/{}"),
    ("GET", "/v1/workspaces"),
    ("POST", "/v1/workspaces"),
    ("GET", "/v1/workspaces/{}"),
    ("PATCH", "/v1/workspaces/{}"),
    ("DELETE", "/v1/workspaces/{}"),
];

fn attack(at: i64, random: &mut Random, victim: &Victim) -> Attack {
    let some = |random: &mut Random, texts: &[String]| random.pick(texts).clone();
    let (method, path) = *random.pick(&ROUTES);
    let name = match random.below(4) {
        0 => some(random, &victim.key_ids),
        1 => victim.workspace.clone(),
        2 => "attacker".to_owned(),
        _ => "none".to_owned(),
    };
    let mut path = path.replace("{}", &name);
    let list = matches!((method, path.as_str()), ("GET", "/v1/keys" | "/v1/workspaces"));
    if list && random.below(2) == 0 {
        path += &format!("?limit={}&cursor={}", 1 + random.below(3), some(random, &victim.cursors));
    }
    if method == "DELETE" && path.starts_with("/v1/workspaces") {
        path += &format!("?confirm={name}");
    }
    let key = match random.below(8) {
        // A key of the victim's with its end cut off is no key.
        0 => Key::Said(some(random, &victim.keys).chars().rev().skip(1).collect::<String>()),
        1 => Key::Said(some(random, &victim.key_ids)),
        number => Key::Own((number % 3) as usize),
    };
    let workspace = match random.below(5) {
        0 => Some(victim.workspace.clone()),
        1 => Some("attacker".to_owned()),
        2 => Some("none".to_owned()),
        _ => None,
    };
    let observation = json!({
        "email": some(random, &victim.values), "phoneNumber": format!("55{}", random.below(9))
    });
    let body = match (method, path.as_str()) {
        ("POST", "/identify") => Some(observation.to_string()),
        ("POST", "/v1/observations/batch") => Some(format!("{observation}\n{{}}\n")),
        ("POST", "/v1/keys") => {
            let name = random.pick(&["shop", "backoffice", "mine"]);
            let every = random.below(3) == 0;
            Some(json!({ "name": name, "scopes": ["identify"], "everyWorkspace": every }).to_string())
        }
        ("POST" | "PATCH", _) => Some(json!({ "name": name }).to_string()),
        _ => None,
    };
    Attack { at, method, path, key, workspace, body }
}

/// The first request whose answer tells whether the victim is there.
async fn leak(
    databases: &Databases,
    seed: u64,
    attacks: i64,
    wrap: impl Fn(Arc<dyn Store>) -> Arc<dyn Store>,
) -> Option<String> {
    let mut random = Random::seeded(seed);
    let (victim, sent) = {
        let mut with = World::open(databases, &wrap).await;
        let victim = with.move_in(&mut random).await;
        let mut sent = Vec::new();
        for at in 0..attacks {
            let attack = attack(1_000 + at, &mut random, &victim);
            let answered = with.attack(&attack).await;
            sent.push((attack, answered));
        }
        drop(with.client);
        with.server.drain().await;
        (victim, sent)
    };
    let mut without = World::open(databases, &wrap).await;
    for (attack, answered) in sent {
        let alone = without.attack(&attack).await;
        if alone != answered {
            return Some(format!("seed {seed}: {attack:?}\nwith the victim: {answered}\nwithout: {alone}"));
        }
        // What nobody but the victim knows comes back only to whoever sent it.
        let said = attack.body.as_deref().unwrap_or_default().contains("secret.example");
        if answered.contains(&victim.values[0]) && !said && attack.path != "/identify" {
            return Some(format!("seed {seed}: {attack:?}\nanswered {answered}"));
        }
    }
    None
}

#[tokio::test]
async fn nobody_learns_what_is_in_another_workspace() {
    let (histories, attacks) = Size::of_this_run().pick((2, 250), (40, 1_500));
    let first = Random::of_this_run().below(1 << 40);
    let sqlite: fn() -> Databases = || Databases::Sqlite;
    for (name, new) in [("SQLite", sqlite), ("PostgreSQL", Databases::postgres)] {
        // Beside each other: on PostgreSQL they wait more than they work, since a name that nobody knows is read anew only so often.
        let lanes = (0..histories.min(AT_ONCE)).map(|lane| async move {
            // Each empties a database of its own.
            let databases = new();
            for seed in (lane..histories).step_by(AT_ONCE).map(|at| first + at as u64) {
                let leak = leak(&databases, seed, attacks, |store| store).await;
                assert_eq!(leak, None, "{name}");
            }
        });
        join_all(lanes).await;
        proved(&format!(
            "cross-workspace attack ({name}): {histories} installations, {attacks} requests each, no difference"
        ));
    }
}

#[tokio::test]
async fn a_store_that_mixes_workspaces_up_is_caught() {
    let leak = leak(&Databases::Sqlite, Random::of_this_run().number(), 250, |store| {
        FaultyStore::new(store, Fault::MixedWorkspaces)
    })
    .await;
    assert!(leak.is_some(), "customers of another workspace were answered, and nobody saw it");
}

//! A server with keys: what a test of the door begins with.

use std::sync::Arc;

use selfsame_api::Admission;
use selfsame_rules::Actor;
use selfsame_service::{EngineSettings, WebhookSettings};
use serde_json::{Value, json};

use crate::client::{Ask, Client, Reply};
use crate::clock::ManualClock;
use crate::databases::{Database, Databases, PATIENCE};
use crate::server::{ServerOptions, TestServer};

/// A key that an installation is given.
pub const ADMIN: &str = "an-admin-key-of-some-forty-characters-00";

/// A server that asks everybody for a key, and has that one.
pub struct Shop {
    pub database: Database,
    pub server: TestServer,
    pub client: Client,
    pub clock: Arc<ManualClock>,
}

impl Shop {
    pub async fn open(databases: &Databases) -> Self {
        Self::over(databases.empty().await).await
    }

    pub async fn over(database: Database) -> Self {
        Self::delivering(database, None).await
    }

    /// One that delivers to webhooks, if it is told how.
    pub async fn delivering(database: Database, webhooks: Option<WebhookSettings>) -> Self {
        let clock = ManualClock::new();
        clock.set(1_000);
        // At full size a few refolds in a row take a slow build longer than a client would wait.
        let engine = EngineSettings {
            queue_wait_max: PATIENCE,
            answer_timeout: PATIENCE,
            ..EngineSettings::default()
        };
        let options = ServerOptions {
            clock: Arc::<ManualClock>::clone(&clock),
            engine,
            admission: Admission::Keys,
            webhooks,
            ..ServerOptions::default()
        };
        let server = TestServer::start(database.open_for_the_patient().await, options).await;
        let made = server.installation.ensure_admin_key(ADMIN, &Actor::named("test")).await;
        made.expect("the store takes a key");
        let client = server.client().await;
        Self { database, server, client, clock }
    }

    /// Makes a key by the API; its text.
    pub async fn key(&mut self, body: Value) -> String {
        let body = body.to_string();
        let made = self.client.ask(Ask::new("POST", "/v1/keys").key(ADMIN).body(&body)).await;
        assert_eq!(made.status, 201, "{}", made.text());
        made.json()["key"].as_str().expect("it is shown").to_owned()
    }

    pub async fn identify(&mut self, key: &str) -> Reply {
        self.client.ask(Ask::new("POST", "/identify").key(key).body(r#"{"phoneNumber":"1"}"#)).await
    }
}

/// A new key's name and scopes.
pub fn named(name: &str, scopes: &[&str]) -> Value {
    json!({ "name": name, "scopes": scopes })
}

/// The status of an answer, and the code of its problem.
pub fn code(reply: &Reply) -> (u16, String) {
    // What isn't JSON is no problem.
    let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    (reply.status.as_u16(), body["code"].as_str().unwrap_or_default().to_owned())
}

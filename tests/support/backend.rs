//! One face for the rules, the stores and HTTP, so that a scenario or a history runs against each of them.

use std::sync::Arc;

use async_trait::async_trait;
use selfsame_rules::{
    Actor, Contact, ContactId, Identifier, IdentifierKind, InvalidIdentifier, Observation, SeenIdentifier,
    Timestamp,
};
use selfsame_service::{Engine, EngineSettings};
use selfsame_store::{Record, Scan, Store, WorkspaceKey};
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use crate::client::Client;
use crate::clock::ManualClock;
use crate::databases::{Database, Databases};
use crate::scenario::{Answer, Row, by_age};
use crate::server::{ServerOptions, TestServer};
use crate::world::World;

/// What can identify, and show what it has stored.
#[async_trait]
pub trait Backend: Send {
    /// The answer, or the code of the refusal.
    async fn identify(&mut self, sent: &[(String, String)], at: i64) -> Result<Answer, String>;
    /// All contacts, in id order.
    async fn rows(&self) -> Vec<Row>;
    /// The kinds of all events, in order.
    async fn events(&self) -> Vec<String>;
}

/// The bare rules.
#[derive(Default)]
pub struct Rules(pub World);

impl Rules {
    pub fn given(rows: &[Row]) -> Self {
        let mut world = World::default();
        by_age(rows).into_iter().for_each(|row| world.given(contact(row)));
        Self(world)
    }
}

#[async_trait]
impl Backend for Rules {
    async fn identify(&mut self, sent: &[(String, String)], at: i64) -> Result<Answer, String> {
        let plan = self.0.identify(&[observation(sent)?], Timestamp::from_milliseconds(at));
        linked(&plan.answers[0])
    }

    async fn rows(&self) -> Vec<Row> {
        self.0.contacts.values().map(row).collect()
    }

    async fn events(&self) -> Vec<String> {
        self.0.events.iter().map(|event| event.kind().to_owned()).collect()
    }
}

/// A store behind the engine.
pub struct Stored {
    pub store: Arc<dyn Store>,
    engine: Engine,
    clock: Arc<ManualClock>,
    _database: Database,
}

impl Stored {
    /// A store over an empty database that is given `rows`.
    pub async fn given(databases: &Databases, rows: &[Row]) -> Self {
        let database = databases.empty().await;
        database.give(rows).await;
        Self::over(database.open().await, database)
    }

    /// The engine over any store of that database.
    pub fn over(store: Arc<dyn Store>, database: Database) -> Self {
        let clock = ManualClock::new();
        let settings = EngineSettings::default();
        let engine = Engine::start(
            Arc::clone(&store),
            Arc::<ManualClock>::clone(&clock),
            WorkspaceKey::DEFAULT,
            settings,
        );
        Self { store, engine, clock, _database: database }
    }
}

#[async_trait]
impl Backend for Stored {
    async fn identify(&mut self, sent: &[(String, String)], at: i64) -> Result<Answer, String> {
        self.clock.set(at);
        let answered = self.engine.identify(observation(sent)?).await.map_err(|error| error.to_string())?;
        linked(&answered)
    }

    async fn rows(&self) -> Vec<Row> {
        rows_of(&*self.store).await
    }

    async fn events(&self) -> Vec<String> {
        events_of(&*self.store).await
    }
}

/// A server over a store, asked through HTTP. It knows e-mails and phones only.
pub struct Http {
    store: Arc<dyn Store>,
    _server: TestServer,
    client: Client,
    clock: Arc<ManualClock>,
    _database: Database,
}

impl Http {
    pub async fn given(databases: &Databases, rows: &[Row]) -> Self {
        let database = databases.empty().await;
        database.give(rows).await;
        let store = database.open().await;
        let clock = ManualClock::new();
        let options = ServerOptions { clock: Arc::<ManualClock>::clone(&clock), ..ServerOptions::default() };
        let server = TestServer::start(Arc::clone(&store), options).await;
        let client = server.client().await;
        Self { store, _server: server, client, clock, _database: database }
    }

    /// The answers to all of these, sent as one batch.
    pub async fn identify_all(
        &mut self,
        sent: &[&[(String, String)]],
        at: i64,
    ) -> Vec<Result<Answer, String>> {
        self.clock.set(at);
        let lines: String = sent.iter().map(|sent| format!("{}\n", json_of(sent))).collect();
        let reply = self.client.post_batch(lines).await.expect("an answer");
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json_lines().iter().map(answer_or_code).collect()
    }
}

/// What `POST /identify` takes, with these values.
fn json_of(sent: &[(String, String)]) -> Value {
    let member = |kind: &str| if kind == "phone" { "phoneNumber" } else { kind }.to_owned();
    let members: Map<String, Value> =
        sent.iter().map(|(kind, text)| (member(kind), text.as_str().into())).collect();
    Value::Object(members)
}

/// The answer that a JSON object holds, or the code of the refusal.
pub fn answer_or_code(body: &Value) -> Result<Answer, String> {
    match body["code"].as_str() {
        Some(code) => Err(code.to_owned()),
        None => Ok(answer_of(body)),
    }
}

#[async_trait]
impl Backend for Http {
    async fn identify(&mut self, sent: &[(String, String)], at: i64) -> Result<Answer, String> {
        self.clock.set(at);
        let reply = self.client.post_identify(json_of(sent).to_string()).await.expect("an answer");
        let answer = answer_or_code(&reply.json());
        assert_eq!(answer.is_ok(), reply.status == 200, "{}", reply.text());
        answer
    }

    async fn rows(&self) -> Vec<Row> {
        rows_of(&*self.store).await
    }

    async fn events(&self) -> Vec<String> {
        events_of(&*self.store).await
    }
}

/// The answer that a JSON body of `POST /identify` holds.
pub fn answer_of(body: &Value) -> Answer {
    let contact = &body["contact"];
    let texts = |key: &str| -> Vec<String> {
        let values = contact[key].as_array().expect("a list").iter();
        values.map(|value| value.as_str().expect("a text").to_owned()).collect()
    };
    let ids = contact["secondaryContactIds"].as_array().expect("a list").iter();
    Answer {
        primary: contact["primaryContactId"].as_i64().expect("an id"),
        emails: texts("emails"),
        phones: texts("phoneNumbers"),
        secondaries: ids.map(|id| id.as_i64().expect("an id")).collect(),
    }
}

/// An observation of texts as sent, or the code with which the API refuses them.
pub fn observation(sent: &[(String, String)]) -> Result<Observation, String> {
    let mut seen = Vec::new();
    for (kind, text) in sent {
        let kind = IdentifierKind::from_name(kind).expect("a scenario names kinds that can exist");
        seen.extend(SeenIdentifier::parse(&kind, text).map_err(|rule| match rule {
            InvalidIdentifier::Email(_) => "invalid_email",
            InvalidIdentifier::Phone(_) => "invalid_phone_number",
            InvalidIdentifier::Declared(_) => "invalid_identifier",
        })?);
    }
    Observation::new(Actor::named("test"), seen).map_err(|_| "nothing_to_identify".to_owned())
}

/// Every contact of a store, in id order.
pub async fn rows_of(store: &dyn Store) -> Vec<Row> {
    scan(store, Scan::Contacts)
        .await
        .iter()
        .filter_map(|record| if let Record::Contact(contact) = record { Some(row(contact)) } else { None })
        .collect()
}

async fn events_of(store: &dyn Store) -> Vec<String> {
    scan(store, Scan::Everything)
        .await
        .iter()
        .filter_map(
            |record| if let Record::Event(event) = record { Some(event.kind().to_owned()) } else { None },
        )
        .collect()
}

/// Everything that `what` names in the default workspace.
pub async fn scan(store: &dyn Store, what: Scan) -> Vec<Record> {
    let (sender, mut records) = mpsc::channel::<Vec<Record>>(4);
    let gather = async {
        let mut all = Vec::new();
        while let Some(some) = records.recv().await {
            all.extend(some);
        }
        all
    };
    let (scanned, all) = tokio::join!(store.scan(WorkspaceKey::DEFAULT, what, sender), gather);
    scanned.expect("the store can be read");
    all
}

fn contact(row: &Row) -> Contact {
    let identifiers = row.values.iter().map(|(kind, value)| {
        Identifier::from_stored(IdentifierKind::from_name(kind).expect("a kind that can exist"), value)
    });
    let created_at = Timestamp::from_milliseconds(row.at.expect("a given row has a time"));
    Contact {
        id: ContactId(row.id),
        identifiers: identifiers.collect(),
        linked_to: row.linked_to.map(ContactId),
        created_at,
        updated_at: row.updated.map_or(created_at, Timestamp::from_milliseconds),
        deleted_at: None,
    }
}

/// The row that a contact is.
pub fn row(contact: &Contact) -> Row {
    let values = contact.identifiers.iter();
    Row {
        id: contact.id.0,
        linked_to: contact.linked_to.map(|primary| primary.0),
        values: values.map(|value| (value.kind().name().to_owned(), value.value().to_owned())).collect(),
        at: Some(contact.created_at.as_milliseconds()),
        updated: Some(contact.updated_at.as_milliseconds()),
    }
}

/// The customer that was answered, or the code of the refusal.
fn linked(answered: &selfsame_rules::Answer) -> Result<Answer, String> {
    let view = answered.identity.as_ref().ok_or("nothing_links")?;
    let values = |kind| view.values(&kind).map(str::to_owned).collect();
    Ok(Answer {
        primary: view.primary.0,
        emails: values(IdentifierKind::Email),
        phones: values(IdentifierKind::Phone),
        secondaries: view.secondaries.iter().map(|secondary| secondary.0).collect(),
    })
}

//! The description of the interface, held to: schemathesis asks of every operation all that is described and much that isn't, and
//! no answer may be a fault of the server's, outside the schema, or a problem that isn't told of.

use selfsame_api::{Admission, description};
use selfsame_rules::Actor;
use serde_json::{Value, json};
use support::client::{Ask, Client, Reply};
use support::databases::{Database, Databases};
use support::random::Random;
use support::schemathesis::{Task, run};
use support::server::{ServerOptions, TestServer};
use support::shop::ADMIN;
use support::size::{Size, proved};

/// A workspace beside the default one.
const SECOND: &str = "second";

/// How requests are sent.
#[derive(Clone, Copy, Debug)]
enum Sent {
    WithoutKey,
    WithKey,
    ToSecondWorkspace,
}

impl Sent {
    fn ask<'request>(self, method: &'request str, path: &'request str) -> Ask<'request> {
        let ask = Ask::new(method, path);
        match self {
            Self::WithoutKey => ask,
            Self::WithKey => ask.key(ADMIN),
            Self::ToSecondWorkspace => ask.key(ADMIN).workspace(SECOND),
        }
    }

    fn headers(self) -> Vec<(&'static str, String)> {
        let key = ("Authorization", format!("Bearer {ADMIN}"));
        match self {
            Self::WithoutKey => Vec::new(),
            Self::WithKey => vec![key],
            Self::ToSecondWorkspace => vec![key, ("Selfsame-Workspace", SECOND.to_owned())],
        }
    }
}

/// A server with something of everything that can be asked about.
struct Filled {
    /// Ends with the server.
    _database: Database,
    server: TestServer,
    client: Client,
}

async fn serve(databases: &Databases, sent: Sent) -> Filled {
    let admission = match sent {
        // Of those that are made by requests, none closes the door.
        Sent::WithoutKey => Admission::Everybody,
        Sent::WithKey | Sent::ToSecondWorkspace => Admission::Keys,
    };
    let database = databases.empty().await;
    let store = database.open().await;
    // Without one, the route that asks for a signature would look at none.
    let shopify_secrets = "shpss_00000000000000000000000000000001".parse().expect("it is long enough");
    let options = ServerOptions { admission, shopify_secrets, ..ServerOptions::default() };
    let server = TestServer::start(store, options).await;
    let made = server.installation.ensure_admin_key(ADMIN, &Actor::named("test")).await;
    made.expect("the store takes a key");
    let mut client = server.client().await;
    let second = json!({ "name": SECOND }).to_string();
    let made = client.ask(Ask::new("POST", "/v1/workspaces").key(ADMIN).body(&second)).await;
    assert_eq!(made.status, 201, "{}", made.text());
    fill(&mut client, sent).await;
    Filled { _database: database, server, client }
}

/// People, a merge and a split, a policy, and refusals that wait for a review.
async fn fill(client: &mut Client, sent: Sent) {
    let saw = |identifiers: [(&str, &str); 2]| {
        let list = identifiers.map(|(kind, value)| json!({ "kind": kind, "value": value }));
        json!({ "identifiers": list, "source": "till 4" })
    };
    let policy = json!({
        "kinds": ["customerId"], "unique": ["customerId"], "contactsMax": 100,
        "blocked": [{ "kind": "email", "pattern": "noreply@*" }], "limits": [{ "kind": "phone", "most": 5 }],
    });
    for (method, path, body) in [
        ("POST", "/v1/observations", saw([("email", "anna@hill.edu"), ("phone", "111")])),
        ("POST", "/v1/observations", saw([("email", "ben@hill.edu"), ("phone", "222")])),
        ("POST", "/v1/identities/1/merge", json!({ "withContactId": 2, "reason": "they say so" })),
        ("POST", "/v1/identities/1/split", json!({ "contactIds": [2] })),
        ("POST", "/v1/observations", saw([("email", "ben@hill.edu"), ("phone", "111")])),
        ("PUT", "/v1/policy", policy),
        ("POST", "/v1/observations", saw([("email", "anna@hill.edu"), ("customerId", "c1")])),
        ("POST", "/v1/observations", saw([("email", "cleo@hill.edu"), ("customerId", "c2")])),
        ("POST", "/v1/observations", saw([("email", "cleo@hill.edu"), ("phone", "111")])),
        ("POST", "/v1/observations", saw([("email", "cleo@hill.edu"), ("phone", "333")])),
    ] {
        let body = body.to_string();
        let reply: Reply = client.ask(sent.ask(method, path).body(&body)).await;
        assert_eq!(reply.status, 200, "{method} {path}: {}", reply.text());
    }
}

/// Has schemathesis compare a server with a description: its own, or another; what it reports.
async fn compare(
    filled: &mut Filled,
    sent: Sent,
    described: Option<Value>,
    operation: Option<&'static str>,
) -> Result<String, String> {
    let current = filled.client.ask(Ask::new("GET", "/v1/keys/current").key(ADMIN)).await.json();
    let kept = format!("default {SECOND} {}", current["id"].as_str().expect("a key has an id"));
    // The run's own seed is printed, and leads to the same one again.
    let (address, seed) = (filled.server.address, Random::of_this_run().below(1_000_000));
    let work = move || {
        let headers = sent.headers();
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let folder = tempfile::tempdir().expect("there is room for a temporary folder");
        let file = folder.path().join("openapi.json");
        let text = described.unwrap_or_else(description).to_string();
        std::fs::write(&file, text).expect("there is room");
        run(&Task {
            server: address,
            description: &file.to_string_lossy(),
            seed,
            examples: Size::of_this_run().pick(10, 300),
            headers: &headers,
            kept: &kept,
            operation,
        })
    };
    tokio::task::spawn_blocking(work).await.expect("it is installed, and runs")
}

async fn check(databases: Databases, sent: Sent) {
    let mut filled = serve(&databases, sent).await;
    let report = compare(&mut filled, sent, None, None).await;
    let report = report.unwrap_or_else(|report| panic!("{sent:?} on {databases}: {report}"));
    let counted = report.lines().find(|line| line.contains("generated")).unwrap_or("it doesn't say how many");
    proved(&format!("schemathesis, {sent:?} on {databases}: {}, all as described", counted.trim()));
    filled.server.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_as_described_with_a_key() {
    check(Databases::Sqlite, Sent::WithKey).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_as_described_without_keys() {
    check(Databases::Sqlite, Sent::WithoutKey).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_as_described_in_a_second_workspace_on_postgresql() {
    check(Databases::postgres(), Sent::ToSecondWorkspace).await;
}

/// The negative control: a description of which the server is not true is caught, in what it says of an answer and of a problem.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_described_is_caught() {
    let mut filled = serve(&Databases::Sqlite, Sent::WithKey).await;
    for (place, lie, found) in [
        (
            "/components/schemas/Identity/properties/contactCount",
            json!({ "type": "string" }),
            "violates schema",
        ),
        (
            "/paths/~1v1~1identities~1{id}/get/responses/404/x-problem-codes",
            json!(["workspace_not_found"]),
            "404 contact_not_found is not told of",
        ),
    ] {
        let mut described = description();
        *described.pointer_mut(place).expect("it is described") = lie;
        let told = compare(&mut filled, Sent::WithKey, Some(described), Some("find_identity")).await;
        let report = told.expect_err("the description lies");
        assert!(report.contains(found), "{place}: {report}");
    }
    filled.server.drain().await;
}

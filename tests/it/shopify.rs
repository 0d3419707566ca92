//! Shopify's webhooks, from samples in the documented shape: what they tell of a person, and who may send them.

use selfsame_api::{Admission, ShopifySecrets};
use selfsame_rules::Actor;
use serde_json::{Value, json};
use support::client::{Ask, Client, Reply};
use support::databases::{Database, Databases};
use support::process::{ServerProcess, command};
use support::server::{ServerOptions, TestServer};
use support::shop::{ADMIN, code};
use support::shopify::{Webhook, signature};

const ORDER: &str = include_str!("../shopify/order.json");
const GUEST_CHECKOUT: &str = include_str!("../shopify/guest_checkout.json");
const CUSTOMER: &str = include_str!("../shopify/customer.json");
const CUSTOMER_REDACT: &str = include_str!("../shopify/customer_redact.json");

/// The secret that stood first, and the one that comes after it.
const FORMER: &str = "shpss_00000000000000000000000000000001";
const SECRET: &str = "shpss_00000000000000000000000000000002";
/// That of the workspace `north`.
const NORTH: &str = "shpss_00000000000000000000000000000003";

const POLICY: &str = r#"{"kinds":["shopifyCustomerId"],"unique":["shopifyCustomerId"]}"#;

/// Server and client, and the database, which ends with them.
async fn opened(databases: &Databases) -> (TestServer, Client, Database) {
    let database = databases.empty().await;
    let secrets: ShopifySecrets = format!("{FORMER},{SECRET},north:{NORTH}").parse().unwrap();
    let options =
        ServerOptions { admission: Admission::Keys, shopify_secrets: secrets, ..ServerOptions::default() };
    let server = TestServer::start(database.open().await, options).await;
    let made = server.installation.ensure_admin_key(ADMIN, &Actor::named("test")).await;
    made.expect("the store takes a key");
    let mut client = server.client().await;
    let set = client.ask(Ask::new("PUT", "/v1/policy").key(ADMIN).body(POLICY)).await;
    assert_eq!(set.status, 200, "{}", set.text());
    (server, client, database)
}

async fn sent(client: &mut Client, webhook: Webhook<'_>, secret: &str) -> Reply {
    client.send(webhook.signed(secret)).await.expect("the server answers")
}

async fn taken(client: &mut Client, webhook: Webhook<'_>, secret: &str) {
    let reply = sent(client, webhook, secret).await;
    assert_eq!((reply.status.as_u16(), reply.text()), (200, r#"{"success":true}"#), "{}", webhook.topic);
}

async fn get(client: &mut Client, path: &str) -> Value {
    client.ask(Ask::new("GET", path).key(ADMIN)).await.json()
}

/// Everything that was observed.
async fn observed(client: &mut Client) -> Vec<Value> {
    let mut events = get(client, "/v1/events?limit=1000").await["events"].as_array().expect("a list").clone();
    events.retain(|event| !event["evidence"].as_array().expect("a list").is_empty());
    events
}

async fn orders_tell_who_is_who(databases: Databases) {
    let (server, mut client, _database) = opened(&databases).await;
    taken(&mut client, Webhook::new("orders/create", ORDER).id("e1"), SECRET).await;
    // The guest's phone, in another spelling, is that of the order, and the customer's id leads to another address.
    taken(&mut client, Webhook::new("checkouts/update", GUEST_CHECKOUT).id("e2"), SECRET).await;
    taken(&mut client, Webhook::new("customers/update", CUSTOMER).id("e3"), SECRET).await;
    let found = get(&mut client, "/v1/identities?shopifyCustomerId=115310627314723954").await;
    let mut values: Vec<_> =
        found["identifiers"].as_array().expect("a list").iter().map(|one| one["value"].clone()).collect();
    values.sort_by_key(Value::to_string);
    assert_eq!(
        values,
        [
            "+12025550123",
            "+12025550199",
            "115310627314723954",
            "l.baines@hillvalley.edu",
            "lorraine@hillvalley.edu"
        ],
        "{databases}: nobody's who is only shipped or billed to"
    );
    let events = observed(&mut client).await;
    let told = |event: &Value| (event["kind"].clone(), event["source"].clone(), event["observedAt"].clone());
    let shop = json!("shopify:hill-valley.myshopify.com");
    assert_eq!(
        events.iter().map(told).collect::<Vec<_>>(),
        [
            (json!("created"), shop.clone(), json!("2026-01-31T12:00:05.000Z")),
            (json!("attached"), shop, json!("2026-02-02T12:00:00.000Z")),
        ],
        "{databases}"
    );
    assert_eq!(events[0]["causedBy"], "POST /v1/sources/shopify");

    // A repeat changes nothing, also once the person is erased; the same order's next webhook is another.
    let erased = client.ask(Ask::new("DELETE", "/v1/identities/1").key(ADMIN)).await;
    assert_eq!(erased.status, 200, "{}", erased.text());
    let before = observed(&mut client).await;
    taken(&mut client, Webhook::new("orders/create", ORDER).id("e1"), SECRET).await;
    taken(&mut client, Webhook::new("customers/update", CUSTOMER).id("e3"), SECRET).await;
    assert_eq!(observed(&mut client).await, before, "{databases}");
    taken(&mut client, Webhook::new("orders/paid", ORDER).id("e1"), SECRET).await;
    assert_eq!(observed(&mut client).await.len(), before.len() + 1, "{databases}");
    server.drain().await;
}

#[tokio::test]
async fn orders_and_customers_of_shopify_tell_who_is_who_on_sqlite() {
    orders_tell_who_is_who(Databases::Sqlite).await;
}

#[tokio::test]
async fn orders_and_customers_of_shopify_tell_who_is_who_on_postgresql() {
    orders_tell_who_is_who(Databases::postgres()).await;
}

#[tokio::test]
async fn a_webhook_with_a_wrong_signature_changes_nothing() {
    for databases in [Databases::Sqlite, Databases::postgres()] {
        let (server, mut client, _database) = opened(&databases).await;
        let webhook = Webhook::new("orders/create", ORDER);
        let of_another_body = signature(SECRET, CUSTOMER);
        let hexadecimal = "8".repeat(64);
        for wrong in [
            &signature("shpss_00000000000000000000000000000009", ORDER),
            &of_another_body,
            &hexadecimal,
            "",
            "%",
        ] {
            let reply = client.send(webhook.with_signature(wrong)).await.unwrap();
            assert_eq!(code(&reply), (401, "invalid_signature".to_owned()), "{databases}: {wrong}");
            assert!(reply.headers.contains_key("www-authenticate"));
        }
        // A key is no signature.
        let ask = Ask::new("POST", "/v1/sources/shopify").key(ADMIN).body(ORDER);
        assert_eq!(code(&client.ask(ask).await), (401, "invalid_signature".to_owned()));
        assert_eq!(observed(&mut client).await, [json!(null); 0], "{databases}");
        // Both secrets are good while one takes the other's place.
        for secret in [FORMER, SECRET] {
            taken(&mut client, webhook, secret).await;
        }
        assert_eq!(observed(&mut client).await.len(), 1, "{databases}");
        server.drain().await;
    }
}

#[tokio::test]
async fn a_secret_says_in_which_workspace_a_webhook_is_taken() {
    let (server, mut client, _database) = opened(&Databases::Sqlite).await;
    let webhook = Webhook::new("orders/create", ORDER);
    let nowhere = sent(&mut client, webhook, NORTH).await;
    assert_eq!(code(&nowhere), (404, "workspace_not_found".to_owned()));
    let body = json!({ "name": "north" }).to_string();
    let made = client.ask(Ask::new("POST", "/v1/workspaces").key(ADMIN).body(&body)).await;
    assert_eq!(made.status, 201);
    taken(&mut client, webhook, NORTH).await;
    assert_eq!(observed(&mut client).await, [json!(null); 0], "the default workspace has nothing of it");
    let found = Ask::new("GET", "/v1/identities?email=lorraine@hillvalley.edu").key(ADMIN).workspace("north");
    assert_eq!(client.ask(found).await.status, 200);
    server.drain().await;
}

#[tokio::test]
async fn what_tells_of_no_person_is_not_taken_for_done() {
    let (server, mut client, _database) = opened(&Databases::Sqlite).await;
    for (topic, says) in [
        ("customers/redact", "Nothing was done"),
        ("customers/data_request", "Nothing was done"),
        ("shop/redact", "Nothing was done"),
        ("customers/delete", "Nothing was done"),
        ("products/update", "end the subscription"),
        ("orders/", "end the subscription"),
        ("orders/x/y", "end the subscription"),
        ("", "end the subscription"),
    ] {
        let reply = sent(&mut client, Webhook::new(topic, CUSTOMER_REDACT), SECRET).await;
        assert_eq!(code(&reply), (422, "topic_not_taken".to_owned()), "{topic}");
        assert!(reply.text().contains(says), "{topic}: {}", reply.text());
    }
    for (body, want) in
        [("", (400, "empty_body")), ("[]", (400, "not_an_object")), ("{", (400, "malformed_json"))]
    {
        let reply = sent(&mut client, Webhook::new("orders/create", body), SECRET).await;
        assert_eq!(code(&reply), (want.0, want.1.to_owned()), "{body}");
    }
    // What can't be used is left out, and not repeated: here, that is all.
    for odd in [r#"{"customer":"jon.secret@x.example"}"#, r#"{"customer":[7,"jon.secret@x.example"]}"#] {
        taken(&mut client, Webhook::new("orders/create", odd), SECRET).await;
    }
    // Somebody pressed the button that sends a sample, and a deleted order has an id and nothing else.
    let test = Webhook { is_test: true, ..Webhook::new("orders/create", ORDER) };
    taken(&mut client, test, SECRET).await;
    taken(&mut client, Webhook::new("orders/delete", r#"{"id":1}"#), SECRET).await;
    assert_eq!(observed(&mut client).await, [json!(null); 0]);
    server.drain().await;
}

/// A server by itself: where its secrets come from, and that it says nothing of them.
#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_settings_that_nobody_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let start = |settings: &[(&str, &str)]| {
        let mut serve = command(folder.path(), &["serve", "--port", "0", "--log", "debug"]);
        ServerProcess::spawn({
            serve.envs(settings.iter().copied());
            serve
        })
    };
    let mut without = start(&[]).unwrap();
    let mut client = Client::connect(without.address).await.unwrap();
    let webhook = Webhook::new("orders/create", ORDER);
    assert_eq!(code(&sent(&mut client, webhook, SECRET).await), (404, "shopify_not_set_up".to_owned()));
    let unsigned = client.ask(Ask::new("POST", "/v1/sources/shopify").body(ORDER)).await;
    assert_eq!(code(&unsigned), (404, "shopify_not_set_up".to_owned()));
    without.terminate();

    std::fs::write(folder.path().join("selfsame.toml"), format!("shopify-secrets = [\"{FORMER}\"]\n"))
        .unwrap();
    let mut by_file = start(&[]).unwrap();
    let mut client = Client::connect(by_file.address).await.unwrap();
    assert_eq!(sent(&mut client, webhook, FORMER).await.status, 200);
    by_file.terminate();
    std::fs::write(folder.path().join(".env"), format!("SELFSAME_SHOPIFY_SECRETS={SECRET},south:{NORTH}\n"))
        .unwrap();
    let mut by_dotenv = start(&[]).unwrap();
    let mut client = Client::connect(by_dotenv.address).await.unwrap();
    assert_eq!(sent(&mut client, webhook, SECRET).await.status, 200);
    assert_eq!(sent(&mut client, webhook, FORMER).await.status, 401);
    by_dotenv.terminate();
    let said = by_dotenv.said();
    assert!(said.contains("names a workspace that isn't there"), "{said}");
    for private in [SECRET, NORTH, "shpss", "2025550123"] {
        assert!(!said.contains(private), "{private}: {said}");
    }

    let mut refused = command(folder.path(), &["serve", "--port", "0"]);
    let output = refused.env("SELFSAME_SHOPIFY_SECRETS", "guessable").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    insta::assert_snapshot!(said, @r"
    error: SELFSAME_SHOPIFY_SECRETS can't be read: secret 1 is none of Shopify's: these have 16 characters of ASCII or more
    hint: give what Shopify shows, as SECRET or WORKSPACE:SECRET, with commas between
    ");
}

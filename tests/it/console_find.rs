//! Finding a customer in the console, in a real browser: by what people type, by keyboard alone, with a key.

use serde_json::json;
use support::browser::Browser;
use support::client::Ask;
use support::databases::Databases;
use support::server::{ServerOptions, TestServer};
use support::shop::{ADMIN, Shop, named};

/// A value that would run, or break out of an attribute, where a page did not escape it.
const HOSTILE: &str = r#""><img/src=x/onerror=document.title="ran">@x.org"#;

async fn a_customer_is_found(databases: Databases) {
    let database = databases.empty().await;
    let server = TestServer::start(database.open().await, ServerOptions::default()).await;
    let mut client = server.client().await;
    for body in [
        json!({ "email": "ada@example.org", "phoneNumber": "555 010" }),
        json!({ "email": "countess@example.org", "phoneNumber": "555-010" }),
        json!({ "email": HOSTILE, "phoneNumber": "666" }),
    ] {
        assert_eq!(client.post_identify(body.to_string()).await.unwrap().status, 200, "{databases}: {body}");
    }
    let browser = Browser::start().await;

    // A browser that opens the address of the server is led to the console, and nothing is to be signed in to.
    browser.open(&format!("http://{}/", server.address)).await;
    assert_eq!(browser.text("h1").await, "Find a customer", "{databases}");
    browser.keep_screenshot("find").await;

    // Results come as one types, the arrow leads to them, and Enter opens one; no mouse.
    browser.press("555.010").await;
    assert!(browser.text(".found").await.contains("countess@example.org"), "{databases}");
    browser.keep_screenshot("find-results").await;
    browser.press("\u{E015}").await;
    browser.press("\u{E007}").await;
    browser.wait_for(".history").await;
    assert_eq!(browser.text("h1").await, "Customer #1", "{databases}");
    let who = browser.text(".who").await;
    for value in ["ada@example.org", "countess@example.org", "555010"] {
        assert!(who.contains(value), "{databases}: {value} in {who}");
    }
    browser.keep_screenshot("customer").await;

    // An id that was ever answered leads to who stands for the customer now, and the page says so.
    browser.open(&format!("http://{}/console/customers/2", server.address)).await;
    assert!(browser.text(".note").await.contains("#2 belongs to this customer: #1"), "{databases}");

    // `/` leads to the box from anywhere; what a stranger typed is shown as it is, and runs nowhere.
    browser.press("/666\u{E007}").await;
    assert!(browser.text(".found").await.contains(HOSTILE), "{databases}");
    browser.wait_for(".found a").await.click().await.unwrap();
    browser.wait_for(".history").await;
    assert!(browser.text(".history").await.contains(HOSTILE), "{databases}");
    assert_eq!(browser.run("return document.title").await, "Customer #3 · selfsame", "{databases}");

    browser.open(&format!("http://{}/console?q=nobody@example.org", server.address)).await;
    assert!(browser.text(".nobody").await.starts_with("Nobody has that"), "{databases}");
    assert_eq!(browser.complaints().await, [""; 0], "{databases}: nothing was stopped or missing");
    browser.close().await;
}

#[tokio::test]
async fn a_customer_is_found_by_what_people_type_on_sqlite() {
    a_customer_is_found(Databases::Sqlite).await;
}

#[tokio::test]
async fn a_customer_is_found_by_what_people_type_on_postgres() {
    a_customer_is_found(Databases::postgres()).await;
}

#[tokio::test]
async fn a_key_opens_the_console_until_it_is_revoked() {
    let mut shop = Shop::open(&Databases::Sqlite).await;
    let key = shop.key(named("support", &["read"])).await;
    let browser = Browser::start().await;
    let find = format!("http://{}/console?q=1", shop.server.address);

    browser.open(&find).await;
    assert_eq!(browser.text("h1").await, "Sign in");
    browser.press("selfsame_none_none\u{E007}").await;
    assert!(browser.text(".trouble").await.contains("no key of this server"));
    browser.wait_for("#key").await.send_keys(&format!("{key}\u{E007}")).await.unwrap();
    browser.wait_for(".leave").await;
    assert_eq!(browser.text("h1").await, "Find a customer", "the page that was wanted");
    assert!(browser.text(".leave").await.contains("support"));
    assert_eq!(browser.run("return document.cookie").await, "", "no script reads the key");

    let id = shop.client.ask(Ask::new("GET", "/v1/keys").key(ADMIN)).await.json();
    let id =
        id["keys"].as_array().unwrap().iter().find(|key| key["name"] == "support").unwrap()["id"].clone();
    let revoke = format!("/v1/keys/{}", id.as_str().unwrap());
    assert_eq!(shop.client.ask(Ask::new("DELETE", &revoke).key(ADMIN)).await.status, 200);
    browser.open(&find).await;
    assert!(browser.text(".trouble").await.contains("not valid any more"));

    browser.press(&format!("{ADMIN}\u{E007}")).await;
    browser.wait_for(".leave button").await.click().await.unwrap();
    browser.wait_for("#key").await;
    browser.open(&find).await;
    assert_eq!(browser.text("h1").await, "Sign in", "signed out");
    browser.close().await;
}

#[tokio::test]
async fn programs_get_what_they_got_and_foreign_forms_get_nothing() {
    let mut shop = Shop::open(&Databases::Sqlite).await;
    let heartbeat = shop.client.ask(Ask::new("GET", "/")).await;
    assert_eq!((heartbeat.status.as_u16(), &heartbeat.json()["status"]), (200, &json!("Ok")));
    let browser = shop.client.ask(Ask::new("GET", "/").header("accept", "text/html,*/*;q=0.8")).await;
    assert_eq!((browser.status.as_u16(), browser.headers["location"].as_bytes()), (303, &b"/console"[..]));

    let form = Ask::new("POST", "/console/sign-in").body("key=an-admin-key-of-some-forty-characters-00");
    for site in ["cross-site", "same-site", "none"] {
        let refused = shop.client.ask(form.clone().header("sec-fetch-site", site)).await;
        assert_eq!(refused.status, 403, "{site}");
        assert!(!refused.headers.contains_key("set-cookie"), "{site}");
    }
    let taken = shop.client.ask(form.header("sec-fetch-site", "same-origin")).await;
    let cookie = taken.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("; HttpOnly; SameSite=Strict") && !cookie.contains("Secure"), "{cookie}");
    let page = shop.client.ask(Ask::new("GET", "/console").header("cookie", cookie)).await;
    assert_eq!((page.status.as_u16(), page.headers["cache-control"].as_bytes()), (200, &b"no-store"[..]));
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{policy}");
}

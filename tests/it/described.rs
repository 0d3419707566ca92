//! The description of the interface, and the page that shows it: whole, and from this server alone.

use selfsame_api::description;
use serde_json::Value;
use support::server::{ServerOptions, TestServer, sqlite_store};

#[tokio::test]
async fn the_page_that_shows_the_interface_needs_nothing_from_elsewhere() {
    let (_folder, store) = sqlite_store();
    let server = TestServer::start(store, ServerOptions::default()).await;
    let mut client = server.client().await;
    let redirect = client.get("/docs").await.expect("an answer");
    assert_eq!(
        (redirect.status.as_u16(), &redirect.headers["location"]),
        (308, &"/docs/index.html".parse().unwrap())
    );
    let page = client.get("/docs/index.html").await.expect("an answer");
    let policy = page.headers["content-security-policy"].to_str().expect("it is ASCII");
    assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
    let named = |text: &str| -> Vec<String> {
        let parts = text.split(['"', '\'']);
        let files =
            parts.filter(|part| part.starts_with("./") || part.ends_with(".css") || part.ends_with(".js"));
        files.map(|file| format!("/docs/{}", file.trim_start_matches("./"))).collect()
    };
    let files = named(page.text());
    assert!(files.len() >= 5, "{files:?}");
    for file in &files {
        assert_eq!(client.get(file).await.expect("an answer").status, 200, "{file}");
    }
    assert!(!page.text().contains("http"), "{}", page.text());
    let script = client.get("/docs/swagger-initializer.js").await.expect("an answer");
    assert!(script.text().contains("\"/openapi.json\""), "{}", script.text());
    assert_eq!(client.get("/docs/none.js").await.expect("an answer").status, 404);
    assert_eq!(client.get("/openapi.json").await.expect("an answer").json(), description());
}

/// Every reference leads somewhere, and every operation says what it is and what a problem looks like.
#[test]
fn the_description_is_whole() {
    let description = description();
    let mut references = Vec::new();
    gather(&description, &mut references);
    assert!(references.len() > 20, "{references:?}");
    for reference in &references {
        let place = reference.strip_prefix('#').expect("it is in the same document");
        assert!(description.pointer(place).is_some(), "{reference}");
    }
    let paths = description["paths"].as_object().expect("paths");
    for (path, operations) in paths {
        for (method, operation) in operations.as_object().expect("operations") {
            assert!(operation["summary"].is_string(), "{method} {path} has no sentence");
            let open = operation["security"].is_array();
            let problems = &operation["responses"]["default"];
            assert!(open || problems["content"].to_string().contains("Problem"), "{method} {path}");
        }
    }
}

fn gather(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            references.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| gather(member, references));
        }
        Value::Array(items) => items.iter().for_each(|item| gather(item, references)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

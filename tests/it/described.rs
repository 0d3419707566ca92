//! The description of the interface, and the page that shows it: whole, and from this server alone.

use std::collections::BTreeSet;

use selfsame_api::description;
use serde_json::Value;
use support::server::{ServerOptions, TestServer, sqlite_store};

#[tokio::test]
async fn the_page_that_shows_the_interface_needs_nothing_from_elsewhere() {
    let (_folder, store) = sqlite_store();
    let server = TestServer::start(store, ServerOptions::default()).await;
    let mut client = server.client().await;
    for path in ["/docs", "/docs/"] {
        let redirect = client.get(path).await.expect("an answer");
        assert_eq!(
            (redirect.status.as_u16(), &redirect.headers["location"]),
            (308, &"/docs/index.html".parse().unwrap())
        );
    }
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

/// Generators of clients take a schema's name for that of a variable, beside those of its members; and what is left out where there is
/// nothing to say is never null, nor is a parameter.
#[test]
fn the_description_makes_clean_clients() {
    let description = description();
    let schemas = description["components"]["schemas"].as_object().expect("schemas");
    for (name, schema) in schemas {
        let members = schema["properties"].as_object();
        let variable = name[..1].to_lowercase() + &name[1..];
        assert!(!members.is_some_and(|members| members.contains_key(&variable)), "{name}.{variable}");
    }
    for (schema, member) in [
        ("Event", "source"),
        ("Event", "observedAt"),
        ("Rule", "kind"),
        ("Problem", "line"),
        ("Observed", "rule"),
    ] {
        let schema = &schemas[schema];
        assert!(!schema["properties"][member].to_string().contains("null"), "{schema}");
        assert!(!schema["required"].as_array().unwrap().contains(&member.into()), "{schema}");
    }
    for (schema, member) in [("Observed", "identity"), ("Key", "expiresAt"), ("Webhook", "lastStatus")] {
        let schema = &schemas[schema];
        assert!(schema["properties"][member].to_string().contains("null"), "{schema}");
        assert!(schema["required"].as_array().unwrap().contains(&member.into()), "{schema}");
    }
    let operations =
        description["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap());
    for parameter in
        operations.flat_map(|(_, operation)| operation["parameters"].as_array().into_iter().flatten())
    {
        assert!(!parameter["schema"].to_string().contains("null"), "{parameter}");
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

/// Whoever reads of a code in the description finds in API.md what to do, and the description leaves out no code of an operation.
#[test]
fn each_code_of_a_problem_is_described_and_documented() {
    let page = include_str!("../../docs/API.md");
    let (_, errors) = page.split_once("\n## Errors\n").expect("it has a section of errors");
    let rows = errors.lines().filter(|line| line.starts_with("| ")).map(|line| line.split(" | ").collect());
    let documented: BTreeSet<(u16, &str)> = rows
        .flat_map(|cells: Vec<&str>| {
            let status = cells[0].trim_start_matches("| ").parse::<u16>();
            let codes = cells[1].split('`').skip(1).step_by(2);
            status
                .into_iter()
                .flat_map(move |status| codes.clone().map(move |code| (status, code)))
                .collect::<Vec<_>>()
        })
        .collect();
    let description = description();
    let operations =
        description["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap());
    let responses = operations.flat_map(|(_, operation)| operation["responses"].as_object().unwrap());
    let described: BTreeSet<(u16, &str)> = responses
        .flat_map(|(status, response)| {
            let codes = response["x-problem-codes"].as_array().into_iter().flatten();
            codes.map(|code| (status.parse().unwrap(), code.as_str().unwrap()))
        })
        .collect();
    assert!(described.is_subset(&documented), "{:?}", described.difference(&documented));
    // Of lines of a batch, of `/readyz`, and of what no operation answers.
    let others = [
        (400, "ambiguous_request"),
        (400, "tls_required"),
        (404, "not_found"),
        (405, "method_not_allowed"),
        (503, "too_many_connections"),
        (503, "schema_newer"),
        (503, "store_failed"),
    ];
    let left = documented.difference(&described).copied().collect::<BTreeSet<_>>();
    assert_eq!(left, BTreeSet::from(others));
}

//! Times that are sent: which are taken, and how they are told.

use serde_json::{Value, json};
use support::client::Ask;
use support::databases::Databases;
use support::shop::{ADMIN, Shop, code};

#[tokio::test]
async fn a_time_of_a_year_from_0_to_9999_in_utc_is_kept_and_any_other_refused() {
    for databases in [Databases::Sqlite, Databases::postgres()] {
        let mut shop = Shop::open(&databases).await;
        let mut wanted = Vec::new();
        for (number, (text, want)) in [
            ("2026-01-31T12:00:00+01:00", Some("2026-01-31T11:00:00.000Z")),
            ("2026-01-31T12:00:00.123456789012345Z", Some("2026-01-31T12:00:00.123Z")),
            ("0000-01-01T00:00:00Z", Some("0000-01-01T00:00:00.000Z")),
            ("0000-01-01T00:00:00+23:59", None),
            ("9999-12-31T23:59:59Z", Some("9999-12-31T23:59:59.000Z")),
            ("9999-12-31T23:59:59-00:01", None),
            ("2026-01-31T12:00:00", None),
            ("yesterday", None),
        ]
        .into_iter()
        .enumerate()
        {
            let identifiers = json!([{ "kind": "phone", "value": number }]);
            let body = json!({ "identifiers": identifiers, "observedAt": text }).to_string();
            let reply = shop.client.ask(Ask::new("POST", "/v1/observations").key(ADMIN).body(&body)).await;
            if want.is_none() {
                assert_eq!(code(&reply), (400, "invalid_time".to_owned()), "{databases}: {text}");
                assert!(reply.text().contains("0000 to 9999"), "{}", reply.text());
            } else {
                assert_eq!(reply.status, 200, "{databases}: {text}: {}", reply.text());
            }
            wanted.extend(want);
        }
        let log = shop.client.ask(Ask::new("GET", "/v1/events?limit=1000").key(ADMIN)).await.json();
        let told = log["events"].as_array().expect("a list").iter().map(|event| &event["observedAt"]);
        let told: Vec<&str> = told.filter_map(Value::as_str).collect();
        assert_eq!(told, wanted, "{databases}");
        shop.server.drain().await;
    }
}

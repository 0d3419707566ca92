//! The drill: the database is stopped under a server that has customers, and what Prometheus then says and what the
//! dashboard then shows is that, and nothing else.

use std::collections::BTreeSet;
use std::time::Duration;

use support::client::Client;
use support::home::Home;
use support::process::{ServerProcess, command};
use support::prometheus::Prometheus;
use support::size::proved;
use tokio::task::JoinHandle;

use crate::dashboard::{RULES, expressions, panels, path};

/// Customers who come one after the other, whatever they are answered.
fn traffic(server: &ServerProcess) -> JoinHandle<()> {
    let address = server.address;
    tokio::spawn(async move {
        for number in 0.. {
            let Ok(mut client) = Client::connect(address).await else { continue };
            let _ = client.identify(Some("known@hill.edu"), None).await;
            let _ = client.identify(Some(&format!("new{number}@hill.edu")), None).await;
        }
    })
}

/// Waits until an expression gives something.
async fn seen(prometheus: &Prometheus, expression: &str) {
    let asking = async { while prometheus.query(expression).await.is_empty() {} };
    tokio::time::timeout(Duration::from_secs(60), asking)
        .await
        .unwrap_or_else(|_| panic!("never: {expression}"));
}

/// Waits until these alerts and no others are said.
async fn said(prometheus: &Prometheus, want: &[&str]) {
    let want: BTreeSet<String> = want.iter().map(|&name| name.to_owned()).collect();
    let asking = async { while prometheus.alerts().await != want {} };
    let in_time = tokio::time::timeout(Duration::from_secs(60), asking).await;
    assert!(in_time.is_ok(), "{want:?}, not {:?}", prometheus.alerts().await);
}

/// What a panel shows: each series' labels and value, of all its expressions.
async fn shown(prometheus: &Prometheus, title: &str) -> Vec<(serde_json::Value, f64)> {
    let panel = panels().into_iter().find(|panel| panel["title"] == title).unwrap();
    let mut shown = Vec::new();
    for expression in expressions(&panel) {
        shown.extend(prometheus.query(&with_variables(&expression)).await);
    }
    shown
}

/// With what Grafana puts in the place of its variables.
fn with_variables(expression: &str) -> String {
    expression.replace("$__rate_interval", "1m").replace("$instance", ".*").replace("$job", "selfsame")
}

async fn number(prometheus: &Prometheus, title: &str) -> f64 {
    let shown = shown(prometheus, title).await;
    assert_eq!(shown.len(), 1, "{title}: {shown:?}");
    shown[0].1
}

/// The reasons that the top row names.
async fn why(prometheus: &Prometheus) -> Vec<String> {
    let shown = shown(prometheus, "Why").await;
    shown.iter().map(|(labels, _)| labels["reason"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_database_stopped_the_alerts_and_the_dashboard_say_that_and_nothing_else() {
    let mut home = Home::postgres().await;
    let serve = ["serve", "--port", "0", "--answer-timeout-seconds", "1"];
    let server = ServerProcess::spawn(command(home.path(), &serve)).unwrap_or_else(|said| panic!("{said}"));
    let prometheus = Prometheus::start(server.address, &path(RULES));
    let traffic = traffic(&server);

    seen(&prometheus, "rate(selfsame_observations_total{result=\"known\"}[1m]) > 0").await;
    seen(&prometheus, "selfsame_store_up == 1 and on (instance) selfsame_ready == 1").await;
    said(&prometheus, &[]).await;
    assert_eq!(number(&prometheus, "Database").await, 1.0);
    assert_eq!(number(&prometheus, "Requests that fail").await, 0.0);
    assert_eq!(why(&prometheus).await, ["nothing wrong"]);
    for panel in panels() {
        let title = panel["title"].as_str().unwrap();
        // That of the other store.
        assert_eq!(shown(&prometheus, title).await.is_empty(), title == "SQLite's log", "{title}");
    }

    home.cluster().stop();
    seen(&prometheus, "rate(selfsame_requests_total{code=\"store_unavailable\"}[1m]) > 0").await;
    seen(&prometheus, "selfsame_store_up == 0").await;
    said(&prometheus, &["SelfsameDatabaseDown"]).await;
    assert_eq!(number(&prometheus, "Database").await, 0.0);
    assert_eq!(number(&prometheus, "Ready").await, 0.0);
    assert_eq!(why(&prometheus).await, ["store_unavailable"]);
    assert!(number(&prometheus, "Requests that fail").await > 0.0);

    home.cluster().start_again();
    said(&prometheus, &[]).await;
    assert_eq!(number(&prometheus, "Database").await, 1.0);
    assert_eq!(why(&prometheus).await, ["nothing wrong"]);
    traffic.abort();
    proved(
        "with the database stopped, the alerts and the dashboard's top row say that, and no other alert is said",
    );
}

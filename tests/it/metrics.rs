//! What a server tells at `/metrics`: that the numbers are right, that all of them are documented, and that no customer
//! is in them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use http_body_util::Full;
use hyper::Request;
use selfsame_api::Measurements;
use selfsame_service::EngineSettings;
use support::client::Client;
use support::exposition::Exposition;
use support::gated::GatedStore;
use support::home::Home;
use support::process::{ServerProcess, command};
use support::server::{ServerOptions, TestServer, sqlite_store};
use tokio::task::JoinSet;

fn server(home: &Home) -> ServerProcess {
    ServerProcess::spawn(command(home.path(), &["serve", "--port", "0"]))
        .unwrap_or_else(|said| panic!("{said}"))
}

async fn client(server: &ServerProcess) -> Client {
    Client::connect(server.address).await.unwrap()
}

/// Two customers, what each learns, their merge, and one of everything that goes wrong.
async fn traffic(client: &mut Client) {
    for (email, phone, status) in [
        (Some("marty@hill.edu"), None, 200),
        (Some("marty@hill.edu"), Some("8881985"), 200),
        (None, Some("8881955"), 200),
        (Some("marty@hill.edu"), Some("8881955"), 200),
        (Some("marty@hill.edu"), None, 200),
        (Some("MARTY@hill.edu "), Some("888-1955"), 200),
        (Some("marty"), None, 400),
    ] {
        assert_eq!(
            client.identify(email, phone).await.unwrap().status.as_u16(),
            status,
            "{email:?} {phone:?}"
        );
    }
    let batch = "{\"email\":\"emmett@hill.edu\"}\n{\"email\":\"emmett\"}\n{\"email\":\"marty@hill.edu\"}\n";
    assert_eq!(client.post_batch(batch).await.unwrap().status.as_u16(), 200);
    for path in ["/", "/readyz", "/identify", "/emmett@hill.edu", "/v1/8881985"] {
        client.get(path).await.unwrap();
    }
    let odd = Request::builder().method("EMMETT").uri("/emmett?phone=8881985").header("host", "localhost");
    client.send(odd.body(Full::default()).unwrap()).await.unwrap();
}

/// What [`traffic`] adds up to, on any store.
fn check(told: &Exposition) {
    for (result, want) in [
        ("created", 3.0),
        ("attached", 1.0),
        ("merged", 1.0),
        ("known", 3.0),
        ("refused", 2.0),
        ("failed", 0.0),
    ] {
        assert_eq!(told.sum("selfsame_observations_total", &[("result", result)]), want, "{result}");
    }
    for (kind, want) in [("created", 3.0), ("attached", 1.0), ("merged", 1.0)] {
        assert_eq!(told.sum("selfsame_events_total", &[("kind", kind)]), want, "{kind}");
    }
    for (labels, want) in [
        ([("route", "/identify"), ("method", "POST"), ("status", "200"), ("code", "ok")], 6.0),
        ([("route", "/identify"), ("method", "POST"), ("status", "400"), ("code", "invalid_email")], 1.0),
        ([("route", "/identify"), ("method", "GET"), ("status", "405"), ("code", "method_not_allowed")], 1.0),
        ([("route", "/v1/observations/batch"), ("method", "POST"), ("status", "200"), ("code", "ok")], 1.0),
        ([("route", "unmatched"), ("method", "GET"), ("status", "404"), ("code", "not_found")], 2.0),
        ([("route", "unmatched"), ("method", "other"), ("status", "404"), ("code", "not_found")], 1.0),
    ] {
        assert_eq!(told.sum("selfsame_requests_total", &labels), want, "{labels:?}");
    }
    let count = |name: &str| told.sum(&format!("{name}_count"), &[]);
    assert_eq!(
        told.sum("selfsame_request_duration_seconds_count", &[("route", "/identify"), ("method", "POST")]),
        7.0
    );
    assert_eq!(count("selfsame_look_duration_seconds"), 7.0, "a batch of one job is one look-up");
    assert_eq!(count("selfsame_batch_observations"), 5.0);
    assert_eq!(
        told.sum("selfsame_batch_observations_sum", &[]),
        6.0,
        "four that came alone, and two of a batch"
    );
    assert_eq!(count("selfsame_commit_duration_seconds"), 5.0);
    assert_eq!(count("selfsame_queue_wait_seconds"), 5.0);
    assert_eq!(told.sum("selfsame_queue_observations", &[]), 0.0);
    assert_eq!(told.sum("selfsame_queue_observations_max", &[]), 10_000.0);
    assert_eq!(told.sum("selfsame_connections_open", &[]), 1.0);
    assert_eq!(told.sum("selfsame_store_errors_total", &[]), 0.0);
    assert_eq!(told.sum("selfsame_build_info", &[("version", env!("CARGO_PKG_VERSION"))]), 1.0);
}

/// The table of docs/OPERATIONS.md: the labels of each metric.
pub(crate) fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/OPERATIONS.md");
    let text = std::fs::read_to_string(path).unwrap();
    let section = text.split("\n## Metrics\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').collect();
        (names(cells[1]).remove(0), names(cells[2]).into_iter().collect())
    })
    .collect()
}

/// What servers on either store tell after some traffic: the labels of each metric.
pub(crate) async fn told() -> BTreeMap<String, BTreeSet<String>> {
    let mut told = BTreeMap::new();
    for home in [Home::sqlite(), Home::postgres().await] {
        let server = server(&home);
        let mut client = client(&server).await;
        traffic(&mut client).await;
        let exposition = Exposition::of(&mut client).await;
        check(&exposition);
        for value in ["marty", "emmett", "hill.edu", "8881955", "8881985", "888-1955"] {
            assert!(!exposition.text().to_lowercase().contains(value), "{value} is told");
        }
        told.extend(exposition.names().into_iter().map(|name| (name.clone(), exposition.labels_of(&name))));
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_is_right_and_documented_and_tells_of_nobody() {
    assert_eq!(told().await, documented());
}

/// What a server tells once `holds` of it.
async fn told_when(client: &mut Client, what: &str, holds: impl Fn(&Exposition) -> bool) {
    let asking = async {
        loop {
            if holds(&Exposition::of(client).await) {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), asking).await.expect(what);
}

#[tokio::test]
async fn what_waits_and_whose_client_has_gone_is_told() {
    let measurements = Measurements::start().unwrap();
    let (_folder, store) = sqlite_store();
    let store = GatedStore::new(store);
    let engine = EngineSettings { batch_observations_max: 1, ..EngineSettings::default() };
    let options = ServerOptions { engine, measurements, ..ServerOptions::default() };
    let server = TestServer::start(store.clone(), options).await;
    let mut asking = JoinSet::new();
    for number in 0..4 {
        let mut client = server.client().await;
        asking.spawn(async move { client.identify(None, Some(&format!("88{number}"))).await.is_ok() });
    }
    let mut client = server.client().await;
    store.arrived(1).await;
    let waiting = |told: &Exposition| told.sum("selfsame_queue_observations", &[]);
    told_when(&mut client, "one is being written, three wait", |told| waiting(told) == 3.0).await;

    asking.shutdown().await;
    let gone = |told: &Exposition| told.sum("selfsame_requests_total", &[("code", "client_gone")]);
    told_when(&mut client, "all four have gone", |told| gone(told) == 4.0).await;
    store.open_gate();
    told_when(&mut client, "what they brought is written", |told| {
        waiting(told) == 0.0 && told.sum("selfsame_events_total", &[]) == 4.0
    })
    .await;
}

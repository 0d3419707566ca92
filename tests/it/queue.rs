//! The queue of changes: full, it refuses instead of growing; drained, it commits what waits.

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;
use selfsame_service::EngineSettings;
use serde_json::json;
use support::client::{Client, Reply};
use support::gated::GatedStore;
use support::raw::RawConnection;
use support::server::{ServerOptions, TestServer, open_sqlite, sqlite_store};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// A server whose changes wait at a gate, and which knows `known@hill.edu`.
struct GatedServer {
    folder: TempDir,
    store: Arc<GatedStore>,
    server: TestServer,
}

impl GatedServer {
    async fn start(queue_length_max: usize, batch_observations_max: usize) -> Self {
        let (folder, sqlite) = sqlite_store();
        let known = TestServer::start(sqlite, ServerOptions::default()).await;
        let reply = known.client().await.identify(Some("known@hill.edu"), None).await.expect("an answer");
        assert_eq!(reply.status.as_u16(), 200);
        known.drain().await;

        let path = folder.path().join("selfsame.db");
        let store = GatedStore::new(open_sqlite(&path));
        let engine = EngineSettings { queue_length_max, batch_observations_max, ..EngineSettings::default() };
        let options = ServerOptions { engine, ..Default::default() };
        let server = TestServer::start(store.clone(), options).await;
        Self { folder, store, server }
    }

    /// Sends new customers until one is at the gate, `queued` wait behind it, and one found no room: that one's
    /// answer, and the answers that the others wait for. The server's queue must be that long, its batches 1.
    async fn fill(&self, queued: usize, refused: usize) -> (Vec<Reply>, JoinSet<Reply>) {
        let mut waiting = JoinSet::new();
        self.send_new(0, &mut waiting).await;
        self.store.arrived(1).await;
        for number in 1..=queued + refused {
            self.send_new(number, &mut waiting).await;
        }
        let mut turned_away = Vec::new();
        // Those that are refused are answered at once; the others wait for the gate.
        for _ in 0..refused {
            turned_away.push(waiting.join_next().await.expect("as many as were sent").expect("no panic"));
        }
        (turned_away, waiting)
    }

    /// Sends one new customer on a connection of its own.
    async fn send_new(&self, number: usize, waiting: &mut JoinSet<Reply>) {
        let mut client = self.server.client().await;
        waiting.spawn(async move {
            let email = format!("new{number}@hill.edu");
            client.identify(Some(&email), None).await.expect("the server answers")
        });
    }
}

/// How many contacts the file holds.
fn contacts(folder: &Path) -> i64 {
    let connection = Connection::open(folder.join("selfsame.db")).expect("it is a database");
    connection.query_row("SELECT count(*) FROM contacts", [], |row| row.get(0)).expect("it has the table")
}

async fn assert_known(client: &mut Client) {
    let reply = client.identify(Some("Known@hill.edu"), None).await.expect("the server answers");
    assert_eq!(reply.status.as_u16(), 200, "{}", reply.text());
    assert_eq!(reply.json()["contact"]["emails"], json!(["known@hill.edu"]));
}

/// Every change that waited was made: the ids of the new customers.
async fn answered(mut waiting: JoinSet<Reply>) -> Vec<i64> {
    let mut ids = Vec::new();
    while let Some(reply) = waiting.join_next().await {
        let reply = reply.expect("no panic");
        assert_eq!(reply.status.as_u16(), 200, "{}", reply.text());
        ids.push(reply.json()["contact"]["primaryContactId"].as_i64().expect("an id"));
    }
    ids.sort_unstable();
    ids
}

fn assert_turned_away(reply: &Reply, code: &str) {
    assert_eq!(reply.status.as_u16(), 503, "{}", reply.text());
    assert_eq!(reply.json()["code"], code);
    assert_eq!(reply.json()["error"], "Service Unavailable");
    assert_eq!(reply.headers["retry-after"], "1");
}

#[tokio::test]
async fn a_full_queue_refuses_new_customers_and_goes_on_answering_known_ones() {
    let gated = GatedServer::start(4, 1).await;
    let (turned_away, waiting) = gated.fill(4, 7).await;
    for reply in &turned_away {
        assert_turned_away(reply, "queue_full");
    }
    let mut client = gated.server.client().await;
    for _ in 0..20 {
        assert_known(&mut client).await;
    }
    assert_eq!(client.get("/readyz").await.expect("an answer").status.as_u16(), 200);
    assert_eq!(contacts(gated.folder.path()), 1, "nothing has passed the gate");

    gated.store.open_gate();
    assert_eq!(answered(waiting).await, [2, 3, 4, 5, 6]);
    assert_eq!(
        contacts(gated.folder.path()),
        6,
        "the known one, the one at the gate, and the four that waited"
    );

    // There is room again, also for whoever was turned away.
    let reply = client.identify(Some("late@hill.edu"), None).await.expect("an answer");
    assert_eq!(reply.status.as_u16(), 200, "{}", reply.text());
}

#[tokio::test]
async fn changes_that_wait_are_committed_together() {
    let gated = GatedServer::start(100, 100).await;
    let mut waiting = JoinSet::new();
    gated.send_new(0, &mut waiting).await;
    gated.store.arrived(1).await;
    for number in 1..=50 {
        gated.send_new(number, &mut waiting).await;
    }
    gated.store.open_gate();
    assert_eq!(answered(waiting).await, (2..=52).collect::<Vec<i64>>());
    let writes = gated.store.writes();
    assert!(writes < 51, "{writes} transactions for 51 changes");
}

#[tokio::test]
async fn a_server_that_is_ended_commits_and_answers_what_waits_and_takes_no_more() {
    let gated = GatedServer::start(4, 1).await;
    let (_, waiting) = gated.fill(4, 1).await;
    let mut idle = RawConnection::open(gated.server.address).await;
    idle.send("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    idle.read_until("ok").await;

    let GatedServer { folder, store, server } = gated;
    let address = server.address;
    let draining = tokio::spawn(server.drain());
    // Idle connections are closed as soon as the server knows that it shall end.
    idle.read_to_end().await;
    assert!(TcpStream::connect(address).await.is_err(), "nobody new is let in");
    assert!(!draining.is_finished(), "changes wait");

    store.open_gate();
    assert_eq!(answered(waiting).await, [2, 3, 4, 5, 6]);
    draining.await.expect("the drain ends without a panic");
    assert_eq!(contacts(folder.path()), 6);
    assert!(!folder.path().join("selfsame.db-wal").exists(), "what is left is one file");
}

#[tokio::test]
async fn an_engine_that_is_drained_refuses_in_words_that_ask_for_a_repeat() {
    let gated = GatedServer::start(4, 1).await;
    let (_, waiting) = gated.fill(4, 1).await;
    let mut client = gated.server.client().await;
    let engine = gated.server.engine.clone();
    let draining = tokio::spawn(async move { engine.drain().await });
    gated.store.open_gate();
    assert_eq!(answered(waiting).await, [2, 3, 4, 5, 6]);
    draining.await.expect("no panic").expect("the store closes");

    let reply = client.identify(Some("late@hill.edu"), None).await.expect("an answer");
    assert_turned_away(&reply, "shutting_down");
    let reply = client.get("/readyz").await.expect("an answer");
    assert_turned_away(&reply, "shutting_down");
    let reply = client.get("/healthz").await.expect("an answer");
    assert_eq!(reply.status.as_u16(), 200, "the process itself is well");
    assert_eq!(contacts(gated.folder.path()), 6);
}

#[tokio::test]
async fn a_change_whose_client_has_gone_is_made_all_the_same() {
    let gated = GatedServer::start(4, 1).await;
    let (_, mut waiting) = gated.fill(4, 1).await;
    waiting.shutdown().await;
    gated.store.open_gate();
    gated.store.arrived(5).await;
    // There is room again, and its turn comes after theirs.
    let mut client = gated.server.client().await;
    let reply = client.identify(Some("late@hill.edu"), None).await.expect("an answer");
    assert_eq!(reply.status.as_u16(), 200, "{}", reply.text());
    assert_eq!(contacts(gated.folder.path()), 7);
}

//! A disk that is full: nothing new is stored and the caller is told so, known customers are answered, nothing
//! acknowledged is lost, and with room again the same process goes on.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, RETRY_AFTER};
use rustix::process::Signal;
use support::acknowledged::{Answer, Found, Loss};
use support::client::{Client, Reply};
use support::fill;
use support::process::{ServerProcess, command, run};
use support::size::{Size, proved};
use support::small_disk::SmallDisk;
use tokio::task::JoinSet;

use crate::faulty_server::start_answering_before_commit;

const CLIENTS: usize = 8;

/// A server on a small disk.
struct Harness {
    // Fields are dropped in this order: the process ends before its disk goes.
    server: ServerProcess,
    disk: SmallDisk,
    start: fn(&Path) -> ServerProcess,
    /// The next newcomer, by the numbers of [`fill`].
    newcomer: Arc<AtomicU64>,
    /// More than there can be room for.
    newcomers_max: u64,
    /// A customer who is asked for while the disk fills, and whom nothing else changes.
    known: Answer,
    /// Everything that was ever acknowledged.
    answers: Vec<Answer>,
}

impl Harness {
    async fn new(start: fn(&Path) -> ServerProcess, size_bytes: u64) -> Self {
        let disk = SmallDisk::mount(size_bytes, usize::try_from(size_bytes / 2).expect("it is small"));
        let server = start(disk.path());
        let mut client = Client::connect(server.address).await.expect("it has greeted");
        let reply = client.identify(Some("known@shop.example"), None).await.expect("it has greeted");
        let known = Answer::parse(&reply.body).expect("the disk has room for one");
        Self {
            server,
            disk,
            start,
            newcomer: Arc::default(),
            newcomers_max: 400_000,
            answers: vec![known.clone()],
            known,
        }
    }

    async fn client(&self) -> Client {
        Client::connect(self.server.address).await.expect("the server accepts connections")
    }

    /// Sends newcomers until the disk is full, from many clients and at last one by one; the refusal.
    /// None if nobody was refused among so many newcomers that there can't have been room for them.
    async fn fill(&mut self) -> Option<Reply> {
        let newcomers_max = self.newcomers_max;
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let (client, newcomer) = (self.client().await, Arc::clone(&self.newcomer));
            clients.spawn(send_newcomers(client, newcomer, newcomers_max));
        }
        let full = Arc::new(AtomicBool::new(false));
        let known = tokio::spawn(ask_for_known(self.client().await, self.known.clone(), Arc::clone(&full)));
        while let Some(sent) = clients.join_next().await {
            let (answers, _) = sent.expect("clients don't panic");
            self.answers.extend(answers);
        }
        // One newcomer needs less room than several at once did.
        let last = send_newcomers(self.client().await, Arc::clone(&self.newcomer), newcomers_max).await;
        let (answers, refusal) = last;
        self.answers.extend(answers);
        full.store(true, Ordering::Relaxed);
        known.await.expect("known customers are answered while the disk fills");
        refusal
    }

    /// While the disk is full: newcomers are refused in a way that tells why, everybody else is served.
    async fn assert_full(&self, refusal: &Reply) {
        assert_eq!(refusal.status, StatusCode::SERVICE_UNAVAILABLE, "{}", refusal.text());
        assert_eq!(refusal.headers[CONTENT_TYPE], "application/problem+json");
        assert_eq!(refusal.headers[RETRY_AFTER], "10");
        assert_eq!(refusal.json()["code"], "no_space");
        let ready = self.client().await.get("/readyz").await.expect("the server answers");
        assert_eq!(ready.status, StatusCode::OK, "{}", ready.text());
        assert_eq!(ready.json(), serde_json::json!({ "status": "ready", "reasons": ["no_space"] }));
        self.assert_nothing_lost().await;
    }

    async fn assert_nothing_lost(&self) {
        assert_eq!(self.losses(), BTreeSet::new());
        let found = Found::by_asking(self.server.address, &self.answers).await;
        assert_eq!(found.losses(&self.answers), BTreeSet::new());
    }

    fn losses(&self) -> BTreeSet<Loss> {
        Found::by_export(self.disk.path()).losses(&self.answers)
    }

    fn assert_laws_hold(&self) {
        let check = run(self.disk.path(), &["check"]);
        let told = String::from_utf8_lossy(&check.stdout) + String::from_utf8_lossy(&check.stderr);
        assert!(check.status.success(), "{told}");
    }

    fn kill_and_restart(&mut self) {
        self.server.kill();
        self.server = (self.start)(self.disk.path());
    }
}

/// Sends newcomers one after the other until one is refused; the answers and the refusal.
async fn send_newcomers(
    mut client: Client,
    newcomer: Arc<AtomicU64>,
    newcomers_max: u64,
) -> (Vec<Answer>, Option<Reply>) {
    let mut answers = Vec::new();
    loop {
        let person = newcomer.fetch_add(1, Ordering::Relaxed);
        if person >= newcomers_max {
            return (answers, None);
        }
        let reply = client.identify(Some(&fill::email(person)), Some(&fill::phone(person))).await;
        let reply = reply.expect("a full disk breaks no connection");
        if reply.status != StatusCode::OK {
            return (answers, Some(reply));
        }
        answers.push(Answer::parse(&reply.body).expect("200 comes with a customer"));
    }
}

/// Asks for one known customer, again and again, until the disk is full.
async fn ask_for_known(mut client: Client, known: Answer, full: Arc<AtomicBool>) {
    while !full.load(Ordering::Relaxed) {
        let reply = client.identify(Some(&known.values[0]), None).await.expect("the server answers");
        assert_eq!(Answer::parse(&reply.body).as_ref(), Some(&known), "{}", reply.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_newcomers_serves_the_known_and_loses_nobody() {
    let size_bytes = Size::of_this_run().pick(2 << 20, 64 << 20);
    let mut harness = Harness::new(ServerProcess::start, size_bytes).await;
    let refusal = harness.fill().await.expect("the disk is too small for everybody");
    harness.assert_full(&refusal).await;
    let before = harness.answers.len();

    harness.disk.drop_ballast();
    let refusal = harness.fill().await.expect("the disk is too small for everybody");
    assert!(harness.answers.len() > before, "with room again, nobody was stored");
    harness.assert_full(&refusal).await;

    harness.kill_and_restart();
    harness.assert_nothing_lost().await;
    harness.assert_laws_hold();
    proved(&format!(
        "full disk: {} acknowledged, 0 lost; {} of them after room was made",
        harness.answers.len(),
        harness.answers.len() - before
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_started_on_a_full_disk_answers_known_customers() {
    let mut harness = Harness::new(ServerProcess::start, 2 << 20).await;
    let refusal = harness.fill().await.expect("the disk is too small for everybody");
    harness.assert_full(&refusal).await;
    harness.disk.fill_up();
    for end in [Signal::KILL, Signal::TERM] {
        match end {
            Signal::KILL => harness.server.kill(),
            _ => assert!(harness.server.terminate().success(), "{}", harness.server.said()),
        }
        harness.server = (harness.start)(harness.disk.path());
        let refusal = harness.fill().await.expect("the disk was full before");
        harness.assert_full(&refusal).await;
    }
    harness.disk.drop_ballast();
    let before = harness.answers.len();
    harness.fill().await;
    assert!(harness.answers.len() > before, "with room again, nobody was stored");
    harness.assert_nothing_lost().await;
    harness.assert_laws_hold();
    proved("full disk: a server that is started on it answers known customers");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_needs_room_on_a_full_disk_says_so() {
    let mut harness = Harness::new(ServerProcess::start, 2 << 20).await;
    // A clean end takes the files beside the database away; the next start needs room for them.
    assert!(harness.server.terminate().success(), "{}", harness.server.said());
    harness.disk.fill_up();
    let refused = ServerProcess::spawn(command(harness.disk.path(), &["serve", "--port", "0"]));
    let said = refused.err().expect("there is no room");
    assert!(said.contains("error: no space is left on the disk for opening the database"), "{said}");
    assert!(said.contains("hint: make room"), "{said}");

    harness.disk.drop_ballast();
    harness.server = (harness.start)(harness.disk.path());
    harness.assert_nothing_lost().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_answers_before_it_commits_is_caught_by_a_full_disk() {
    let mut harness = Harness::new(start_answering_before_commit, 2 << 20).await;
    // Ten times what there is room for.
    harness.newcomers_max = 3_000;
    assert!(harness.fill().await.is_none(), "it has the fault that it never refuses anybody");
    harness.kill_and_restart();
    let lost = harness.losses().into_iter().filter(|loss| matches!(loss, Loss::Value(_))).count();
    assert!(lost > 0, "values were answered that were never stored, and that was not seen");
    proved(&format!("full disk: answers before the commit are caught, {lost} values lost"));
}

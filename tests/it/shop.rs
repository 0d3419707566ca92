//! A shop with replicas of one server, processes on one PostgreSQL database, and the judgement of what they told.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use support::acknowledged::{Found, Loss};
use support::client::Client;
use support::crowd::{Addresses, Crowd, Told};
use support::home::{Home, PASSWORD};
use support::load::Traffic;
use support::process::{ServerProcess, command, run};
use support::random::Random;

/// How a replica is started in a folder.
pub(crate) type Start = fn(&Path) -> ServerProcess;

/// Replicas, and all that belongs to them.
pub(crate) struct Shop {
    start: Start,
    // Before their home, so that they end first.
    pub(crate) servers: Vec<ServerProcess>,
    pub(crate) home: Home,
    addresses: Addresses,
    pub(crate) random: Random,
    crowds: u64,
    /// The logs of those that were killed.
    logs: String,
}

/// What became of what was acknowledged.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) losses: BTreeSet<Loss>,
    /// Contacts that a request made which had been carried out before.
    pub(crate) doubled: Vec<i64>,
    /// Whether `check` found all laws to hold.
    pub(crate) lawful: bool,
}

impl Shop {
    /// Opens with so many replicas.
    pub(crate) fn open(home: Home, start: Start, replicas: usize) -> Self {
        let servers: Vec<ServerProcess> = (0..replicas).map(|_| start(home.path())).collect();
        let addresses = Addresses::default();
        addresses.lock().unwrap().extend(servers.iter().map(|server| server.address));
        Self {
            start,
            servers,
            home,
            addresses,
            random: Random::of_this_run(),
            crowds: 0,
            logs: String::new(),
        }
    }

    /// Lets clients in: people of those numbers, and strangers.
    pub(crate) fn crowd(&mut self, clients: u64, people: Range<u64>) -> Crowd {
        self.crowds += 1;
        let (load, random) = (self.crowds, &mut self.random);
        let traffic = (0..clients).map(|client| Traffic::new(load, client, people.clone(), random.fork()));
        Crowd::start(&self.addresses, traffic)
    }

    /// The same, without strangers.
    pub(crate) fn crowd_of_people(&mut self, clients: u64, people: Range<u64>) -> Crowd {
        let random = &mut self.random;
        let traffic = (0..clients)
            .map(|client| Traffic::new(0, client, people.clone(), random.fork()).without_strangers());
        Crowd::start(&self.addresses, traffic)
    }

    /// Kills a replica and starts another in its place.
    pub(crate) fn replace(&mut self, replica: usize) {
        self.servers[replica].kill();
        self.logs.push_str(&self.servers[replica].said());
        self.servers[replica] = (self.start)(self.home.path());
        self.addresses.lock().unwrap()[replica] = self.servers[replica].address;
    }

    /// A client of a replica.
    pub(crate) async fn client(&self, replica: usize) -> Client {
        Client::connect(self.servers[replica].address).await.expect("it has greeted")
    }

    /// Whether a replica says that it can answer.
    pub(crate) async fn is_ready(&self, replica: usize) -> bool {
        let reply = self.client(replica).await.get("/readyz").await.expect("it answers, whatever it says");
        assert!([200, 503].contains(&reply.status.as_u16()), "{}", reply.text());
        reply.status == 200
    }

    /// Looks in every way for what was acknowledged and is not there.
    pub(crate) async fn judge(&self, told: &Told) -> Verdict {
        let found = Found::by_export(self.home.path());
        let mut losses = found.losses(&told.answers);
        // Asking for what is lost would store it anew.
        if losses.is_empty() {
            let sample = &told.answers[told.answers.len().saturating_sub(500)..];
            losses = Found::by_asking(self.servers[0].address, sample).await.losses(sample);
        }
        let check = run(self.home.path(), &["check"]);
        Verdict { losses, doubled: found.doubled, lawful: check.status.success() }
    }

    /// Judges, and accepts nothing less than everything.
    pub(crate) async fn assert_all_is_well(&self, told: &Told) {
        let verdict = self.judge(told).await;
        assert_eq!((verdict.losses, verdict.doubled), (BTreeSet::new(), Vec::new()));
        assert!(verdict.lawful, "a law is broken");
        let said = self.servers.iter().map(ServerProcess::said).chain([self.logs.clone()]);
        assert_eq!(said.flat_map(|said| secrets_in(&said)).collect::<Vec<_>>(), Vec::<String>::new());
    }
}

/// A replica that gives each request two seconds.
pub(crate) fn start_impatient(folder: &Path) -> ServerProcess {
    start_with(folder, &["--answer-timeout-seconds", "2"])
}

/// A replica with arguments of its own.
pub(crate) fn start_with(folder: &Path, arguments: &[&str]) -> ServerProcess {
    let arguments = [&["serve", "--port", "0"], arguments].concat();
    ServerProcess::spawn(command(folder, &arguments)).unwrap_or_else(|said| panic!("no greeting: {said}"))
}

/// The lines of a log with a value of anybody whom the tests send, or with the password.
fn secrets_in(log: &str) -> Vec<String> {
    let is_example = |line: &str| line.trim_start().starts_with("-d '{");
    let has_secret = |line: &&str| ["@", ".example", "+44", PASSWORD].iter().any(|word| line.contains(word));
    log.lines().filter(|line| !is_example(line)).filter(has_secret).map(str::to_owned).collect()
}

#[test]
fn a_value_or_a_password_in_a_log_is_found() {
    for line in
        ["new1@client1x1.example is known", "phone +44000000017", "postgresql://shop:hunter2-and-more@db"]
    {
        assert_eq!(secrets_in(&format!("ready\n{line}\n")), [line]);
    }
    assert_eq!(secrets_in("ready\n  -d '{\"email\":\"lorraine@hillvalley.edu\"}'"), Vec::<String>::new());
}

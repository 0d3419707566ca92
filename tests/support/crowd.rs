//! Many clients of several replicas, who outlive whatever befalls those and their database: refused, a client sends
//! the same again; cut off, it goes to the next replica, as a load balancer would send it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::StatusCode;
use hyper::header::RETRY_AFTER;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;

use crate::acknowledged::Answer;
use crate::client::{Client, Reply};
use crate::load::{Traffic, acknowledged};

/// Beyond a server's own limit for an answer: only a request that hangs meets it.
const PATIENCE: Duration = Duration::from_secs(20);

/// After how many connections in a row that could not be made there is nobody to talk to any more.
const REFUSED_CONNECTIONS_MAX: u32 = 20_000;

/// Where the replicas listen now. One that is started anew has another port.
pub type Addresses = Arc<Mutex<Vec<SocketAddr>>>;

/// The clients at their work.
pub struct Crowd {
    clients: JoinSet<Told>,
    tally: watch::Receiver<Tally>,
    stop: Arc<AtomicBool>,
}

/// How far they have come.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Requests that were answered with 200.
    pub answered: u64,
    /// Those that were answered with 503 and when to come again.
    pub refused: u64,
    /// Those whose connection broke.
    pub broken: u64,
    /// The `code` of each sort of 503.
    pub codes: BTreeSet<String>,
}

/// What the servers told them.
#[derive(Debug, Default)]
pub struct Told {
    /// Everything that was acknowledged.
    pub answers: Vec<Answer>,
    /// How long each answer took, 503 included.
    pub waits: Vec<Duration>,
    /// Known once all have ended.
    pub tally: Tally,
}

/// One client.
struct Member {
    addresses: Addresses,
    /// Which of them it talks to.
    turn: usize,
    traffic: Traffic,
    tally: Arc<watch::Sender<Tally>>,
    stop: Arc<AtomicBool>,
}

impl Crowd {
    /// Lets a client go for each traffic.
    pub fn start(addresses: &Addresses, traffic: impl IntoIterator<Item = Traffic>) -> Self {
        let (sender, tally) = watch::channel(Tally::default());
        let (sender, stop, mut clients) = (Arc::new(sender), Arc::<AtomicBool>::default(), JoinSet::new());
        for (turn, traffic) in traffic.into_iter().enumerate() {
            let (tally, stop) = (Arc::clone(&sender), Arc::clone(&stop));
            let addresses = Arc::clone(addresses);
            clients.spawn(Member { addresses, turn, traffic, tally, stop }.run());
        }
        Self { clients, tally, stop }
    }

    /// How far they have come by now.
    pub fn tally(&self) -> Tally {
        self.tally.borrow().clone()
    }

    /// Waits until they have come so far.
    pub async fn until(&mut self, far_enough: impl Fn(&Tally) -> bool) {
        tokio::select! {
            seen = self.tally.wait_for(|tally| far_enough(tally)) => drop(seen.expect("the clients have it")),
            ended = self.clients.join_next() => {
                told(ended.expect("there are clients"));
                panic!("a client went home by itself");
            }
        }
    }

    /// Waits for so many more answers.
    pub async fn answers(&mut self, more: u64) {
        let wanted = self.tally().answered + more;
        self.until(|tally| tally.answered >= wanted).await;
    }

    /// Waits until one more was refused.
    pub async fn refusal(&mut self) {
        let before = self.tally().refused;
        self.until(|tally| tally.refused > before).await;
    }

    /// Lets each end with the answer that it waits for.
    pub async fn end(mut self) -> Told {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Told::default();
        while let Some(ended) = self.clients.join_next().await {
            let Told { answers, waits, .. } = told(ended);
            all.answers.extend(answers);
            all.waits.extend(waits);
        }
        all.tally = self.tally();
        all.waits.sort();
        all
    }
}

impl Told {
    /// The wait that so many in a hundred did not exceed.
    pub fn percentile(&self, percent: usize) -> Duration {
        self.waits[(self.waits.len() * percent / 100).min(self.waits.len() - 1)]
    }
}

/// What a client was told; its failure is this test's.
fn told(ended: Result<Told, JoinError>) -> Told {
    ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

impl Member {
    async fn run(mut self) -> Told {
        let (mut told, mut connection) = (Told::default(), None);
        while !self.stop.load(Ordering::Relaxed) {
            let (email, phone) = self.traffic.observe();
            loop {
                let mut client = match connection.take() {
                    Some(client) => client,
                    None => self.connect().await,
                };
                let begun = Instant::now();
                let reply = timeout(PATIENCE, client.identify(email.as_deref(), phone.as_deref())).await;
                let Ok(reply) = reply.expect("no request hangs, whatever happens to the database") else {
                    self.turn += 1;
                    self.tally.send_modify(|tally| tally.broken += 1);
                    continue;
                };
                connection = Some(client);
                told.waits.push(begun.elapsed());
                if reply.status == StatusCode::SERVICE_UNAVAILABLE {
                    self.refused(&reply);
                    if self.stop.load(Ordering::Relaxed) {
                        break;
                    }
                    continue;
                }
                told.answers.push(acknowledged(&reply, email.as_deref(), phone.as_deref()));
                self.tally.send_modify(|tally| tally.answered += 1);
                break;
            }
        }
        told
    }

    /// A connection to its replica, or to the next that takes one.
    async fn connect(&mut self) -> Client {
        for _ in 0..REFUSED_CONNECTIONS_MAX {
            let address = {
                let addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
                addresses[self.turn % addresses.len()]
            };
            if let Ok(client) = Client::connect(address).await {
                return client;
            }
            self.turn += 1;
        }
        panic!("no replica takes connections");
    }

    fn refused(&self, reply: &Reply) {
        assert!(reply.headers.contains_key(RETRY_AFTER), "503 without Retry-After: {}", reply.text());
        let code = reply.json()["code"].as_str().expect("a problem has a code").to_owned();
        self.tally.send_modify(|tally| {
            tally.refused += 1;
            tally.codes.insert(code);
        });
    }
}

//! A load that is offered: each newcomer comes when he is due, whatever became of those before him, as customers do.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hyper::StatusCode;
use hyper::header::RETRY_AFTER;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use crate::acknowledged::Answer;
use crate::client::Client;
use crate::fill;

/// So many newcomers a second, for so long.
#[derive(Clone, Copy, Debug)]
pub struct Phase {
    pub per_second: f64,
    pub lasts: Duration,
}

/// Sends newcomers, each on a connection that nobody else uses then.
pub struct Offering {
    address: SocketAddr,
    idle: Vec<Client>,
    /// The next one, by the numbers of [`fill`].
    next: u64,
}

/// What became of the newcomers of some phases.
#[derive(Debug, Default)]
pub struct Outcome {
    pub sent: u64,
    /// Those who were told when to come again.
    pub refused: u64,
    /// The `code` of each sort of refusal.
    pub codes: BTreeSet<String>,
    /// How many were acknowledged, in time or not.
    pub acknowledged: u64,
    /// What those were told.
    pub answers: Vec<Answer>,
    /// For each second, how many came in it.
    sent_by_second: Vec<u64>,
    /// For each second, how many of those who came in it were answered in time.
    good_by_second: Vec<u64>,
    /// For each second, how many were answered in it, and in time.
    answered_by_second: Vec<u64>,
}

/// One exchange.
struct Ended {
    client: Client,
    sent_after: Duration,
    took: Duration,
    answer: Result<Answer, String>,
}

impl Offering {
    /// To the server at `address`, which knows people below `first`.
    pub fn to(address: SocketAddr, first: u64) -> Self {
        Self { address, idle: Vec::new(), next: first }
    }

    /// Offers one phase after the other, and waits for the last answers. Good is what comes within `patience`.
    pub async fn offer(&mut self, phases: &[Phase], patience: Duration) -> Outcome {
        let (ended, mut endings) = mpsc::unbounded_channel::<Ended>();
        let mut outcome = Outcome::default();
        let begun = Instant::now();
        let mut begins = Duration::ZERO;
        for phase in phases {
            let mut ticks = interval(Duration::from_millis(1));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut sent = 0_u64;
            loop {
                let elapsed = begun.elapsed().saturating_sub(begins).min(phase.lasts);
                while (sent as f64) < elapsed.as_secs_f64() * phase.per_second {
                    let client = match self.idle.pop() {
                        Some(client) => client,
                        None => Client::connect(self.address).await.expect("the server takes connections"),
                    };
                    tokio::spawn(ask(client, self.next, begun, ended.clone()));
                    add(&mut outcome.sent_by_second, begun.elapsed());
                    outcome.sent += 1;
                    (self.next, sent) = (self.next + 1, sent + 1);
                }
                if elapsed == phase.lasts {
                    break;
                }
                ticks.tick().await;
                while let Ok(end) = endings.try_recv() {
                    self.idle.push(outcome.take(end, patience));
                }
            }
            begins += phase.lasts;
        }
        drop(ended);
        while let Some(end) = endings.recv().await {
            self.idle.push(outcome.take(end, patience));
        }
        outcome
    }
}

async fn ask(mut client: Client, newcomer: u64, begun: Instant, ended: mpsc::UnboundedSender<Ended>) {
    let sent_after = begun.elapsed();
    let reply = client.identify(Some(&fill::email(newcomer)), None).await.expect("no connection breaks");
    let took = begun.elapsed() - sent_after;
    let answer = match reply.status {
        StatusCode::OK => Ok(Answer::parse(&reply.body).expect("200 comes with a customer")),
        StatusCode::SERVICE_UNAVAILABLE => {
            assert!(reply.headers.contains_key(RETRY_AFTER), "503 without Retry-After: {}", reply.text());
            Err(reply.json()["code"].as_str().expect("a problem has a code").to_owned())
        }
        _ => panic!("{}: {}", reply.status, reply.text()),
    };
    // Nobody listens only when the test has failed.
    let _ = ended.send(Ended { client, sent_after, took, answer });
}

fn add(seconds: &mut Vec<u64>, at: Duration) {
    let second = usize::try_from(at.as_secs()).expect("tests are short");
    seconds.resize(seconds.len().max(second + 1), 0);
    seconds[second] += 1;
}

impl Outcome {
    fn take(&mut self, ended: Ended, patience: Duration) -> Client {
        match ended.answer {
            Ok(answer) => {
                self.acknowledged += 1;
                self.answers.push(answer);
                if ended.took <= patience {
                    add(&mut self.good_by_second, ended.sent_after);
                    add(&mut self.answered_by_second, ended.sent_after + ended.took);
                }
            }
            Err(code) => {
                self.refused += 1;
                self.codes.insert(code);
            }
        }
        ended.client
    }

    /// How many were answered in time.
    pub fn good(&self) -> u64 {
        self.good_by_second.iter().sum()
    }

    /// Good answers a second, of those that came in these seconds.
    pub fn goodput(&self, seconds: std::ops::Range<usize>) -> f64 {
        let length = seconds.len() as f64;
        seconds.map(|second| self.answered_by_second.get(second).copied().unwrap_or(0)).sum::<u64>() as f64
            / length
    }

    /// The share of those who came in that second that was answered in time.
    pub fn good_share(&self, second: usize) -> f64 {
        self.good_by_second.get(second).copied().unwrap_or(0) as f64 / self.sent_by_second[second] as f64
    }
}

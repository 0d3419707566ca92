//! Many clients at once, and a server that is ended in the middle of their requests.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hyper::StatusCode;
use rustix::process::{Pid, Signal, kill_process};
use tokio::task::JoinSet;

use crate::acknowledged::Answer;
use crate::client::{Client, Reply};
use crate::fill;
use crate::process::ServerProcess;
use crate::random::Random;

/// People whose numbers share all digits but the last one may turn out to be the same; further apart they
/// never do, so that nobody becomes so large that answering takes all the time.
const NEIGHBOURS: u64 = 10;

/// A load, and its end.
pub struct Load {
    pub clients: u64,
    /// The people, by the numbers of [`fill`], whose values are sent again and again.
    pub people: Range<u64>,
    /// How many answers there must be until the server is ended.
    pub answers_until_end: u64,
    /// How it is ended.
    pub end: Signal,
    /// Tells this load's newcomers from those of other loads on the same database.
    pub name: u64,
}

impl Load {
    /// Sends to `server` until it is gone; what it acknowledged.
    ///
    /// The signal is sent by the client that gets the decisive answer, while the others wait for theirs.
    pub async fn run(self, server: &ServerProcess, random: &mut Random) -> Vec<Answer> {
        let answered = Arc::new(AtomicU64::new(0));
        let process = i32::try_from(server.id()).ok().and_then(Pid::from_raw).expect("an id of a process");
        let mut clients = JoinSet::new();
        for client in 0..self.clients {
            let traffic = Traffic::new(self.name, client, self.people.clone(), random.fork());
            let answered = Arc::clone(&answered);
            let (address, answers_until_end, end) = (server.address, self.answers_until_end, self.end);
            clients.spawn(send(address, traffic, move || {
                if answered.fetch_add(1, Ordering::Relaxed) + 1 == answers_until_end {
                    kill_process(process, end).expect("nobody has waited for its end yet");
                }
            }));
        }
        let answers: Vec<Answer> = clients.join_all().await.into_iter().flatten().collect();
        assert!(
            answers.len() as u64 >= self.answers_until_end,
            "the server ended by itself: {}",
            server.said()
        );
        answers
    }
}

/// Sends until the connection breaks.
async fn send(address: SocketAddr, mut traffic: Traffic, answered: impl Fn()) -> Vec<Answer> {
    let mut answers = Vec::new();
    // One that comes too late is refused as others are cut off.
    let Ok(mut client) = Client::connect(address).await else { return answers };
    loop {
        let (email, phone) = traffic.observe();
        let Ok(reply) = client.identify(email.as_deref(), phone.as_deref()).await else { return answers };
        if reply.status == StatusCode::SERVICE_UNAVAILABLE {
            // Only a server that drains says so, and it closes the connection with it.
            assert_eq!(reply.json()["code"], "shutting_down");
            continue;
        }
        answers.push(acknowledged(&reply, email.as_deref(), phone.as_deref()));
        answered();
    }
}

/// The answer that a server gave to these values, which must be 200 and have them.
pub(crate) fn acknowledged(reply: &Reply, email: Option<&str>, phone: Option<&str>) -> Answer {
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    let answer = Answer::parse(&reply.body).expect("200 comes with a customer");
    for sent in email.iter().chain(&phone) {
        assert!(answer.values.iter().any(|value| value == sent), "sent {sent}, and the answer is {answer:?}");
    }
    answer
}

/// What one client's customers do: most are new, some bring something new, some turn out to be one.
pub struct Traffic {
    random: Random,
    people: Range<u64>,
    name: String,
    phone_prefix: String,
    newcomers: u64,
    strangers: bool,
}

impl Traffic {
    /// The customers of one client of a load.
    pub fn new(load: u64, client: u64, people: Range<u64>, random: Random) -> Self {
        let (name, phone_prefix) = (format!("{load}x{client}"), format!("7{load:04}{client:02}"));
        Self { random, people, name, phone_prefix, newcomers: 0, strangers: true }
    }

    /// Only people, and so two values for each of them, and no other.
    #[must_use]
    pub fn without_strangers(mut self) -> Self {
        self.strangers = false;
        self
    }

    /// The next e-mail address and phone number.
    pub(crate) fn observe(&mut self) -> (Option<String>, Option<String>) {
        self.newcomers += 1;
        let new_email = format!("new{}@client{}.example", self.newcomers, self.name);
        let new_phone = format!("{}{:06}", self.phone_prefix, self.newcomers);
        let person = self.people.start + self.random.below(self.people.end - self.people.start);
        let neighbour = person / NEIGHBOURS * NEIGHBOURS + self.random.below(NEIGHBOURS);
        let luck = self.random.below(8);
        if !self.strangers {
            return match luck {
                0 => (Some(fill::email(person)), None),
                1 => (None, Some(fill::phone(person))),
                _ => (Some(fill::email(person)), Some(fill::phone(neighbour))),
            };
        }
        match luck {
            0 | 1 => (Some(new_email), Some(new_phone)),
            2 => (Some(new_email), None),
            3 => (None, Some(new_phone)),
            4 => (Some(fill::email(person)), Some(new_phone)),
            5 => (Some(new_email), Some(fill::phone(person))),
            _ => (Some(fill::email(person)), Some(fill::phone(neighbour))),
        }
    }
}

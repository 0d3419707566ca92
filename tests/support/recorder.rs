//! Clients that send at once and record what they saw, for the judges.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Barrier;

use crate::backend::answer_of;
use crate::client::Client;
use crate::judge::{Answer, Operation};
use crate::random::Random;

/// What one operation sends.
#[derive(Clone, Debug)]
pub struct Sent {
    pub email: Option<String>,
    pub phone: Option<String>,
}

impl Sent {
    /// Of `people` e-mails and as many phones: both, or one of them once in three times.
    ///
    /// Only members of one family of so many ever meet, so that no answer grows with the number of people.
    pub fn random(random: &mut Random, people: u64, family: u64) -> Self {
        let person = random.below(people);
        let relative = person / family * family + random.below(family);
        let email = format!("person{person}@x.org");
        let phone = format!("{}", 100 + relative);
        match random.below(6) {
            0 => Self { email: Some(email), phone: None },
            1 => Self { email: None, phone: Some(phone) },
            _ => Self { email: Some(email), phone: Some(phone) },
        }
    }
}

/// Records what clients see of one database, through the servers over it.
pub struct Recorder {
    addresses: Vec<SocketAddr>,
    /// Goes on from one recording to the next, so that together they are one history.
    ticks: Arc<AtomicU64>,
}

impl Recorder {
    /// Client 0 uses the first address, client 1 the second, and so on, over and over.
    pub fn new(addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self { addresses: addresses.into_iter().collect(), ticks: Arc::default() }
    }

    /// The next moment of the history, for what others record of it meanwhile.
    pub fn tick(&self) -> u64 {
        self.ticks.fetch_add(1, Ordering::SeqCst)
    }

    /// Sends each client's operations in their order, all clients at once; the history, in no particular order.
    ///
    /// # Panics
    ///
    /// If a request is not answered with 200: nothing here is meant to be refused.
    pub async fn record(&self, operations_by_client: Vec<Vec<Sent>>) -> Vec<Operation> {
        let start = Arc::new(Barrier::new(operations_by_client.len()));
        let addresses = self.addresses.iter().cycle();
        let clients: Vec<_> = operations_by_client
            .into_iter()
            .zip(addresses)
            .enumerate()
            .map(|(number, (operations, &address))| {
                let (ticks, start) = (Arc::clone(&self.ticks), Arc::clone(&start));
                tokio::spawn(async move {
                    let mut client = Client::connect(address).await.expect("the server accepts connections");
                    start.wait().await;
                    let mut history = Vec::with_capacity(operations.len());
                    for sent in operations {
                        history.push(operation(&mut client, number, sent, &ticks).await);
                    }
                    history
                })
            })
            .collect();
        let mut history = Vec::new();
        for client in clients {
            history.extend(client.await.expect("a client does not panic"));
        }
        history
    }
}

async fn operation(client: &mut Client, number: usize, sent: Sent, ticks: &AtomicU64) -> Operation {
    let started = ticks.fetch_add(1, Ordering::SeqCst);
    let reply = client.identify(sent.email.as_deref(), sent.phone.as_deref()).await.expect("an answer");
    let ended = ticks.fetch_add(1, Ordering::SeqCst);
    assert_eq!(reply.status, 200, "{}", reply.text());
    let answer = answer_of(&reply.json());
    let answer = Answer {
        primary: answer.primary,
        emails: answer.emails,
        phones: answer.phones,
        secondaries: answer.secondaries,
    };
    Operation {
        client: number,
        started,
        ended: Some(ended),
        email: sent.email,
        phone: sent.phone,
        answer: Some(answer),
    }
}

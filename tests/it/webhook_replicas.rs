//! Two replicas as processes, of which the one that delivers is killed, or ends: the other takes over.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde_json::json;
use support::client::Client;
use support::home::Home;
use support::process::{ServerProcess, command};
use support::receiver::{Delivered, Receiver};
use support::shop::ADMIN;
use support::size::proved;
use support::webhooks::{add, last_event, post};

fn serve(home: &Home) -> ServerProcess {
    let mut serving = command(home.path(), &["serve", "--port", "0", "--webhooks-allow-private"]);
    serving.env("SELFSAME_ADMIN_KEY", ADMIN);
    ServerProcess::spawn(serving).unwrap_or_else(|said| panic!("{said}"))
}

async fn saw(client: &mut Client, numbers: Range<u32>) {
    for number in numbers {
        let body = json!({ "identifiers": [{ "kind": "phone", "value": number }] });
        let reply = post(client, "/v1/observations", &body).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
}

/// Two replicas, a receiver, and the client of the second; the first holds the endpoint.
struct Two {
    home: Home,
    first: ServerProcess,
    second: ServerProcess,
    client: Client,
    receiver: Receiver,
}

impl Two {
    async fn start() -> Self {
        let home = Home::postgres().await;
        let first = serve(&home);
        let mut client = Client::connect(first.address).await.expect("it is up");
        let receiver = Receiver::start().await;
        add(&mut client, &receiver.url(), &[]).await;
        saw(&mut client, 0..20).await;
        // Who alone is there holds it, and goes on holding it when another comes.
        receiver.until_taken(last_event(&mut client).await).await;
        let second = serve(&home);
        let client = Client::connect(second.address).await.expect("it is up");
        Self { home, first, second, client, receiver }
    }

    /// Who holds the endpoint, by its row, if anybody does.
    async fn holder(&self) -> Option<String> {
        let store = self.home.open().await;
        let rows = store.webhooks().await.expect("the store works");
        store.close().await.expect("a pool closes");
        rows.iter().find(|row| row.is_held).map(|row| row.holder.to_string())
    }

    /// Waits for the last event; how many messages came again, all others having come in order, each with an id of its own.
    async fn judge(&mut self) -> usize {
        let last = last_event(&mut self.client).await;
        self.receiver.until_taken(last).await;
        let (mut ids, mut again) = (BTreeMap::new(), 0);
        for message in self.receiver.taken() {
            let (sequence, next) = (message.sequence(), i64::try_from(ids.len() + 1).expect("it is small"));
            let Delivered { id, .. } = message;
            match ids.get(&sequence) {
                Some(before) => {
                    assert_eq!(*before, id, "event {sequence} came again with another id");
                    again += 1;
                }
                None => {
                    assert_eq!(sequence, next, "an event came before the one before it");
                    ids.insert(sequence, id);
                }
            }
        }
        assert_eq!(i64::try_from(ids.len()).expect("it is small"), last, "every event came");
        let distinct: BTreeSet<&String> = ids.values().collect();
        assert_eq!(distinct.len(), ids.len(), "an id is another event's");
        again
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_killed_while_it_delivers_is_followed_by_the_other() {
    let mut two = Two::start().await;
    saw(&mut two.client, 20..40).await;
    two.first.kill();
    saw(&mut two.client, 40..60).await;
    let again = two.judge().await;
    proved(&format!(
        "a replica was killed while it delivered: the other one took over, and {again} messages came again, with their ids"
    ));
    assert!(two.second.terminate().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_ends_while_it_delivers_hands_over_at_once() {
    let mut two = Two::start().await;
    saw(&mut two.client, 20..40).await;
    let before = two.holder().await;
    assert!(before.is_some() && two.first.terminate().success());
    // What a holder doesn't give back, nobody else takes for 15 seconds.
    assert_ne!(two.holder().await, before, "it gave the endpoint back");
    saw(&mut two.client, 40..60).await;
    assert_eq!(two.judge().await, 0, "it had noted what it delivered");
    assert!(two.second.terminate().success());
}

//! The Rust client where answers don't come: what is sent again has its effect once.

use std::time::Duration;

use selfsame_client::{
    Checkout, Client, ContactId, Error, Lookup, Observation, ObservedOutcome, Retries, Sequence,
};
use support::databases::Databases;
use support::front::{Fate, Front};
use support::shop::{ADMIN, Shop};

use crate::clients::{client_of, code};

async fn open(databases: &Databases) -> (Shop, Front, Client) {
    let shop = Shop::open(databases).await;
    let front = Front::start(shop.server.address).await;
    let client = Client::new(&front.url()).unwrap().key(ADMIN);
    (shop, front, client)
}

fn seen(phone: &str) -> Observation {
    Observation::new().phone(phone)
}

/// How many events there are, as whoever asks the server itself is told.
async fn events(shop: &Shop) -> usize {
    client_of(shop, ADMIN).events(Sequence(0), 1000).await.unwrap().events.len()
}

#[tokio::test]
async fn what_is_turned_away_for_a_moment_is_sent_again_within_bounds() {
    let (shop, front, client) = open(&Databases::Sqlite).await;
    for (fates, sent) in [(1, 2), (2, 3)] {
        front.next(&vec![Fate::TurnedAway; fates]);
        let before = front.requests();
        client.identify(&Checkout::new().phone("1")).await.unwrap();
        assert_eq!(front.requests() - before, sent);
    }
    for (retries, sent) in [(Retries::none(), 1), (Retries::times(2), 3)] {
        front.next(&[Fate::TurnedAway; 9]);
        let before = front.requests();
        assert_eq!(code(client.clone().retries(retries).observe(&seen("2")).await), "overloaded");
        assert_eq!(front.requests() - before, sent);
    }
    front.next(&[]);
    assert_eq!(client.find(&Lookup::phone("2")).await.unwrap(), None, "the server never heard of it");
    // What the request is to blame for isn't sent again.
    let before = front.requests();
    assert_eq!(code(client.observe(&Observation::new().email("mcfly")).await), "invalid_identifier");
    assert_eq!(front.requests() - before, 1);
    shop.server.drain().await;
}

async fn one_effect(databases: Databases) {
    let (shop, front, client) = open(&databases).await;
    let before = events(&shop).await;
    let event = |number: usize| Sequence(i64::try_from(before + number).unwrap());
    front.next(&[Fate::AnswerLost, Fate::AnswerLost, Fate::TurnedAway]);
    let first = client.observe(&seen("1")).await.unwrap();
    assert_eq!((first.outcome, first.sequence), (ObservedOutcome::Created, Some(event(1))));
    client.observe(&seen("2")).await.unwrap();

    // Without a key of its own a change that comes again would be refused as made already.
    let (one, other) = (ContactId(1), ContactId(2));
    front.next(&[Fate::AnswerLost]);
    let merged = client.merge(one, other, "they say so").await.unwrap();
    assert_eq!(merged.event.unwrap().sequence, event(3));
    front.next(&[Fate::AnswerLost]);
    let split = client.split(one, &[other], None).await.unwrap();
    assert_eq!(split.event.unwrap().sequence, event(4));
    let third = Observation::new().phone("2").email("doc@hill.edu");
    client.observe(&third).await.unwrap();
    front.next(&[Fate::AnswerLost]);
    let undone = client.undo(event(5), None).await.unwrap();
    assert_eq!(undone.event.unwrap().sequence, event(6));
    front.next(&[Fate::AnswerLost]);
    let receipt = client.erase(one).await.unwrap();
    assert_eq!(receipt.contact_ids, [one]);
    assert_eq!(events(&shop).await, before + 7);

    // A batch and `identify` need none.
    front.next(&[Fate::AnswerLost]);
    let batch =
        client.observe_batch(&[Checkout::new().phone("7"), Checkout::new().phone("7")]).await.unwrap();
    assert_eq!(batch.lines[0], batch.lines[1]);
    front.next(&[Fate::AnswerLost]);
    client.identify(&Checkout::new().phone("8")).await.unwrap();
    assert_eq!(events(&shop).await, before + 9);

    // The negative control: without a key, an observation that comes again is answered otherwise than the first time.
    front.next(&[Fate::AnswerLost]);
    let unkeyed = client.clone().without_keys_for_observations().observe(&seen("9")).await.unwrap();
    assert_eq!(unkeyed.outcome, ObservedOutcome::Unchanged);
    // And who doesn't send again is told that the answer is lost.
    front.next(&[Fate::AnswerLost]);
    let lost = client.clone().retries(Retries::none()).observe(&seen("10")).await.unwrap_err();
    assert!(matches!(lost, Error::Broken(_)), "{lost:?}");
    assert!(client.find(&Lookup::phone("10")).await.unwrap().is_some(), "it was done all the same");
    shop.server.drain().await;
}

#[tokio::test]
async fn a_change_whose_answer_was_lost_is_made_once_on_sqlite() {
    one_effect(Databases::Sqlite).await;
}

#[tokio::test]
async fn a_change_whose_answer_was_lost_is_made_once_on_postgresql() {
    one_effect(Databases::postgres()).await;
}

/// Whoever doesn't wait for an answer is told so, and not that there was none to come.
#[tokio::test]
async fn an_answer_that_is_not_waited_for_is_no_answer() {
    let (shop, _, client) = open(&Databases::Sqlite).await;
    let impatient = client.timeout(Duration::ZERO).retries(Retries::none());
    let error = impatient.observe(&seen("1")).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut(Duration::ZERO)) && error.is_temporary(), "{error:?}");
    shop.server.drain().await;
}

/// Where nobody listens nothing was sent, and the client says so.
#[tokio::test]
async fn a_server_that_is_not_there_can_not_be_reached() {
    let (shop, _, _) = open(&Databases::Sqlite).await;
    let client = client_of(&shop, ADMIN).retries(Retries::times(1));
    shop.server.drain().await;
    let error = client.observe(&seen("1")).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable(_)), "{error:?}");
    assert!(error.is_temporary());
}

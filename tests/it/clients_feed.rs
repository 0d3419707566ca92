//! The Rust client's stream of events: across restarts of the server without gap or repeat, and to its end.

use std::process::Command;

use selfsame_client::{Client, EventKind, Feed, Observation, Retries, Sequence};
use support::client::Ask;
use support::databases::Databases;
use support::front::{Fate, Front};
use support::home::Home;
use support::process::{ServerProcess, command};
use support::shop::{ADMIN, Shop, named};

use crate::clients::{client_of, code};

fn serve(home: &Home) -> ServerProcess {
    let mut serve: Command = command(home.path(), &["serve", "--port=0"]);
    serve.env("SELFSAME_ADMIN_KEY", ADMIN);
    ServerProcess::spawn(serve).unwrap_or_else(|said| panic!("{said}"))
}

/// The next events of a feed are those of these numbers.
async fn expect(feed: &mut Feed, numbers: std::ops::RangeInclusive<i64>) {
    for number in numbers {
        let event = feed.next().await.unwrap_or_else(|error| panic!("{number}: {error:?}"));
        assert_eq!(event.sequence, Sequence(number));
        assert_eq!(feed.after(), event.sequence);
    }
}

async fn saw(server: &ServerProcess, phones: std::ops::Range<u32>) {
    let client = Client::new(&format!("http://{}", server.address)).unwrap().key(ADMIN);
    for phone in phones {
        client.observe(&Observation::new().phone(phone.to_string())).await.unwrap();
    }
}

async fn across_restarts(home: Home) {
    let mut server = serve(&home);
    let front = Front::start(server.address).await;
    let client = Client::new(&front.url()).unwrap().key(ADMIN);
    let mut feed = client.follow(Sequence(0));
    // The first event is that of the key.
    saw(&server, 0..5).await;
    expect(&mut feed, 1..=6).await;

    // It is killed while the feed is open, and with events that were not taken yet.
    saw(&server, 5..8).await;
    expect(&mut feed, 7..=7).await;
    server.kill();
    server = serve(&home);
    saw(&server, 8..10).await;
    // Who comes back is turned away once before he is let in.
    front.next(&[Fate::TurnedAway]);
    front.lead_to(server.address);
    expect(&mut feed, 8..=11).await;

    // It ends as it should, in the middle of a wait for what is to come.
    let restarted = async {
        assert!(server.terminate().success());
        server = serve(&home);
        front.lead_to(server.address);
        saw(&server, 10..12).await;
    };
    tokio::join!(expect(&mut feed, 12..=13), restarted);

    // A call that is dropped loses nothing.
    {
        let mut waiting = Box::pin(feed.next());
        let waited = std::future::poll_fn(|context| std::task::Poll::Ready(waiting.as_mut().poll(context)));
        assert!(waited.await.is_pending());
    }
    saw(&server, 12..13).await;
    expect(&mut feed, 14..=14).await;
    // The negative control: who begins elsewhere gets something else.
    expect(&mut client.follow(Sequence(9)), 10..=14).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_goes_on_across_restarts_without_gap_or_repeat_on_sqlite() {
    across_restarts(Home::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_goes_on_across_restarts_without_gap_or_repeat_on_postgresql() {
    across_restarts(Home::postgres().await).await;
}

#[tokio::test]
async fn a_feed_ends_with_its_key_and_gives_up_when_it_is_told_to() {
    let mut shop = Shop::open(&Databases::Sqlite).await;
    let key = shop.key(named("reader", &["read"])).await;
    let id = shop.client.ask(Ask::new("GET", "/v1/keys/current").key(&key)).await.json()["id"].clone();
    let mut feed = client_of(&shop, &key).follow(Sequence(0));
    loop {
        let event = feed.next().await.unwrap();
        assert_eq!(event.kind, EventKind::KeyChanged);
        if event.outcome["after"]["id"] == id {
            break;
        }
    }
    let path = format!("/v1/keys/{}", id.as_str().unwrap());
    assert_eq!(shop.client.ask(Ask::new("DELETE", &path).key(ADMIN)).await.status, 200);
    let end = loop {
        match feed.next().await {
            Ok(event) => assert_eq!(event.kind, EventKind::KeyChanged),
            Err(end) => break Err::<(), _>(end),
        }
    };
    assert_eq!(code(end), "invalid_key");

    let client = client_of(&shop, ADMIN).retries(Retries::none());
    shop.server.drain().await;
    let error = client.follow(Sequence(0)).give_up_after(2).next().await.unwrap_err();
    assert!(error.is_temporary(), "{error:?}");
}

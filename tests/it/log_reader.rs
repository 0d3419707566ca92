//! How often the log is read for those who follow it, and that what they get is what it holds.

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use selfsame_api::Admission;
use selfsame_rules::Actor;
use serde_json::json;
use support::client::{Ask, Client};
use support::clock::HeldTime;
use support::databases::{Database, Databases};
use support::event_stream::EventStream;
use support::gated::GatedStore;
use support::random::Random;
use support::receiver::{Delivered, Receiver};
use support::server::{ServerOptions, TestServer};
use support::shop::ADMIN;
use support::size::proved;
use support::webhooks::{add, last_event};

use crate::webhooks::HERE;

/// A server whose reads of the log are counted.
async fn serve(database: &Database) -> (Arc<GatedStore>, TestServer) {
    let store = GatedStore::refusing(database.open().await, Vec::new());
    let options =
        ServerOptions { admission: Admission::Keys, webhooks: Some(HERE), ..ServerOptions::default() };
    let server = TestServer::start(Arc::<GatedStore>::clone(&store), options).await;
    let made = server.installation.ensure_admin_key(ADMIN, &Actor::named("test")).await;
    made.expect("the store takes a key");
    (store, server)
}

/// Records somebody new for each number, in one transaction.
async fn saw(client: &mut Client, numbers: Range<usize>) {
    let line = |number| json!({ "phoneNumber": number });
    let lines: String = numbers.map(|number| format!("{}\n", line(number))).collect();
    let batch = Ask::new("POST", "/v1/observations/batch").key(ADMIN).body(&lines);
    let reply = client.ask(batch).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(reply.json_lines().iter().all(|line| line["contact"].is_object()), "{}", reply.text());
}

/// A hundred times ten people come while so many streams follow; how often the log was read. Each stream gets all, once and in order.
async fn reads_with(databases: &Databases, streams: usize) -> usize {
    let database = databases.empty().await;
    let (store, server) = serve(&database).await;
    let mut client = server.client().await;
    saw(&mut client, 0..10).await;
    let last = last_event(&mut client).await;
    let mut following = Vec::new();
    for _ in 0..streams {
        let stream = EventStream::open(server.address, ADMIN, &format!("?after={last}"), None).await;
        following.push(stream.expect("let in"));
    }
    for stream in &mut following {
        stream.next().await.expect("a heartbeat says that it stands at the end");
    }
    // What is kept for a moment is kept for as long as somebody else's machine takes: no time passes but what is told here.
    tokio::time::pause();
    let time = HeldTime::hold();
    let before = store.log_reads();
    for round in 1..=10_u32 {
        for tenth in 0..10 {
            let first = usize::try_from(round).expect("it is small") * 100 + tenth * 10;
            saw(&mut client, first..first + 10).await;
        }
        let wanted: Vec<i64> = (last + 1 + (i64::from(round) - 1) * 100..).take(100).collect();
        for stream in &mut following {
            let mut numbers = Vec::new();
            while numbers.len() < wanted.len() {
                numbers.push(stream.next_event().await.expect("it goes on").0);
            }
            assert_eq!(numbers, wanted, "{databases}");
        }
        // Keys are read anew, and heartbeats come.
        tokio::time::advance(Duration::from_secs(2)).await;
    }
    let reads = store.log_reads() - before;
    drop(time);
    tokio::time::resume();
    drop(following);
    server.drain().await;
    reads
}

#[tokio::test]
async fn the_log_is_read_once_for_all_who_follow_it() {
    for databases in [Databases::Sqlite, Databases::postgres()] {
        let (one, many) = (reads_with(&databases, 1).await, reads_with(&databases, 200).await);
        proved(&format!(
            "1,000 events in 100 transactions on {databases}: the log was read {one} times for one stream, {many} for 200"
        ));
        // A transaction is told of once, and its events are a page at most; the rest is for other replicas.
        assert!(one <= 130 && many <= 130, "{databases}: {one} {many}");
    }
}

#[tokio::test]
async fn the_log_is_read_for_nobody_where_nobody_follows_it() {
    for databases in [Databases::Sqlite, Databases::postgres()] {
        let database = databases.empty().await;
        let (store, server) = serve(&database).await;
        let mut client = server.client().await;
        saw(&mut client, 0..10).await;
        tokio::time::pause();
        let time = HeldTime::hold();
        for first in 1..5 {
            saw(&mut client, first * 10..first * 10 + 10).await;
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(store.log_reads(), 0, "{databases}");
        drop(time);
        tokio::time::resume();
        server.drain().await;
    }
}

/// Streams that come at any moment, from anywhere in the log, read as much as they like and go; and one that is read only in the end.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_behind_catches_up_without_a_gap_or_a_repeat() {
    let mut random = Random::of_this_run();
    for databases in [Databases::Sqlite, Databases::postgres()] {
        let database = databases.empty().await;
        let (_, server) = serve(&database).await;
        let mut client = server.client().await;
        saw(&mut client, 0..300).await;
        let mut open: Vec<(EventStream, i64)> = Vec::new();
        let slow = EventStream::open(server.address, ADMIN, "?after=0", None).await.expect("let in");
        let mut seen = 300;
        for _ in 0..60 {
            let count = 1 + random.below(150);
            let count = usize::try_from(count).expect("it is small");
            saw(&mut client, seen..seen + count).await;
            seen += count;
            let log = i64::try_from(seen).expect("it is small");
            let after = i64::try_from(random.below(seen as u64)).expect("it is small");
            let query = format!("?after={after}");
            let opened = EventStream::open(server.address, ADMIN, &query, None).await;
            open.push((opened.expect("let in"), after));
            if open.len() > 8 {
                open.swap_remove(usize::try_from(random.below(8)).expect("it is small"));
            }
            for (stream, last) in &mut open {
                for _ in 0..random.below(60) {
                    if *last < log {
                        assert_eq!(stream.next_event().await.map(|(number, _)| number), Some(*last + 1));
                        *last += 1;
                    }
                }
            }
        }
        open.push((slow, 0));
        let end = last_event(&mut client).await;
        for (stream, last) in &mut open {
            while *last < end {
                assert_eq!(
                    stream.next_event().await.map(|(number, _)| number),
                    Some(*last + 1),
                    "{databases}"
                );
                *last += 1;
            }
        }
        drop(open);
        server.drain().await;
    }
}

/// Erases whoever contact 2 belongs to.
async fn erase(client: &mut Client) {
    let erased = client.ask(Ask::new("DELETE", "/v1/identities/2").key(ADMIN)).await;
    assert_eq!(erased.status, 200, "{}", erased.text());
}

/// Two people, of whom the second will be erased.
async fn two_come(client: &mut Client) {
    let lines = "{\"email\":\"doc@hill.example\"}\n{\"email\":\"biff@hill.example\"}\n";
    let reply = client.ask(Ask::new("POST", "/v1/observations/batch").key(ADMIN).body(lines)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

/// What was read of the log comes back after somebody in it was erased: it is read again before it is sent.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_before_an_erasure_is_not_sent_after_it() {
    for databases in [Databases::Sqlite, Databases::postgres()] {
        let database = databases.empty().await;
        let (store, server) = serve(&database).await;
        let mut client = server.client().await;
        let receiver = Receiver::start().await;
        add(&mut client, &receiver.url(), &[]).await;
        let last = last_event(&mut client).await;
        receiver.until_taken(last).await;
        let mut streams = Vec::new();
        for _ in 0..3 {
            let stream = EventStream::open(server.address, ADMIN, &format!("?after={last}"), None).await;
            streams.push(stream.expect("let in"));
        }
        for stream in &mut streams {
            stream.next().await.expect("a heartbeat says that it stands at the end");
        }
        store.hold_log(true);
        let reads = store.log_reads();
        two_come(&mut client).await;
        store.log_read(reads + 1).await;
        erase(&mut client).await;
        store.hold_log(false);
        for stream in &mut streams {
            let mut texts = String::new();
            for number in last + 1..=last + 3 {
                let (came, event) = stream.next_event().await.expect("it goes on");
                assert_eq!(came, number, "{databases}");
                texts.push_str(&event.to_string());
            }
            assert!(texts.contains("doc@") && !texts.contains("biff"), "{databases}: {texts}");
        }
        receiver.until_taken(last + 3).await;
        let bodies: String = receiver.came().iter().map(|message| message.body.clone()).collect();
        assert!(bodies.contains("doc@") && !bodies.contains("biff"), "{databases}: {bodies}");
        drop(streams);
        server.drain().await;
    }
}

/// A receiver that holds the first message of `doc@` back until it is told.
async fn holding_back() -> (Receiver, Sender<()>) {
    let (release, released) = channel();
    let mut released = Some(released);
    let receiver = Receiver::taking(Box::new(move |message: &Delivered| {
        if message.body.contains("doc@")
            && let Some(released) = released.take()
        {
            // Where nobody will tell any more, the test has failed.
            let _ = released.recv();
        }
        204
    }));
    (receiver.await, release)
}

/// Somebody is erased while a message of theirs waits behind another: on this replica, or on the other one.
async fn erased_behind_another(databases: &Databases, on_another: bool) {
    let database = databases.empty().await;
    let (_, server) = serve(&database).await;
    let options = ServerOptions { admission: Admission::Keys, ..ServerOptions::default() };
    let other = match on_another {
        true => Some(TestServer::start(database.open().await, options).await),
        false => None,
    };
    let mut client = server.client().await;
    let mut eraser = match &other {
        Some(other) => other.client().await,
        None => server.client().await,
    };
    let (receiver, release) = holding_back().await;
    add(&mut client, &receiver.url(), &[]).await;
    let last = last_event(&mut client).await;
    receiver.until_taken(last).await;
    let before = receiver.came().len();
    two_come(&mut client).await;
    receiver.until_begun(before + 1).await;
    erase(&mut eraser).await;
    release.send(()).expect("the receiver waits");
    receiver.until_taken(last + 3).await;
    let bodies: String = receiver.came().iter().map(|message| message.body.clone()).collect();
    assert!(bodies.contains("doc@") && !bodies.contains("biff"), "{databases}, {on_another}: {bodies}");
    drop((client, eraser));
    server.drain().await;
    if let Some(other) = other {
        other.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_read_before_an_erasure_on_any_replica_is_read_again() {
    erased_behind_another(&Databases::Sqlite, false).await;
    let databases = Databases::postgres();
    erased_behind_another(&databases, false).await;
    erased_behind_another(&databases, true).await;
}

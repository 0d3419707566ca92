//! Webhooks whose endpoints are slow, hostile, private, gone, or down for too long; and two replicas. Through HTTP.

use std::time::Duration;

use selfsame_service::{Clock, SystemClock, WebhookSettings};
use serde_json::json;
use support::client::Ask;
use support::databases::Databases;
use support::receiver::{Delivered, Mood, Receiver};
use support::shop::{ADMIN, Shop, code};
use support::webhooks::{add, last_event, post, until};

use crate::webhooks::{HERE, log, saw, serve, wrong};

/// A day, as clocks here have it.
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_endpoint_delays_no_other() {
    for databases in [Databases::Sqlite, Databases::postgres()] {
        let database = databases.empty().await;
        let server = serve(&database, HERE).await;
        let mut client = server.client().await;
        let mut slow = Vec::new();
        for _ in 0..3 {
            let receiver = Receiver::start().await;
            receiver.set(Mood::Hangs);
            add(&mut client, &receiver.url(), &[]).await;
            receiver.until(1).await;
            slow.push(receiver);
        }
        let quick = Receiver::start().await;
        add(&mut client, &quick.url(), &[]).await;
        saw(&mut client, 0..50).await;
        quick.until_taken(last_event(&mut client).await).await;
        for receiver in &mut slow {
            assert_eq!(receiver.taken(), [], "{databases}: it hangs");
            receiver.shut().await;
        }
        server.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_answers_too_late_has_failed() {
    let database = Databases::Sqlite.empty().await;
    let settings = WebhookSettings { attempt_timeout: Duration::from_millis(50), ..HERE };
    let server = serve(&database, settings).await;
    let mut client = server.client().await;
    let receiver = Receiver::start().await;
    receiver.set(Mood::Hangs);
    let hook = add(&mut client, &receiver.url(), &[]).await;
    let told = until(&mut client, &hook.id, "failing", |told| told["state"] == "failing").await;
    assert_eq!(told["lastProblem"], "it did not answer in time");
    server.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_to_a_private_address_unless_that_is_allowed() {
    let database = Databases::Sqlite.empty().await;
    let server = serve(&database, WebhookSettings { allow_private: false, ..HERE }).await;
    let mut client = server.client().await;
    let receiver = Receiver::start().await;
    let port = receiver.address.port();
    for url in [
        format!("http://localhost:{port}/"),
        format!("https://127.0.0.1:{port}/"),
        format!("https://[::1]:{port}/"),
        format!("https://[::ffff:127.0.0.1]:{port}/"),
        "https://169.254.169.254/latest/meta-data".to_owned(),
        // What a resolver would take for an address of this machine.
        format!("https://2130706433:{port}/"),
        format!("https://0x7f000001:{port}/"),
        format!("https://0177.0.0.1:{port}/"),
        format!("https://127.1:{port}/"),
        format!("https://0:{port}/"),
        format!("https://[fe80::1%25eth0]:{port}/"),
        "https://a..b/".to_owned(),
        "https://256.1.1.1/".to_owned(),
    ] {
        let reply = post(&mut client, "/v1/webhooks", &json!({ "url": url })).await;
        assert_eq!(code(&reply), (400, "invalid_url".to_owned()), "{url}");
    }
    // A name shows what it is when it is connected to.
    let hook = add(&mut client, &format!("https://localhost:{port}/"), &[]).await;
    let path = format!("/v1/webhooks/{}/test", hook.id);
    let tested = client.ask(Ask::new("POST", &path).key(ADMIN)).await.json();
    assert_eq!((&tested["delivered"], &tested["status"]), (&json!(false), &serde_json::Value::Null));
    let problem = tested["problem"].as_str().expect("it says why");
    assert!(problem.starts_with("its address is not a public one"), "{problem}");
    let told = until(&mut client, &hook.id, "failing", |told| told["state"] == "failing").await;
    assert_eq!(told["lastProblem"], problem);
    assert_eq!(receiver.connections(), 0, "nobody was connected to");
    server.drain().await;

    // The proof could fail: allowed, the same name is connected to, and doesn't speak TLS.
    let server = serve(&database, HERE).await;
    let mut client = server.client().await;
    let hook = add(&mut client, &format!("https://localhost:{port}/"), &[]).await;
    let told = until(&mut client, &hook.id, "failing", |told| told["state"] == "failing").await;
    assert_eq!(told["lastProblem"], "TLS could not be agreed on: is its certificate valid?");
    assert!(receiver.connections() > 0);
    let plain = add(&mut client, &receiver.url(), &[]).await;
    receiver.until(1).await;
    server.drain().await;

    // What was added under the setting is told why it gets nothing without.
    let server = serve(&database, WebhookSettings { allow_private: false, ..HERE }).await;
    let mut client = server.client().await;
    let path = format!("/v1/webhooks/{}/test", plain.id);
    let tested = client.ask(Ask::new("POST", &path).key(ADMIN)).await.json();
    assert_eq!(
        tested["problem"], "its URL begins with `http://`, and --webhooks-allow-private isn't set",
        "{tested}"
    );
    let refused = post(&mut client, "/v1/webhooks", &json!({ "url": receiver.url() })).await;
    assert_eq!(code(&refused), (400, "invalid_url".to_owned()));
    assert!(refused.text().contains("only a server with --webhooks-allow-private"), "{}", refused.text());
    server.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_a_failure_and_leads_nowhere() {
    let database = Databases::Sqlite.empty().await;
    let server = serve(&database, HERE).await;
    let mut client = server.client().await;
    let (receiver, elsewhere) = (Receiver::start().await, Receiver::start().await);
    receiver.set(Mood::Redirects(elsewhere.url()));
    let hook = add(&mut client, &receiver.url(), &[]).await;
    let told = until(&mut client, &hook.id, "failing", |told| told["failures"].as_i64() >= Some(2)).await;
    assert_eq!(
        (&told["lastStatus"], &told["lastProblem"]),
        (&json!(302), &json!("it answered 302, and redirects aren't followed"))
    );
    assert_eq!((elsewhere.connections(), told["after"].as_i64()), (0, Some(0)));
    server.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_fails_for_three_days_is_parked_and_told_so_until_it_is_replayed() {
    for databases in [Databases::Sqlite, Databases::postgres()] {
        let mut shop = Shop::delivering(databases.empty().await, Some(HERE)).await;
        let receiver = Receiver::start().await;
        receiver.set(Mood::Answers(500));
        let hook = add(&mut shop.client, &receiver.url(), &[]).await;
        let first = until(&mut shop.client, &hook.id, "failing", |told| told["failures"] == 1).await;
        // The clock stands still: no attempt is due until it is set.
        shop.clock.set(1_000 + 3 * DAY_MS - 1);
        let second = until(&mut shop.client, &hook.id, "tried", |told| told["failures"] == 2).await;
        assert_eq!(second["state"], "failing", "{databases}: a moment is missing");
        assert_eq!(second["failingSince"], first["failingSince"]);
        shop.clock.set(1_000 + 4 * DAY_MS);
        let parked = until(&mut shop.client, &hook.id, "parked", |told| told["state"] == "parked").await;
        assert_eq!(
            (&parked["failures"], &parked["lastStatus"], &parked["nextAttemptAt"]),
            (&json!(3), &json!(500), &serde_json::Value::Null),
            "{databases}"
        );
        assert_eq!(parked["lastProblem"], "it answered 500");
        // Not that it was only waiting.
        shop.clock.set(1_000 + 40 * DAY_MS);
        receiver.set(Mood::Answers(200));
        let other = Receiver::start().await;
        add(&mut shop.client, &other.url(), &[]).await;
        let last = last_event(&mut shop.client).await;
        other.until_taken(last).await;
        assert_eq!(receiver.came().len(), 3, "{databases}: nothing is sent to one that is parked");

        let path = format!("/v1/webhooks/{}/replay", hook.id);
        let replayed = post(&mut shop.client, &path, &json!({ "after": 0 })).await.json();
        assert_eq!((&replayed["state"], &replayed["failures"]), (&json!("delivering"), &json!(0)));
        // What was tried last is not forgotten for that.
        for member in ["lastAttemptAt", "lastStatus", "lastProblem"] {
            assert_eq!(replayed[member], parked[member], "{databases}: {member}");
        }
        receiver.until_taken(last).await;
        // One that is gone says so itself.
        receiver.set(Mood::Answers(410));
        saw(&mut shop.client, 0..1).await;
        let gone = until(&mut shop.client, &hook.id, "parked", |told| told["state"] == "parked").await;
        assert_eq!((&gone["failures"], &gone["lastStatus"]), (&json!(1), &json!(410)), "{databases}");
        shop.server.drain().await;
    }
}

/// The clock is told, so that a minute is a minute however long the test takes.
#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_was_down_for_a_minute_gets_every_event_once_it_is_back() {
    for databases in [Databases::Sqlite, Databases::postgres()] {
        let mut shop = Shop::delivering(databases.empty().await, Some(HERE)).await;
        // Near the machine's time: what is signed by another one, nobody verifies.
        let begun = SystemClock.now().as_milliseconds();
        shop.clock.set(begun);
        let mut receiver = Receiver::start().await;
        let hook = add(&mut shop.client, &receiver.url(), &[]).await;
        saw(&mut shop.client, 0..5).await;
        receiver.until_taken(last_event(&mut shop.client).await).await;
        receiver.shut().await;
        let mut failures = 0;
        for (round, seconds) in (1..).zip([0, 2, 7, 20, 59]) {
            shop.clock.set(begun + seconds * 1_000);
            saw(&mut shop.client, round * 10..round * 10 + 10).await;
            let failed = |told: &serde_json::Value| told["failures"].as_i64() > Some(failures);
            let told = until(&mut shop.client, &hook.id, "failing", failed).await;
            failures = told["failures"].as_i64().expect("a number");
            assert_eq!(told["lastProblem"], "it takes no connection", "{databases}");
        }
        receiver.open().await;
        shop.clock.set(begun + 120_000);
        receiver.until_taken(last_event(&mut shop.client).await).await;
        let log = log(&mut shop.client).await;
        assert_eq!(wrong(&receiver.taken(), &log, &hook.secret), [""; 0], "{databases}");
        shop.server.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_deliver_each_event_once_and_in_order() {
    let databases = Databases::postgres();
    let database = databases.empty().await;
    let (one, other) = (serve(&database, HERE).await, serve(&database, HERE).await);
    let (mut client, mut second) = (one.client().await, other.client().await);
    let receivers = [Receiver::start().await, Receiver::start().await, Receiver::start().await];
    for (number, receiver) in receivers.iter().enumerate() {
        let through = if number == 0 { &mut second } else { &mut client };
        add(through, &receiver.url(), &[]).await;
    }
    for round in 0..20 {
        saw(&mut client, 2 * round..2 * round + 1).await;
        saw(&mut second, 2 * round + 1..2 * round + 2).await;
    }
    for receiver in &receivers {
        receiver.until_taken(last_event(&mut client).await).await;
    }
    // One replica ends: what it held, it gives back, and the other goes on.
    drop(client);
    one.drain().await;
    saw(&mut second, 40..60).await;
    let last = last_event(&mut second).await;
    let wanted: Vec<_> =
        log(&mut second).await.iter().filter_map(|event| event["sequence"].as_i64()).collect();
    for receiver in &receivers {
        receiver.until_taken(last).await;
        let taken: Vec<i64> = receiver.taken().iter().map(Delivered::sequence).collect();
        assert_eq!(taken, wanted);
    }
    other.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_erased_is_sent_to_nobody() {
    for databases in [Databases::Sqlite, Databases::postgres()] {
        let database = databases.empty().await;
        let server = serve(&database, HERE).await;
        let mut client = server.client().await;
        let receiver = Receiver::start().await;
        receiver.set(Mood::Answers(500));
        let hook = add(&mut client, &receiver.url(), &["created", "erased"]).await;
        let body = json!({ "identifiers": [{ "kind": "email", "value": "biff@hill.example" }] });
        assert_eq!(post(&mut client, "/v1/observations", &body).await.status, 200);
        until(&mut client, &hook.id, "failing", |told| told["state"] == "failing").await;
        assert!(receiver.came()[0].body.contains("biff@hill.example"), "it was sent before");
        let before = receiver.came().len();
        let erased = client.ask(Ask::new("DELETE", "/v1/identities/1").key(ADMIN)).await;
        assert_eq!(erased.status, 200, "{}", erased.text());
        receiver.set(Mood::Answers(200));
        receiver.until_taken(last_event(&mut client).await).await;
        let after: String = receiver.came()[before..].iter().map(|message| message.body.clone()).collect();
        assert!(after.contains("\"created\"") && !after.contains("biff"), "{databases}: {after}");
        server.drain().await;
    }
}

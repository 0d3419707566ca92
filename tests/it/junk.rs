//! Values that a policy blocks, and claims that nobody has verified, link nobody: whoever is joined with them is joined without.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use support::busy::{Play, Wish};
use support::databases::Databases;
use support::random::Random;
use support::size::{Size, proved};

/// What a real person is seen with, and the junk beside it.
struct Seen {
    real: Vec<Value>,
    junk: Vec<Value>,
}

fn policy(blocks: bool) -> Value {
    let blocked = [
        json!({ "kind": "phone", "pattern": "0000000000" }),
        json!({ "kind": "phone", "pattern": "+1555*" }),
        json!({ "kind": "email", "pattern": "noreply@*" }),
    ];
    json!({
        "kinds": ["customerId", "deviceId"],
        "limits": [{ "kind": "email", "most": 2 }, { "kind": "customerId", "most": 2 }],
        "unique": [],
        "blocked": if blocks { &blocked[..] } else { &[] },
        "claims": if blocks { &["deviceId"][..] } else { &[] },
    })
}

/// Half a thousand people at most, each with a few addresses and numbers; and junk that everybody shares.
fn seen(random: &mut Random, people: u64) -> Seen {
    let person = random.below(people);
    let mut real = vec![json!({ "kind": "customerId", "value": format!("p{person}-{}", random.below(3)) })];
    let mut junk = Vec::new();
    if random.once_in(2) {
        let value = format!("p{person}.{}@home.example", random.below(3));
        real.push(json!({ "kind": "email", "value": value }));
    } else if random.once_in(2) {
        junk.push(json!({ "kind": "email", "value": format!("noreply@shop{}.example", random.below(3)) }));
    }
    if random.once_in(3) {
        real.push(json!({ "kind": "phone", "value": format!("77{person}0{}", random.below(2)) }));
    } else {
        let value =
            if random.once_in(2) { "0000000000".to_owned() } else { format!("+1555{}", random.below(5)) };
        junk.push(json!({ "kind": "phone", "value": value }));
    }
    if random.once_in(2) {
        junk.push(json!({ "kind": "deviceId", "value": format!("till-{}", random.below(4)) }));
    }
    // Now and then nothing but junk, which nobody is.
    if random.once_in(20) && !junk.is_empty() {
        real.clear();
    }
    Seen { real, junk }
}

fn wish(identifiers: &[Value]) -> Wish {
    let body = Some(json!({ "identifiers": identifiers }));
    Wish { method: "POST", path: "/v1/observations".to_owned(), body }
}

/// Which real values are of one person, after all was observed under that policy.
async fn people(
    databases: &Databases,
    policy: &Value,
    all: &[Seen],
    with_junk: bool,
) -> BTreeSet<BTreeSet<String>> {
    let mut play = Play::open(databases).await;
    let put = Wish { method: "PUT", path: "/v1/policy".to_owned(), body: Some(policy.clone()) };
    assert_eq!(play.send(put).await.status, 200);
    for seen in all {
        let junk = if with_junk { seen.junk.clone() } else { Vec::new() };
        let identifiers = [seen.real.clone(), junk].concat();
        if !identifiers.is_empty() {
            let reply = play.send(wish(&identifiers)).await;
            assert!([200, 422].contains(&reply.status.as_u16()), "{}", reply.text());
        }
    }
    let real: BTreeSet<(String, String)> = all
        .iter()
        .flat_map(|seen| &seen.real)
        .map(|one| (one["kind"].as_str().unwrap().to_owned(), one["value"].as_str().unwrap().to_owned()))
        .collect();
    let mut people: BTreeMap<i64, BTreeSet<String>> = BTreeMap::new();
    for (kind, value) in real {
        let path = format!("/v1/identities?{kind}={value}&limit=1");
        let reply =
            play.shop.client.ask(support::client::Ask::new("GET", &path).key(support::shop::ADMIN)).await;
        // A limit has kept it from being anybody's.
        let primary = reply.json()["primaryContactId"].as_i64().unwrap_or(0);
        people.entry(primary).or_default().insert(format!("{kind}={value}"));
    }
    play.shop.server.drain().await;
    people.into_values().collect()
}

async fn prove(databases: Databases) {
    let mut random = Random::of_this_run();
    let requests = Size::of_this_run().pick(1_000, 10_000);
    let all: Vec<Seen> = (0..requests).map(|_| seen(&mut random, requests / 8)).collect();
    let junk: usize = all.iter().map(|seen| seen.junk.len()).sum();
    let without = people(&databases, &policy(true), &all, false).await;
    let with = people(&databases, &policy(true), &all, true).await;
    assert_eq!(with, without, "junk has linked somebody");
    proved(&format!(
        "{databases}: {requests} requests with {junk} blocked or claimed values left {} people as they were without",
        with.len()
    ));
}

#[tokio::test]
async fn junk_links_nobody_on_sqlite() {
    prove(Databases::Sqlite).await;
}

#[tokio::test]
async fn junk_links_nobody_on_postgresql() {
    prove(Databases::postgres()).await;
}

#[tokio::test]
async fn junk_that_no_policy_blocks_is_seen_to_link() {
    let mut random = Random::seeded(1);
    let all: Vec<Seen> = (0..100).map(|_| seen(&mut random, 20)).collect();
    let without = people(&Databases::Sqlite, &policy(false), &all, false).await;
    let with = people(&Databases::Sqlite, &policy(false), &all, true).await;
    assert_ne!(with, without);
}

//! What is told beforehand is what happens: a preview of a policy and its refold on a copy of the database, and the dry run of
//! every correction and what the correction then does.

use serde_json::{Value, json};
use support::busy::{Play, Wish, exported, merge, policy, split, undo};
use support::databases::{Database, Databases};
use support::random::Random;
use support::size::{Size, proved};

fn preview(policy: &Value) -> Wish {
    Wish { method: "POST", path: "/v1/policy/preview".to_owned(), body: Some(policy.clone()) }
}

fn refold(policy: &Value) -> Wish {
    Wish { method: "PUT", path: "/v1/policy?refold=true".to_owned(), body: Some(policy.clone()) }
}

/// An empty database beside the one that [`Databases::empty`] gives.
async fn beside(databases: &Databases, number: u64) -> Database {
    match databases {
        Databases::Sqlite => databases.empty().await,
        Databases::Postgres(one) => {
            let url = one.cluster().create_database(&format!("copy{number}")).await;
            Database::Postgres { url }
        }
    }
}

/// What an answer says of what happens; not who did it, nor whether it was done.
fn told(answer: &Value) -> Value {
    let mut told = answer.clone();
    if let Some(members) = told.as_object_mut() {
        members.remove("dryRun");
        // What the files hold is told of an erasure that was made.
        members.remove("verified");
    }
    if let Some(event) = told["event"].as_object_mut() {
        event.remove("causedBy");
        event.remove("at");
    }
    told
}

/// Plays a history, and the same on a copy; previews a policy here and lets it hold there. How many were decided otherwise.
async fn preview_on_a_copy(databases: &Databases, random: &mut Random, number: u64) -> usize {
    let mut play = Play::open(databases).await;
    for _ in 0..70 {
        play.step(random).await;
    }
    let mut copy = Play::over(beside(databases, number).await).await;
    for wish in &play.sent {
        copy.send(wish.clone()).await;
    }
    let rows = exported(&play.shop.database);
    assert_eq!(exported(&copy.shop.database), rows, "the copy is one");
    let policy = policy(random);
    let (previewed, done) = (play.send(preview(&policy)).await, copy.send(refold(&policy)).await);
    assert_eq!((previewed.status, told(&previewed.json())), (done.status, told(&done.json())));
    assert_eq!(exported(&play.shop.database), rows, "a preview has changed something");
    let refolding = &previewed.json()["refolding"];
    let count = |member: &str| refolding[member].as_array().map_or(0, Vec::len);
    let changed = count("refused") + count("allowed") + count("joinsForbidden");
    play.shop.server.drain().await;
    copy.shop.server.drain().await;
    changed
}

/// Sends a wish after its dry run; the kind of a correction that came to something.
async fn try_first(play: &mut Play, wish: Wish) -> Option<String> {
    let Some(dry) = wish.dry() else {
        play.send(wish).await;
        return None;
    };
    let head = play.log().await.len();
    let dry = dry.send(&mut play.shop.client).await;
    assert_eq!(play.log().await.len(), head, "a dry run has made an event: {wish:?}");
    let done = play.send(wish.clone()).await;
    assert_eq!(dry.status, done.status, "{wish:?}: {} {}", dry.text(), done.text());
    if done.status != 200 {
        return None;
    }
    if wish.is_correction() {
        assert_eq!(told(&dry.json()), told(&done.json()), "{wish:?}");
        return Some(done.json()["event"]["kind"].as_str().unwrap_or("nothing").to_owned());
    }
    assert_eq!(dry.json()["outcome"], done.json()["outcome"], "{wish:?}");
    None
}

/// Plays a random history; how many corrections of each kind came to something.
async fn play_at_random(databases: &Databases, random: &mut Random, steps: u64) -> Vec<String> {
    let mut play = Play::open(databases).await;
    let mut tried = Vec::new();
    for _ in 0..steps {
        let wish = play.past.wish(random);
        tried.extend(try_first(&mut play, wish).await);
    }
    play.shop.server.drain().await;
    tried
}

/// Plays a history in which every kind of correction comes to something: what chance may leave out of the others.
async fn play_each(databases: &Databases) -> Vec<String> {
    let mut play = Play::open(databases).await;
    for (email, phone) in [("ada", "1"), ("ada", "2"), ("bob", "3")] {
        play.send(saw(email, phone)).await;
    }
    let attached = *play.past.joins.last().expect("the second was attached to the first");
    let mut tried = Vec::new();
    tried.extend(try_first(&mut play, undo(attached)).await);
    tried.extend(try_first(&mut play, merge(1, 2)).await);
    tried.extend(try_first(&mut play, split(1, &[2])).await);
    play.send(saw("ada", "2")).await;
    let refused = *play.past.refused.last().expect("they are kept apart");
    let decision = json!({ "decision": "keepApart" });
    tried.extend(try_first(&mut play, Wish::post(format!("/v1/reviews/{refused}"), decision)).await);
    for path in ["/v1/contacts/3", "/v1/identities/1"] {
        let delete = Wish { method: "DELETE", path: path.to_owned(), body: None };
        tried.extend(try_first(&mut play, delete).await);
    }
    play.shop.server.drain().await;
    assert_eq!(tried, ["undone", "joined", "split", "reviewed", "deleted", "erased"]);
    tried
}

fn saw(email: &str, phone: &str) -> Wish {
    let email = format!("{email}@shop.example");
    let identifiers = json!([{ "kind": "email", "value": email }, { "kind": "phone", "value": phone }]);
    Wish::post("/v1/observations".to_owned(), json!({ "identifiers": identifiers }))
}

async fn prove(databases: Databases, histories: u64) {
    let mut random = Random::of_this_run();
    let (mut changed, mut tried) = (0, Vec::new());
    for number in 0..histories {
        changed += preview_on_a_copy(&databases, &mut random.fork(), number).await;
        tried.extend(play_at_random(&databases, &mut random.fork(), 120).await);
    }
    assert!(changed > 0, "no preview told of anything");
    tried.extend(play_each(&databases).await);
    for kind in ["split", "undone", "joined", "reviewed", "erased", "deleted"] {
        assert!(tried.iter().any(|tried| tried == kind), "nothing was {kind}: {tried:?}");
    }
    proved(&format!(
        "{databases}: {histories} previews told the {changed} merges that the refold decided otherwise, and {} dry runs what \
         the correction then did",
        tried.len()
    ));
}

#[tokio::test]
async fn what_is_previewed_happens_on_sqlite() {
    prove(Databases::Sqlite, Size::of_this_run().pick(6, 200)).await;
}

#[tokio::test]
async fn what_is_previewed_happens_on_postgresql() {
    prove(Databases::postgres(), Size::of_this_run().pick(4, 100)).await;
}

#[tokio::test]
async fn a_preview_of_another_policy_is_seen() {
    let mut play = Play::open(&Databases::Sqlite).await;
    for phone in ["1", "2"] {
        play.send(saw("ada", phone)).await;
    }
    let blocked = json!({ "blocked": [{ "kind": "email", "pattern": "ada@*" }] });
    let (previewed, done) = (play.send(preview(&blocked)).await, play.send(refold(&json!({}))).await);
    assert_eq!((previewed.status, done.status), (done.status, previewed.status));
    assert_ne!(told(&previewed.json()), told(&done.json()));
    play.shop.server.drain().await;
}

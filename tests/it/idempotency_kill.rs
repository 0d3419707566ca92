//! A client that loses answers, because the server is killed or because its connection breaks, sends each such request again with
//! the same key: every effect is there once.

use serde_json::{Value, json};
use support::client::{Ask, Client, Reply};
use support::home::Home;
use support::process::ServerProcess;
use support::random::Random;
use support::size::{Size, proved};

/// What a client saw of its requests.
#[derive(Debug, Default)]
struct Tally {
    kills: u64,
    broken: u64,
    /// Answers that the server had kept.
    replayed: u64,
    workspaces: usize,
    events: usize,
}

/// A request that has an effect each time that it is carried out, and none that the same once more would have.
struct Request {
    path: String,
    body: String,
    /// What its answer has where it is carried out once.
    wanted: fn(&Reply) -> bool,
}

fn request(number: u64, random: &mut Random, tally: &mut Tally, is_one: &mut bool) -> Request {
    let post = |path: &str, body: Value, wanted: fn(&Reply) -> bool| Request {
        path: path.to_owned(),
        body: body.to_string(),
        wanted,
    };
    if random.once_in(4) {
        tally.workspaces += 1;
        return post("/v1/workspaces", json!({ "name": format!("shop-{number}") }), |reply| {
            reply.status == 201
        });
    }
    tally.events += 1;
    if number < 2 || random.once_in(3) {
        let email = format!("person-{number}@shop.example");
        let identifiers = json!([{ "kind": "email", "value": email }]);
        return post("/v1/observations", json!({ "identifiers": identifiers }), |reply| {
            reply.json()["outcome"] == "created"
        });
    }
    // They become one, and two again, and each only once.
    *is_one = !*is_one;
    let made: fn(&Reply) -> bool = |reply| reply.status == 200;
    if *is_one {
        post("/v1/identities/1/merge", json!({ "withContactId": 2, "reason": "they say so" }), made)
    } else {
        post("/v1/identities/1/split", json!({ "contactIds": [2] }), made)
    }
}

/// Sends requests one after the other, each until it is answered; what went wrong, if anything did.
async fn run(home: &Home, requests: u64, with_keys: bool) -> Result<Tally, String> {
    let mut random = Random::of_this_run();
    let mut server = ServerProcess::start(home.path());
    let (mut tally, mut is_one) = (Tally::default(), false);
    let mut client = Client::connect(server.address).await.expect("it has greeted");
    for number in 0..requests {
        // The first two are the people that the others are about.
        let request = loop {
            let request = request(number, &mut random, &mut tally, &mut is_one);
            if number > 1 || request.path == "/v1/observations" {
                break request;
            }
            tally.workspaces -= 1;
        };
        let key = with_keys.then(|| format!("request-{number}-{}", random.below(u64::MAX)));
        let mut trouble = random.below(4);
        let reply = loop {
            let (path, body, once) = (request.path.clone(), request.body.clone(), key.clone());
            let mut sender = client;
            let sending = tokio::spawn(async move {
                let ask = Ask { once: once.as_deref(), body: Some(&body), ..Ask::new("POST", &path) };
                let reply = sender.try_ask(ask).await;
                (sender, reply)
            });
            if trouble < 2 {
                // So long does it go on, counted in what another client is answered meanwhile.
                let mut other = Client::connect(server.address).await.expect("it has greeted");
                for _ in 0..random.below(25) {
                    other.get("/healthz").await.expect("it goes on");
                }
            }
            match trouble {
                0 => {
                    server.kill();
                    server = ServerProcess::start(home.path());
                    tally.kills += 1;
                }
                1 => {
                    sending.abort();
                    tally.broken += 1;
                }
                _ => {}
            }
            let sent = sending.await.ok();
            let was_trouble = std::mem::replace(&mut trouble, 2) < 2;
            match sent {
                Some((back, Ok(reply)))
                    if reply.status != 409 || reply.json()["code"] != "idempotency_key_in_use" =>
                {
                    client = if was_trouble { reconnect(&server).await } else { back };
                    break reply;
                }
                _ => client = reconnect(&server).await,
            }
        };
        tally.replayed += u64::from(reply.headers.contains_key("idempotent-replayed"));
        if !(request.wanted)(&reply) {
            return Err(format!("{} {}: {} {}", request.path, request.body, reply.status, reply.text()));
        }
    }
    let count = async |client: &mut Client, path: &str, list: &str| {
        let mut count = 0;
        let mut next = Some(path.to_owned());
        while let Some(path) = next {
            let page = client.get(&path).await.expect("it goes on").json();
            count += page[list].as_array().expect("a list").len();
            let cursor = page["nextCursor"].as_str();
            next = cursor
                .map(|cursor| format!("{}&cursor={cursor}", path.split("&cursor").next().expect("a path")));
        }
        count
    };
    let events = count(&mut client, "/v1/events?limit=1000", "events").await;
    let workspaces = count(&mut client, "/v1/workspaces?limit=1000", "workspaces").await - 1;
    if (events, workspaces) != (tally.events, tally.workspaces) {
        return Err(format!("{events} events and {workspaces} workspaces: {tally:?}"));
    }
    Ok(tally)
}

async fn reconnect(server: &ServerProcess) -> Client {
    Client::connect(server.address).await.expect("it has greeted")
}

async fn prove(name: &str, home: Home, requests: u64) {
    let tally = run(&home, requests, true).await.unwrap_or_else(|wrong| panic!("{wrong}"));
    assert!(tally.kills > 0 && tally.broken > 0 && tally.replayed > 0, "{tally:?}");
    proved(&format!(
        "{name}: {requests} requests with keys, {} kills, {} broken connections, {} answers replayed; each effect once",
        tally.kills, tally.broken, tally.replayed
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_effect_is_there_once_whatever_is_killed_on_sqlite() {
    prove("SQLite", Home::sqlite(), Size::of_this_run().pick(80, 1_000)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_effect_is_there_once_whatever_is_killed_on_postgresql() {
    prove("PostgreSQL", Home::postgres().await, Size::of_this_run().pick(80, 1_000)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_keys_is_seen_to_have_effects_twice() {
    let mut wrong = None;
    for _ in 0..5 {
        wrong = wrong.or(run(&Home::sqlite(), 40, false).await.err());
    }
    wrong.expect("a request that was carried out and not answered was carried out again");
}

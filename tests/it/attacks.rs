//! Attacks on the program, one after the other: it stays up, its memory stays bounded, and known customers, who ask all
//! the while, are answered.

use std::path::Path;
use std::time::Duration;

use support::attack::{Attack, Strength};
use support::client::Client;
use support::fill::fill;
use support::home::Home;
use support::open_files::raise_limit;
use support::prober::{Prober, Waits};
use support::process::{ServerProcess, run};
use support::random::Random;
use support::size::{Size, proved};

use crate::faulty_server::start_taking_one_connection_at_a_time;

/// Whom the server knows.
const PEOPLE: u64 = 1_000;

/// A known customer who waits longer was not answered.
const PATIENCE: Duration = Duration::from_secs(20);

/// What an attack may cost: the connections that it holds, and what those under way are answered with.
const MEMORY_KIB_MAX: u64 = 256 * 1024;

/// How much longer known customers may wait under attack, in the size that is run on purpose.
const P99_RATIO_MAX: f64 = 10.0;

async fn server(start: fn(&Path) -> ServerProcess) -> (Home, ServerProcess) {
    raise_limit();
    let home = Home::sqlite();
    let store = home.open().await;
    fill(store.as_ref(), PEOPLE).await;
    store.close().await.expect("nobody else has it open");
    let server = start(home.path());
    (home, server)
}

/// Known customers' waits while nothing else happens.
fn calm(server: &ServerProcess) -> Waits {
    let prober = Prober::start(server.address, PEOPLE, PATIENCE);
    std::thread::sleep(Size::of_this_run().pick(Duration::ZERO, Duration::from_secs(5)));
    prober.end().unwrap_or_else(|why| panic!("{why}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn known_customers_are_answered_under_every_attack() {
    let full = Size::of_this_run() == Size::Full;
    let (connections, rounds) = Size::of_this_run().pick((200, 16), (10_000, 4_000));
    let (home, mut server) = server(ServerProcess::start).await;
    let mut random = Random::of_this_run();
    let (calm, memory) = (calm(&server), server.memory_kib());
    let mut worst = (0.0, Attack::Idle);
    for attack in Attack::ALL {
        let holds = matches!(attack, Attack::Idle | Attack::SlowHeads | Attack::SlowBodies);
        // The bytes that nobody reads are the kernel's, of which it has no end.
        let connections = if holds { connections } else { connections / 20 };
        let rounds = if holds {
            rounds / 1_000 + 1
        } else if attack == Attack::StalledReaders {
            // Each goes through all connections.
            rounds / 64 + 1
        } else {
            rounds
        };
        let strength = Strength { connections, rounds, pause: full.then_some(Duration::from_millis(16)) };
        let prober = Prober::start(server.address, PEOPLE, PATIENCE);
        attack.run(server.address, strength, &mut random).await;
        let held = server.memory_kib().saturating_sub(memory);
        let waits = prober.end().unwrap_or_else(|why| panic!("{attack:?}: {why}"));
        assert!(held < MEMORY_KIB_MAX, "{attack:?} costs {held} KiB");
        let health =
            Client::connect(server.address).await.expect("it takes connections").get("/healthz").await;
        assert_eq!(health.expect("it answers").status, 200, "{attack:?}");
        let ratio = waits.p99().as_secs_f64() / calm.p99().as_secs_f64();
        if full {
            proved(&format!(
                "attack {attack:?}: known customers' p99 {:.1} times the calm one ({} us), {} answers; {} MiB more memory",
                ratio,
                calm.p99().as_micros(),
                waits.count(),
                held / 1024,
            ));
        }
        if ratio > worst.0 {
            worst = (ratio, attack);
        }
    }
    assert!(!full || worst.0 < P99_RATIO_MAX, "{worst:?}");
    assert!(server.terminate().success(), "{}", server.said());
    assert!(!server.said().contains("panicked"), "{}", server.said());
    assert!(run(home.path(), &["check"]).status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_idle_connections_cost_little_memory() {
    let connections = Size::of_this_run().pick(500, 10_000);
    let (_home, server) = server(ServerProcess::start).await;
    // The first requests of all make the server what it is.
    calm(&server);
    let before = server.memory_kib();
    let strength = Strength { connections, rounds: 0, pause: None };
    let held = Attack::Idle.hold(server.address, strength).await;
    let each = (server.memory_kib().saturating_sub(before)) * 1024 / connections as u64;
    assert!(each < 32 * 1024, "{each} bytes for an idle connection");
    calm(&server);
    drop(held);
    proved(&format!("{connections} idle connections: {each} bytes of the server's memory each"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_one_connection_at_a_time_is_caught() {
    let (_home, server) = server(start_taking_one_connection_at_a_time).await;
    let strength = Strength { connections: 5, rounds: 0, pause: None };
    let held = Attack::SlowHeads.hold(server.address, strength).await;
    let prober = Prober::start(server.address, PEOPLE, Duration::from_secs(2));
    let answered = prober.end();
    assert!(answered.is_err(), "{answered:?}");
    drop(held);
    proved("attacks: a server that takes one connection at a time is caught");
}

//! A large database: what `check` and `export` cost in memory, and that a known customer waits for nobody.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use selfsame_store::Store;
use support::client::Client;
use support::fill::{email, fill, phone};
use support::process::{ServerProcess, command};
use support::server::sqlite_store;
use support::size::{Size, proved};

/// The most memory that `check` and `export` may take, whatever the size.
const MEMORY_MIB_MAX: i64 = 200;

#[tokio::test(flavor = "multi_thread")]
async fn a_large_database_is_checked_exported_and_asked_in_little_memory_and_time() {
    let contacts = Size::of_this_run().pick(20_000, 1_000_000);
    let (folder, store) = sqlite_store();
    fill(&*store, contacts).await;
    store.close().await.unwrap();

    let checked = lines(command(folder.path(), &["check"]));
    assert!(checked.last.ends_with("all laws hold"), "{}", checked.last);
    let check_mib = memory_of_children_mib();
    let exported = lines(command(folder.path(), &["export"]));
    assert_eq!(exported.count, contacts);
    assert!(exported.last.starts_with(&format!("{{\"id\":{contacts},")), "in id order: {}", exported.last);
    // The maximum over both programs; checking takes more.
    let export_mib = memory_of_children_mib();
    assert!(check_mib < MEMORY_MIB_MAX && export_mib < MEMORY_MIB_MAX, "{check_mib} and {export_mib} MiB");

    let server = ServerProcess::start(folder.path());
    let median = median_of_known_customers(&server, contacts).await;
    if Size::of_this_run() == Size::Full {
        assert!(median < Duration::from_millis(1), "the median is {median:?}");
    }
    proved(&format!(
        "{contacts} contacts: check took at most {check_mib} MiB, export no more; \
         a known customer's median at one connection was {median:?}"
    ));
}

/// What a program printed.
struct Lines {
    count: u64,
    last: String,
}

fn lines(mut command: Command) -> Lines {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = Lines { count: 0, last: String::new() };
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        lines.last = line.unwrap();
        lines.count += 1;
    }
    assert!(child.wait().unwrap().success(), "{}", lines.last);
    lines
}

/// The most memory that any program took that this test has run to its end.
fn memory_of_children_mib() -> i64 {
    getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss() / 1024
}

async fn median_of_known_customers(server: &ServerProcess, contacts: u64) -> Duration {
    let mut client = Client::connect(server.address).await.unwrap();
    let mut durations = Vec::new();
    for number in 0..2_000 {
        let person = number * 7_919 % contacts;
        let began = Instant::now();
        let reply = client.identify(Some(&email(person)), Some(&phone(person))).await.unwrap();
        durations.push(began.elapsed());
        assert!(reply.text().starts_with(&format!("{{\"contact\":{{\"primaryContactId\":{},", person + 1)));
    }
    durations.sort();
    durations[durations.len() / 2]
}

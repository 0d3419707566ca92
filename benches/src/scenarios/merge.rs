//! Two large identities become one while others are served: how long those wait.

use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};

use crate::bench::Bench;
use crate::generator::{Generator, Pace};
use crate::outcome::Outcome;
use crate::postgres::Cluster;
use crate::report::{Finding, Goal, milliseconds, number};
use crate::requests::{Choice, Crowd, Kind, Same, Singles};
use crate::scenarios::large_identity::build;
use crate::scenarios::postgres::MISSING;
use crate::server::Server;

/// The load beside the merge, four of five known: far from what a server can do, so that waits are the merge's.
const REQUESTS_PER_SECOND: f64 = 1_000.0;
/// The others that are stored.
const OTHERS: u64 = 10_000;
/// What no other request may wait longer.
const WAIT_MICROSECONDS_MAX: u64 = 50_000;
/// How long the load runs without a merge, to compare; and before the merge, and at least after it.
const QUIET: Duration = Duration::from_secs(2);
/// How long the merge may take.
const MERGE_LIMIT: Duration = Duration::from_secs(60);

/// One merge.
struct Observed {
    merge: Duration,
    /// The longest latencies of known and new customers in microseconds: without the merge, and with it.
    quiet: [u64; 2],
    during: [u64; 2],
}

/// On the embedded store, then on PostgreSQL.
pub(crate) fn merge(bench: &mut Bench) -> anyhow::Result<Finding> {
    let contacts = number(bench.settings.merge_contacts as f64);
    let details = format!(
        "Two identities of {contacts} contacts become one, while an open loop of {} requests a second asks for others, four of five known. \
         The longest latency of any of those, in each of the merges; latency counts from when a request was due.\n\n",
        number(REQUESTS_PER_SECOND),
    );
    let mut finding = Finding { details, ..Finding::default() };
    let folder = bench.scratch()?;
    let server = bench.serve(folder.path())?;
    let embedded = merges(bench, &server, bench.settings.merges)?;
    drop(server);
    finding.details += &table("embedded store", &embedded);
    finding.goals.extend([Kind::Known, Kind::New].map(|kind| goal(&contacts, "embedded", kind, &embedded)));

    let Some(cluster) = Cluster::start(bench)? else {
        finding.details += MISSING;
        return Ok(finding);
    };
    let url = cluster.create_database("selfsame")?;
    let server = Server::start(&bench.program, &url, folder.path(), &bench.interrupt)?;
    let postgres = merges(bench, &server, 1)?;
    finding.details += &table("PostgreSQL", &postgres);
    finding.goals.push(goal(&contacts, "PostgreSQL", Kind::Known, &postgres));
    Ok(finding)
}

fn merges(bench: &Bench, server: &Server, count: usize) -> anyhow::Result<Vec<Observed>> {
    bench.fill(&server.target, 0, OTHERS)?;
    let size = bench.settings.merge_contacts;
    // Far from the numbers of those that the load adds.
    let mut first = 1 << 32;
    let mut observed = Vec::new();
    let mut crowd = Crowd::new(bench.settings.seed, OTHERS);
    for _ in 0..count {
        build(bench, &server.target, first, size)?;
        build(bench, &server.target, first + size, size)?;
        let bridge = Same::known(&server.target, bench.settings.seed, first, first + size);
        first += 2 * size;
        let quiet = load(bench, server, &mut crowd, QUIET)?;
        let (outcome, merge) = std::thread::scope(|scope| {
            let asking = scope.spawn(|| ask(bench, server, &bridge));
            let outcome = load(bench, server, &mut crowd, QUIET + Duration::from_secs(4));
            let merge = asking.join().map_err(|_| anyhow!("the merge's thread panicked"))?;
            Ok::<_, anyhow::Error>((outcome?, merge?))
        })?;
        observed.push(Observed { merge, quiet: longest(&quiet), during: longest(&outcome) });
    }
    Ok(observed)
}

fn load(bench: &Bench, server: &Server, crowd: &mut Crowd, duration: Duration) -> anyhow::Result<Outcome> {
    let generator = Generator::new(&server.target, bench.settings.connections, &bench.interrupt);
    let mut requests = Singles::new(&server.target, crowd, Choice::Mix);
    let outcome = generator.run(&mut requests, Pace::Open { per_second: REQUESTS_PER_SECOND }, duration)?;
    outcome.must_be_right()?;
    Ok(outcome)
}

/// Asks for the merge when the load has run for a while; how long its answer took.
fn ask(bench: &Bench, server: &Server, bridge: &Same) -> anyhow::Result<Duration> {
    bench.interrupt.pause(QUIET)?;
    let begin = Instant::now();
    let answer = server.target.ask(bridge.bytes(), MERGE_LIMIT).context("the merge got no answer")?;
    if answer.status != 200 {
        bail!("the merge was answered {}: {}", answer.status, answer.sample);
    }
    Ok(begin.elapsed())
}

fn longest(outcome: &Outcome) -> [u64; 2] {
    [outcome.latencies[0].max(), outcome.latencies[1].max()]
}

fn goal(contacts: &str, store: &str, kind: Kind, observed: &[Observed]) -> Goal {
    let worst = observed.iter().map(|one| one.during[kind as usize]).max().unwrap_or_default();
    let who = if kind == Kind::Known { "known" } else { "new" };
    Goal {
        name: format!("merging two identities of {contacts}, {store}: longest wait of a {who} customer"),
        goal: "at most 50 ms".to_owned(),
        measured: format!("{}, the longest of {}", milliseconds(worst), observed.len()),
        met: worst <= WAIT_MICROSECONDS_MAX,
    }
}

fn table(store: &str, observed: &[Observed]) -> String {
    let mut table = format!(
        "**{store}**\n\n| the merge took | longest wait, known | new | without a merge, known | new |\n| --- | --- | --- | --- | --- |\n"
    );
    for Observed { merge, quiet, during } in observed {
        let [known, new] = during.map(milliseconds);
        let [quiet_known, quiet_new] = quiet.map(milliseconds);
        let merge = merge.as_secs_f64();
        table += &format!("| {merge:.2} s | {known} | {new} | {quiet_known} | {quiet_new} |\n");
    }
    table + "\n"
}

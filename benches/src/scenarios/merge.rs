//! Two large identities become one while others are served: how long those wait.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};

use crate::bench::Bench;
use crate::generator::{Generator, Pace};
use crate::outcome::Outcome;
use crate::postgres::Cluster;
use crate::report::{Finding, Goal, milliseconds, number};
use crate::requests::{Choice, Crowd, Kind, Requests, Same, Sent, Singles};
use crate::scenarios::large_identity::build;
use crate::scenarios::postgres::MISSING;
use crate::server::Server;
use crate::statistics::Spread;

/// The load beside the merge, four of five known: far from what a server can do, so that waits are the merge's.
const REQUESTS_PER_SECOND: f64 = 1_000.0;
/// More than ever wait at once: on fewer, known customers would wait for a connection behind new ones that wait for the merge.
const CONNECTIONS: usize = 600;
/// The others that are stored.
const OTHERS: u64 = 10_000;
/// What no other request may wait longer.
const WAIT_MICROSECONDS_MAX: u64 = 50_000;
/// How many times as long the slowest hundredth of the others may wait while identities merge as when none do.
const P99_RATIO_MAX: f64 = 2.0;
/// How long the load runs, without a merge and then with one.
const RUN: Duration = Duration::from_secs(6);
/// When in its run the merge is asked for.
const BEFORE_MERGE: Duration = Duration::from_secs(2);
/// How long the merge may take.
const MERGE_LIMIT: Duration = Duration::from_secs(60);

/// One merge.
struct Observed {
    merge: Duration,
    /// The load of a run without the merge, and of the one with it.
    quiet: Outcome,
    during: Outcome,
}

/// On the embedded store, then on PostgreSQL.
pub(crate) fn merge(bench: &mut Bench) -> anyhow::Result<Finding> {
    let contacts = number(bench.settings.merge_contacts as f64);
    let details = format!(
        "Two identities of {contacts} contacts become one, while an open loop of {} requests a second asks for others, four of five known. \
         Each run takes {} s, and one without a merge stands before each with one: the 99th percentile and the longest latency of known and \
         of new customers in both. Latency counts from when a request was due.\n\n",
        number(REQUESTS_PER_SECOND),
        RUN.as_secs(),
    );
    let mut finding = Finding { details, ..Finding::default() };
    let folder = bench.scratch()?;
    let server = bench.serve(folder.path())?;
    let embedded = merges(bench, &server, bench.settings.merges)?;
    drop(server);
    finding.details += &table("embedded store", &embedded);
    for kind in [Kind::Known, Kind::New] {
        finding.goals.extend(goals(&contacts, "embedded", kind, &embedded));
    }

    let Some(cluster) = Cluster::start(bench)? else {
        finding.details += MISSING;
        return Ok(finding);
    };
    let url = cluster.create_database("selfsame")?;
    let server = Server::start(&bench.program, &url, folder.path(), &bench.interrupt)?;
    let postgres = merges(bench, &server, 1)?;
    finding.details += &table("PostgreSQL", &postgres);
    finding.goals.extend(goals(&contacts, "PostgreSQL", Kind::Known, &postgres));
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
        let quiet = load(bench, server, &mut crowd, None)?;
        let (during, merge) = std::thread::scope(|scope| {
            let (started, starts) = channel();
            let bridge = &bridge;
            let asking = scope.spawn(move || ask(bench, server, bridge, &starts));
            let during = load(bench, server, &mut crowd, Some(started));
            let merge = asking.join().map_err(|_| anyhow!("the merge's thread panicked"))?;
            Ok::<_, anyhow::Error>((during?, merge?))
        })?;
        observed.push(Observed { merge, quiet, during });
    }
    Ok(observed)
}

/// Requests that tell when the first of them is sent: connecting takes its time.
struct Announced<'crowd> {
    requests: Singles<'crowd>,
    started: Option<Sender<()>>,
}

impl Requests for Announced<'_> {
    fn write(&mut self, buffer: &mut Vec<u8>) -> Option<Sent> {
        if let Some(started) = self.started.take() {
            // Whoever wanted to know may have failed.
            let _ = started.send(());
        }
        self.requests.write(buffer)
    }
}

fn load(
    bench: &Bench,
    server: &Server,
    crowd: &mut Crowd,
    started: Option<Sender<()>>,
) -> anyhow::Result<Outcome> {
    let generator = Generator::new(&server.target, CONNECTIONS, &bench.interrupt);
    let mut requests = Announced { requests: Singles::new(&server.target, crowd, Choice::Mix), started };
    let outcome = generator.run(&mut requests, Pace::Open { per_second: REQUESTS_PER_SECOND }, RUN)?;
    outcome.must_be_right()?;
    Ok(outcome)
}

/// Asks for the merge when the load has run for a while; how long its answer took.
fn ask(bench: &Bench, server: &Server, bridge: &Same, starts: &Receiver<()>) -> anyhow::Result<Duration> {
    starts.recv().context("the load did not start")?;
    bench.interrupt.pause(BEFORE_MERGE)?;
    let begin = Instant::now();
    let answer = server.target.ask(bridge.bytes(), MERGE_LIMIT).context("the merge got no answer")?;
    if answer.status != 200 {
        bail!("the merge was answered {}: {}", answer.status, answer.sample);
    }
    Ok(begin.elapsed())
}

fn goals(contacts: &str, store: &str, kind: Kind, observed: &[Observed]) -> [Goal; 2] {
    let who = if kind == Kind::Known { "known" } else { "new" };
    let merging = format!("merging two identities of {contacts}, {store}");
    let p99s = |side: fn(&Observed) -> &Outcome| -> Vec<f64> {
        observed.iter().map(|one| p99(side(one), kind) as f64).collect()
    };
    let ratio = Spread::of_ratios(&p99s(|one| &one.during), &p99s(|one| &one.quiet));
    let worst = observed.iter().map(|one| longest(&one.during, kind)).max().unwrap_or_default();
    [
        Goal {
            name: format!("{merging}: p99 of {who} customers against runs without"),
            goal: format!("at most {P99_RATIO_MAX} times"),
            measured: format!("{:.2} ({:.2} to {:.2})", ratio.median, ratio.least, ratio.most),
            met: ratio.median <= P99_RATIO_MAX,
        },
        Goal {
            name: format!("{merging}: longest wait of a {who} customer"),
            goal: "at most 50 ms".to_owned(),
            measured: format!("{}, the longest of {}", milliseconds(worst), observed.len()),
            met: worst <= WAIT_MICROSECONDS_MAX,
        },
    ]
}

fn p99(outcome: &Outcome, kind: Kind) -> u64 {
    outcome.latencies[kind as usize].value_at_quantile(0.99)
}

fn longest(outcome: &Outcome, kind: Kind) -> u64 {
    outcome.latencies[kind as usize].max()
}

fn table(store: &str, observed: &[Observed]) -> String {
    let mut table = format!(
        "**{store}**\n\n| the merge took | p99, known | new | longest, known | new | without: p99, known | new | longest, known | new |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
    );
    for Observed { merge, quiet, during } in observed {
        let waits = [during, quiet].map(|outcome| {
            let kinds = [Kind::Known, Kind::New];
            let [known, new] = kinds.map(|kind| milliseconds(p99(outcome, kind)));
            let [known_longest, new_longest] = kinds.map(|kind| milliseconds(longest(outcome, kind)));
            format!("{known} | {new} | {known_longest} | {new_longest}")
        });
        table += &format!("| {:.2} s | {} |\n", merge.as_secs_f64(), waits.join(" | "));
    }
    table + "\n"
}

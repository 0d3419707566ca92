//! Batch bodies of a thousand records: known and new, beside the empty handler.

use std::time::Duration;

use crate::bench::{BATCH_CONNECTIONS, Bench};
use crate::generator::Pace;
use crate::measure::{Meter, Pairs, Round, rates, round};
use crate::report::{Finding, Goal, number, pairs_table, spread};
use crate::requests::{Batches, Choice, Crowd};
use crate::server::Server;
use crate::statistics::Spread;

/// Both kinds, one after the other on the same server.
pub(crate) fn batch(bench: &mut Bench) -> anyhow::Result<Finding> {
    let contacts = bench.settings.contacts;
    let folder = bench.copy_of_filled(contacts)?;
    let server = bench.serve(folder.path())?;
    let mut crowd = Crowd::new(bench.settings.seed, contacts);
    let mut finding = Finding::default();
    let stored = number(contacts as f64);
    for (choice, name, least) in [(Choice::Uniform, "known", 300_000.0), (Choice::New, "new", 100_000.0)] {
        let mut ours = |duration| batches(bench, &server, &mut crowd, choice, duration);
        let mut theirs = |duration| {
            let mut any = Crowd::new(bench.settings.seed, contacts);
            batches(bench, &bench.empty, &mut any, Choice::Uniform, duration)
        };
        let pairs = Pairs::measure(bench, &mut ours, &mut theirs)?;
        let rate = Spread::of(&rates(&pairs.ours));
        finding.goals.push(Goal {
            name: format!("batch bodies of 1,000, {name}, {stored} contacts stored"),
            goal: format!("at least {} records a second", number(least)),
            measured: spread(rate, 0),
            met: rate.median >= least,
        });
        let table = pairs_table("records", &pairs, "empty handler");
        finding.details += &format!(
            "**{name}**, {BATCH_CONNECTIONS} connections, embedded store. Latencies are those of whole bodies, CPU that of a record.\n\n{table}"
        );
    }
    Ok(finding)
}

fn batches(
    bench: &Bench,
    server: &Server,
    crowd: &mut Crowd,
    choice: Choice,
    duration: Duration,
) -> anyhow::Result<Round> {
    let mut requests = Batches::new(&server.target, crowd, choice);
    let side = (&server.target, &Meter::of(server.id()));
    round(bench, side, BATCH_CONNECTIONS, &mut requests, (Pace::Closed, duration))
}

//! New customers without a pause: for a burst, and for minutes.
//!
//! The empty handler can't be measured in turn with these: each pause would give the store time to catch up. It is
//! measured just before and just after, and their mean counts.

use std::time::Duration;

use crate::bench::Bench;
use crate::generator::{Generator, Pace};
use crate::measure::{Meter, Pairs, Round};
use crate::plot::{Axes, Scale, Series, lines};
use crate::report::{Finding, Goal, number, pairs_table, picture};
use crate::requests::{Choice, Crowd, Singles};
use crate::server::Server;

/// New customers for half a minute, each time from the same size on.
pub(crate) fn burst(bench: &mut Bench) -> anyhow::Result<Finding> {
    let contacts = bench.settings.contacts;
    let duration = bench.settings.burst;
    let mut pairs = Pairs::default();
    for _ in 0..bench.settings.bursts {
        let folder = bench.copy_of_filled(contacts)?;
        let server = bench.serve(folder.path())?;
        let mut crowd = Crowd::new(bench.settings.seed, contacts);
        bench.empty_singles(bench.settings.warm_up)?;
        let before = bench.empty_singles(bench.settings.round)?;
        let (round, _) = stretch(bench, &server, &mut crowd, duration)?;
        let after = bench.empty_singles(bench.settings.round)?;
        pairs.ours.push(round);
        pairs.theirs.push(mean(&before, &after));
    }
    let (stored, seconds) = (number(contacts as f64), duration.as_secs());
    let name = format!("new customer, durable, starting at {stored} contacts, {seconds} s");
    let goal = Goal::ratio(name, 0.55, pairs.ratio(), "the empty handler");
    let details = format!(
        "{} times {seconds} s without a pause, each on a fresh copy of {stored} contacts, embedded store; the empty handler just before and \
         just after.\n\n{}",
        bench.settings.bursts,
        pairs_table("requests", &pairs, "empty handler"),
    );
    Ok(Finding { goals: vec![goal], details, plots: Vec::new() })
}

/// New customers for minutes; the table grows by millions meanwhile.
pub(crate) fn sustained(bench: &mut Bench) -> anyhow::Result<Finding> {
    let contacts = bench.settings.contacts;
    let (each, count) = (bench.settings.stretch, bench.settings.stretches);
    let folder = bench.copy_of_filled(contacts)?;
    let server = bench.serve(folder.path())?;
    let mut crowd = Crowd::new(bench.settings.seed, contacts);
    let mut pairs = Pairs::default();
    let mut by_second = Vec::new();
    bench.empty_singles(bench.settings.warm_up)?;
    let mut before = bench.empty_singles(bench.settings.round)?;
    for _ in 0..count {
        let (round, seconds) = stretch(bench, &server, &mut crowd, each)?;
        by_second.extend(seconds);
        let after = bench.empty_singles(bench.settings.round)?;
        pairs.ours.push(round);
        pairs.theirs.push(mean(&before, &after));
        before = after;
    }
    let (rss, _) = server.memory_bytes()?;
    let total = each.as_secs() * count as u64;
    let (from, to) = (number(contacts as f64), number(crowd.asked_for() as f64));
    let slowest = by_second.iter().copied().fold(f64::INFINITY, f64::min);
    let name = format!("new customer, durable, from {from} contacts on, sustained for {total} s");
    let goal = Goal::ratio(name, 0.35, pairs.ratio(), "the empty handler");
    let axes = Axes { x: ("seconds", Scale::Linear), y: ("new customers a second", Scale::Linear) };
    let points = by_second.iter().enumerate().map(|(second, rate)| (second as f64, *rate)).collect();
    let svg = lines("New customers, sustained", axes, &[Series::new("selfsame, embedded", points)])?;
    let details = format!(
        "{count} stretches of {} s, with pauses of {} s only, in which the empty handler is measured. From {from} contacts to {to}; the slowest second took \
         {}; the server held {} MB at the end.\n\n{}{}",
        each.as_secs(),
        bench.settings.round.as_secs_f64(),
        number(slowest),
        number(rss as f64 / 1e6),
        pairs_table("requests", &pairs, "empty handler"),
        picture("sustained", "New customers a second, over five minutes"),
    );
    Ok(Finding { goals: vec![goal], details, plots: vec![("sustained", svg)] })
}

/// One stretch of new customers, and its rate in each whole second.
fn stretch(
    bench: &Bench,
    server: &Server,
    crowd: &mut Crowd,
    duration: Duration,
) -> anyhow::Result<(Round, Vec<f64>)> {
    let generator = Generator::new(&server.target, bench.settings.connections, &bench.interrupt);
    let mut requests = Singles::new(&server.target, crowd, Choice::New);
    let (outcome, cpu) =
        Meter::of(server.id()).during(|| generator.run(&mut requests, Pace::Closed, duration))?;
    let whole = usize::try_from(duration.as_secs())?;
    let seconds = outcome.by_second.iter().take(whole).map(|count| *count as f64).collect();
    outcome.must_be_right()?;
    Ok((Round::of(&outcome, cpu), seconds))
}

/// The rate between two rounds; the rest is that of the first.
fn mean(before: &Round, after: &Round) -> Round {
    Round { per_second: f64::midpoint(before.per_second, after.per_second), ..before.clone() }
}

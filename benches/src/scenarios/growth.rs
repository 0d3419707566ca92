//! From ten thousand contacts to ten million: throughput, processor time, memory, and the way back after a kill -9.

use std::time::Duration;

use anyhow::Context;

use crate::bench::Bench;
use crate::measure::{Pairs, Round, rates};
use crate::plot::{Axes, Scale, Series, lines};
use crate::report::{Finding, Goal, number, picture, spread};
use crate::requests::{Choice, Crowd};
use crate::server::Server;
use crate::statistics::Spread;

/// How much of the throughput at the smallest size must be left at the largest.
const LEAST_LEFT: f64 = 0.6;
const MEGABYTE: f64 = 1e6;
/// What the store may hold in memory: so much, and so much for each contact.
const MEMORY_BYTES: f64 = 64.0 * MEGABYTE;
const MEMORY_CONTACT_BYTES: f64 = 150.0;
/// How long it may take to be ready again: so long, and so long for each million contacts.
const READY_SECONDS: f64 = 1.0;
const READY_MILLION_SECONDS: f64 = 0.5;
/// How often a server is killed at each size.
const KILLS: usize = 3;

/// All that was measured at one size.
struct Size {
    contacts: f64,
    filled_per_second: f64,
    known: Pairs,
    new: Pairs,
    /// In bytes: filled and asked; the most ever; after a start.
    memory: (u64, u64, u64),
    ready_seconds: Spread,
}

/// Each size in a database of its own, filled by batch bodies.
pub(crate) fn growth(bench: &mut Bench) -> anyhow::Result<Finding> {
    let mut sizes = Vec::new();
    for contacts in bench.settings.sizes.clone() {
        bench.say(&format!("  {contacts} contacts"));
        sizes.push(size(bench, contacts)?);
    }
    let goals = goals(&sizes)?;
    let plots = vec![
        ("throughput", throughput_plot(&sizes)?),
        ("cpu", cpu_plot(&sizes)?),
        ("memory", memory_plot(&sizes)?),
        ("ready", ready_plot(&sizes)?),
    ];
    let details = format!(
        "Each size in a database of its own, embedded store. Known customers are uniform over all; new ones begin at the size. Before each of the {KILLS} \
         kills new customers arrive, so that there is something to recover; ready is the time from the start of the process to the first 200 of `/readyz`.\n\n\
         {}\n{}{}{}{}",
        table(&sizes),
        picture("throughput", "Requests a second over contacts stored"),
        picture("cpu", "CPU a request over contacts stored"),
        picture("memory", "Memory over contacts stored"),
        picture("ready", "Time to readiness after kill -9 over contacts stored"),
    );
    Ok(Finding { goals, details, plots })
}

fn size(bench: &Bench, contacts: u64) -> anyhow::Result<Size> {
    let folder = bench.scratch()?;
    let server = bench.serve(folder.path())?;
    let filled_per_second = bench.fill(&server.target, 0, contacts)?;
    let mut crowd = Crowd::new(bench.settings.seed, contacts);
    let known = bench.beside_empty(&server, &mut crowd, Choice::Uniform)?;
    let (filled, most) = server.memory_bytes()?;
    let (server, ready) = kills(bench, server, &mut crowd, folder.path())?;
    bench.singles(&server, &mut crowd, Choice::Uniform, bench.settings.round)?;
    let (started, _) = server.memory_bytes()?;
    let new = bench.beside_empty(&server, &mut crowd, Choice::New)?;
    let ready_seconds = Spread::of(&ready);
    Ok(Size {
        contacts: contacts as f64,
        filled_per_second,
        known,
        new,
        memory: (filled, most, started),
        ready_seconds,
    })
}

/// Kills a server that is writing and starts it again; how long that took, in seconds.
fn kills(
    bench: &Bench,
    mut server: Server,
    crowd: &mut Crowd,
    folder: &std::path::Path,
) -> anyhow::Result<(Server, Vec<f64>)> {
    let mut ready = Vec::new();
    for _ in 0..KILLS {
        bench.singles(&server, crowd, Choice::New, Duration::from_millis(500))?;
        server.kill()?;
        server = bench.serve(folder)?;
        ready.push(server.ready_after.as_secs_f64());
    }
    Ok((server, ready))
}

fn goals(sizes: &[Size]) -> anyhow::Result<Vec<Goal>> {
    let (first, last) =
        (sizes.first().context("no size was measured")?, sizes.last().context("no size was measured")?);
    let mut goals = Vec::new();
    for (name, pairs) in [("known", (&first.known, &last.known)), ("new", (&first.new, &last.new))] {
        let (small, large) = pairs;
        // Both as shares of the empty handler beside them: minutes lie between the two.
        let left = large.ratio().median / small.ratio().median;
        goals.push(Goal {
            name: format!(
                "growth from {} to {} contacts, {name} customer",
                number(first.contacts),
                number(last.contacts)
            ),
            goal: format!("at least {LEAST_LEFT} of the throughput is left"),
            measured: format!(
                "{left:.2} ({} requests a second against {})",
                number(rate(&large.ours)),
                number(rate(&small.ours))
            ),
            met: left >= LEAST_LEFT,
        });
    }
    for size in sizes {
        let limit = MEMORY_BYTES + MEMORY_CONTACT_BYTES * size.contacts;
        let (filled, _, started) = size.memory;
        let held = filled.max(started) as f64;
        goals.push(Goal {
            name: format!("memory, {} contacts stored", number(size.contacts)),
            goal: format!("at most 64 MB + 150 bytes a contact = {} MB", number(limit / MEGABYTE)),
            measured: format!("{} MB", number(held / MEGABYTE)),
            met: held <= limit,
        });
    }
    for size in sizes.iter().filter(|size| size.contacts >= 1e6 || size.contacts >= last.contacts) {
        let limit = READY_SECONDS + READY_MILLION_SECONDS * size.contacts / 1e6;
        goals.push(Goal {
            name: format!("ready after kill -9, {} contacts stored", number(size.contacts)),
            goal: format!("within 1 s + 0.5 s a million = {limit:.2} s"),
            measured: format!("{} s", spread(size.ready_seconds, 2)),
            met: size.ready_seconds.median <= limit,
        });
    }
    Ok(goals)
}

fn table(sizes: &[Size]) -> String {
    let mut table = "| contacts | filled, a second | known a second | of the empty handler | new a second | of the empty handler | CPU known | CPU new | \
         memory filled | most | after a start | ready after kill -9 |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for size in sizes {
        let (filled, most, started) = size.memory;
        let megabytes = |bytes: u64| format!("{} MB", number(bytes as f64 / MEGABYTE));
        table += &format!(
            "| {} | {} | {} | {} | {} | {} | {:.1} us | {:.1} us | {} | {} | {} | {} s |\n",
            number(size.contacts),
            number(size.filled_per_second),
            spread(Spread::of(&rates(&size.known.ours)), 0),
            spread(size.known.ratio(), 2),
            spread(Spread::of(&rates(&size.new.ours)), 0),
            spread(size.new.ratio(), 2),
            cpu_us(&size.known.ours),
            cpu_us(&size.new.ours),
            megabytes(filled),
            megabytes(most),
            megabytes(started),
            spread(size.ready_seconds, 2),
        );
    }
    table
}

fn rate(rounds: &[Round]) -> f64 {
    Spread::of(&rates(rounds)).median
}

fn cpu_us(rounds: &[Round]) -> f64 {
    let values: Vec<f64> = rounds.iter().filter_map(|round| round.server_cpu_us).collect();
    Spread::of(&values).median
}

fn over(name: &str, sizes: &[Size], value: impl Fn(&Size) -> f64) -> Series {
    Series::new(name, sizes.iter().map(|size| (size.contacts, value(size))).collect())
}

fn axes<'text>(name: &'text str, scale: Scale) -> Axes<'text> {
    Axes { x: ("contacts stored", Scale::Powers), y: (name, scale) }
}

fn throughput_plot(sizes: &[Size]) -> anyhow::Result<String> {
    let series = [
        over("known customer", sizes, |size| rate(&size.known.ours)),
        over("new customer", sizes, |size| rate(&size.new.ours)),
        over("empty handler", sizes, |size| rate(&size.known.theirs)),
    ];
    lines("Throughput over size", axes("requests a second", Scale::Linear), &series)
}

fn cpu_plot(sizes: &[Size]) -> anyhow::Result<String> {
    let series = [
        over("known customer", sizes, |size| cpu_us(&size.known.ours)),
        over("new customer", sizes, |size| cpu_us(&size.new.ours)),
        over("empty handler", sizes, |size| cpu_us(&size.known.theirs)),
    ];
    lines("Processor time of the server over size", axes("microseconds a request", Scale::Linear), &series)
}

fn memory_plot(sizes: &[Size]) -> anyhow::Result<String> {
    let series = [
        over("filled", sizes, |size| size.memory.0 as f64 / MEGABYTE),
        over("after a start", sizes, |size| size.memory.2 as f64 / MEGABYTE),
        over("goal: at most", sizes, |size| (MEMORY_BYTES + MEMORY_CONTACT_BYTES * size.contacts) / MEGABYTE),
    ];
    lines("Memory over size", axes("MB", Scale::Powers), &series)
}

fn ready_plot(sizes: &[Size]) -> anyhow::Result<String> {
    let series = [
        over("ready after kill -9", sizes, |size| size.ready_seconds.median),
        over("goal: at most", sizes, |size| READY_SECONDS + READY_MILLION_SECONDS * size.contacts / 1e6),
    ];
    lines("Readiness after kill -9 over size", axes("seconds", Scale::Linear), &series)
}

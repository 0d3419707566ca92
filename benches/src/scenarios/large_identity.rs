//! What a known customer costs whose identity has many contacts.

use std::time::Duration;

use crate::bench::{BATCH_CONNECTIONS, Bench};
use crate::generator::{Generator, Pace};
use crate::measure::Meter;
use crate::plot::{Axes, Scale, Series, lines};
use crate::report::{Finding, Goal, milliseconds, number, picture};
use crate::requests::{Batches, Choice, Crowd, Joins, Same};
use crate::target::Target;

/// From here on the contacts make up the cost, and no longer what every request costs.
const LARGE: u64 = 1_000;
/// How much more than linear is noise: caches are left on the way.
const NOISE: f64 = 1.1;

struct Point {
    contacts: u64,
    per_second: f64,
    p50_us: u64,
    p99_us: u64,
    cpu_us: f64,
    answer_bytes: u64,
}

/// One identity of each size; one connection asks for it.
pub(crate) fn large_identity(bench: &mut Bench) -> anyhow::Result<Finding> {
    let folder = bench.scratch()?;
    let server = bench.serve(folder.path())?;
    let meter = Meter::of(server.id());
    let mut points = Vec::new();
    let mut first = 0;
    for contacts in bench.settings.identity_sizes.clone() {
        build(bench, &server.target, first, contacts)?;
        let mut same = Same::known(&server.target, bench.settings.seed, first, first + contacts - 1);
        let generator = Generator::new(&server.target, 1, &bench.interrupt);
        generator.run(&mut same, Pace::Closed, bench.settings.warm_up)?;
        // Large answers are few: they need longer until the clock ticks of `/proc` say something.
        let duration = bench.settings.round.max(Duration::from_secs(2));
        let (outcome, cpu) = meter.during(|| generator.run(&mut same, Pace::Closed, duration))?;
        outcome.must_be_right()?;
        let latencies = &outcome.latencies[0];
        points.push(Point {
            contacts,
            per_second: outcome.requests_per_second(),
            p50_us: latencies.value_at_quantile(0.5),
            p99_us: latencies.value_at_quantile(0.99),
            cpu_us: cpu.unwrap_or_default().as_secs_f64() * 1e6 / outcome.answered_ever.max(1) as f64,
            answer_bytes: outcome.body_bytes / outcome.answered_ever.max(1),
        });
        first += contacts;
    }
    let plot = plot(&points)?;
    let details = format!(
        "Embedded store. The contacts were joined in a tree by batch bodies; each has an address and a phone of its own, and the answer lists them all. \
         One connection asks for it again and again. The plot's straight line is linear growth from {} contacts on.\n\n{}\n{}",
        number(LARGE as f64),
        table(&points),
        picture("identity", "CPU a request over the contacts of the identity"),
    );
    Ok(Finding { goals: goal(&points).into_iter().collect(), details, plots: vec![("identity", plot)] })
}

/// Stores so many customers and joins them into one identity.
pub(crate) fn build(bench: &Bench, target: &Target, first: u64, contacts: u64) -> anyhow::Result<()> {
    let mut crowd = Crowd::new(bench.settings.seed, first).until(first + contacts);
    bench.run_out(target, BATCH_CONNECTIONS, &mut Batches::new(target, &mut crowd, Choice::New))?;
    let outcome = bench.run_out(target, 1, &mut Joins::new(target, bench.settings.seed, first, contacts))?;
    bench.say(&format!("  joined {contacts} contacts in {:.1} s", outcome.elapsed.as_secs_f64()));
    Ok(())
}

fn goal(points: &[Point]) -> Option<Goal> {
    let small = points.iter().find(|point| point.contacts == LARGE)?;
    let large = points.last()?;
    let (times, cost) = (large.contacts as f64 / small.contacts as f64, large.cpu_us / small.cpu_us);
    Some(Goal {
        name: format!(
            "an identity of {} contacts, cost against one of {}",
            number(large.contacts as f64),
            number(LARGE as f64)
        ),
        goal: format!("at most {} times, linear", number(times)),
        measured: format!("{cost:.1} times"),
        met: cost <= times * NOISE,
    })
}

fn table(points: &[Point]) -> String {
    let mut table =
        "| contacts | requests a second | p50 | p99 | server CPU a request | of that a contact | answer |\n\
        | --- | --- | --- | --- | --- | --- | --- |\n"
            .to_owned();
    for point in points {
        table += &format!(
            "| {} | {} | {} | {} | {} us | {:.2} us | {} bytes |\n",
            number(point.contacts as f64),
            number(point.per_second),
            milliseconds(point.p50_us),
            milliseconds(point.p99_us),
            number(point.cpu_us),
            point.cpu_us / point.contacts as f64,
            number(point.answer_bytes as f64),
        );
    }
    table
}

fn plot(points: &[Point]) -> anyhow::Result<String> {
    let measured = points.iter().map(|point| (point.contacts as f64, point.cpu_us)).collect();
    let mut series = vec![Series::new("CPU a request", measured)];
    if let Some(from) = points.iter().find(|point| point.contacts == LARGE) {
        let large = points.iter().filter(|point| point.contacts >= LARGE);
        let linear =
            large.map(|point| (point.contacts as f64, from.cpu_us * point.contacts as f64 / LARGE as f64));
        series.push(Series::new("linear", linear.collect()));
    }
    let axes =
        Axes { x: ("contacts of the identity", Scale::Powers), y: ("microseconds a request", Scale::Powers) };
    lines("An identity of many contacts", axes, &series)
}

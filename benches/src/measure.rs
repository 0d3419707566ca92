//! Rounds: what one measurement gives, and pairs of them, ours beside another's.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::bench::Bench;
use crate::generator::{Generator, Pace};
use crate::outcome::Outcome;
use crate::process;
use crate::requests::{Kind, Requests};
use crate::statistics::Spread;
use crate::target::Target;

/// Whose processor time counts as the server's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter {
    /// These processes alone.
    pub(crate) processes: Vec<u32>,
    /// These, and their children.
    pub(crate) families: Vec<u32>,
}

impl Meter {
    /// That of one process.
    pub(crate) fn of(process: u32) -> Self {
        Self { processes: vec![process], families: Vec::new() }
    }

    fn read(&self) -> anyhow::Result<Duration> {
        let mut sum = Duration::ZERO;
        for &id in &self.processes {
            sum += process::cpu(id)?;
        }
        for &id in &self.families {
            sum += process::cpu_of_family(id)?;
        }
        Ok(sum)
    }

    /// The processor time that these used while something ran; nothing, where nobody is metered.
    pub(crate) fn during<T>(
        &self,
        run: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<(T, Option<Duration>)> {
        let before = self.read()?;
        let result = run()?;
        let used = self.read()?.saturating_sub(before);
        let metered = !(self.processes.is_empty() && self.families.is_empty());
        Ok((result, metered.then_some(used)))
    }
}

/// One measurement.
#[derive(Clone, Debug)]
pub(crate) struct Round {
    /// Records a second; a request has one, but in a batch.
    pub(crate) per_second: f64,
    /// Requests that were not answered as expected, and don't count.
    pub(crate) errors: u64,
    /// Latencies in microseconds, where they were taken.
    pub(crate) latencies: Option<Histogram<u64>>,
    /// The server's processor time for a record, in microseconds.
    pub(crate) server_cpu_us: Option<f64>,
    /// The generator's.
    pub(crate) generator_cpu_us: Option<f64>,
}

impl Round {
    /// What a run says, with the processor time that its server used.
    pub(crate) fn of(outcome: &Outcome, server_cpu: Option<Duration>) -> Self {
        let records = outcome.records_ever as f64;
        let a_record = |cpu: Duration| cpu.as_secs_f64() * 1e6 / records.max(1.0);
        let mut latencies = outcome.latencies[Kind::Known as usize].clone();
        latencies += &outcome.latencies[Kind::New as usize];
        Self {
            per_second: outcome.records_per_second(),
            errors: outcome.errors,
            latencies: Some(latencies),
            server_cpu_us: server_cpu.map(a_record),
            generator_cpu_us: Some(a_record(outcome.generator_cpu)),
        }
    }
}

/// Asks a server for a while, and meters it; an error, if any request went wrong.
pub(crate) fn round(
    bench: &Bench,
    (target, meter): (&Target, &Meter),
    connections: usize,
    requests: &mut dyn Requests,
    (pace, duration): (Pace, Duration),
) -> anyhow::Result<Round> {
    let generator = Generator::new(target, connections, &bench.interrupt);
    let (outcome, cpu) = meter.during(|| generator.run(requests, pace, duration))?;
    outcome.must_be_right()?;
    Ok(Round::of(&outcome, cpu))
}

/// Rounds of ours and of another's, taken in turn.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pairs {
    /// Ours, in their order.
    pub(crate) ours: Vec<Round>,
    /// The other's; each was taken next to ours of the same place.
    pub(crate) theirs: Vec<Round>,
}

/// A way to measure one side for a while.
pub(crate) type Side<'side> = &'side mut dyn FnMut(Duration) -> anyhow::Result<Round>;

impl Pairs {
    /// Warms both sides up, then measures them in turn.
    pub(crate) fn measure(bench: &Bench, ours: Side<'_>, theirs: Side<'_>) -> anyhow::Result<Self> {
        let settings = &bench.settings;
        ours(settings.warm_up)?;
        theirs(settings.warm_up)?;
        let mut pairs = Self::default();
        for _ in 0..settings.pairs {
            pairs.ours.push(ours(settings.round)?);
            pairs.theirs.push(theirs(settings.round)?);
        }
        Ok(pairs)
    }

    /// Ours divided by theirs, pair by pair.
    pub(crate) fn ratio(&self) -> Spread {
        Spread::of_ratios(&rates(&self.ours), &rates(&self.theirs))
    }
}

/// The records a second of some rounds.
pub(crate) fn rates(rounds: &[Round]) -> Vec<f64> {
    rounds.iter().map(|round| round.per_second).collect()
}

/// The latencies of all of some rounds together, where they were taken.
pub(crate) fn latencies(rounds: &[Round]) -> Option<Histogram<u64>> {
    let mut all = rounds.iter().filter_map(|round| round.latencies.clone());
    let first = all.next()?;
    Some(all.fold(first, |sum, next| sum + &next))
}

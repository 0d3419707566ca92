//! What a run of the load generator saw: counts, latencies and errors.

use std::time::Duration;

use anyhow::bail;
use hdrhistogram::Histogram;

/// The longest latency that is told apart from longer ones.
const LATENCY_MICROSECONDS_MAX: u64 = 600_000_000;
/// The most errors of a run: some servers refuse a little under load, and that is counted and told.
const ERRORS_MAX: u64 = 10_000;

/// What a run saw.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// From the first request to the end of the run, or to the last answer where the requests came to their end.
    pub(crate) elapsed: Duration,
    /// Requests that were answered as expected within the run.
    pub(crate) answered: u64,
    /// The records in those.
    pub(crate) records: u64,
    /// All requests that were answered, those after the end and the errors too.
    pub(crate) answered_ever: u64,
    /// The records in those, but for errors.
    pub(crate) records_ever: u64,
    /// All bytes of bodies.
    pub(crate) body_bytes: u64,
    /// Answers that were not as expected, and connections that broke.
    pub(crate) errors: u64,
    /// The first of those.
    pub(crate) first_error: Option<String>,
    /// Whether there was no more to ask before the time was up.
    pub(crate) exhausted: bool,
    /// Latencies in microseconds of known customers, then of new ones.
    pub(crate) latencies: [Histogram<u64>; 2],
    /// Records in each second of the run.
    pub(crate) by_second: Vec<u64>,
    /// The generator's own processor time.
    pub(crate) generator_cpu: Duration,
}

impl Outcome {
    pub(crate) fn new() -> Self {
        let histogram = || {
            Histogram::new_with_bounds(1, LATENCY_MICROSECONDS_MAX, 3)
                .expect("the bounds are constants that do")
        };
        Self {
            elapsed: Duration::ZERO,
            answered: 0,
            records: 0,
            answered_ever: 0,
            records_ever: 0,
            body_bytes: 0,
            errors: 0,
            first_error: None,
            exhausted: false,
            latencies: [histogram(), histogram()],
            by_second: Vec::new(),
            generator_cpu: Duration::ZERO,
        }
    }

    /// Requests a second.
    pub(crate) fn requests_per_second(&self) -> f64 {
        self.answered as f64 / self.elapsed.as_secs_f64()
    }

    /// Records a second.
    pub(crate) fn records_per_second(&self) -> f64 {
        self.records as f64 / self.elapsed.as_secs_f64()
    }

    /// An error if anything was not answered as expected: no number may stand on that.
    pub(crate) fn must_be_right(&self) -> anyhow::Result<()> {
        match &self.first_error {
            None => Ok(()),
            Some(error) => bail!("{} requests went wrong; the first: {error}", self.errors),
        }
    }

    /// An error if so much went wrong that going on measures nothing.
    pub(crate) fn must_make_sense(&self) -> anyhow::Result<()> {
        if self.errors > ERRORS_MAX { self.must_be_right() } else { Ok(()) }
    }

    pub(crate) fn fail(&mut self, error: String) {
        self.errors += 1;
        self.first_error.get_or_insert(error);
    }
}

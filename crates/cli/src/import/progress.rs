//! What a person sees while an import runs: on a terminal only, but for rows that can't be used.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use super::lines::{Rejected, Standing, a_second};
use crate::say;

/// How many rejected rows are told one by one, where no file of them is written.
const REJECTED_TOLD: u64 = 10;

const BY_BYTES: &str = "{msg} {wide_bar} {bytes}/{total_bytes}, {eta} left";
const BY_ROWS: &str = "{msg} {wide_bar} {human_pos}/{human_len} rows, {eta} left";
const BY_NOTHING: &str = "{msg} {spinner}";

/// A progress bar that is moved by what is durable.
pub(crate) struct Progress {
    bar: ProgressBar,
    bytes: Option<u64>,
    sent: Arc<AtomicU64>,
    rejected: AtomicU64,
    begun: Instant,
}

impl Progress {
    /// `bytes`: how long the file is, if that is known.
    pub(crate) fn begin(bytes: Option<u64>, is_hidden: bool) -> Self {
        let bar = if is_hidden { ProgressBar::hidden() } else { ProgressBar::new(bytes.unwrap_or_default()) };
        style(&bar, if bytes.is_some() { BY_BYTES } else { BY_NOTHING });
        bar.set_message("reading");
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, bytes, sent: Arc::default(), rejected: AtomicU64::new(0), begun: Instant::now() }
    }

    /// Counts what is sent of the file.
    pub(crate) fn sent(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.sent)
    }

    /// Says something above the bar.
    pub(crate) fn say(&self, text: &str, is_hidden: bool) {
        if !is_hidden {
            self.bar.suspend(|| say(text));
        }
    }

    pub(crate) fn rejected(&self, row: &Rejected, is_told_elsewhere: bool) {
        let before = self.rejected.fetch_add(1, Ordering::Relaxed);
        if is_told_elsewhere || before > REJECTED_TOLD {
            return;
        }
        let text = match (before, &row.column) {
            (REJECTED_TOLD, _) => "more rows can't be used; --rejects FILE writes all of them".to_owned(),
            (_, Some(column)) => format!("line {}, `{column}`: {}", row.line, row.reason),
            (_, None) => format!("line {}: {}", row.line, row.reason),
        };
        self.bar.suspend(|| say(&text));
    }

    pub(crate) fn stored(&self, standing: &Standing) {
        let a_second = a_second(standing.decided - standing.rows_before, self.begun.elapsed());
        let message = format!("{} rows, {} a second", HumanCount(standing.decided), HumanCount(a_second));
        self.bar.set_message(message);
        let taken = standing.rows - standing.rejected;
        match self.bytes {
            // All is read, and waits in the order of its times.
            Some(bytes) if standing.bytes >= bytes && taken > standing.decided => {
                style(&self.bar, BY_ROWS);
                self.bar.set_length(taken);
                self.bar.set_position(standing.decided);
            }
            Some(_) => self.bar.set_position(standing.bytes),
            None => {}
        }
    }

    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }
}

fn style(bar: &ProgressBar, template: &str) {
    bar.set_style(ProgressStyle::with_template(template).expect("the templates above are well-formed"));
}

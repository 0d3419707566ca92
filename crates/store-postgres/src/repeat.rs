//! How long an answer may take, and how long to wait before what failed is tried again.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

const PAUSE_MIN: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_millis(200);

/// How long an answer may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// With all its attempts.
    pub(crate) answer: Duration,
    /// One attempt: a connection whose other end is gone without a word must leave time for another.
    pub(crate) attempt: Duration,
}

impl Limits {
    /// The end of an attempt that begins now, of an answer that is due at `deadline`.
    pub(crate) fn of_attempt(&self, deadline: Instant) -> Instant {
        deadline.min(Instant::now() + self.attempt)
    }
}

/// Waits before the attempt after `attempt`, counted from 0; false, at once, if it would begin after the deadline.
pub(crate) async fn pause(attempt: u32, deadline: Instant) -> bool {
    let wait = PAUSE_MIN.saturating_mul(1 << attempt.min(10)).min(PAUSE_MAX);
    let until = Instant::now() + wait;
    if until >= deadline {
        return false;
    }
    sleep_until(until).await;
    true
}

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
    /// The first attempt: a connection whose other end is gone without a word must leave time for another.
    pub(crate) attempt: Duration,
}

/// How many times as long a correction, or a question about the past, may take as another answer: it reads whole people and all
/// that ever happened to them, a hundred thousand contacts perhaps, and whoever asks it knows.
const PATIENCE: u32 = 12;

impl Limits {
    /// The limits of what may take its time.
    pub(crate) fn patient(self) -> Self {
        let answer = self.answer.saturating_mul(PATIENCE);
        Self { answer, attempt: answer.min(self.attempt.saturating_mul(4)) }
    }

    /// The end of an attempt that begins now, counted from 0, of an answer that is due at `deadline`. Each may take twice as long
    /// as the one before it: what timed out may have been large.
    pub(crate) fn of_attempt(&self, attempt: u32, deadline: Instant) -> Instant {
        deadline.min(Instant::now() + self.attempt.saturating_mul(1 << attempt.min(10)))
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

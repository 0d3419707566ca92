//! How often a request is sent, and how long it waits in between.

use std::time::Duration;

use crate::error::Error;

/// The wait before the first retry, and what the next ones are multiples of.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// How often a request that failed is sent again, and how long a client waits before it does.
///
/// Sent again is what may do better a moment later: where no connection was made or one broke, where the server said nothing,
/// where it (or a gateway before it) answers 502, 503 or 504, and where its answer has `Retry-After`. That never does anything
/// twice: whatever changes something is sent with an `Idempotency-Key`, the same each time, or changes nothing when it comes again.
///
/// ```
/// use std::time::Duration;
/// use selfsame_client::Retries;
///
/// let patient = Retries::times(10).wait_at_most(Duration::from_secs(30));
/// let once = Retries::none();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    times_max: u32,
    wait_max: Duration,
}

impl Default for Retries {
    /// Four times, with at most five seconds before each.
    fn default() -> Self {
        Self::times(4)
    }
}

impl Retries {
    /// Each request is sent once.
    pub fn none() -> Self {
        Self::times(0)
    }

    /// So often after the first time, at most.
    pub fn times(times_max: u32) -> Self {
        Self { times_max, wait_max: Duration::from_secs(5) }
    }

    /// The longest wait. A request that the server wants to have later than that isn't sent again.
    #[must_use]
    pub fn wait_at_most(self, wait_max: Duration) -> Self {
        Self { wait_max, ..self }
    }

    /// How long to wait before the request is sent again after so many failures, if it is to be.
    pub(crate) fn wait_after(&self, failures: u32, last: &Error) -> Option<Duration> {
        if failures > self.times_max || !last.is_temporary() {
            return None;
        }
        match last.problem().and_then(|problem| problem.retry_after) {
            None => Some(self.back_off(failures)),
            // Thousands may have been told the same second.
            Some(wait) => (wait <= self.wait_max).then(|| wait + part_of(FIRST_WAIT)),
        }
    }

    /// Twice as long after each failure, with some chance in it, so that clients that were cut off together don't come back
    /// together.
    pub(crate) fn back_off(&self, failures: u32) -> Duration {
        let doubled = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
        let wait = doubled.min(self.wait_max);
        wait / 2 + part_of(wait / 2)
    }
}

/// Some part of a time, by chance; all of it where the system has no randomness.
fn part_of(time: Duration) -> Duration {
    let mut byte = [u8::MAX];
    let parts = if getrandom::fill(&mut byte).is_ok() { byte[0] } else { u8::MAX };
    time * u32::from(parts) / u32::from(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Problem;

    fn problem(status: u16, retry_after: Option<u64>) -> Error {
        Error::Problem(Box::new(Problem {
            status,
            code: "code".to_owned(),
            detail: "detail".to_owned(),
            request_id: "id".to_owned(),
            line: None,
            retry_after: retry_after.map(Duration::from_secs),
        }))
    }

    #[test]
    fn only_what_may_do_better_is_sent_again_and_not_for_ever() {
        let retries = Retries::times(2).wait_at_most(Duration::from_secs(3));
        for (error, again) in [
            (problem(503, None), true),
            (problem(503, Some(3)), true),
            (problem(503, Some(4)), false),
            (problem(429, Some(1)), true),
            (problem(409, Some(1)), true),
            (problem(409, None), false),
            (problem(400, None), false),
            (problem(500, None), false),
            (Error::TimedOut(Duration::ZERO), true),
            (Error::Unexpected { status: 502 }, true),
            (Error::Unexpected { status: 302 }, false),
        ] {
            for failures in [1, 2] {
                let wait = retries.wait_after(failures, &error);
                assert_eq!(wait.is_some(), again, "{error}");
                assert!(wait.is_none_or(|wait| wait <= Duration::from_millis(3_100)), "{wait:?}");
            }
            assert_eq!(retries.wait_after(3, &error), None, "{error}");
        }
        assert_eq!(Retries::none().wait_after(1, &problem(503, None)), None);
    }

    #[test]
    fn waits_grow_up_to_a_bound() {
        let retries = Retries::default().wait_at_most(Duration::from_secs(1));
        for (failures, most) in [(1, 100), (2, 200), (4, 800), (5, 1_000), (1_000, 1_000)] {
            let (wait, most) = (retries.back_off(failures), Duration::from_millis(most));
            assert!(wait >= most / 2 && wait <= most, "{failures}: {wait:?}");
        }
    }
}

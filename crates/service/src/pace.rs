//! How fast changes are committed, and so how long one more would wait for its turn.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// How many batches are remembered: few enough that a store which became slow is noticed at once.
const REMEMBERED: usize = 5;

/// What is known of the last batches, and of the one that the store is at.
#[derive(Debug)]
pub(crate) struct Pace {
    /// How long each took, the latest last.
    took: VecDeque<Duration>,
    /// Batches that the store was given and has not answered.
    on_their_way: usize,
    /// Since when it has been at the first of those.
    since: Instant,
}

impl Pace {
    pub(crate) fn new() -> Self {
        Self { took: VecDeque::with_capacity(REMEMBERED), on_their_way: 0, since: Instant::now() }
    }

    /// The store was given a batch.
    pub(crate) fn begun(&mut self, now: Instant) {
        if self.on_their_way == 0 {
            self.since = now;
        }
        self.on_their_way += 1;
    }

    /// The store has answered the first of those that it was given. What failed says nothing about the next.
    pub(crate) fn ended(&mut self, now: Instant, committed: bool) {
        if committed {
            if self.took.len() == REMEMBERED {
                self.took.pop_front();
            }
            self.took.push_back(now - self.since);
        }
        self.on_their_way = self.on_their_way.saturating_sub(1);
        self.since = now;
    }

    /// How long a batch would wait until the store comes to it, with so many full ones before it that the store
    /// was not given yet.
    ///
    /// The batch that the store is at takes as long as they usually do; once it took longer, it is expected to be late
    /// by as much again. So a stall is seen while it lasts, and forgotten with its end: what usually happens is the
    /// median, which one batch doesn't move.
    pub(crate) fn wait(&self, now: Instant, full_batches: usize) -> Duration {
        let usual = self.usual();
        let current = if self.on_their_way == 0 { Duration::ZERO } else { usual.abs_diff(now - self.since) };
        let others = usual.saturating_mul(u32::try_from(full_batches).unwrap_or(u32::MAX));
        current.saturating_add(others)
    }

    /// How long a batch takes; no time at all as long as none was committed.
    fn usual(&self) -> Duration {
        let mut sorted: Vec<Duration> = self.took.iter().copied().collect();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A pace that has seen batches which took so many seconds each, and the moment after the last.
    fn after(took_seconds: &[u32]) -> (Pace, Instant) {
        let (mut pace, mut now) = (Pace::new(), Instant::now());
        for seconds in took_seconds {
            pace.begun(now);
            now += SECOND * *seconds;
            pace.ended(now, true);
        }
        (pace, now)
    }

    #[test]
    fn nothing_is_expected_to_wait_before_anything_was_seen() {
        let (mut pace, now) = after(&[]);
        assert_eq!(pace.wait(now, 9), Duration::ZERO);
        pace.begun(now);
        assert_eq!(pace.wait(now, 9), Duration::ZERO);
        // The first batch stalls.
        assert_eq!(pace.wait(now + SECOND * 3, 9), SECOND * 3);
    }

    #[test]
    fn each_full_batch_before_it_takes_as_long_as_usual() {
        let (mut pace, now) = after(&[2, 2, 2]);
        assert_eq!(pace.wait(now, 0), Duration::ZERO);
        assert_eq!(pace.wait(now, 3), SECOND * 6);
        pace.begun(now);
        assert_eq!(pace.wait(now, 1), SECOND * 4);
        assert_eq!(pace.wait(now + SECOND, 1), SECOND * 3);
        assert_eq!(pace.wait(now + SECOND * 2, 1), SECOND * 2);
        assert_eq!(pace.wait(now + SECOND * 7, 1), SECOND * 7);
    }

    #[test]
    fn one_stall_is_no_pace_and_a_slow_store_is() {
        assert_eq!(after(&[1, 1, 60]).0.usual(), SECOND);
        assert_eq!(after(&[1, 1, 1, 1, 1, 60, 60]).0.usual(), SECOND);
        assert_eq!(after(&[1, 1, 1, 1, 1, 60, 60, 60]).0.usual(), SECOND * 60);
        assert_eq!(after(&[60, 60, 60, 60, 60, 1, 1, 1]).0.usual(), SECOND);
    }

    #[test]
    fn what_waits_behind_another_batch_is_timed_from_its_own_turn() {
        let (mut pace, now) = after(&[]);
        pace.begun(now);
        pace.begun(now);
        pace.ended(now + SECOND * 3, true);
        pace.ended(now + SECOND * 4, true);
        assert_eq!(pace.took, [SECOND * 3, SECOND]);
    }

    #[test]
    fn a_batch_that_failed_says_nothing_of_the_next() {
        let (mut pace, now) = after(&[2]);
        pace.begun(now);
        pace.ended(now + SECOND * 9, false);
        assert_eq!(pace.wait(now + SECOND * 9, 1), SECOND * 2);
    }
}

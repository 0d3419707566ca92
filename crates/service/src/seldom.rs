//! Log lines of what happens thousands of times a second when it happens: the first, and then one in a while.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

/// How long nothing is said after a line.
const SILENCE: Duration = Duration::from_secs(10);

/// Decides which of many equal lines are written.
#[derive(Debug, Default)]
pub struct Seldom(Mutex<Unsaid>);

#[derive(Debug, Default)]
struct Unsaid {
    silent_until: Option<Instant>,
    times: u64,
}

impl Seldom {
    /// Counts one more time; how many there were since the last line, if it is time for another.
    pub fn times(&self) -> Option<u64> {
        let now = Instant::now();
        let mut unsaid = self.unsaid();
        unsaid.times += 1;
        if unsaid.silent_until.is_some_and(|until| now < until) {
            return None;
        }
        unsaid.silent_until = Some(now + SILENCE);
        Some(std::mem::take(&mut unsaid.times))
    }

    fn unsaid(&self) -> MutexGuard<'_, Unsaid> {
        self.0.lock().expect("nothing panics while it holds this")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_said_and_the_others_are_counted() {
        let seldom = Seldom::default();
        assert_eq!(seldom.times(), Some(1));
        assert_eq!([seldom.times(), seldom.times()], [None, None]);
        seldom.unsaid().silent_until = Some(Instant::now());
        assert_eq!(seldom.times(), Some(3));
        assert_eq!(seldom.times(), None);
    }
}

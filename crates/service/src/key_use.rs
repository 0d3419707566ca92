//! How much a key is used: its rate and what is under way, on this replica.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use selfsame_rules::KeyLimits;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Holds a key to its limits. Clones hold it together.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyUse {
    limits: KeyLimits,
    rate: Option<Arc<Rate>>,
    at_once: Option<Arc<Semaphore>>,
}

/// What is left of a rate after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLeft {
    /// Requests a second.
    pub requests_per_second: u32,
    /// How many more would be taken at once.
    pub remaining: u32,
    /// When there is room for one that is refused now.
    pub retry_after: Option<Duration>,
}

/// A request that is counted as under way for as long as this is kept.
#[derive(Debug, Default)]
pub struct UnderWay {
    _permit: Option<OwnedSemaphorePermit>,
}

/// Why a request is one too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooMuch {
    /// In this second.
    Rate(RateLeft),
    /// At once: so many are under way.
    AtOnce(u32),
}

impl KeyUse {
    pub(crate) fn new(limits: KeyLimits) -> Self {
        let rate = limits.requests_per_second.filter(|per_second| *per_second > 0);
        let at_once = limits.requests_at_once_max;
        Self {
            limits,
            rate: rate.map(|per_second| Arc::new(Rate::new(per_second, Instant::now()))),
            at_once: at_once.map(|at_once| Arc::new(Semaphore::new(at_once as usize))),
        }
    }

    /// Counts one more request, or refuses it.
    pub(crate) fn begin(&self) -> Result<(UnderWay, Option<RateLeft>), TooMuch> {
        let permit = match &self.at_once {
            None => None,
            Some(at_once) => {
                let permit = Arc::clone(at_once).try_acquire_owned();
                let limit = self.limits.requests_at_once_max.unwrap_or_default();
                Some(permit.map_err(|_| TooMuch::AtOnce(limit))?)
            }
        };
        let under_way = UnderWay { _permit: permit };
        let Some(rate) = &self.rate else { return Ok((under_way, None)) };
        let now = Instant::now();
        match rate.take(1, now) {
            Ok(()) => Ok((under_way, Some(rate.left(now)))),
            Err(wait) => {
                Err(TooMuch::Rate(RateLeft { remaining: 0, retry_after: Some(wait), ..rate.left(now) }))
            }
        }
    }

    /// Waits until so many more requests are within the rate.
    pub(crate) async fn pay(&self, count: u32) {
        let Some(rate) = &self.rate else { return };
        let mut left = count;
        while left > 0 {
            let some = left.min(rate.per_second);
            match rate.take(some, Instant::now()) {
                Ok(()) => left -= some,
                Err(wait) => tokio::time::sleep(wait).await,
            }
        }
    }

    /// Counts so many more requests at once, also where they are more than the rate: the key is refused until that is made up for.
    pub(crate) fn owe(&self, count: u32) {
        if let Some(rate) = &self.rate {
            rate.owe(count, Instant::now());
        }
    }

    /// What is left of the rate now, if there is one.
    pub(crate) fn left(&self) -> Option<RateLeft> {
        self.rate.as_ref().map(|rate| rate.left(Instant::now()))
    }

    /// The limits that it holds the key to.
    pub(crate) fn limits(&self) -> KeyLimits {
        self.limits
    }
}

/// So many requests a second, of which those of one second may come at once.
///
/// It is kept as the moment at which as many may come at once as ever: each request puts that off by its share of a second, and
/// it may be one second ahead. What is owed puts it off by more. (A limiter of a library's, which would do otherwise, lets nobody
/// owe anything.)
#[derive(Debug)]
struct Rate {
    per_second: u32,
    whole_at: Mutex<Instant>,
}

/// How many requests may come at once, by the time that they take.
const BURST: Duration = Duration::from_secs(1);

impl Rate {
    fn new(per_second: u32, now: Instant) -> Self {
        Self { per_second, whole_at: Mutex::new(now) }
    }

    /// Counts so many requests, or tells how long they have to wait. `count`: at most those of a second.
    fn take(&self, count: u32, now: Instant) -> Result<(), Duration> {
        let mut whole_at = self.whole_at.lock().expect("nothing panics while it holds this");
        let then = now.max(*whole_at) + self.share(count);
        match (then - now).checked_sub(BURST) {
            None | Some(Duration::ZERO) => {
                *whole_at = then;
                Ok(())
            }
            Some(wait) => Err(wait),
        }
    }

    /// Counts so many requests, whether they are within the rate or not.
    fn owe(&self, count: u32, now: Instant) {
        let mut whole_at = self.whole_at.lock().expect("nothing panics while it holds this");
        *whole_at = now.max(*whole_at) + self.share(count);
    }

    fn left(&self, now: Instant) -> RateLeft {
        let whole_at = *self.whole_at.lock().expect("nothing panics while it holds this");
        let free = BURST.saturating_sub(whole_at.saturating_duration_since(now));
        let remaining = free.as_nanos() * u128::from(self.per_second) / BURST.as_nanos();
        let remaining = u32::try_from(remaining).unwrap_or(u32::MAX);
        RateLeft { requests_per_second: self.per_second, remaining, retry_after: None }
    }

    /// The time in which so many requests may come.
    fn share(&self, count: u32) -> Duration {
        BURST * count / self.per_second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_refused_from_its_end_on_until_there_is_room() {
        let now = Instant::now();
        for per_second in [1, 2, 3, 7, 1_000, u32::MAX] {
            let rate = Rate::new(per_second, now);
            assert_eq!(rate.take(per_second, now), Ok(()));
            assert_eq!(rate.left(now).remaining, 0, "{per_second}");
            let wait = rate.take(1.max(per_second / 1_000), now).unwrap_err();
            assert!(wait <= BURST / per_second.min(1_000), "{per_second}: {wait:?}");
            assert!(rate.take(1.max(per_second / 1_000), now + wait - Duration::from_nanos(1)).is_err());
            assert_eq!(rate.take(1.max(per_second / 1_000), now + wait), Ok(()), "{per_second}");
        }
        let rate = Rate::new(10, now);
        assert_eq!(rate.take(4, now), Ok(()));
        assert_eq!((rate.left(now).remaining, rate.left(now + BURST).remaining), (6, 10));
    }

    #[test]
    fn what_is_owed_is_made_up_for_before_anything_else() {
        let (rate, now) = (Rate::new(5, Instant::now()), Instant::now());
        assert_eq!(rate.take(1, now), Ok(()));
        rate.owe(99, now);
        let second = Duration::from_secs(1);
        assert_eq!(rate.left(now).remaining, 0);
        let wait = rate.take(1, now).unwrap_err();
        assert!(wait > 19 * second && wait <= 20 * second, "a hundred of five a second: {wait:?}");
        assert_eq!(rate.take(1, now + wait), Ok(()));
        assert_eq!(rate.left(now + 40 * second).remaining, 5, "and then all is as it was");
    }

    #[test]
    fn a_request_too_many_is_refused_and_told_when_to_come_again() {
        let limits = KeyLimits { requests_per_second: Some(2), requests_at_once_max: None };
        let key = KeyUse::new(limits);
        let left = [(); 2].map(|()| key.begin().unwrap().1.unwrap().remaining);
        assert_eq!(left, [1, 0]);
        let Err(TooMuch::Rate(left)) = key.begin() else { panic!("a third is one too many") };
        assert_eq!((left.requests_per_second, left.remaining), (2, 0));
        assert!(left.retry_after.unwrap() <= Duration::from_millis(500));
    }

    #[test]
    fn requests_at_once_are_counted_until_they_end() {
        let key = KeyUse::new(KeyLimits { requests_per_second: None, requests_at_once_max: Some(1) });
        let first = key.begin().unwrap();
        assert_eq!(key.clone().begin().unwrap_err(), TooMuch::AtOnce(1));
        drop(first);
        assert!(key.begin().is_ok());
    }

    #[test]
    fn a_key_without_limits_has_none() {
        let key = KeyUse::new(KeyLimits::default());
        let under_way: Vec<_> = (0..1_000).map(|_| key.begin().unwrap()).collect();
        assert!(under_way.iter().all(|(_, left)| left.is_none()));
    }
}

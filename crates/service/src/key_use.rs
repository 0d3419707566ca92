//! How much a key is used: its rate and what is under way, on this replica.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use selfsame_rules::KeyLimits;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

type Limiter = RateLimiter<NotKeyed, InMemoryState, DefaultClock, StateInformationMiddleware>;

/// Holds a key to its limits. Clones hold it together.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyUse {
    limits: KeyLimits,
    rate: Option<Arc<Limiter>>,
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
        let rate = limits.requests_per_second.and_then(NonZeroU32::new);
        let at_once = limits.requests_at_once_max;
        Self {
            limits,
            rate: rate.map(|rate| Arc::new(RateLimiter::direct(Quota::per_second(rate)).with_middleware())),
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
        let (Some(rate), Some(requests_per_second)) = (&self.rate, self.limits.requests_per_second) else {
            return Ok((under_way, None));
        };
        match rate.check() {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                Ok((under_way, Some(RateLeft { requests_per_second, remaining, retry_after: None })))
            }
            Err(not_until) => {
                let retry_after = Some(not_until.wait_time_from(DefaultClock::default().now()));
                Err(TooMuch::Rate(RateLeft { requests_per_second, remaining: 0, retry_after }))
            }
        }
    }

    /// Waits until so many more requests are within the rate.
    pub(crate) async fn pay(&self, count: u32) {
        let (Some(rate), Some(burst)) = (&self.rate, self.limits.requests_per_second) else { return };
        let mut left = count;
        while let Some(some) = NonZeroU32::new(left.min(burst)) {
            // A burst is never more than the limiter holds.
            let _ = rate.until_n_ready(some).await;
            left -= some.get();
        }
    }

    /// The limits that it holds the key to.
    pub(crate) fn limits(&self) -> KeyLimits {
        self.limits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

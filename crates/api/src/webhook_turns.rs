//! How many connections to endpoints of webhooks may be open, and whose turn it is to open one: each is an open file of the
//! process, and those that answer requests need theirs.
//!
//! Whoever waits gets a turn in the order in which they came; one that only keeps its connection for the next message gives it
//! up to them. An endpoint that hasn't answered yet, or not since it failed, gets one of one half of the turns: however many hang,
//! the other half goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The turns that there are.
#[derive(Clone)]
pub(crate) struct Turns(Arc<Inner>);

struct Inner {
    all: Arc<Semaphore>,
    untried: Arc<Semaphore>,
    /// How many wait for one of all.
    waiting: AtomicUsize,
    /// Told when one more waits.
    wanted: Notify,
}

/// What allows one connection, for as long as it is kept.
pub(crate) type Turn = OwnedSemaphorePermit;

impl Turns {
    /// `most`: how many connections may be open; one at least.
    pub(crate) fn new(most: usize) -> Self {
        let most = most.clamp(1, Semaphore::MAX_PERMITS);
        let inner = Inner {
            all: Arc::new(Semaphore::new(most)),
            untried: Arc::new(Semaphore::new(most.div_ceil(2))),
            waiting: AtomicUsize::new(0),
            wanted: Notify::new(),
        };
        Self(Arc::new(inner))
    }

    /// Waits until one more may be tried that hasn't answered; what it gets holds until it has.
    pub(crate) async fn trial(&self) -> Turn {
        permit(&self.0.untried).await
    }

    /// Waits for a turn.
    pub(crate) async fn take(&self) -> Turn {
        let inner = &self.0;
        if let Ok(turn) = Arc::clone(&inner.all).try_acquire_owned() {
            return turn;
        }
        let _waits = Waits::begin(inner);
        permit(&inner.all).await
    }

    /// Returns when somebody waits who could have the turn of a connection that is only kept.
    pub(crate) async fn wanted(&self) {
        while self.0.waiting.load(Ordering::SeqCst) == 0 {
            self.0.wanted.notified().await;
        }
    }
}

/// Somebody who waits, also if he is gone before his turn.
struct Waits<'turns>(&'turns Inner);

impl<'turns> Waits<'turns> {
    fn begin(inner: &'turns Inner) -> Self {
        inner.waiting.fetch_add(1, Ordering::SeqCst);
        // If nobody keeps a connection now, the next who does is told.
        inner.wanted.notify_one();
        Self(inner)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn permit(semaphore: &Arc<Semaphore>) -> Turn {
    Arc::clone(semaphore).acquire_owned().await.expect("it is never closed")
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn no_more_turns_are_given_than_there_are_and_those_who_wait_get_them_in_order() {
        let turns = Turns::new(2);
        let (one, other) = (turns.take().await, turns.take().await);
        let (mut first, mut second) = (Box::pin(turns.take()), Box::pin(turns.take()));
        assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
        drop(one);
        assert!(second.as_mut().now_or_never().is_none(), "another came first");
        let first = first.await;
        drop((first, other));
        drop(second.await);
    }

    #[tokio::test]
    async fn half_of_the_endpoints_at_most_are_tried() {
        let turns = Turns::new(3);
        let (one, _other) = (turns.trial().await, turns.trial().await);
        assert!(turns.trial().now_or_never().is_none());
        drop(one);
        assert!(turns.trial().now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_connection_is_wanted_for_as_long_as_somebody_waits() {
        let turns = Turns::new(1);
        let _turn = turns.take().await;
        assert!(turns.wanted().now_or_never().is_none());
        let mut waits = Box::pin(turns.take());
        assert!(waits.as_mut().now_or_never().is_none());
        assert!(turns.wanted().now_or_never().is_some() && turns.wanted().now_or_never().is_some());
        drop(waits);
        assert!(turns.wanted().now_or_never().is_none(), "nobody waits any more");
    }
}

//! A workspace in memory that follows its log: what a store without one of its own may decide on, where very much is to be
//! decided.

use std::sync::{Arc, Mutex, MutexGuard};

use selfsame_rules::{Event, Identities, IdentityIndex, Outcome, Sequence};

/// A workspace as of an event of its log. Clones are the same.
#[derive(Clone)]
pub struct Following(Arc<Mutex<Followed>>);

/// What a lock on it gives.
pub struct Followed {
    index: IdentityIndex,
    /// Whether something came that it can't follow.
    is_stale: bool,
}

impl Following {
    /// One that has followed the log so far.
    pub fn new(index: IdentityIndex) -> Self {
        Self(Arc::new(Mutex::new(Followed { index, is_stale: false })))
    }

    /// For as long as the guard lives, nobody else looks or follows.
    ///
    /// # Panics
    ///
    /// If somebody panicked who had it.
    pub fn lock(&self) -> MutexGuard<'_, Followed> {
        self.0.lock().expect("nothing panics while it holds this")
    }
}

impl Followed {
    /// The workspace.
    pub fn index(&self) -> &IdentityIndex {
        &self.index
    }

    /// The last event that it has followed.
    pub fn last(&self) -> Sequence {
        self.index.head().last_sequence
    }

    /// Whether it is of no more use, and is to be made anew from the log.
    pub fn is_stale(&self) -> bool {
        self.is_stale
    }

    /// Follows the events that come next. An erasure rewrites events before it, which were followed as they were: then it is stale,
    /// as it is where an event is none that could come next.
    pub fn follow(&mut self, events: &[Event]) {
        self.is_stale |= events.iter().any(|event| matches!(event.outcome, Outcome::Erased { .. }));
        self.is_stale |= self.index.follow_all(events).is_err();
    }
}

//! Requests with an idempotency key that are under way in this process: a second one doesn't wait for the first.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use selfsame_store::{Once, WorkspaceKey};

/// Where its answer will be kept, and under what.
type Place = (WorkspaceKey, &'static str, Box<str>);

/// Those that are under way in this process.
#[derive(Clone, Default)]
pub(crate) struct InFlight(Arc<Mutex<HashSet<Place>>>);

/// A request that is under way, for as long as this is kept.
pub struct Flight {
    all: InFlight,
    place: Place,
}

impl InFlight {
    /// Counts it as under way; nothing if one with its key is.
    pub(crate) fn begin(&self, once: &Once) -> Option<Flight> {
        let place = (once.workspace(), once.route(), Box::from(once.key()));
        let is_new = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(place.clone());
        is_new.then(|| Flight { all: self.clone(), place })
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.all.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.place);
    }
}

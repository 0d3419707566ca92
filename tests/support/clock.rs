//! Clocks that a test sets: the one that dates events, and the one that waits are measured with.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use selfsame_rules::Timestamp;
use selfsame_service::Clock;

/// Stands still until it is set.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    pub fn set(&self, milliseconds: i64) {
        self.0.store(milliseconds, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_milliseconds(self.0.load(Ordering::SeqCst))
    }
}

/// Keeps tokio's paused clock from running ahead whenever nothing in this runtime has work to do: the store and the
/// kernel may have some. While this lives, time passes by `tokio::time::advance` alone.
pub struct HeldTime {
    _released: std::sync::mpsc::Sender<()>,
}

impl HeldTime {
    /// Holds the clock, which must be paused.
    pub fn hold() -> Self {
        let (released, waits) = std::sync::mpsc::channel::<()>();
        // A clock with blocking work to wait for doesn't run ahead.
        tokio::task::spawn_blocking(move || waits.recv().ok());
        Self { _released: released }
    }
}

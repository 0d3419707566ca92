//! Turns: a connection has one request answered, and then others go on, however many more it has sent already.
//!
//! hyper answers up to sixteen pipelined requests before it gives way. Hundreds of connections full of them would make
//! everybody else wait for so many each time round.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The turn of a connection, which one request may take.
#[derive(Clone, Default)]
pub(crate) struct Turn {
    /// By the connection's own task alone, so nothing has to be ordered.
    is_taken: Arc<AtomicBool>,
}

impl Turn {
    /// Takes it; false if another request has it.
    pub(crate) fn take(&self) -> bool {
        !self.is_taken.swap(true, Ordering::Relaxed)
    }

    /// Runs the connection, which has a turn each time that it is polled.
    pub(crate) async fn each_time<F: Future>(self, connection: F) -> F::Output {
        let mut connection = pin!(connection);
        poll_fn(|context| {
            self.is_taken.store(false, Ordering::Relaxed);
            connection.as_mut().poll(context)
        })
        .await
    }
}

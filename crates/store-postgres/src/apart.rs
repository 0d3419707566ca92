//! Work that takes long because an identity is large, kept off the threads that everybody's answers come from.

use tokio::task::spawn_blocking;

/// From how many rows on: reading and deciding these takes a few milliseconds.
const ROWS_MIN: usize = 2_000;

/// Does `work`, which is on so many rows.
pub(crate) async fn apart<T: Send + 'static>(rows: usize, work: impl FnOnce() -> T + Send + 'static) -> T {
    if rows < ROWS_MIN {
        return work();
    }
    match spawn_blocking(work).await {
        Ok(done) => done,
        // Nobody ends such a task; so it panicked, and whoever asked for it is to panic.
        Err(ended) => std::panic::resume_unwind(ended.into_panic()),
    }
}

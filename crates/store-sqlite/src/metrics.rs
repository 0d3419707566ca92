//! What this store measures: the write-ahead log, its way back into the file, and the rows that merges have yet to move.

use metrics::{Gauge, Histogram, Unit, describe_gauge, describe_histogram, gauge, histogram};

const LOG_PAGES: &str = "selfsame_sqlite_log_pages";
const CHECKPOINT: &str = "selfsame_sqlite_checkpoint_duration_seconds";
const MOVES: &str = "selfsame_sqlite_moves_waiting";

/// Pages in the write-ahead log.
pub(crate) fn log_pages() -> Gauge {
    describe_gauge!(LOG_PAGES, "Pages of the write-ahead log after the last commit; 4,096 are copied back.");
    gauge!(LOG_PAGES)
}

/// How long copies of the log took.
pub(crate) fn checkpoint_duration() -> Histogram {
    describe_histogram!(
        CHECKPOINT,
        Unit::Seconds,
        "Time that it took to copy the write-ahead log into the database, beside commits."
    );
    histogram!(CHECKPOINT)
}

/// Rows that wait.
pub(crate) fn moves_waiting() -> Gauge {
    describe_gauge!(
        MOVES,
        "Rows of merges that are yet to be linked to their new primary; answers know it already."
    );
    gauge!(MOVES)
}

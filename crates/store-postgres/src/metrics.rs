//! What this store measures: its connections, and what it had to do again.

use std::time::Duration;

use deadpool_postgres::Pool;
use metrics::{Counter, counter, describe_counter, describe_gauge, gauge};
use tokio::time::sleep;

const CONNECTIONS: &str = "selfsame_postgres_connections";
const IDLE: &str = "selfsame_postgres_connections_idle";
const MAX: &str = "selfsame_postgres_connections_max";
const WAITING: &str = "selfsame_postgres_connections_waiting";
const REPEATS: &str = "selfsame_postgres_repeats_total";

const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// Look-ups that are tried again.
pub(crate) fn repeated_looks() -> Counter {
    repeats("look")
}

/// Transactions that are tried again.
pub(crate) fn repeated_writes() -> Counter {
    repeats("write")
}

fn repeats(operation: &'static str) -> Counter {
    describe_counter!(
        REPEATS,
        "Look-ups and transactions that were begun again, because PostgreSQL or the way to it broke off the one before."
    );
    counter!(REPEATS, "operation" => operation)
}

/// Tells how the pool stands, until it is closed: it has no word of its own for a change.
pub(crate) async fn sample(pool: Pool) {
    describe_gauge!(CONNECTIONS, "Connections to PostgreSQL that are open.");
    describe_gauge!(IDLE, "Connections to PostgreSQL that nobody uses.");
    describe_gauge!(MAX, "The most connections to PostgreSQL that may be open.");
    describe_gauge!(WAITING, "Look-ups and transactions that wait for a connection to PostgreSQL.");
    let (connections, idle, max, waiting) = (gauge!(CONNECTIONS), gauge!(IDLE), gauge!(MAX), gauge!(WAITING));
    while !pool.is_closed() {
        let status = pool.status();
        connections.set(status.size as f64);
        idle.set(status.available as f64);
        max.set(status.max_size as f64);
        waiting.set(status.waiting as f64);
        sleep(SAMPLE_EVERY).await;
    }
}

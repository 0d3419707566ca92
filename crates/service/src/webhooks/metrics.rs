//! What is measured of webhooks. No label says which endpoint it is.

use std::time::Duration;

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

use crate::Seldom;

const ATTEMPTS: &str = "selfsame_webhook_attempts_total";
const DURATION: &str = "selfsame_webhook_attempt_duration_seconds";
const ENDPOINTS: &str = "selfsame_webhook_endpoints";
const BEHIND: &str = "selfsame_webhook_events_behind_max";

pub(super) struct WebhookMetrics {
    delivered: Counter,
    failed: Counter,
    duration: Histogram,
    endpoints: [Gauge; 3],
    behind: Gauge,
    /// Of the log lines about a store that can't be read, and one that can't be written.
    pub(super) unread: Seldom,
    pub(super) unnoted: Seldom,
}

/// How many endpoints there are, and how far the last of them is behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Standings {
    pub(super) delivering: usize,
    pub(super) failing: usize,
    pub(super) parked: usize,
    pub(super) behind_max: i64,
}

impl WebhookMetrics {
    pub(super) fn new() -> Self {
        describe_counter!(ATTEMPTS, "Messages that this replica sent to endpoints, by what became of them.");
        describe_histogram!(
            DURATION,
            Unit::Seconds,
            "Time from connecting to an endpoint until it answered, or failed."
        );
        describe_gauge!(
            ENDPOINTS,
            "Endpoints of webhooks on all replicas: delivering, failing (to be tried again), parked."
        );
        describe_gauge!(
            BEHIND,
            "How many events the endpoint that is furthest behind has yet to get; parked ones aside."
        );
        let attempts = |result| counter!(ATTEMPTS, "result" => result);
        Self {
            delivered: attempts("delivered"),
            failed: attempts("failed"),
            duration: histogram!(DURATION),
            endpoints: ["delivering", "failing", "parked"].map(|state| gauge!(ENDPOINTS, "state" => state)),
            behind: gauge!(BEHIND),
            unread: Seldom::default(),
            unnoted: Seldom::default(),
        }
    }

    pub(super) fn count(&self, is_delivered: bool, took: Duration) {
        self.duration.record(took);
        if is_delivered { &self.delivered } else { &self.failed }.increment(1);
    }

    pub(super) fn tell(&self, standings: Standings) {
        let Standings { delivering, failing, parked, behind_max } = standings;
        for (gauge, count) in self.endpoints.iter().zip([delivering, failing, parked]) {
            gauge.set(count as f64);
        }
        self.behind.set(behind_max as f64);
    }
}

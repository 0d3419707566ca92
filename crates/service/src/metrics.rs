//! What the engine measures: what became of observations, how long a look-up and a commit take, what waits.
//!
//! Handles are made once, when an engine starts, so that counting costs neither a look-up by name nor an allocation.
//! Without a recorder in the process they do nothing. No label ever holds a value of anybody.

use std::collections::BTreeMap;
use std::sync::Mutex;

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};
use selfsame_rules::{Event, Name, Outcome, Plan};
use selfsame_store::{Access, StoreError};
use tokio::sync::OwnedSemaphorePermit;

const OBSERVATIONS: &str = "selfsame_observations_total";
const EVENTS: &str = "selfsame_events_total";
const LOOK: &str = "selfsame_look_duration_seconds";
const COMMIT: &str = "selfsame_commit_duration_seconds";
const BATCH: &str = "selfsame_batch_observations";
const QUEUE: &str = "selfsame_queue_observations";
const QUEUE_MAX: &str = "selfsame_queue_observations_max";
const QUEUE_WAIT: &str = "selfsame_queue_wait_seconds";
const CONTACTS: &str = "selfsame_contacts";
const IDENTITIES: &str = "selfsame_identities";
const STORE_ERRORS: &str = "selfsame_store_errors_total";

/// The events that observations make, in the order of [`place_of`].
const EVENT_KINDS: [&str; 4] = ["created", "attached", "merged", "refused"];

/// The handles of an engine.
pub(crate) struct EngineMetrics {
    pub(crate) look: Histogram,
    pub(crate) commit: Histogram,
    pub(crate) batch: Histogram,
    pub(crate) queue_wait: Histogram,
    /// Observations that changed nothing.
    pub(crate) known: Counter,
    /// Observations that got no answer.
    pub(crate) failed: Counter,
    queue: Gauge,
    /// Observations by the event that they made, and events, by kind.
    made: [(Counter, Counter); EVENT_KINDS.len()],
    look_errors: [Counter; ERROR_KINDS.len()],
    write_errors: [Counter; ERROR_KINDS.len()],
}

/// Where a store failed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operation {
    Look,
    Write,
}

/// The kinds of [`StoreError`], in the order of [`kind_of`].
const ERROR_KINDS: [&str; 8] = [
    "no_space",
    "unavailable",
    "outcome_unknown",
    "not_writable",
    "newer_schema",
    "incoherent",
    "failed",
    "no_workspace",
];

fn kind_of(error: &StoreError) -> usize {
    match error {
        StoreError::NoSpace => 0,
        StoreError::Unavailable(_) => 1,
        StoreError::OutcomeUnknown(_) => 2,
        StoreError::NotWritable => 3,
        StoreError::NewerSchema { .. } => 4,
        StoreError::Incoherent(_) => 5,
        StoreError::Failed(_) => 6,
        StoreError::NoWorkspace(_) => 7,
    }
}

impl EngineMetrics {
    /// The handles, of a queue that holds at most `queue_length_max`.
    pub(crate) fn new(queue_length_max: usize) -> Self {
        describe();
        gauge!(QUEUE_MAX).set(queue_length_max as f64);
        let observations = |result| counter!(OBSERVATIONS, "result" => result);
        let errors = |operation| {
            ERROR_KINDS.map(|kind| counter!(STORE_ERRORS, "operation" => operation, "kind" => kind))
        };
        Self {
            look: histogram!(LOOK),
            commit: histogram!(COMMIT),
            batch: histogram!(BATCH),
            queue_wait: histogram!(QUEUE_WAIT),
            known: observations("known"),
            failed: observations("failed"),
            queue: gauge!(QUEUE),
            made: EVENT_KINDS.map(|kind| (observations(kind), counter!(EVENTS, "kind" => kind))),
            look_errors: errors("look"),
            write_errors: errors("write"),
        }
    }

    /// Counts what became of `count` observations that were written together.
    pub(crate) fn count_plan(&self, plan: &Plan, count: usize) {
        for event in &plan.events {
            if let Some((observations, events)) = place_of(&event.outcome).map(|place| &self.made[place]) {
                observations.increment(1);
                events.increment(1);
            }
        }
        // One observation makes at most one event.
        self.known.increment(count.saturating_sub(plan.events.len()) as u64);
    }

    /// Counts what became of an observation that was written alone.
    pub(crate) fn count_alone(&self, event: Option<&Event>) {
        self.count_plan(&Plan { events: event.cloned().into_iter().collect(), answers: Vec::new() }, 1);
    }

    /// Counts a failure of the store.
    pub(crate) fn count_error(&self, operation: Operation, error: &StoreError) {
        let errors = match operation {
            Operation::Look => &self.look_errors,
            Operation::Write => &self.write_errors,
        };
        errors[kind_of(error)].increment(1);
    }

    /// Counts observations as waiting for as long as what it returns is kept.
    pub(crate) fn waiting(&self, permit: OwnedSemaphorePermit) -> Places {
        self.queue.increment(permits(&permit));
        Places { permit, queue: self.queue.clone() }
    }
}

/// Places in the queue, counted for as long as they are taken.
pub(crate) struct Places {
    permit: OwnedSemaphorePermit,
    queue: Gauge,
}

impl Drop for Places {
    fn drop(&mut self) {
        self.queue.decrement(permits(&self.permit));
    }
}

fn place_of(outcome: &Outcome) -> Option<usize> {
    match outcome {
        Outcome::Created { .. } => Some(0),
        Outcome::Attached { .. } => Some(1),
        Outcome::Merged { .. } => Some(2),
        Outcome::Refused { .. } => Some(3),
        Outcome::Undone { .. }
        | Outcome::Split(_)
        | Outcome::Joined(_)
        | Outcome::Reviewed { .. }
        | Outcome::Deleted { .. }
        | Outcome::Erased { .. }
        | Outcome::PolicyChanged(_)
        | Outcome::Refolded { .. }
        | Outcome::Adopted { .. }
        | Outcome::KeyChanged(_)
        | Outcome::WorkspaceChanged(_) => None,
    }
}

/// What the workspaces hold, by name.
pub(crate) struct WorkspaceMetrics(Mutex<BTreeMap<Name, [Gauge; 2]>>);

impl WorkspaceMetrics {
    pub(crate) fn new() -> Self {
        describe_gauge!(CONTACTS, "Live contacts of a workspace, on all replicas.");
        describe_gauge!(IDENTITIES, "Identities of a workspace that have a live contact, on all replicas.");
        Self(Mutex::default())
    }

    /// Tells what was read. A name that is no workspace's any more has nothing.
    pub(crate) fn tell(&self, access: &Access) {
        let mut told = self.0.lock().expect("nothing panics while it holds this");
        let live = || access.workspaces.iter().filter(|workspace| workspace.facts.erased_at.is_none());
        told.retain(|name, gauges| {
            let stays = live().any(|workspace| workspace.facts.name == *name);
            if !stays {
                gauges.iter().for_each(|gauge| gauge.set(0.0));
            }
            stays
        });
        for workspace in live() {
            let name = &workspace.facts.name;
            let gauges = told.entry(name.clone()).or_insert_with(|| {
                [CONTACTS, IDENTITIES].map(|metric| gauge!(metric, "workspace" => name.to_string()))
            });
            gauges[0].set(workspace.counts.contacts as f64);
            gauges[1].set(workspace.counts.identities as f64);
        }
    }
}

fn permits(permit: &OwnedSemaphorePermit) -> f64 {
    permit.num_permits() as f64
}

fn describe() {
    describe_counter!(
        OBSERVATIONS,
        "What became of observations: known (nothing was new), created, attached, merged; refused (a bad one), failed (a \
         good one that got no answer)."
    );
    describe_counter!(EVENTS, "Events that were made durable, by kind.");
    describe_histogram!(LOOK, Unit::Seconds, "Time that the store took to look observations up.");
    describe_histogram!(
        COMMIT,
        Unit::Seconds,
        "Time from handing a batch to the store until it was durable, or failed."
    );
    describe_histogram!(BATCH, "Observations in one transaction.");
    describe_gauge!(QUEUE, "Observations that wait for a transaction to take them.");
    describe_gauge!(QUEUE_MAX, "The most observations that may wait, of one workspace.");
    describe_histogram!(QUEUE_WAIT, Unit::Seconds, "Time that a change waited for a transaction to take it.");
    describe_counter!(STORE_ERRORS, "Calls of the store that failed, by what was asked and how it failed.");
}

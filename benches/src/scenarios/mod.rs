//! What is measured: one scenario a file, or a few of a kind, and the list of all.

mod batch;
pub(crate) mod bulk;
mod growth;
mod large_identity;
mod latency;
mod limits;
mod merge;
mod postgres;
mod profile;
mod rival;
mod single;
mod sustained;

use crate::bench::Bench;
use crate::report::Finding;

/// Something to measure.
pub(crate) struct Scenario {
    /// What `--only` calls it.
    pub(crate) name: &'static str,
    /// The heading of its part of the document.
    pub(crate) title: &'static str,
    /// Measures it.
    pub(crate) run: fn(&mut Bench) -> anyhow::Result<Finding>,
}

/// All of them, in the order of the document.
pub(crate) const SCENARIOS: [Scenario; 15] = [
    Scenario { name: "append", title: "The disk: bare append", run: limits::append },
    Scenario { name: "hot", title: "Known customers, hot", run: single::hot },
    Scenario { name: "uniform", title: "Known customers, uniform", run: single::uniform },
    Scenario { name: "new", title: "New customers", run: sustained::burst },
    Scenario { name: "sustained", title: "New customers, sustained", run: sustained::sustained },
    Scenario { name: "mix", title: "The 80/20 mix", run: single::mix },
    Scenario { name: "batch", title: "Batch bodies of 1,000", run: batch::batch },
    Scenario { name: "latency", title: "Latency at half of the peak", run: latency::latency },
    Scenario { name: "postgres", title: "PostgreSQL, through HTTP", run: postgres::postgres },
    Scenario { name: "growth", title: "Growth, memory and recovery", run: growth::growth },
    Scenario { name: "identity", title: "An identity of many contacts", run: large_identity::large_identity },
    Scenario { name: "merge", title: "Merging two large identities", run: merge::merge },
    Scenario { name: "bulk", title: "Bulk reconciliation in memory", run: bulk::bulk },
    Scenario { name: "rival", title: "Rivals", run: rival::rivals },
    Scenario { name: "profile", title: "Where the time goes", run: profile::profile },
];

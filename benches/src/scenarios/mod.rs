//! What is measured: one scenario a file, or a few of a kind, and the list of all.

mod batch;
pub(crate) mod bulk;
mod components;
mod growth;
mod import;
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
    /// Why its goals are out of reach, where they are.
    pub(crate) if_not_met: &'static str,
    /// Measures it.
    pub(crate) run: fn(&mut Bench) -> anyhow::Result<Finding>,
}

const HTTP: &str = "The empty handler writes a constant. What stands above it is the request's id and the headers that every answer bears, a time limit \
    for the head, reading and spelling out two values, two looks into the index, and the answer's JSON: the profile below has the parts.";

const CHANGES: &str = "A change is decided by one thread and waits for a sync with those that ride along. Its event and its row are records of SQLite's, \
    which any tool reads; each commit writes whole pages, some of them again. A log of our own, appended in order, would cost less, and nobody else could read it.";

const POSTGRES: &str = "pgbench has the processors to itself; here the load's generator, HTTP and PostgreSQL share them. A look-up asks for two values, their owners and \
    the whole of an identity, and a change writes an event, a contact and two owners, with an index entry each, where pgbench reads or writes one row.";

const MERGES: &str = "On PostgreSQL a merge of such a size reads every contact, twice, and two processors do that, move its rows and serve everybody else, too.";

const LARGE: &str =
    "An answer names every contact of the customer; beyond the caches each of them is a wait for memory.";

const GROWTH: &str = "More contacts than the processor's caches hold: each look is a wait for memory.";

const IMPORT: &str = "On PostgreSQL a batch is decided by one processor and stored by the other, in turn: the next is decided on what this one left.";

/// All of them, in the order of the document.
pub(crate) const SCENARIOS: [Scenario; 17] = [
    Scenario { name: "append", title: "The disk: bare append", if_not_met: "", run: limits::append },
    Scenario { name: "hot", title: "Known customers, hot", if_not_met: HTTP, run: single::hot },
    Scenario { name: "keyed", title: "Known customers, hot, with a key", if_not_met: "", run: single::keyed },
    Scenario { name: "uniform", title: "Known customers, uniform", if_not_met: HTTP, run: single::uniform },
    Scenario { name: "new", title: "New customers", if_not_met: CHANGES, run: sustained::burst },
    Scenario {
        name: "sustained",
        title: "New customers, sustained",
        if_not_met: CHANGES,
        run: sustained::sustained,
    },
    Scenario { name: "mix", title: "The 80/20 mix", if_not_met: CHANGES, run: single::mix },
    Scenario { name: "batch", title: "Batch bodies of 1,000", if_not_met: CHANGES, run: batch::batch },
    Scenario {
        name: "latency",
        title: "Latency at half of the peak",
        if_not_met: CHANGES,
        run: latency::latency,
    },
    Scenario {
        name: "postgres",
        title: "PostgreSQL, through HTTP",
        if_not_met: POSTGRES,
        run: postgres::postgres,
    },
    Scenario {
        name: "growth",
        title: "Growth, memory and recovery",
        if_not_met: GROWTH,
        run: growth::growth,
    },
    Scenario {
        name: "identity",
        title: "An identity of many contacts",
        if_not_met: LARGE,
        run: large_identity::large_identity,
    },
    Scenario { name: "merge", title: "Merging two large identities", if_not_met: MERGES, run: merge::merge },
    Scenario { name: "bulk", title: "Bulk reconciliation in memory", if_not_met: GROWTH, run: bulk::bulk },
    Scenario { name: "import", title: "Importing a file", if_not_met: IMPORT, run: import::import },
    Scenario { name: "rival", title: "Rivals", if_not_met: "", run: rival::rivals },
    Scenario { name: "profile", title: "Where the time goes", if_not_met: "", run: profile::profile },
];

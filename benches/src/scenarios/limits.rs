//! The disk's limit: appending and syncing, with nothing around it.

use std::time::Duration;

use crate::bench::Bench;
use crate::ceiling::{events_per_sync, syncs_per_second};
use crate::report::{Finding, spread};
use crate::statistics::Spread;

/// Groups of 64 events of 250 bytes, each group synced.
pub(crate) fn append(bench: &mut Bench) -> anyhow::Result<Finding> {
    let rounds = bench.settings.pairs;
    let duration = bench.settings.round.min(Duration::from_secs(1));
    let syncs: Vec<f64> = (0..rounds)
        .map(|_| syncs_per_second(bench.path(), duration, &bench.interrupt))
        .collect::<anyhow::Result<_>>()?;
    let events: Vec<f64> = syncs.iter().map(|syncs| syncs * events_per_sync()).collect();
    let details = format!(
        "A file that grows, in the folder of the databases; nothing else runs meanwhile.\n\n\
         | | a second |\n| --- | --- |\n| fdatasync | {} |\n| events, {:.0} a sync | {} |\n",
        spread(Spread::of(&syncs), 0),
        events_per_sync(),
        spread(Spread::of(&events), 0),
    );
    Ok(Finding { details, ..Finding::default() })
}

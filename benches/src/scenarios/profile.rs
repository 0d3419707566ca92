//! Where the time of a known customer's request goes.

use crate::bench::Bench;
use crate::profile::{self, Profile};
use crate::report::{Finding, number};
use crate::requests::{Choice, Crowd};

/// What a row of the table of single costs must have of the whole.
const SHARE_MIN: f64 = 0.01;

/// The server under a closed loop of uniform known customers, sampled.
pub(crate) fn profile(bench: &mut Bench) -> anyhow::Result<Finding> {
    if !bench.profiled {
        return Ok(Finding { details: "Left out; `--profile` adds it.\n".to_owned(), ..Finding::default() });
    }
    let contacts = bench.settings.contacts;
    let folder = bench.copy_of_filled(contacts)?;
    let server = bench.serve(folder.path())?;
    let mut crowd = Crowd::new(bench.settings.seed, contacts);
    bench.singles(&server, &mut crowd, Choice::Uniform, bench.settings.warm_up)?;
    let mut rate = 0.0;
    let profile = profile::sample(bench, &server, || {
        rate = bench.singles(&server, &mut crowd, Choice::Uniform, profile::DURATION)?.per_second;
        Ok(())
    })?;
    let details = match profile {
        Profile::Missing(why) => format!("{why}\n"),
        Profile::Taken(costs) => format!(
            "`perf` sampled the server's processes {} times while it answered {} known customers a second, uniform over {} contacts. A sample in the kernel \
             counts for the system call that led there; one in inlined code for the crate that the code came from.\n\n{}",
            number(costs.samples as f64),
            number(rate),
            number(contacts as f64),
            costs.tables(SHARE_MIN),
        ),
    };
    Ok(Finding { details, ..Finding::default() })
}

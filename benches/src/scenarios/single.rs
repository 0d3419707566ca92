//! Single requests beside the empty handler: hot, uniform and mixed.

use crate::bench::Bench;
use crate::report::{Finding, Goal, number, pairs_table};
use crate::requests::{Choice, Crowd};

/// The same thousand customers again and again.
pub(crate) fn hot(bench: &mut Bench) -> anyhow::Result<Finding> {
    known(bench, Choice::Hot, "known customer, hot", 0.90)
}

/// Any that is stored.
pub(crate) fn uniform(bench: &mut Bench) -> anyhow::Result<Finding> {
    known(bench, Choice::Uniform, "known customer, uniform", 0.60)
}

/// Four known, one new.
pub(crate) fn mix(bench: &mut Bench) -> anyhow::Result<Finding> {
    known(bench, Choice::Mix, "80/20 mix", 0.70)
}

fn known(bench: &mut Bench, choice: Choice, name: &str, least: f64) -> anyhow::Result<Finding> {
    let contacts = bench.settings.contacts;
    let folder = bench.copy_of_filled(contacts)?;
    let server = bench.serve(folder.path())?;
    let mut crowd = Crowd::new(bench.settings.seed, contacts);
    let pairs = bench.beside_empty(&server, &mut crowd, choice)?;
    let stored = number(contacts as f64);
    let goal =
        Goal::ratio(format!("{name}, {stored} contacts stored"), least, pairs.ratio(), "the empty handler");
    let table = pairs_table("requests", &pairs, "empty handler");
    let details = format!(
        "{stored} contacts stored, embedded store, {} connections.\n\n{table}",
        bench.settings.connections
    );
    Ok(Finding { goals: vec![goal], details, plots: Vec::new() })
}

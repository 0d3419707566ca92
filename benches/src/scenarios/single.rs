//! Single requests beside the empty handler: hot, with and without a key, uniform and mixed.

use crate::bench::Bench;
use crate::measure::Pairs;
use crate::report::{Finding, Goal, number, pairs_table};
use crate::requests::{Choice, Crowd};
use crate::server::Server;

/// The same thousand customers again and again.
pub(crate) fn hot(bench: &mut Bench) -> anyhow::Result<Finding> {
    known(bench, Choice::Hot, "known customer, hot", 0.90)
}

/// The same where each request brings a key.
pub(crate) fn keyed(bench: &mut Bench) -> anyhow::Result<Finding> {
    let folder = bench.copy_of_filled(bench.settings.contacts)?;
    let server = bench.serve_with_key(folder.path())?;
    let (_, details) = beside_empty(bench, &server, Choice::Hot)?;
    Ok(Finding { goals: Vec::new(), details, plots: Vec::new() })
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
    let (pairs, details) = beside_empty(bench, &server, choice)?;
    let name = format!("{name}, {} contacts stored", number(contacts as f64));
    let goal = Goal::ratio(name, least, pairs.ratio(), "the empty handler");
    Ok(Finding { goals: vec![goal], details, plots: Vec::new() })
}

/// The pairs of rounds, and what the document says of them.
fn beside_empty(bench: &Bench, server: &Server, choice: Choice) -> anyhow::Result<(Pairs, String)> {
    let contacts = bench.settings.contacts;
    let mut crowd = Crowd::new(bench.settings.seed, contacts);
    let pairs = bench.beside_empty(server, &mut crowd, choice)?;
    let table = pairs_table("requests", &pairs, "empty handler");
    let details = format!(
        "{} contacts stored, embedded store, {} connections.\n\n{table}",
        number(contacts as f64),
        bench.settings.connections
    );
    Ok((pairs, details))
}

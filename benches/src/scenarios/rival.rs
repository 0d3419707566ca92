//! Any other implementation, measured beside ours: known and new customers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;

use crate::bench::Bench;
use crate::generator::{Generator, Pace};
use crate::measure::{Pairs, Round};
use crate::report::{Finding, number, pairs_table};
use crate::requests::{Choice, Crowd, Singles};
use crate::target::Target;

/// What a rival is filled with, as far as the time allows; some answer a few hundred requests a second.
const CONTACTS: u64 = 10_000;
const FILL_SECONDS: u64 = 20;

/// Each rival that was named.
pub(crate) fn rivals(bench: &mut Bench) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    for (name, target) in bench.rivals.clone() {
        finding.details += &rival(bench, &name, &target)?;
    }
    if finding.details.is_empty() {
        "None was named; `--rival NAME=URL` measures any server that answers `POST /identify`.\n"
            .clone_into(&mut finding.details);
    }
    Ok(finding)
}

fn rival(bench: &Bench, name: &str, target: &Target) -> anyhow::Result<String> {
    bench.say(&format!("  {name}"));
    // A rival keeps what an earlier run stored: each run brings customers of its own.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock stands before 1970")?;
    let seed = bench.settings.seed ^ now.as_secs();
    let mut theirs = Crowd::new(seed, 0).until(CONTACTS);
    let generator = Generator::new(target, bench.settings.connections, &bench.interrupt);
    let mut fill = Singles::new(target, &mut theirs, Choice::New);
    generator.run(&mut fill, Pace::Closed, Duration::from_secs(FILL_SECONDS))?.must_be_right()?;
    let stored = theirs.asked_for();

    let folder = bench.scratch()?;
    let server = bench.serve(folder.path())?;
    let mut fill = Crowd::new(seed, 0).until(stored);
    bench.run_out(
        &server.target,
        bench.settings.connections,
        &mut Singles::new(&server.target, &mut fill, Choice::New),
    )?;

    let mut details = format!("**{name}**, {} contacts stored in each.\n\n", number(stored as f64));
    let (mut ours, mut theirs) = (Crowd::new(seed, stored), Crowd::new(seed, stored));
    for (choice, kind) in [(Choice::Uniform, "known"), (Choice::New, "new")] {
        let mut one = |duration| bench.singles(&server, &mut ours, choice, duration);
        let mut other = |duration| singles(bench, target, &mut theirs, choice, duration);
        let pairs = Pairs::measure(bench, &mut one, &mut other)?;
        details += &format!("{kind} customers:\n\n{}", pairs_table("requests", &pairs, name));
    }
    Ok(details)
}

fn singles(
    bench: &Bench,
    target: &Target,
    crowd: &mut Crowd,
    choice: Choice,
    duration: Duration,
) -> anyhow::Result<Round> {
    let generator = Generator::new(target, bench.settings.connections, &bench.interrupt);
    let outcome = generator.run(&mut Singles::new(target, crowd, choice), Pace::Closed, duration)?;
    // A rival that refuses some of them is measured all the same; the table tells how many.
    Ok(Round::of(&outcome, None))
}

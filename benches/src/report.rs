//! The document: what was found, as Markdown. No number stands in it that this run did not measure or use.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;

use crate::bench::Settings;
use crate::machine::Machine;
use crate::measure::{Pairs, Round, latencies, rates};
use crate::statistics::Spread;

/// One row of the table of goals.
#[derive(Clone, Debug)]
pub(crate) struct Goal {
    /// What was measured, with its conditions.
    pub(crate) name: String,
    /// What must be reached.
    pub(crate) goal: String,
    /// What was.
    pub(crate) measured: String,
    /// Whether it was enough.
    pub(crate) met: bool,
}

impl Goal {
    /// A ratio that must be at least `least`; its median decides.
    pub(crate) fn ratio(name: impl Into<String>, least: f64, ratio: Spread, other: &str) -> Self {
        Self {
            name: name.into(),
            goal: format!("at least {least:.2} of {other}"),
            measured: spread(ratio, 2),
            met: ratio.median >= least,
        }
    }
}

/// What a scenario found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Finding {
    /// Its rows of the table of goals.
    pub(crate) goals: Vec<Goal>,
    /// Its details: Markdown below a heading of its own.
    pub(crate) details: String,
    /// Pictures: the name of the file, and the SVG.
    pub(crate) plots: Vec<(&'static str, String)>,
}

/// What became of a scenario.
#[derive(Debug)]
pub(crate) struct Section {
    /// Its heading.
    pub(crate) title: &'static str,
    /// Why its goals are out of reach, where they are.
    pub(crate) if_not_met: &'static str,
    /// What it found, or why it could not.
    pub(crate) result: anyhow::Result<Finding>,
}

/// A number with its range: `0.95 (0.91 to 0.97)`.
pub(crate) fn spread(spread: Spread, decimals: usize) -> String {
    let Spread { median, least, most } = spread;
    format!(
        "{} ({} to {})",
        number_with(median, decimals),
        number_with(least, decimals),
        number_with(most, decimals)
    )
}

/// A whole number with commas: `1,234,567`.
pub(crate) fn number(value: f64) -> String {
    number_with(value, 0)
}

fn number_with(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}

/// A latency in microseconds, as milliseconds.
pub(crate) fn milliseconds(microseconds: u64) -> String {
    format!("{:.2} ms", microseconds as f64 / 1e3)
}

/// A table of rounds: one row for each name.
pub(crate) fn rounds_table(unit: &str, rows: &[(&str, &[Round])]) -> String {
    let mut table = format!(
        "| | {unit} a second | p50 | p99 | p99.9 | server CPU | generator CPU |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n"
    );
    for (name, rounds) in rows {
        let rate = spread(Spread::of(&rates(rounds)), 0);
        let quantiles = latencies(rounds).map_or_else(
            || ["–".to_owned(), "–".to_owned(), "–".to_owned()],
            |all| [0.5, 0.99, 0.999].map(|quantile| milliseconds(all.value_at_quantile(quantile))),
        );
        let cpu = |values: Vec<f64>| match values.as_slice() {
            [] => "–".to_owned(),
            values => format!("{:.2} us", Spread::of(values).median),
        };
        let server = cpu(rounds.iter().filter_map(|round| round.server_cpu_us).collect());
        let generator = cpu(rounds.iter().filter_map(|round| round.generator_cpu_us).collect());
        let [p50, p99, p999] = quantiles;
        let name = match rounds.iter().map(|round| round.errors).sum::<u64>() {
            0 => (*name).to_owned(),
            errors => format!("{name} ({} errors besides)", number(errors as f64)),
        };
        write_line(
            &mut table,
            &format!("| {name} | {rate} | {p50} | {p99} | {p999} | {server} | {generator} |"),
        );
    }
    table
}

/// The same of pairs, with the ratio below.
pub(crate) fn pairs_table(unit: &str, pairs: &Pairs, other: &str) -> String {
    let table = rounds_table(unit, &[("selfsame", &pairs.ours), (other, &pairs.theirs)]);
    format!("{table}\nRatio, pair by pair: {}.\n\n", spread(pairs.ratio(), 2))
}

/// A link to a picture, as the document shows it.
pub(crate) fn picture(name: &str, about: &str) -> String {
    format!("![{about}](benchmarks/{name}.svg)\n\n")
}

/// Writes the document, and its pictures into the folder `benchmarks` beside it.
pub(crate) fn write(
    output: &Path,
    settings: &Settings,
    machine: &Machine,
    took: Duration,
    sections: &[Section],
) -> anyhow::Result<()> {
    let text = document(settings, machine, took, sections);
    let folder = output.parent().unwrap_or(Path::new(".")).join("benchmarks");
    fs::create_dir_all(&folder).with_context(|| format!("can't make {}", folder.display()))?;
    for (name, svg) in
        sections.iter().filter_map(|section| section.result.as_ref().ok()).flat_map(|found| &found.plots)
    {
        let file = folder.join(format!("{name}.svg"));
        fs::write(&file, svg).with_context(|| format!("can't write {}", file.display()))?;
    }
    fs::write(output, text).with_context(|| format!("can't write {}", output.display()))
}

fn document(settings: &Settings, machine: &Machine, took: Duration, sections: &[Section]) -> String {
    let mut text = String::from(INTRODUCTION);
    let minutes = took.as_secs_f64() / 60.0;
    text.push_str("\n## Machine and settings\n\n");
    text.push_str(&machine.table());
    let Settings { seed, connections, pairs, .. } = settings;
    let (round, warm_up) = (settings.round.as_secs_f64(), settings.warm_up.as_secs_f64());
    write_line(
        &mut text,
        &format!(
            "\n{connections} connections unless said, {pairs} pairs of rounds of {round} s after {warm_up} s of warm-up, \
             seed {seed}. The whole took {minutes:.1} minutes."
        ),
    );
    text.push_str("\n## Goals\n\n| | goal | measured | |\n| --- | --- | --- | --- |\n");
    for section in sections {
        match &section.result {
            Ok(finding) => {
                for Goal { name, goal, measured, met } in &finding.goals {
                    let verdict = if *met { "met" } else { "**not met**" };
                    write_line(&mut text, &format!("| {name} | {goal} | {measured} | {verdict} |"));
                }
            }
            Err(error) => {
                let why = format!("{error:#}").replace(['\n', '|'], " ");
                write_line(&mut text, &format!("| {} | | could not be measured: {why} | |", section.title));
            }
        }
    }
    let missed = |section: &&Section| {
        section.result.as_ref().is_ok_and(|finding| finding.goals.iter().any(|goal| !goal.met))
    };
    for (number, section) in sections.iter().filter(missed).enumerate() {
        if number == 0 {
            text.push_str("\nWhat is not met, and why:\n\n");
        }
        write_line(&mut text, &format!("- **{}.** {}", section.title, section.if_not_met));
    }
    for section in sections {
        let Ok(finding) = &section.result else { continue };
        write_line(&mut text, &format!("\n## {}\n\n{}", section.title, finding.details.trim_end()));
    }
    text
}

fn write_line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("a text takes everything");
}

const INTRODUCTION: &str = "\
# How fast it is

This page is written whole by one command, which anyone can run on a fresh clone, and no number in it comes from anywhere else:

```console
$ cargo run --release -p bench              # everything, within 30 minutes
$ cargo run --release -p bench -- --quick   # the same page from less, in a few minutes; write it elsewhere with --output FILE
$ cargo run --release -p bench -- --only new --rival original=http://127.0.0.1:3001
```

It builds the program `selfsame`, starts it with no setting but its database, and asks it over HTTP like any client. What it starts, it
ends, and its folder goes with it.

- **Ratios.** Machines differ, and so do minutes. Beside each of our rounds stands one of a *ceiling*, taken next to it, in turn; the ratio is the
  median of the pairs' ratios, with their range. Compare ratios between machines, and figures only within one.
- **Ceilings.** The *empty handler* is an axum server on tokio that reads the request's body and returns the same JSON from a constant, in a process of
  its own: what HTTP alone costs. The *bare append* writes 64 events of 250 bytes and syncs them, again and again, beside the database. *pgbench* runs its prepared
  select by primary key, and its insert of one row, with 32 clients on the cluster that we run on, over the same socket.
- **Load.** One thread, which shares the processors with the server. A *closed loop* sends as soon as it was answered: how much can be done. An *open loop* sends at a
  given rate, and counts latency from the moment when a request was due, so that no wait is left out. Each answer is read, and must hold what was asked for.
- **Customers** come from the seed: each has an address of 22 bytes and a phone of 12 digits, and one contact. *Hot*: the same 1,000 again and again. *Uniform*: any that
  is stored. *New*: not stored yet. *Mix*: 80 % uniform, 20 % new.
- **CPU** is the user and system time that `/proc` tells of the server's process, divided by the records answered; *memory* is its VmRSS.
";

#[cfg(test)]
mod tests {
    use super::{number, spread};
    use crate::statistics::Spread;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!([number(999.0), number(1_000.0), number(1_234_567.4)], ["999", "1,000", "1,234,567"]);
        let ratio = Spread { median: 0.951, least: 0.9, most: 1234.0 };
        assert_eq!(spread(ratio, 2), "0.95 (0.90 to 1,234.00)");
    }
}

//! `selfsame doctor`: reads the settings as `serve` would, looks at this installation, and says in plain words what is
//! wrong with it. It changes nothing.
//!
//! Looking and judging are apart: [`Installation`] is all that was seen, and a check is a function of that. To add one, see
//! to it that what it judges is seen, and put it into the table of its group; a new group goes into [`GROUPS`].

mod database;
mod embedded;
mod finding;
mod installation;
mod machine;
mod postgres;
mod server;
mod settings;

use serde::Serialize;

use self::finding::{Finding, Level};
use self::installation::Installation;
use crate::settings::Settings;
use crate::{CommonArguments, Outcome, log, put};

#[derive(clap::Args)]
pub(crate) struct DoctorArguments {
    /// Tell it as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    common: CommonArguments,
}

/// A check: what it is about, and what it makes of what was seen. Nothing, where it has nothing to judge.
struct Check {
    name: &'static str,
    judge: fn(&Installation) -> Vec<Finding>,
}

/// Every check, in the order in which they are told.
const GROUPS: [&[Check]; 6] =
    [settings::CHECKS, database::CHECKS, embedded::CHECKS, postgres::CHECKS, machine::CHECKS, server::CHECKS];

/// A finding and the check that found it.
#[derive(Serialize)]
struct Line {
    check: &'static str,
    #[serde(flatten)]
    finding: Finding,
}

#[derive(Serialize)]
struct Report {
    problems: usize,
    warnings: usize,
    checks: Vec<Line>,
}

pub(crate) async fn run(arguments: DoctorArguments) -> anyhow::Result<Outcome> {
    // What others log on the way is told as findings.
    log::start("off")?;
    let installation = Installation::look(arguments.settings, arguments.common.config).await;
    let report = judge(&installation);
    if arguments.json {
        put(&serde_json::to_string(&report)?)?;
    } else {
        report.checks.iter().try_for_each(|line| put(&told(line)))?;
        put(&sum(&report))?;
    }
    Ok(if report.problems == 0 { Outcome::Done } else { Outcome::No })
}

fn judge(installation: &Installation) -> Report {
    let checks: Vec<Line> = GROUPS
        .into_iter()
        .flatten()
        .flat_map(|check| {
            let findings = (check.judge)(installation);
            findings.into_iter().map(|finding| Line { check: check.name, finding })
        })
        .collect();
    let count = |level| checks.iter().filter(|line| line.finding.level == level).count();
    Report { problems: count(Level::Problem), warnings: count(Level::Warning), checks }
}

fn told(line: &Line) -> String {
    let Line { check, finding: Finding { level, says, hint } } = line;
    let level = match level {
        Level::Ok => "ok",
        Level::Warning => "warning",
        Level::Problem => "problem",
    };
    let hint = hint.as_ref().map(|hint| format!("\n         hint: {hint}")).unwrap_or_default();
    format!("{level:<8} {check}: {says}{hint}")
}

fn sum(report: &Report) -> String {
    let count = |number, one| format!("{number} {one}{}", if number == 1 { "" } else { "s" });
    format!("{}, {}", count(report.problems, "problem"), count(report.warnings, "warning"))
}

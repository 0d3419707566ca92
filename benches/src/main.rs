//! The bench: `cargo run --release -p bench` measures the program over HTTP beside the limits of this machine, and
//! writes docs/BENCHMARKS.md.

mod answer;
mod bench;
mod ceiling;
mod data;
mod generator;
mod interrupt;
mod machine;
mod measure;
mod orders_file;
mod outcome;
mod plot;
mod postgres;
mod process;
mod profile;
mod report;
mod requests;
mod scenarios;
mod server;
mod statistics;
mod target;

// The generators of the tests: they are small, and the tests' crate is much to build.
#[expect(unreachable_pub, reason = "there they are public")]
#[path = "../../tests/support/orders.rs"]
mod orders;
#[expect(dead_code, unreachable_pub, reason = "there they are public, and all of it is used")]
#[path = "../../tests/support/random.rs"]
mod random;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};

use crate::bench::{Bench, Settings};
use crate::interrupt::Interrupt;
use crate::machine::Machine;
use crate::report::Section;
use crate::scenarios::SCENARIOS;
use crate::target::Target;

/// The subcommand that serves the empty handler, which this program starts itself.
pub(crate) const EMPTY_HANDLER: &str = "empty-handler";

/// The subcommand that is one round of the bulk reconciliation, which this program starts itself.
pub(crate) const RECONCILE: &str = "reconcile";

/// Measures selfsame over HTTP beside the limits of this machine, and writes docs/BENCHMARKS.md.
#[derive(Parser)]
#[command(name = "bench", version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Hidden>,
    /// Measure less of everything, in a few minutes
    #[arg(long)]
    quick: bool,
    /// Measure only this; may be said several times
    #[arg(long, value_name = "NAME", value_parser = SCENARIOS.map(|scenario| scenario.name))]
    only: Vec<String>,
    /// Measure another server beside ours: any base URL that answers `POST /identify`
    #[arg(long, value_name = "NAME=URL", value_parser = rival)]
    rival: Vec<(String, Target)>,
    /// With --quick, add the profile of the known customer's path, which a full run has (needs Linux perf)
    #[arg(long)]
    profile: bool,
    /// Where the document goes; its plots go into the folder `benchmarks` beside it [default: docs/BENCHMARKS.md]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What customers and choices come from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Measure this program instead of building `selfsame`
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
    /// Where databases are made meanwhile: a folder on the disk that is to be measured
    #[arg(long, value_name = "PATH", default_value = "/var/tmp")]
    folder: PathBuf,
}

#[derive(Subcommand)]
enum Hidden {
    /// Serve the empty handler
    #[command(hide = true)]
    EmptyHandler {
        #[arg(long)]
        port: u16,
    },
    /// Reconcile observations in memory
    #[command(hide = true)]
    Reconcile { observations: u64, seed: u64 },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        Some(Hidden::EmptyHandler { port }) => ceiling::serve_empty(port).map(|()| true),
        Some(Hidden::Reconcile { observations, seed }) => {
            scenarios::bulk::reconcile(observations, seed).map(|()| true)
        }
        None => run(arguments),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Measures, and writes the document; whether everything could be measured.
fn run(arguments: Arguments) -> anyhow::Result<bool> {
    let begin = Instant::now();
    let interrupt = Interrupt::at_signals()?;
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = arguments.folder.canonicalize().context("--folder names no folder")?;
    let machine = Machine::look(&folder, &repository);
    let program = match arguments.program {
        Some(program) => program.canonicalize().context("--program names no file")?,
        None => build(&repository)?,
    };
    interrupt.check()?;
    let settings =
        if arguments.quick { Settings::quick(arguments.seed) } else { Settings::full(arguments.seed) };
    let mut bench = Bench::start(settings, program, &folder, interrupt)?;
    (bench.rivals, bench.profiled) = (arguments.rival, arguments.profile || !arguments.quick);
    let mut sections = Vec::new();
    let chosen = |name: &str| arguments.only.is_empty() || arguments.only.iter().any(|only| only == name);
    for scenario in SCENARIOS.iter().filter(|scenario| chosen(scenario.name)) {
        bench.say(scenario.title);
        let result = (scenario.run)(&mut bench);
        bench.interrupt.check()?;
        if let Err(error) = &result {
            bench.say(&format!("  failed: {error:#}"));
        }
        for goal in result.iter().flat_map(|finding| &finding.goals) {
            let verdict = if goal.met { "met" } else { "NOT met" };
            bench.say(&format!("  {}: {} ({}; {verdict})", goal.name, goal.measured, goal.goal));
        }
        sections.push(Section { title: scenario.title, if_not_met: scenario.if_not_met, result });
    }
    let output = arguments.output.unwrap_or_else(|| repository.join("docs/BENCHMARKS.md"));
    report::write(&output, &bench.settings, &machine, begin.elapsed(), &sections)?;
    bench.say(&format!("wrote {}", output.display()));
    Ok(sections.iter().all(|section| section.result.is_ok()))
}

/// Builds the program with the cargo that runs this, in the same profile; its path.
fn build(repository: &Path) -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--package", "selfsame"]).current_dir(repository);
    // `cargo run` tells a program of its own package. Build scripts that look there would run again, and with them
    // minutes of building.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    let status =
        command.status().context("cargo can't be started\nhint: --program names one that is built")?;
    if !status.success() {
        bail!("`selfsame` does not build; see above");
    }
    // Cargo puts both programs into one folder, wherever that is.
    let own = std::env::current_exe().context("this program's own path is not known")?;
    let program = own.with_file_name("selfsame");
    if !program.exists() {
        bail!("{} was not built\nhint: run this as `cargo run --release -p bench`", program.display());
    }
    Ok(program)
}

fn rival(text: &str) -> Result<(String, Target), String> {
    let (name, url) =
        text.split_once('=').ok_or("a rival is NAME=URL, for example original=http://127.0.0.1:3001")?;
    let target = url.parse::<Target>().map_err(|error| format!("{error:#}"))?;
    Ok((name.to_owned(), target))
}

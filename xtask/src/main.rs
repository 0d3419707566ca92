//! Chores in Rust. `cargo xtask test` is the whole test command, installs included; `cargo xtask prove` runs the
//! same harnesses at full size. Deliberately without dependencies: it is built before everything else.

mod dist;
mod fuzz;
mod supply_chain;
mod tools;

use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};

use crate::fuzz::{Wanted, fuzz};

const USAGE: &str = "\
usage: cargo xtask <command>

  test    install what the tests need, then run all of them
  prove   run the same harnesses at full size, or those whose name holds NAME: [NAME]; and print what each has proved
  fuzz    search the fuzz targets with libFuzzer: [--seconds N] [TARGET…], by default 60 s for each
  supply  check licences, sources, versions and advisories of all that the program is built of
  dist    build the program reproducibly into dist/, with its digest and its bill of materials;
          --twice builds it here and in another folder, and compares the bytes";

/// How long `prove` searches each fuzz target.
const PROVE_FUZZ_SECONDS: u64 = 600;

fn main() -> ExitCode {
    // Every path here is told from the repository's root, wherever the command is given.
    if let Err(error) = std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")) {
        eprintln!("error: can't go to the repository: {error}");
        return ExitCode::FAILURE;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) =
        arguments.split_first().map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
    let result = match command {
        "test" => test(),
        "prove" => prove(rest.first().map(String::as_str)),
        "fuzz" => Wanted::parse(rest).and_then(|wanted| fuzz(&wanted)).map(drop),
        "supply" => supply_chain::check(),
        "dist" if rest == ["--twice"] => dist::prove_equal().map(|line| println!("{line}")),
        "dist" => dist::dist(),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Everything, small: the documents' examples first, so that the runner's summary closes the output.
fn test() -> Result<(), String> {
    tools::install_missing()?;
    run(cargo(&["test", "--quiet", "--workspace", "--doc"]))?;
    run(cargo(&["build", "--package", "selfsame"]))?;
    run(cargo(&["nextest", "run", "--workspace", "--no-fail-fast"]))
}

/// The harnesses at full size and the fuzz targets, one after the other, and their lines together at the end; or the
/// harnesses alone whose name holds `name`.
fn prove(name: Option<&str>) -> Result<(), String> {
    tools::install_missing()?;
    run(cargo(&["build", "--release", "--package", "selfsame"]))?;
    let mut nextest = cargo(&[
        "nextest",
        "run",
        "--release",
        "--profile",
        "prove",
        "--package",
        "selfsame-tests",
        "--test",
        "it",
        "--no-capture",
        "--no-fail-fast",
    ]);
    nextest.args(name).env("SELFSAME_TEST_SIZE", "full").stdout(Stdio::piped());
    let mut child = nextest.spawn().map_err(|error| format!("can't run {nextest:?}: {error}"))?;
    let output = child.stdout.take().ok_or("the runner has no output")?;
    let mut proved = Vec::new();
    for line in BufReader::new(output).lines() {
        let line = line.map_err(|error| format!("can't read the runner's output: {error}"))?;
        println!("{line}");
        if let Some(at) = line.find("proved: ") {
            proved.push(line[at..].to_owned());
        }
    }
    let status = child.wait().map_err(|error| format!("can't wait for the runner: {error}"))?;
    let (mut equal, mut searched) = (Ok(String::new()), Ok(Vec::new()));
    if name.is_none() {
        equal = dist::prove_equal();
        proved.extend(equal.iter().cloned());
        searched = fuzz(&Wanted { seconds: PROVE_FUZZ_SECONDS, targets: Vec::new() });
        proved.extend(searched.iter().flatten().cloned());
    }
    println!("\n{}", proved.join("\n"));
    equal?;
    searched?;
    if status.success() { Ok(()) } else { Err("not everything was proved; see above".to_owned()) }
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

fn run(mut command: Command) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{command:?} ended with {status}")),
        Err(error) => Err(format!("can't run {command:?}: {error}")),
    }
}

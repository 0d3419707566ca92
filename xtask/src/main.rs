//! Chores in Rust. `cargo xtask test` is the whole test command, installs included; `cargo xtask prove` runs the
//! same harnesses at full size. Deliberately without dependencies: it is built before everything else.

mod tools;

use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};

const USAGE: &str = "\
usage: cargo xtask <command>

  test    install what the tests need, then run all of them
  prove   run the same harnesses at full size, and print what each has proved";

fn main() -> ExitCode {
    let command = std::env::args().nth(1);
    let result = match command.as_deref() {
        Some("test") => test(),
        Some("prove") => prove(),
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

/// The harnesses at full size, one after the other, and their lines together at the end.
fn prove() -> Result<(), String> {
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
    nextest.env("SELFSAME_TEST_SIZE", "full").stdout(Stdio::piped());
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
    println!("\n{}", proved.join("\n"));
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

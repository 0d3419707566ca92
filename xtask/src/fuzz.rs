//! `cargo xtask fuzz`: every fuzz target under libFuzzer for so many seconds, the negative control first.
//!
//! The one stable toolchain does: without a sanitizer, which code without `unsafe` has little use for, all that libFuzzer
//! needs of the compiler is stable.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::{cargo, run, tools};

/// Finds its fault or is broken.
const CONTROL: &str = "planted_fault";

/// Far more than the control needs.
const CONTROL_SECONDS: u64 = 60;

/// The place of what is built, and of the inputs that a search keeps: they are no samples until somebody makes them so.
const BUILT: &str = "target/fuzz";

/// What `cargo xtask fuzz` was asked for.
pub(crate) struct Wanted {
    /// How long each target is searched.
    pub(crate) seconds: u64,
    /// Which targets; all, if none is named.
    pub(crate) targets: Vec<String>,
}

impl Wanted {
    /// Reads `[--seconds N] [TARGET…]`.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut wanted = Self { seconds: 60, targets: Vec::new() };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            if argument == "--seconds" {
                let seconds = arguments.next().and_then(|seconds| seconds.parse().ok());
                wanted.seconds = seconds.ok_or("--seconds takes a whole number")?;
            } else {
                wanted.targets.push(argument.clone());
            }
        }
        Ok(wanted)
    }
}

/// Searches the targets one after the other; returns a line for each that says how far it came.
pub(crate) fn fuzz(wanted: &Wanted) -> Result<Vec<String>, String> {
    tools::install_missing_cargo("fuzz")?;
    let mut targets = targets()?;
    targets.remove(CONTROL);
    for named in &wanted.targets {
        if !targets.contains(named) {
            return Err(format!("there is no fuzz target `{named}`\nhint: {}", list(&targets)));
        }
    }
    if !wanted.targets.is_empty() {
        targets.retain(|target| wanted.targets.contains(target));
    }
    let mut build = cargo(&["fuzz", "build"]);
    build.args(["--sanitizer", "none", "--no-cfg-fuzzing", "--features", "libfuzzer", "--target-dir", BUILT]);
    // Instrumented code is run for seconds, and built for minutes with what a release takes.
    build.envs([("CARGO_PROFILE_RELEASE_LTO", "off"), ("CARGO_PROFILE_RELEASE_DEBUG", "false")]);
    run(build)?;

    println!("fuzzing {CONTROL}, which must fail");
    if search(CONTROL, CONTROL_SECONDS)?.is_ok() {
        return Err(format!("the fuzzer did not find the fault of {CONTROL} in {CONTROL_SECONDS} s"));
    }
    let (mut lines, mut found) = (Vec::new(), Vec::new());
    for target in &targets {
        println!("fuzzing {target} for {} s", wanted.seconds);
        match search(target, wanted.seconds)? {
            Ok(line) => lines.push(format!("proved: fuzz target {target}: {line}")),
            Err(log) => found.push(format!(
                "{target} failed:\n{log}\nhint: the input is in {BUILT}/found/{target}; mend it with a test, and move \
                 the input to fuzz/corpus/{target} under a name that says what it is"
            )),
        }
    }
    lines.iter().for_each(|line| println!("{line}"));
    if found.is_empty() { Ok(lines) } else { Err(found.join("\n")) }
}

/// The names of all targets.
fn targets() -> Result<BTreeSet<String>, String> {
    let folder = fs::read_dir("fuzz/fuzz_targets");
    let folder = folder.map_err(|error| format!("can't read fuzz/fuzz_targets: {error}"))?;
    let paths = folder.filter_map(|entry| Some(entry.ok()?.path()));
    Ok(paths.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect())
}

fn list(targets: &BTreeSet<String>) -> String {
    targets.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// How far a search came, or the end of its log if it found something.
fn search(target: &str, seconds: u64) -> Result<Result<String, String>, String> {
    let [kept, found] = ["kept", "found"].map(|name| format!("{BUILT}/{name}/{target}"));
    for folder in [&kept, &found] {
        fs::create_dir_all(folder).map_err(|error| format!("can't make {folder}: {error}"))?;
    }
    let host = tools::host()?;
    let mut command = Command::new(format!("{BUILT}/{host}/release/{target}"));
    command.args([
        format!("-max_total_time={seconds}"),
        // An input that takes so long is a find, too.
        "-timeout=20".to_owned(),
        "-dict=fuzz/words.dict".to_owned(),
        format!("-artifact_prefix={found}/"),
        kept,
    ]);
    let samples = format!("fuzz/corpus/{target}");
    command.args(Path::new(&samples).is_dir().then_some(&samples));
    let output = command.output().map_err(|error| format!("can't run {command:?}: {error}"))?;
    let log = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let end: Vec<&str> = log.lines().rev().take(40).collect();
        return Ok(Err(end.into_iter().rev().collect::<Vec<_>>().join("\n")));
    }
    // `#53411 DONE   cov: 5745 ft: 16387 corp: 934/70Kb …`
    let last = log.lines().rev().find_map(|line| line.split_once("\tDONE")).ok_or("libFuzzer told no end")?;
    let (runs, rest) = (last.0.trim_start_matches('#'), last.1.split_whitespace().collect::<Vec<_>>());
    let told = |name: &str| rest.iter().skip_while(|word| **word != name).nth(1).copied().unwrap_or("?");
    Ok(Ok(format!(
        "{runs} runs in {seconds} s under libFuzzer, {} branches and {} features reached",
        told("cov:"),
        told("ft:")
    )))
}

//! Programs that must end by themselves: a server that should refuse to start, and serves, fails its test instead
//! of hanging it.

use std::path::Path;
use std::process::{Command, Output};

use crate::process::{clean, program};

/// Far longer than any command here takes.
const SECONDS: &str = "20";

/// Runs the program to its end; one that goes on is killed, and then has no exit code of its own.
pub fn run_to_end(folder: &Path, arguments: &[&str]) -> Output {
    let mut timeout = Command::new("timeout");
    clean(&mut timeout, folder).args(["--signal=KILL", SECONDS]).arg(program()).args(arguments);
    timeout.output().expect("coreutils are there")
}

//! Programs that must end by themselves: a server that should refuse to start, and serves, fails its test instead
//! of hanging it. And waits for what can only be asked for again and again.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use crate::process::{clean, program};

/// Far longer than any command here takes.
const SECONDS: &str = "20";

/// Runs the program to its end; one that goes on is killed, and then has no exit code of its own.
pub fn run_to_end(folder: &Path, arguments: &[&str]) -> Output {
    let mut timeout = Command::new("timeout");
    clean(&mut timeout, folder).args(["--signal=KILL", SECONDS]).arg(program()).args(arguments);
    timeout.output().expect("coreutils are there")
}

/// Asks until the answer is there, for as long as [`run_to_end`] would wait; `what` is missing if it never is.
///
/// Only for the state of other processes, which tell nobody when it changes.
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    let longest = Duration::from_secs(SECONDS.parse().expect("it is a number"));
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < longest, "{what}: not within {SECONDS} s");
        std::thread::sleep(Duration::from_millis(2));
    }
}

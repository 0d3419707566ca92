//! The server with a planted fault, as a process: what the crash harnesses must catch.

use std::path::Path;
use std::process::Command;

use support::process::{ServerProcess, clean};

/// Starts a server on the database of `folder` that answers before its commit, and is as usual otherwise.
pub(crate) fn start_answering_before_commit(folder: &Path) -> ServerProcess {
    start(folder, "AnsweredBeforeCommit")
}

/// Starts one that takes the next connection when the last has ended.
pub(crate) fn start_taking_one_connection_at_a_time(folder: &Path) -> ServerProcess {
    start(folder, "OneConnectionAtATime")
}

fn start(folder: &Path, fault: &str) -> ServerProcess {
    let mut command = Command::new(env!("CARGO_BIN_EXE_faulty-server"));
    clean(&mut command, folder).arg(fault);
    ServerProcess::spawn(command).unwrap_or_else(|said| panic!("no greeting: {said}"))
}

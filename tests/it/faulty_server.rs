//! The server with a planted fault, as a process: what the crash harnesses must catch.

use std::path::Path;
use std::process::Command;

use support::process::{ServerProcess, clean};

/// Starts a server on the database of `folder` that answers before its commit, and is as usual otherwise.
pub(crate) fn start_answering_before_commit(folder: &Path) -> ServerProcess {
    let mut command = Command::new(env!("CARGO_BIN_EXE_faulty-server"));
    clean(&mut command, folder).arg("AnsweredBeforeCommit");
    ServerProcess::spawn(command).unwrap_or_else(|said| panic!("no greeting: {said}"))
}

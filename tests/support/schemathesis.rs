//! schemathesis, as `tests/schemathesis` pins it: it reads the description of the interface, asks all that this allows and much
//! that it doesn't, and compares each answer with what is described.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::process::clean;
use crate::python;

const REQUIREMENTS: &str = include_str!("../schemathesis/requirements.txt");

/// What it is asked to do.
#[derive(Clone, Copy, Debug)]
pub struct Task<'task> {
    /// The server, and what describes it: a URL or a file.
    pub server: SocketAddr,
    pub description: &'task str,
    /// Of its random requests.
    pub seed: u64,
    /// How many random requests it makes of each operation; it makes more that aren't random.
    pub examples: u32,
    /// What every request is sent with.
    pub headers: &'task [(&'task str, &'task str)],
    /// The ids of keys and the names of workspaces that no request may end.
    pub kept: &'task str,
    /// Of one operation only.
    pub operation: Option<&'task str>,
}

/// Does it; its report, as an error if an answer was not as described.
///
/// # Panics
///
/// If it can't be installed or run.
pub fn run(task: &Task<'_>) -> Result<String, String> {
    let installed = python::packages("schemathesis", REQUIREMENTS);
    let folder = tempfile::tempdir().expect("there is room for a temporary folder");
    let mut python = Command::new("python3");
    clean(&mut python, folder.path()).args(["-m", "schemathesis.cli", "run", task.description]);
    python.args(["--url", &format!("http://{}", task.server), "--checks", "all", "--continue-on-failure"]);
    python.args(["--seed", &task.seed.to_string(), "--max-examples", &task.examples.to_string()]);
    python.args(["--no-color", "--output-truncate", "false", "--warnings", "off"]);
    for (name, value) in task.headers {
        python.args(["--header", &format!("{name}: {value}")]);
    }
    // Where no key is asked for, none is missed.
    if task.headers.is_empty() {
        python.args(["--exclude-checks", "ignored_auth"]);
    }
    python.args(task.operation.iter().flat_map(|id| ["--include-operation-id", *id]));
    let hooks = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemathesis");
    let paths = std::env::join_paths([&installed, &hooks]).expect("no path has a colon");
    python.env("PYTHONPATH", paths).env("PYTHONDONTWRITEBYTECODE", "1");
    python.env("SCHEMATHESIS_HOOKS", "hooks").env("KEPT", task.kept);
    let output = python.output().expect("python3 is missing: run `cargo xtask test`, which installs it");
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    match output.status.code() {
        Some(0) => Ok(report),
        Some(1) => Err(report),
        _ => panic!("{:?}: {report}{}", output.status, String::from_utf8_lossy(&output.stderr)),
    }
}

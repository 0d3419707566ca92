//! Standard Webhooks' own library for Python, as `tests/standardwebhooks` pins it: an implementation that shares nothing with ours.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::python;
use crate::receiver::Delivered;

const REQUIREMENTS: &str = include_str!("../standardwebhooks/requirements.txt");

/// Why each message is not verified by that secret, in their order; nothing where it is.
pub fn verify(secret: &str, messages: &[Delivered]) -> Vec<Option<String>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("standardwebhooks/verify.py");
    let mut python = Command::new("python3");
    python.arg(script).env("PYTHONPATH", python::packages("standardwebhooks", REQUIREMENTS));
    let piped = python.stdin(Stdio::piped()).stdout(Stdio::piped()).env("PYTHONDONTWRITEBYTECODE", "1");
    let mut child = piped.spawn().expect("python3 is missing: run `cargo xtask test`, which installs it");
    let mut lines = String::new();
    for message in messages {
        let Delivered { id, timestamp, signature, body, .. } = message;
        let line = json!({ "secret": secret, "id": id, "timestamp": timestamp, "signature": signature, "body": body });
        lines.push_str(&format!("{line}\n"));
    }
    // The script reads all of it while it writes a few bytes for each.
    let mut input = child.stdin.take().expect("it is piped");
    let writing = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = child.wait_with_output().expect("it ends");
    writing.join().expect("writing does not panic").expect("the script reads to the end");
    assert!(output.status.success(), "the script ends well");
    let told = String::from_utf8(output.stdout).expect("it writes UTF-8");
    let told: Vec<_> = told.lines().map(|line| (!line.is_empty()).then(|| line.to_owned())).collect();
    assert_eq!(told.len(), messages.len(), "a line for each");
    told
}

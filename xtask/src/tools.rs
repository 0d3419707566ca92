//! What the tests need beside cargo: found, or installed where that can be done, or named in one line.

use std::process::{Command, Stdio};

/// A program that tests start, and the Debian package that has it.
const PROGRAMS: [(&str, &str); 3] = [
    // The greeting's curl is pasted into a shell.
    ("curl", "curl"),
    // Records the system calls from which a disk after a power cut is rebuilt.
    ("strace", "strace"),
    // Makes the small disk that fills up.
    ("mount", "mount"),
];

/// Makes sure that every tool is there.
pub(crate) fn install_missing() -> Result<(), String> {
    let missing: Vec<&str> =
        PROGRAMS.iter().filter(|(program, _)| !is_there(program)).map(|(_, package)| *package).collect();
    if !missing.is_empty() {
        let packages = missing.join(" ");
        let install =
            format!("apt-get update -qq && apt-get install -y -qq --no-install-recommends {packages}");
        if !(is_root() && is_there("apt-get") && succeeds("sh", &["-c", &install])) {
            return Err(format!(
                "the tests need these programs; as root on Debian: apt-get install {packages}"
            ));
        }
    }
    if !is_root() {
        return Err("the tests mount a small disk to fill it; run `cargo xtask test` as root".to_owned());
    }
    if !succeeds("cargo", &["nextest", "--version"]) {
        println!("installing cargo-nextest, the test runner");
        if !succeeds("cargo", &["install", "--quiet", "--locked", "cargo-nextest"]) {
            return Err("the tests need a runner: cargo install --locked cargo-nextest".to_owned());
        }
    }
    Ok(())
}

fn is_there(program: &str) -> bool {
    succeeds("sh", &["-c", &format!("command -v {program}")])
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout == b"0\n")
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).stdin(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

//! What the tests need beside cargo: found, or installed where that can be done, or named in one line.

use std::process::{Command, Stdio};

/// A program that tests start, and the Debian package that has it.
const PROGRAMS: [(&str, &str); 12] = [
    // The greeting's curl is pasted into a shell.
    ("curl", "curl"),
    // Records the system calls from which a disk after a power cut is rebuilt.
    ("strace", "strace"),
    // Makes the small disk that fills up.
    ("mount", "mount"),
    // Peers of the production store. Debian keeps the server's programs off the path.
    ("postgres", "postgresql"),
    // Sits before a PostgreSQL server, as it does at many hosts.
    ("pgbouncer", "pgbouncer"),
    // Scrapes a server in the drill, and follows the alert rules.
    ("prometheus", "prometheus"),
    ("promtool", "prometheus"),
    // Runs the original's client, one of Segment's and the example in TypeScript, and fetches the PostgreSQL versions that the system doesn't have.
    ("node", "nodejs"),
    ("npm", "npm"),
    // Fetches schemathesis, which asks a server all that its description allows, Segment's client for Python, and what makes one.
    ("pip3", "python3-pip"),
    // Open the console as people do.
    ("chromium", "chromium"),
    ("chromedriver", "chromium-driver"),
];

/// Keeps Debian's packages from starting a server of their own while they are installed: the tests start theirs.
/// Both files are ours alone, and go again; a policy that is there already is the machine's, and stays.
const INSTALL: &str = "
set -e
export DEBIAN_FRONTEND=noninteractive
no_cluster=/etc/postgresql-common/createcluster.d/selfsame-tests.conf
policy=/usr/sbin/policy-rc.d
mkdir -p \"${no_cluster%/*}\"
echo 'create_main_cluster = false' > \"$no_cluster\"
trap 'rm -f \"$no_cluster\"' EXIT
if ! [ -e \"$policy\" ]; then
    trap 'rm -f \"$no_cluster\" \"$policy\"' EXIT
    printf '#!/bin/sh\\nexit 101\\n' > \"$policy\"
    chmod 755 \"$policy\"
fi
apt-get update -qq
apt-get install -y -qq --no-install-recommends \"$@\"
# Nor at the next start of the machine.
if [ -d /run/systemd/system ]; then
    for package in \"$@\"; do
        case $package in pgbouncer | prometheus) systemctl disable --quiet \"$package\" ;; esac
    done
fi
";

/// Makes sure that every tool is there.
pub(crate) fn install_missing() -> Result<(), String> {
    let missing: Vec<&str> =
        PROGRAMS.iter().filter(|(program, _)| !is_there(program)).map(|(_, package)| *package).collect();
    if !missing.is_empty() {
        let packages = missing.join(" ");
        let mut install = vec!["-c", INSTALL, "install"];
        install.extend(&missing);
        if !(is_root() && is_there("apt-get") && succeeds("sh", &install)) {
            return Err(format!(
                "the tests need these programs; as root on Debian: apt-get install {packages}"
            ));
        }
    }
    if !is_root() {
        return Err("the tests mount a small disk to fill it; run `cargo xtask test` as root".to_owned());
    }
    install_missing_cargo("nextest")
}

/// Makes sure that `cargo NAME` is there. Whatever version is there does.
pub(crate) fn install_missing_cargo(name: &str) -> Result<(), String> {
    if succeeds("cargo", &[name, "--version"]) {
        return Ok(());
    }
    let package = format!("cargo-{name}");
    println!("installing {package}");
    let mut install = Command::new("cargo");
    install.args(["install", "--quiet", "--locked", &package]);
    // Built once and run for seconds: what a release would be optimised with takes longer than it saves.
    install.envs([("CARGO_PROFILE_RELEASE_LTO", "off"), ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")]);
    match install.status() {
        Ok(status) if status.success() => Ok(()),
        _ => Err(format!("it can't be installed; do it by hand: cargo install --locked {package}")),
    }
}

/// The machine that the compiler builds for, as in `x86_64-unknown-linux-gnu`.
pub(crate) fn host() -> Result<String, String> {
    let output = Command::new("rustc").arg("-vV").output();
    let output = output.map_err(|error| format!("can't run rustc: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or("rustc doesn't tell its host")?.to_owned())
}

fn is_there(program: &str) -> bool {
    let debian = "PATH=$PATH:$(echo /usr/lib/postgresql/*/bin | tr ' ' ':')";
    succeeds("sh", &["-c", &format!("{debian} && command -v {program}")])
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout == b"0\n")
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).stdin(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

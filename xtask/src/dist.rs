//! `cargo xtask dist`: the release program with the same bytes from every folder, its digest, and what is in it.
//!
//! Nothing of the machine gets in: paths are mapped to fixed ones, in Rust and in the C of SQLite and of the allocator,
//! and debug information is left out (a panic still names its functions). The same bytes need the same compilers and
//! the same system libraries, no more.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{cargo, run, tools};

/// The folder for what is given out.
const GIVEN: &str = "dist";

/// What cargo-cyclonedx calls the bill of the program; it leaves one for each binary beside its manifest.
const BILL: &str = "selfsame_bin.cdx.json";

/// Builds the program into `dist/`, with `selfsame.sha256` and `selfsame.cdx.json` beside it.
pub(crate) fn dist() -> Result<(), String> {
    tools::install_missing_cargo("cyclonedx")?;
    let folder = current_folder()?;
    let program = build(&folder, &folder.join("target/dist"))?;
    fs::create_dir_all(GIVEN).map_err(|error| format!("can't make {GIVEN}: {error}"))?;
    copy(&program, Path::new("dist/selfsame"))?;
    write_bill(&folder)?;
    let script = "cd dist && sha256sum selfsame selfsame.cdx.json > selfsame.sha256 && cat selfsame.sha256";
    run(shell(script))
}

/// Builds the program here and from a copy of the source, with another target folder, and compares the bytes; returns
/// the line that says so.
pub(crate) fn prove_equal() -> Result<String, String> {
    let folder = current_folder()?;
    // The negative control: this very program was built in the usual way, and tells its folder.
    let usual = std::env::current_exe().map_err(|error| format!("this program is gone: {error}"))?;
    if told(&read(&usual)?, &folder).is_none() {
        return Err(format!("{} tells no path, so the search for paths is blind", usual.display()));
    }
    let copy = folder.join("target/dist-proof/a-copy");
    let tracked = "git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t";
    run(shell(&format!("rm -rf {0:?} && mkdir -p {0:?} && {tracked} {0:?}", copy.display())))?;
    let here = build(&folder, &folder.join("target/dist"))?;
    let there = build(&copy, &copy.join("built/elsewhere"))?;
    let program = read(&here)?;
    if program != read(&there)? {
        return Err(format!("two builds of one source differ: {} and {}", here.display(), there.display()));
    }
    run(shell("rm -rf target/dist-proof"))?;
    Ok(format!("proved: two builds in two folders give the same {} bytes of the program", program.len()))
}

/// The program, built from `folder` in `target`.
fn build(folder: &Path, target: &Path) -> Result<PathBuf, String> {
    let paths = [(folder.to_owned(), "/selfsame"), (cargo_home()?, "/cargo"), (target.to_owned(), "/target")];
    let flags = |option: &str| -> String {
        let flags = paths.iter().map(|(from, to)| format!("{option}={}={to}", from.display()));
        flags.collect::<Vec<_>>().join("\u{1f}")
    };
    let mut build = cargo(&["build", "--release", "--locked", "--package", "selfsame"]);
    build.current_dir(folder).arg("--target-dir").arg(target);
    build.env("CARGO_ENCODED_RUSTFLAGS", flags("--remap-path-prefix"));
    // The compiler of C splits its flags at spaces.
    build.env("CFLAGS", flags("-ffile-prefix-map").replace('\u{1f}', " "));
    build.envs([("CARGO_PROFILE_RELEASE_STRIP", "debuginfo"), ("CARGO_INCREMENTAL", "0")]);
    build.envs([("SOURCE_DATE_EPOCH", "0"), ("LC_ALL", "C"), ("TZ", "UTC")]);
    build.env_remove("RUSTFLAGS");
    run(build)?;
    let program = target.join("release/selfsame");
    match told(&read(&program)?, folder) {
        Some(path) => Err(format!("{} tells the path {path}", program.display())),
        None => Ok(program),
    }
}

/// A path of this machine that a program tells.
fn told(program: &[u8], folder: &Path) -> Option<String> {
    let paths = [folder.to_owned(), cargo_home().ok()?].map(|path| path.display().to_string());
    paths.into_iter().find(|path| program.windows(path.len()).any(|window| window == path.as_bytes()))
}

/// Writes the bill of materials to `dist/`: every crate that the program is built of, its version, licence and digest.
fn write_bill(folder: &Path) -> Result<(), String> {
    let host = tools::host()?;
    let mut bill = cargo(&["cyclonedx", "--quiet", "--manifest-path", "crates/cli/Cargo.toml"]);
    bill.args(["--format", "json", "--spec-version", "1.5", "--describe", "binaries", "--target", &host]);
    // The time of a bill that anybody can make again.
    bill.env("SOURCE_DATE_EPOCH", "0");
    run(bill)?;
    let text = fs::read_to_string(format!("crates/cli/{BILL}"));
    let text = text.map_err(|error| format!("cargo-cyclonedx left no bill: {error}"))?;
    let text = text.replace(&folder.display().to_string(), "/selfsame");
    let crates = crates(&host)?;
    let missing = missing(&crates, &text);
    if !missing.is_empty() {
        return Err(format!("the bill lacks what the program is built of: {}", missing.join(", ")));
    }
    fs::write("dist/selfsame.cdx.json", text).map_err(|error| format!("can't write the bill: {error}"))?;
    run(shell("rm -f ./*/*_bin.cdx.json crates/*/*_bin.cdx.json"))
}

/// Every crate that cargo builds for the program, build scripts' included, as `name@version`.
fn crates(host: &str) -> Result<Vec<String>, String> {
    let mut tree = cargo(&["tree", "--locked", "--package", "selfsame", "--edges", "normal,build"]);
    tree.args(["--target", host, "--prefix", "none", "--format", "{p}"]);
    let output = tree.output().map_err(|error| format!("can't run {tree:?}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let crates = text.lines().filter_map(|line| {
        let mut words = line.split(' ');
        Some(format!("{}@{}", words.next()?, words.next()?.strip_prefix('v')?))
    });
    let crates: Vec<String> = crates.collect();
    if crates.is_empty() { Err(format!("{tree:?} names no crate")) } else { Ok(crates) }
}

/// Which of these crates a bill doesn't name.
fn missing<'crates>(crates: &'crates [String], bill: &str) -> Vec<&'crates str> {
    let names = |name: &str| [r#"""#, "?"].iter().any(|end| bill.contains(&format!("pkg:cargo/{name}{end}")));
    crates.iter().map(String::as_str).filter(|name| !names(name)).collect()
}

fn cargo_home() -> Result<PathBuf, String> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    home.ok_or_else(|| "neither CARGO_HOME nor HOME is set".to_owned())
}

fn current_folder() -> Result<PathBuf, String> {
    std::env::current_dir().map_err(|error| format!("the current folder is gone: {error}"))
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let copied = fs::copy(from, to);
    copied.map(drop).map_err(|error| format!("can't copy {} to {}: {error}", from.display(), to.display()))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("can't read {}: {error}", path.display()))
}

fn shell(script: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-ec", script]);
    shell
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_bill_lacks_is_found() {
        let bill =
            r#"{"purl": "pkg:cargo/syn@2.0.11"}, {"purl": "pkg:cargo/ours@0.1.0?download_url=file://."}"#;
        let crates = ["syn@2.0.11", "ours@0.1.0", "syn@2.0.1", "time@0.3.5"].map(str::to_owned);
        assert_eq!(missing(&crates, bill), ["syn@2.0.1", "time@0.3.5"]);
    }

    #[test]
    fn a_path_that_a_program_tells_is_found() {
        let folder = Path::new("/home/ada/selfsame");
        assert_eq!(
            told(b"\0/home/ada/selfsame/src/main.rs\0", folder).as_deref(),
            Some("/home/ada/selfsame")
        );
        assert_eq!(told(b"\0/selfsame/src/main.rs\0", folder), None);
    }
}

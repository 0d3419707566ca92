//! Where PostgreSQL's programs are: those of the system, or of any other version from npm, which has them built.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::kept;

/// The package that has a version's programs, and its release of each version.
const PACKAGE: &str = "@embedded-postgres/linux";
const RELEASES: [(u32, &str); 6] = [
    (13, "13.23.0-beta.16"),
    (14, "14.23.0-beta.17"),
    (15, "15.18.0-beta.17"),
    (16, "16.14.0-beta.17"),
    (17, "17.10.0-beta.17"),
    (18, "18.4.0-beta.17"),
];

/// The programs of one version.
#[derive(Clone, Debug)]
pub struct Binaries {
    folder: PathBuf,
}

impl Binaries {
    /// The newest that the system has.
    pub fn of_the_system() -> Self {
        let newest = system().into_iter().max_by_key(Self::version);
        newest.expect("PostgreSQL is missing: run `cargo xtask test`, which installs it")
    }

    /// Those of a version, 13 to 18; fetched from npm and kept, if the system has another.
    pub fn of_version(version: u32) -> Self {
        let installed = system().into_iter().find(|binaries| binaries.version() == version);
        installed.unwrap_or_else(|| Self::of_npm(version))
    }

    /// The path of a program, such as `initdb`.
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The version, such as 15.
    pub fn version(&self) -> u32 {
        let said = self.says();
        let number = said
            .split_whitespace()
            .nth(2)
            .and_then(|version| version.split(|c: char| !c.is_ascii_digit()).next());
        number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no version: {said}"))
    }

    /// What `postgres --version` prints, which tells two builds apart.
    pub(super) fn says(&self) -> String {
        let output = Command::new(self.program("postgres")).arg("--version").output();
        let output = output.unwrap_or_else(|error| panic!("{}: {error}", self.folder.display()));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn of_npm(version: u32) -> Self {
        let release = RELEASES.iter().find(|(number, _)| *number == version).map(|(_, release)| *release);
        let release = release.unwrap_or_else(|| panic!("no release of PostgreSQL {version} is listed"));
        let folder = kept::folder(&format!("programs-{release}"), |folder| unpack(release, folder));
        Self { folder: folder.join("package/native/bin") }
    }
}

/// All that the system has: where Debian puts them beside each other, or else on the path.
fn system() -> Vec<Binaries> {
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = debian.map(|entry| entry.path().join("bin")).collect();
    if let Some(path) = std::env::var_os("PATH") {
        found.extend(std::env::split_paths(&path));
    }
    found.retain(|folder| ["postgres", "initdb"].iter().all(|program| folder.join(program).exists()));
    found.into_iter().map(|folder| Binaries { folder }).collect()
}

/// Downloads a release into a new folder.
fn unpack(release: &str, folder: &Path) {
    let processor = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    fs::create_dir(folder).expect("its parent was just made");
    must(Command::new("npm").args(["pack", "--silent", &format!("{PACKAGE}-{processor}@{release}")]), folder);
    must(Command::new("sh").args(["-c", "tar --no-same-owner -xzf ./*.tgz && rm ./*.tgz"]), folder);
    // npm's archives have no links: the package lists those that its libraries need.
    let package = folder.join("package");
    let links = fs::read(package.join("native/pg-symlinks.json")).expect("the package lists its links");
    let links: Vec<serde_json::Value> = serde_json::from_slice(&links).expect("the list is JSON");
    for link in links {
        let path = |name: &str| package.join(link[name].as_str().expect("a link has two ends"));
        let source = path("source");
        // By name alone, as both lie in one folder: the package is moved when it is complete.
        let name = source.file_name().expect("a library has a name");
        std::os::unix::fs::symlink(name, path("target")).expect("nothing is there yet");
    }
    must(Command::new("chmod").args(["--recursive", "a+rX", "."]), folder);
}

fn must(command: &mut Command, folder: &Path) {
    let output = command.current_dir(folder).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

//! Packages of Python that tests use, as their own lists pin them.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::postgres::kept;
use crate::prisma::{fingerprint, must};

/// The folder with the packages of that list, installed once.
pub(crate) fn packages(name: &str, requirements: &str) -> PathBuf {
    kept::folder(&format!("{name}-{:016x}", fingerprint(requirements)), |folder| {
        fs::create_dir(folder).expect("its parent was just made");
        let list = folder.join("requirements.txt");
        fs::write(&list, requirements).expect("there is room");
        let mut pip = Command::new("python3");
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-compile",
            "--target",
        ]);
        must(pip.arg(folder.join("packages")).arg("--requirement").arg(list), folder);
    })
    .join("packages")
}

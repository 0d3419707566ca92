//! Packages of Node that tests use, as their own lockfiles pin them.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::postgres::kept;
use crate::prisma::{fingerprint, must};

/// A folder with these two files and the packages that they name, installed once.
pub(crate) fn packages(name: &str, package: &str, lock: &str) -> PathBuf {
    kept::folder(&format!("{name}-{:016x}", fingerprint(&[package, lock].concat())), |folder| {
        fs::create_dir(folder).expect("its parent was just made");
        for (name, content) in [("package.json", package), ("package-lock.json", lock)] {
            fs::write(folder.join(name), content).expect("there is room");
        }
        must(Command::new("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]), folder);
    })
}

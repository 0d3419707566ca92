//! Segment's own clients, as `tests/segment` pins them, unchanged: one in Node, one in Python.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::postgres::kept;
use crate::prisma::{fingerprint, must};
use crate::process::clean;

/// What the client in Node is installed by.
const PACKAGES: [(&str, &str); 2] = [
    ("package.json", include_str!("../segment/package.json")),
    ("package-lock.json", include_str!("../segment/package-lock.json")),
];

/// What the client in Python is installed by.
const REQUIREMENTS: &str = include_str!("../segment/requirements.txt");

/// A client of Segment's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentClient {
    Node,
    Python,
    /// The one in Python, told to compress what it sends.
    PythonWithGzip,
}

impl SegmentClient {
    pub const ALL: [Self; 3] = [Self::Node, Self::Python, Self::PythonWithGzip];

    /// How it names itself in each message, after `segment:`.
    pub fn library(self) -> &'static str {
        match self {
            Self::Node => "@segment/analytics-node",
            Self::Python | Self::PythonWithGzip => "analytics-python",
        }
    }

    /// Has it send these calls, pairs of a method and its parameters, to a server; why what could not be delivered was not.
    ///
    /// # Panics
    ///
    /// If it can't be installed or run.
    pub fn send(self, server: SocketAddr, write_key: &str, calls: &Value) -> Vec<String> {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("segment");
        let mut client = match self {
            Self::Node => {
                let mut node = Command::new("node");
                clean(&mut node, &packages()).arg(scripts.join("send.mjs"));
                node
            }
            Self::Python | Self::PythonWithGzip => {
                let mut python = Command::new("python3");
                clean(&mut python, &scripts).arg("send.py").env("PYTHONPATH", modules());
                python.env("PYTHONDONTWRITEBYTECODE", "1");
                python
            }
        };
        if self == Self::PythonWithGzip {
            client.env("GZIP", "1");
        }
        client.arg(calls.to_string()).env("HOST", format!("http://{server}")).env("WRITE_KEY", write_key);
        let output = client.output().expect("it is missing: run `cargo xtask test`, which installs it");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{self:?}: {error}");
        let told = serde_json::from_slice(&output.stdout);
        told.unwrap_or_else(|cause| panic!("{self:?}: {cause}: {error}"))
    }
}

/// The folder with the client for Node, installed once.
fn packages() -> PathBuf {
    let all: String = PACKAGES.iter().map(|(_, content)| *content).collect();
    kept::folder(&format!("segment-node-{:016x}", fingerprint(&all)), |folder| {
        fs::create_dir(folder).expect("its parent was just made");
        for (name, content) in PACKAGES {
            fs::write(folder.join(name), content).expect("there is room");
        }
        must(Command::new("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]), folder);
    })
}

/// The folder with the client for Python, installed once.
fn modules() -> PathBuf {
    kept::folder(&format!("segment-python-{:016x}", fingerprint(REQUIREMENTS)), |folder| {
        fs::create_dir(folder).expect("its parent was just made");
        let list = folder.join("requirements.txt");
        fs::write(&list, REQUIREMENTS).expect("there is room");
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]);
        must(pip.arg("--target").arg(folder.join("packages")).arg("--requirement").arg(list), folder);
    })
    .join("packages")
}

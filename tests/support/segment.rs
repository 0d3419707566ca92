//! Segment's own clients, as `tests/segment` pins them, unchanged: one in Node, one in Python.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::node::packages;
use crate::process::clean;
use crate::python;

/// What the client in Node is installed by.
const PACKAGE: &str = include_str!("../segment/package.json");
const LOCK: &str = include_str!("../segment/package-lock.json");

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
                clean(&mut node, &packages("segment-node", PACKAGE, LOCK)).arg(scripts.join("send.mjs"));
                node
            }
            Self::Python | Self::PythonWithGzip => {
                let mut python = Command::new("python3");
                clean(&mut python, &scripts)
                    .arg("send.py")
                    .env("PYTHONPATH", python::packages("segment-python", REQUIREMENTS));
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

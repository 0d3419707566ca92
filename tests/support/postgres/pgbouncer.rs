//! A pooler before a cluster: connections that change beneath their client.

use std::fs::{self, File};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::cluster::Cluster;
use super::{port, unprivileged};
use crate::deadline::wait_for;

/// When a client gives its connection to the server back.
#[derive(Clone, Copy, Debug)]
pub enum PoolMode {
    Session,
    Transaction,
    Statement,
}

/// A running PgBouncer. Dropped, it is killed.
pub struct PgBouncer {
    port: u16,
    process: Child,
    /// Holds its settings and its log.
    _folder: TempDir,
}

impl PgBouncer {
    /// A pooler of every database of a cluster, by TCP.
    pub fn start(cluster: &Cluster, mode: PoolMode) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a temporary folder");
        unprivileged::give(folder.path());
        let log = folder.path().join("log");
        // A port that was free may be taken a moment later.
        for _ in 0..5 {
            let port = port::free();
            let settings = folder.path().join("settings.ini");
            fs::write(&settings, text(cluster, mode, port)).expect("our own folder can be written");
            unprivileged::give(&settings);
            let mut command = unprivileged::command(Path::new("pgbouncer"));
            command.arg(&settings).stdin(Stdio::null()).stdout(Stdio::null());
            command.stderr(File::create(&log).expect("our own folder can be written"));
            let mut process = command.spawn().expect("PgBouncer is missing: `cargo xtask test` installs it");
            let started = wait_for("PgBouncer accepts connections", || {
                // In this order: a process that goes on listens on that port itself.
                let answered = TcpStream::connect(("127.0.0.1", port)).is_ok();
                let ended = process.try_wait().expect("it is our child").is_some();
                if ended { Some(false) } else { answered.then_some(true) }
            });
            if started {
                return Self { port, process, _folder: folder };
            }
        }
        panic!("it does not start: {}", fs::read_to_string(log).unwrap_or_default());
    }

    /// The URL of a database through it.
    pub fn url(&self, database: &str) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Its settings: few connections, no password, and nothing remembered of prepared statements.
fn text(cluster: &Cluster, mode: PoolMode, port: u16) -> String {
    let mode = match mode {
        PoolMode::Session => "session",
        PoolMode::Transaction => "transaction",
        PoolMode::Statement => "statement",
    };
    let socket = cluster.socket_folder();
    let mut text = format!(
        "[databases]
* = host={} port={} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = 5
",
        socket.display(),
        cluster.port()
    );
    // From 1.21 on it can carry prepared statements from one connection to the next; before, the setting is unknown.
    if version() >= (1, 21) {
        text.push_str("max_prepared_statements = 0\n");
    }
    text
}

/// Its version, such as 1.18.
fn version() -> (u32, u32) {
    let output = Command::new("pgbouncer").arg("--version").output();
    let output = output.expect("PgBouncer is missing: `cargo xtask test` installs it");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = said.split_whitespace().nth(1).and_then(|version| {
        let mut numbers = version.split('.').map_while(|number| number.parse().ok());
        Some((numbers.next()?, numbers.next()?))
    });
    version.unwrap_or_else(|| panic!("no version: {said}"))
}

//! A PostgreSQL cluster of a test's own, which can be killed, frozen and started again.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use tokio_postgres::{Client, Config, NoTls};

use super::binaries::Binaries;
use super::family::Family;
use super::settings::Settings;
use super::{kept, port, unprivileged};
use crate::deadline::wait_for;

/// A cluster in a folder of its own. Dropped, it is killed and its data are gone.
pub struct Cluster {
    port: u16,
    binaries: Binaries,
    settings: Settings,
    /// Nothing while it is down. Before the folder, so that it ends first.
    running: Option<Family>,
    folder: TempDir,
}

impl Cluster {
    /// A running cluster of the system's version.
    pub fn start() -> Self {
        Self::start_with(Binaries::of_the_system(), Settings::default())
    }

    /// A running cluster of a version, 13 to 18.
    pub fn of_version(version: u32) -> Self {
        Self::start_with(Binaries::of_version(version), Settings::default())
    }

    /// A running cluster with settings of its own.
    pub fn start_with(binaries: Binaries, settings: Settings) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a temporary folder");
        unprivileged::give(folder.path());
        unprivileged::folder(&folder.path().join("socket"));
        let mut cluster = Self { port: 0, binaries, settings, running: None, folder };
        cluster.prepare_data();
        // A port that was free may be taken a moment later.
        for _ in 0..5 {
            cluster.port = port::free();
            if cluster.try_start() {
                return cluster;
            }
        }
        panic!("it does not start: {}", cluster.log());
    }

    /// The port of loopback on which it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a database, by TCP.
    pub fn url(&self, database: &str) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// The URL of a database, by the Unix socket.
    pub fn socket_url(&self, database: &str) -> String {
        let folder = self.socket_folder().display().to_string().replace('/', "%2F");
        format!("postgresql://postgres@{folder}:{}/{database}", self.port)
    }

    /// The folder of its Unix socket.
    pub fn socket_folder(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// The folder of its data.
    pub fn data_folder(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A connection as superuser, by the Unix socket, whatever TCP asks for.
    pub async fn connect(&self, database: &str) -> Client {
        self.try_connect(database).await.unwrap_or_else(|error| panic!("{error}: {}", self.log()))
    }

    /// The same, for a cluster that may be down.
    pub async fn try_connect(&self, database: &str) -> Result<Client, tokio_postgres::Error> {
        let mut config = Config::new();
        config.host_path(self.socket_folder()).port(self.port).user("postgres").dbname(database);
        let (client, connection) = config.connect(NoTls).await?;
        // Its error reaches whoever waits for an answer.
        tokio::spawn(async move { drop(connection.await) });
        Ok(client)
    }

    /// Runs statements on a connection of their own.
    pub async fn execute(&self, database: &str, sql: &str) {
        let client = self.connect(database).await;
        client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    /// Makes an empty database, and returns its URL by TCP: the cheap way to something of a test's own.
    pub async fn create_database(&self, name: &str) -> String {
        self.execute("postgres", &format!("CREATE DATABASE \"{name}\" TEMPLATE template0")).await;
        self.url(name)
    }

    /// Ends every connection but the one that does it, as a restart of the server does.
    pub async fn terminate_backends(&self) {
        const OTHERS: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
        self.execute("postgres", OTHERS).await;
    }

    /// All that it has logged so far, over every start.
    pub fn log(&self) -> String {
        let log = fs::read(self.log_file()).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Sends SIGKILL to all its processes; returns when they are gone.
    pub fn kill(&mut self) {
        self.running.take().expect("it is running").kill();
    }

    /// Shuts it down fast: connections are cut, data are written; returns when it has ended.
    pub fn stop(&mut self) {
        let status = self.running.take().expect("it is running").stop();
        assert!(status.success(), "{status}: {}", self.log());
    }

    /// Starts it on the same port with the same data.
    pub fn start_again(&mut self) {
        assert!(self.running.is_none(), "it is running");
        assert!(self.try_start(), "it does not start again: {}", self.log());
    }

    /// Stops all its processes where they are: connections stay open, and nothing answers.
    pub fn freeze(&mut self) {
        self.running.as_mut().expect("it is running").freeze();
    }

    /// Lets them go on.
    pub fn thaw(&mut self) {
        self.running.as_mut().expect("it is running").thaw();
    }

    /// Starts the server and waits until it accepts connections; false if it ends instead.
    fn try_start(&mut self) -> bool {
        let log = File::options().create(true).append(true).open(self.log_file()).expect("our own folder");
        let mut command = unprivileged::command(&self.binaries.program("postgres"));
        command.arg("-D").arg(self.data_folder()).arg("-k").arg(self.socket_folder());
        command.args(["-p", &self.port.to_string()]);
        for (name, value) in &self.settings.values {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        let mut family = Family::start(command, log);
        let started = wait_for("PostgreSQL accepts connections", || {
            if family.has_ended() {
                return Some(false);
            }
            self.is_ready(family.id()).then_some(true)
        });
        if started {
            self.running = Some(family);
        }
        started
    }

    /// Whether the server of that process id accepts connections. It says so in its lock file, where `pg_ctl` looks
    /// too; a connection would need the test's certificates and passwords.
    fn is_ready(&self, id: u32) -> bool {
        let lock = fs::read_to_string(self.data_folder().join("postmaster.pid")).unwrap_or_default();
        let mut lines = lock.lines();
        lines.next() == Some(id.to_string().as_str()) && lines.nth(6).map(str::trim_end) == Some("ready")
    }

    /// Copies the version's template, then writes what differs.
    fn prepare_data(&self) {
        let data = self.data_folder();
        let copied = Command::new("cp").arg("--archive").arg(template(&self.binaries)).arg(&data).status();
        assert!(copied.is_ok_and(|status| status.success()), "can't copy the template to {}", data.display());
        let access = format!("local all all trust\n{}\n", self.settings.access.join("\n"));
        let access = [("pg_hba.conf".to_owned(), access)];
        for (name, content) in access.iter().chain(&self.settings.files) {
            let file = data.join(name);
            fs::write(&file, content).expect("the data folder can be written");
            // A server refuses a key that others could read.
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("it was just written");
            unprivileged::give(&file);
        }
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

/// A cluster of the version that has never been started, to be copied: `initdb` takes more than a second.
fn template(binaries: &Binaries) -> PathBuf {
    let version: String =
        binaries.says().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    kept::folder(&format!("template-{version}"), |folder| initialise(binaries, folder))
}

fn initialise(binaries: &Binaries, folder: &Path) {
    unprivileged::folder(folder);
    let mut initdb = unprivileged::command(&binaries.program("initdb"));
    initdb.args([
        "--username=postgres",
        "--encoding=UTF8",
        "--locale=C",
        "--auth=trust",
        "--no-sync",
        "--pgdata",
    ]);
    let output = initdb.arg(folder).output().expect("initdb can be started");
    assert!(output.status.success(), "{initdb:?}: {}", String::from_utf8_lossy(&output.stderr));
}

//! A PostgreSQL cluster of this run's own, durable as in production, and its pgbench.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::bench::Bench;
use crate::interrupt::Interrupt;
use crate::process::Guarded;

/// `nobody` and its group, the same numbers on every Linux: PostgreSQL refuses to be root.
const NOBODY: u32 = 65534;
/// The name of the socket's file; it listens on nothing else, so the number binds no port.
const PORT: &str = "5432";
/// What differs from PostgreSQL's defaults. All that makes it durable is on by default.
pub(crate) const SETTINGS: [&str; 4] =
    ["shared_buffers=1GB", "max_wal_size=4GB", "max_connections=200", "listen_addresses="];
/// How long a start, a stop or a statement may take.
const LIMIT: Duration = Duration::from_secs(300);
/// How often a cluster that starts is asked whether it is ready.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// A running cluster. Dropped, it is stopped, and its data are gone.
pub(crate) struct Cluster {
    /// Before the folder, so that it ends first.
    postmaster: Guarded,
    programs: PathBuf,
    folder: TempDir,
    interrupt: Interrupt,
}

impl Cluster {
    /// A new cluster; nothing, if PostgreSQL isn't installed.
    pub(crate) fn start(bench: &Bench) -> anyhow::Result<Option<Self>> {
        let Some(programs) = programs() else { return Ok(None) };
        let folder = bench.scratch()?;
        give(folder.path())?;
        let data = folder.path().join("data");
        let mut initdb = unprivileged(&programs.join("initdb"));
        initdb
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--pgdata"])
            .arg(&data);
        output_of(&mut initdb)?;
        let log = folder.path().join("log");
        let file = File::create(&log).context("the cluster's log can't be made")?;
        let mut command = unprivileged(&programs.join("postgres"));
        command.arg("-D").arg(&data).arg("-k").arg(folder.path()).args(["-p", PORT]);
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        let postmaster = Guarded::spawn(&mut command)?;
        let mut cluster = Self { postmaster, programs, folder, interrupt: bench.interrupt.clone() };
        bench.interrupt.wait_for("PostgreSQL's readiness", ASK_EVERY, LIMIT, || {
            if cluster.postmaster.ended()?.is_some() {
                bail!("PostgreSQL did not start: {}", fs::read_to_string(&log).unwrap_or_default().trim());
            }
            let mut asked = cluster.client("pg_isready", "postgres");
            let status = asked.arg("--quiet").status().context("pg_isready can't be started")?;
            Ok(status.success().then_some(()))
        })?;
        Ok(Some(cluster))
    }

    /// The postmaster's process id.
    pub(crate) fn id(&self) -> u32 {
        self.postmaster.id()
    }

    /// Its version, as it says it.
    pub(crate) fn version(&self) -> anyhow::Result<String> {
        Ok(output_of(Command::new(self.programs.join("postgres")).arg("--version"))?.trim().to_owned())
    }

    /// Makes an empty database; its URL by the Unix socket.
    pub(crate) fn create_database(&self, name: &str) -> anyhow::Result<String> {
        self.execute("postgres", &format!("CREATE DATABASE {name}"))?;
        Ok(self.url(name))
    }

    /// Makes a copy of a database that nobody is connected to; its URL.
    pub(crate) fn copy_database(&self, name: &str, from: &str) -> anyhow::Result<String> {
        self.execute("postgres", &format!("CREATE DATABASE {name} TEMPLATE {from}"))?;
        Ok(self.url(name))
    }

    fn url(&self, database: &str) -> String {
        let folder = self.folder.path().display().to_string().replace('/', "%2F");
        format!("postgresql://postgres@{folder}:{PORT}/{database}")
    }

    /// Runs statements.
    pub(crate) fn execute(&self, database: &str, sql: &str) -> anyhow::Result<()> {
        let mut psql = self.client("psql", database);
        output_of(psql.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--command", sql])).map(drop)
    }

    /// The transactions a second of a pgbench script that is prepared once and sent by so many clients.
    pub(crate) fn pgbench(
        &self,
        database: &str,
        script: &str,
        clients: u32,
        duration: Duration,
    ) -> anyhow::Result<f64> {
        let file = self.folder.path().join("script.sql");
        fs::write(&file, script).context("a script for pgbench can't be written")?;
        let seconds = duration.as_secs().max(1).to_string();
        let mut pgbench = self.client("pgbench", database);
        pgbench.args(["--no-vacuum", "--protocol=prepared", "--jobs=1", "--time", &seconds]);
        pgbench.args(["--client", &clients.to_string(), "--file"]).arg(&file);
        let said = self.folder.path().join("pgbench");
        let output = File::create(&said).context("pgbench's output can't be kept")?;
        pgbench.stdout(output.try_clone().context("pgbench's output can't be kept")?).stderr(output);
        let status = Guarded::spawn(&mut pgbench)?.wait(&self.interrupt, duration + LIMIT)?;
        let said = fs::read_to_string(&said).unwrap_or_default();
        let line = said.lines().find_map(|line| line.strip_prefix("tps = "));
        let number = line.and_then(|line| line.split_whitespace().next()).and_then(|text| text.parse().ok());
        match number {
            Some(number) if status.success() => Ok(number),
            _ => bail!("pgbench failed: {}", said.trim()),
        }
    }

    fn client(&self, program: &str, database: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.arg("--host").arg(self.folder.path()).args(["--port", PORT, "--username", "postgres"]);
        // By the environment: each of them calls the option otherwise.
        command.env("PGDATABASE", database).stdin(Stdio::null());
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // At once, but with its children, which a plain kill would leave behind. The guard kills what still stands.
        let asked = self.postmaster.signal(Signal::QUIT);
        if asked.is_ok() {
            // Not interrupted: this runs because somebody interrupted.
            let _ = self.postmaster.wait(&Interrupt::default(), Duration::from_secs(20));
        }
    }
}

/// The folder of the newest PostgreSQL: where Debian puts them beside each other, or else on the path.
fn programs() -> Option<PathBuf> {
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = debian
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = versions.into_iter().rev().map(|(_, folder)| folder).chain(std::env::split_paths(&path));
    let needed = ["initdb", "postgres", "pg_isready", "psql", "pgbench"];
    folders.into_iter().find(|folder| needed.iter().all(|program| folder.join(program).exists()))
}

/// A command that is not root, in a folder that it may enter.
fn unprivileged(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/");
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

fn give(folder: &Path) -> anyhow::Result<()> {
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(folder, Some(NOBODY), Some(NOBODY))
            .context("a folder can't be given away")?;
    }
    Ok(())
}

fn output_of(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("can't start {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

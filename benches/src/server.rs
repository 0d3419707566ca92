//! Servers: ours, on a database of its own, and the empty handler; started, waited for, killed.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::Signal;

use crate::interrupt::Interrupt;
use crate::process::{self, Guarded};
use crate::target::Target;

/// How often a server that starts is asked whether it is ready.
const ASK_EVERY: Duration = Duration::from_millis(2);
/// How long a start may take.
const START_LIMIT: Duration = Duration::from_secs(120);
/// How long a server may take to write what it holds and to end.
const STOP_LIMIT: Duration = Duration::from_secs(120);
/// How long one answer about readiness may take.
const READY_ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// What the server that asks for a key is given.
const KEY: &str = "a-key-that-the-benches-bring-to-a-server";

/// A server that this command started. Dropped, it is killed.
pub(crate) struct Server {
    process: Guarded,
    /// Whom to ask.
    pub(crate) target: Target,
    /// From its start to its first answer that it is ready.
    pub(crate) ready_after: Duration,
    interrupt: Interrupt,
}

impl Server {
    /// Starts `selfsame serve` on a database, with no setting but that, and waits until it is ready.
    ///
    /// `database`: as `--database-url` takes it. `folder`: where it runs, and where its log goes.
    pub(crate) fn start(
        program: &Path,
        database: &str,
        folder: &Path,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Self> {
        Self::spawn(Self::command(program, database, folder), "/readyz", folder, interrupt)
    }

    /// The same, where everybody is asked for a key, and brings it.
    pub(crate) fn start_with_key(
        program: &Path,
        database: &str,
        folder: &Path,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Self> {
        let mut command = Self::command(program, database, folder);
        command.env("SELFSAME_ADMIN_KEY", KEY);
        let server = Self::spawn(command, "/readyz", folder, interrupt)?;
        Ok(Self { target: server.target.clone().with_key(KEY), ..server })
    }

    fn command(program: &Path, database: &str, folder: &Path) -> Command {
        let mut command = command(program, folder);
        command.args(["serve", "--database-url", database]);
        command
    }

    /// Starts the empty handler: this very program, as another process.
    pub(crate) fn start_empty(folder: &Path, interrupt: &Interrupt) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("this program's own path is not known")?;
        let mut command = Command::new(program);
        command.arg(crate::EMPTY_HANDLER).current_dir(folder);
        Self::spawn(command, "/", folder, interrupt)
    }

    fn spawn(
        mut command: Command,
        ready: &str,
        folder: &Path,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Self> {
        let port = free_port()?;
        let target = Target::on_port(port);
        let log = folder.join(format!("log-{port}"));
        let file = File::create(&log).with_context(|| format!("can't write {}", log.display()))?;
        command.args(["--port", &port.to_string()]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        let begin = Instant::now();
        let mut process = Guarded::spawn(&mut command)?;
        interrupt.wait_for("the server's readiness", ASK_EVERY, START_LIMIT, || {
            if process.ended()?.is_some() {
                bail!("the server did not start: {}", fs::read_to_string(&log).unwrap_or_default().trim());
            }
            // Refused while it does not listen yet.
            let answer = target.get(ready, READY_ANSWER_LIMIT).ok();
            Ok(answer.filter(|answer| answer.status == 200))
        })?;
        Ok(Self { process, target, ready_after: begin.elapsed(), interrupt: interrupt.clone() })
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// The memory that it holds now, and the most that it held, in bytes.
    pub(crate) fn memory_bytes(&self) -> anyhow::Result<(u64, u64)> {
        process::memory_bytes(self.id())
    }

    /// Kills it as a power cut would.
    pub(crate) fn kill(self) -> anyhow::Result<()> {
        self.process.kill()
    }

    /// Asks it to end, and waits until it has written everything.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        self.process.signal(Signal::TERM)?;
        let status = self.process.wait(&self.interrupt, STOP_LIMIT)?;
        if !status.success() {
            bail!("the server ended with {status}");
        }
        Ok(())
    }
}

/// The program in a folder, without the settings that its user has made for another server: they must not change what is measured.
pub(crate) fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("SELFSAME_") || ["HOST", "PORT", "DATABASE_URL"].contains(&&*text) {
            command.env_remove(&name);
        }
    }
    command
}

/// A port of loopback that is free now.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no port of loopback is free")?;
    Ok(listener.local_addr().context("a port can't be asked for")?.port())
}

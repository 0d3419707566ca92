//! Processes that this command starts, and what `/proc` says of them.

use std::fs;
use std::io::ErrorKind;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::interrupt::Interrupt;

/// How often the end of a process is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A child. Dropped, it is killed by its id, and gone.
pub(crate) struct Guarded(Child);

impl Guarded {
    /// Starts a command.
    pub(crate) fn spawn(command: &mut Command) -> anyhow::Result<Self> {
        let child = command.spawn().map_err(|error| {
            let program = command.get_program().to_string_lossy();
            let hint =
                if error.kind() == ErrorKind::NotFound { "\nhint: install it, or build it" } else { "" };
            anyhow::anyhow!("can't start {program}: {error}{hint}")
        })?;
        Ok(Self(child))
    }

    /// The process as the operating system knows it.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        self.0.try_wait().context("a child can't be waited for")
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        kill_process(Pid::from_child(&self.0), signal).context("a child can't be sent a signal")
    }

    /// Kills it as a power cut would, and returns when it is gone.
    pub(crate) fn kill(mut self) -> anyhow::Result<()> {
        self.0.kill().context("a child can't be killed")?;
        self.0.wait().context("a child can't be waited for")?;
        Ok(())
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self, interrupt: &Interrupt, limit: Duration) -> anyhow::Result<ExitStatus> {
        interrupt.wait_for("the end of a child", LOOK_EVERY, limit, || self.ended())
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // One that has ended and was waited for is left alone: its id may be another's by now.
        if let Ok(None) = self.0.try_wait() {
            // Nobody is left to be told; what can fail here is only that it is gone already.
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

/// The processor time that a process has used so far, in user space and in the kernel.
pub(crate) fn cpu(id: u32) -> anyhow::Result<Duration> {
    ticks(&stat(id)?, &[11, 12])
}

/// The same of a process and its children, those that have ended too.
pub(crate) fn cpu_of_family(id: u32) -> anyhow::Result<Duration> {
    let mut sum = ticks(&stat(id)?, &[11, 12, 13, 14])?;
    for entry in fs::read_dir("/proc").context("/proc can't be read")? {
        let name = entry.context("/proc can't be read")?.file_name();
        let Some(other) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // Many end while this looks.
        let Ok(fields) = stat(other) else { continue };
        if fields.get(1).is_some_and(|parent| *parent == id.to_string()) {
            sum += ticks(&fields, &[11, 12])?;
        }
    }
    Ok(sum)
}

/// The memory of a process in bytes: what it holds now, and the most that it held.
pub(crate) fn memory_bytes(id: u32) -> anyhow::Result<(u64, u64)> {
    let status =
        fs::read_to_string(format!("/proc/{id}/status")).context("the server's memory can't be read")?;
    let value = |name: &str| -> anyhow::Result<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kilobytes =
            line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|text| text.parse::<u64>().ok());
        Ok(kilobytes.with_context(|| format!("`{name}` is missing in /proc/{id}/status"))? * 1024)
    };
    Ok((value("VmRSS")?, value("VmHWM")?))
}

/// The fields of `/proc/ID/stat` after the name, which may hold anything: the first is the state.
fn stat(id: u32) -> anyhow::Result<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).context("a process's times can't be read")?;
    let Some((_, fields)) = text.rsplit_once(") ") else { bail!("/proc/{id}/stat has no name") };
    Ok(fields.split_whitespace().map(str::to_owned).collect())
}

fn ticks(fields: &[String], positions: &[usize]) -> anyhow::Result<Duration> {
    let mut sum = 0;
    for &position in positions {
        let text = fields.get(position).context("a process's times are missing in /proc")?;
        sum += text.parse::<u64>().context("a process's time is no number")?;
    }
    let microseconds = sum * 1_000_000 / rustix::param::clock_ticks_per_second();
    Ok(Duration::from_micros(microseconds))
}

//! A PostgreSQL server as processes: the postmaster, which is our child, and its children.
//!
//! Each of those makes itself the leader of a session of its own, so no signal to a group reaches them all; they
//! are looked up in `/proc`. The postmaster stays in the test's group: what ends a hanging test ends it too.

use std::fs::{self, File};
use std::io::Read;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::deadline::wait_for;

/// A running server. Dropped, it is killed, and gone.
pub(super) struct Family {
    postmaster: Child,
    /// Nobody writes here, but all have it open: its end is the end of the last of them.
    alive: ChildStdout,
    frozen: bool,
}

impl Family {
    /// Starts the postmaster, which writes its log to a file.
    pub(super) fn start(mut command: Command, log: File) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut postmaster = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let alive = postmaster.stdout.take().expect("it is piped");
        Self { postmaster, alive, frozen: false }
    }

    /// The postmaster's process id.
    pub(super) fn id(&self) -> u32 {
        self.postmaster.id()
    }

    /// Whether it has ended by itself.
    pub(super) fn has_ended(&mut self) -> bool {
        self.postmaster.try_wait().expect("it is our child").is_some()
    }

    /// Stops all of them where they are.
    pub(super) fn freeze(&mut self) {
        self.frozen = true;
        // The postmaster first: from then on nobody is born, and no id of a child that has ended is used again.
        let postmaster = Pid::from_child(&self.postmaster);
        self.signal(postmaster, Signal::STOP);
        wait_until_still(postmaster);
        for child in self.children() {
            self.signal(child, Signal::STOP);
            wait_until_still(child);
        }
    }

    /// Lets all of them go on.
    pub(super) fn thaw(&mut self) {
        for child in self.children() {
            self.signal(child, Signal::CONT);
        }
        self.signal(Pid::from_child(&self.postmaster), Signal::CONT);
        self.frozen = false;
    }

    /// Ends all of them with SIGKILL, and returns when all are gone.
    pub(super) fn kill(&mut self) {
        if self.has_ended() {
            self.wait();
            return;
        }
        self.freeze();
        for child in self.children() {
            self.signal(child, Signal::KILL);
        }
        self.postmaster.kill().expect("it is ours to kill");
        self.wait();
    }

    /// Ends them with PostgreSQL's fast shutdown, and returns when all are gone.
    pub(super) fn stop(&mut self) -> ExitStatus {
        if self.frozen {
            self.thaw();
        }
        self.signal(Pid::from_child(&self.postmaster), Signal::INT);
        self.wait()
    }

    fn wait(&mut self) -> ExitStatus {
        let status = self.postmaster.wait().expect("it is our child");
        // Children whose postmaster has died end at once, or were killed with it.
        let _ = self.alive.read_to_end(&mut Vec::new());
        status
    }

    /// Sends a signal to one that may just have ended, but whose id is not used again until it is waited for.
    fn signal(&self, id: Pid, signal: Signal) {
        match kill_process(id, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => panic!("can't signal {id:?}: {error}"),
        }
    }

    /// The postmaster's children, as `/proc` lists them now.
    fn children(&self) -> Vec<Pid> {
        let postmaster = self.postmaster.id().to_string();
        let processes = fs::read_dir("/proc").expect("Linux has it").flatten();
        let ids =
            processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw));
        ids.filter(|&id| state_and_parent(id).is_some_and(|(_, parent)| parent == postmaster)).collect()
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits until a process has stopped, or has ended.
fn wait_until_still(id: Pid) {
    wait_for("a signalled process stops", || match state_and_parent(id) {
        Some((state, _)) => ["T", "Z", "X"].contains(&state.as_str()).then_some(()),
        None => Some(()),
    });
}

/// A process's state, such as `S`, and its parent's id; nothing if it is gone.
fn state_and_parent(id: Pid) -> Option<(String, String)> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", id.as_raw_nonzero())).ok()?;
    // The name stands in brackets, and may have any character in it.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.to_owned()))
}

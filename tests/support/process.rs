//! The program `selfsame` itself, as a process: what `kill -9` and a full disk need.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// The program under test: `SELFSAME_PROGRAM`, or the one that cargo built beside this test.
pub fn program() -> PathBuf {
    if let Some(program) = std::env::var_os("SELFSAME_PROGRAM") {
        return program.into();
    }
    let test = std::env::current_exe().expect("a test knows its own file");
    let program = test.ancestors().nth(2).expect("target/PROFILE/deps/TEST").join("selfsame");
    assert!(program.exists(), "{} is missing: run `cargo xtask test`, which builds it", program.display());
    program
}

/// A command line of the program in `folder`, with nothing of this process's settings.
pub fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    clean(&mut command, folder).args(arguments);
    command
}

/// Runs the program to its end.
pub fn run(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().expect("the program can be started")
}

/// Takes from `command` every setting that this process was given, and makes `folder` its current one.
pub fn clean<'command>(command: &'command mut Command, folder: &Path) -> &'command mut Command {
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        let ours = name.starts_with("SELFSAME_") || name.starts_with("OTEL_");
        if ours || ["HOST", "PORT", "DATABASE_URL"].contains(&name.as_ref()) {
            command.env_remove(name.as_ref());
        }
    }
    command.current_dir(folder).stdin(Stdio::null())
}

/// The address in a URL that a server greets with.
fn authority(url: &str) -> Option<SocketAddr> {
    let (_, address) = url.split_once("://")?;
    address.parse().ok()
}

/// A server process. Dropped, it is killed.
pub struct ServerProcess {
    pub address: SocketAddr,
    child: Child,
    /// What it has said on standard error so far.
    said: Arc<Mutex<String>>,
    listening: Option<JoinHandle<()>>,
}

impl ServerProcess {
    /// Starts `selfsame serve` on `selfsame.db` in `folder`, on a free port; returns when it has greeted.
    pub fn start(folder: &Path) -> Self {
        Self::spawn(command(folder, &["serve", "--port", "0"]))
            .unwrap_or_else(|said| panic!("no greeting: {said}"))
    }

    /// Starts a server by any command line that leads to its greeting; what it said, if it ended without one.
    pub fn spawn(mut command: Command) -> Result<Self, String> {
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program can be started");
        let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        let mut said = String::new();
        let mut address = None;
        for line in lines.by_ref() {
            let line = line.expect("the program speaks UTF-8");
            said.push_str(&line);
            said.push('\n');
            if let Some(url) = line.trim().strip_prefix("address   ") {
                address = authority(url);
            }
            let json: Option<Value> = serde_json::from_str(&line).ok();
            if let Some(url) = json.as_ref().and_then(|line| line["address"].as_str()) {
                address = authority(url);
                break;
            }
            // The greeting's last line.
            if line.trim_start().starts_with("-d ") {
                break;
            }
        }
        let Some(address) = address else {
            let _ = child.wait();
            return Err(said);
        };
        let said = Arc::new(Mutex::new(said));
        let listening = std::thread::spawn({
            let said = Arc::clone(&said);
            move || {
                for line in lines.map_while(Result::ok) {
                    let mut said = said.lock().expect("nothing panics while it holds this");
                    said.push_str(&line);
                    said.push('\n');
                }
            }
        });
        Ok(Self { address, child, said, listening: Some(listening) })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How much memory it holds now, in KiB.
    pub fn memory_kib(&self) -> u64 {
        self.status_kib("VmRSS:")
    }

    /// The most memory that it ever held, in KiB.
    pub fn memory_peak_kib(&self) -> u64 {
        self.status_kib("VmHWM:")
    }

    fn status_kib(&self, name: &str) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.id())).expect("it runs, on Linux");
        let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_suffix("kB"));
        value.and_then(|kib| kib.trim().parse().ok()).expect("the kernel tells the memory of a process")
    }

    /// What it has said on standard error so far; all of it once it has ended.
    pub fn said(&self) -> String {
        self.said.lock().expect("nothing panics while it holds this").clone()
    }

    /// Sends SIGKILL, and waits for the end.
    pub fn kill(&mut self) {
        self.child.kill().expect("it is ours to kill");
        self.wait();
    }

    /// Sends SIGTERM, and waits for the end.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal_terminate();
        self.wait()
    }

    /// Sends SIGTERM and returns at once.
    pub fn signal_terminate(&self) {
        let id = Pid::from_child(&self.child);
        kill_process(id, Signal::TERM).expect("it is ours to end");
    }

    /// Waits for the end.
    pub fn wait(&mut self) -> ExitStatus {
        let status = self.child.wait().expect("it is our child");
        if let Some(listening) = self.listening.take() {
            listening.join().expect("reading lines does not panic");
        }
        status
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

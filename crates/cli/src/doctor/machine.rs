//! What the machine, or the container, gives this process.

use rustix::process::{Resource, getrlimit};

use super::Check;
use super::finding::{Finding, ok, problem, size, warning};
use super::installation::Installation;

pub(super) const CHECKS: &[Check] =
    &[Check { name: "open files", judge: open_files }, Check { name: "memory", judge: memory }];

/// What the embedded store needs: docs/OPERATIONS.md, "Sizing".
const MEMORY_BYTES: u64 = 64 << 20;
const MEMORY_BYTES_OF_CONTACT: u64 = 150;

/// Below the first hardly anybody can connect, below the second not everybody.
const OPEN_FILES_MIN: u64 = 128;
const OPEN_FILES_FEW: u64 = 1_024;

pub(super) struct Machine {
    /// The limits of open files, where there are any.
    soft_limit: Option<u64>,
    hard_limit: Option<u64>,
    /// The machine's memory, or what the container may have of it.
    memory_bytes: Option<u64>,
}

impl Machine {
    pub(super) fn look() -> Self {
        let files = getrlimit(Resource::Nofile);
        let limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
        let limits =
            limits.into_iter().filter_map(|path| std::fs::read_to_string(path).ok()?.trim().parse().ok());
        Self {
            soft_limit: files.current,
            hard_limit: files.maximum,
            memory_bytes: limits.chain(memory_of_machine()).min(),
        }
    }
}

/// `MemTotal:        8000000 kB`
fn memory_of_machine() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

/// Those of the process that asks: the server's are the same if it is started in the same way.
fn open_files(installation: &Installation) -> Vec<Finding> {
    let machine = &installation.machine;
    let Some(soft) = machine.soft_limit else { return vec![ok("there is no limit")] };
    let says = match machine.hard_limit {
        Some(hard) => format!("{soft} at once (up to {hard} if asked for), and each connection is one"),
        None => format!("{soft} at once, and each connection is one"),
    };
    let hint = "`LimitNOFILE` in the unit, `--ulimit nofile` in Docker, `ulimit -n` in a shell";
    vec![if soft < OPEN_FILES_MIN {
        problem(says, hint)
    } else if soft < OPEN_FILES_FEW {
        warning(says, hint)
    } else {
        ok(says)
    }]
}

fn memory(installation: &Installation) -> Vec<Finding> {
    let (Some(contacts), Some(memory)) =
        (installation.embedded_contacts(), installation.machine.memory_bytes)
    else {
        return Vec::new();
    };
    let needed = MEMORY_BYTES + contacts * MEMORY_BYTES_OF_CONTACT;
    let says = format!("the number of contacts ({contacts}) asks for {} of {}", size(needed), size(memory));
    vec![if needed > memory {
        problem(says, "more memory, or PostgreSQL, which holds nothing in it")
    } else if needed > memory / 2 {
        warning(says, "more memory before it grows, or PostgreSQL, which holds nothing in it")
    } else {
        ok(says)
    }]
}

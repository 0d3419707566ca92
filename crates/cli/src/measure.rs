//! What is measured of the process itself, under the names that Prometheus' own clients use, and of the build.
//!
//! Read from `/proc`; elsewhere than on Linux there is nothing to tell.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};
use selfsame_api::Measurements;

const SAMPLE_EVERY: Duration = Duration::from_secs(5);

/// Begins to measure, for as long as the process runs.
pub(crate) fn start() -> anyhow::Result<Measurements> {
    let measurements = Measurements::start()?;
    describe();
    gauge!("selfsame_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1);
    tokio::spawn(measurements.clone().gather());
    tokio::spawn(async {
        loop {
            // Counting the files that are open takes its time where they are many.
            let _ = tokio::task::spawn_blocking(sample).await;
            tokio::time::sleep(SAMPLE_EVERY).await;
        }
    });
    Ok(measurements)
}

fn describe() {
    describe_gauge!("selfsame_build_info", "1, with the version of the program.");
    describe_counter!("process_cpu_seconds_total", Unit::Seconds, "Time of processors that was used.");
    describe_gauge!("process_resident_memory_bytes", Unit::Bytes, "Memory that is in use.");
    describe_gauge!("process_virtual_memory_bytes", Unit::Bytes, "Memory that is addressed.");
    describe_gauge!("process_threads", "Threads.");
    describe_gauge!("process_open_fds", "Files and connections that are open.");
    describe_gauge!("process_max_fds", "The most files and connections that may be open.");
    describe_gauge!("process_start_time_seconds", Unit::Seconds, "When the process started, since 1970.");
}

/// Tells what the system says of this process; what it doesn't say is left out.
fn sample() {
    if let Some(process) = std::fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(Process::read)
    {
        counter!("process_cpu_seconds_total").absolute(process.processor_seconds);
        gauge!("process_resident_memory_bytes").set(process.resident_bytes as f64);
        gauge!("process_virtual_memory_bytes").set(process.virtual_bytes as f64);
        gauge!("process_threads").set(process.threads as f64);
        let booted = std::fs::read_to_string("/proc/stat").ok();
        if let Some(booted) = booted.as_deref().and_then(boot_time_seconds) {
            gauge!("process_start_time_seconds").set(booted as f64 + process.started_seconds);
        }
    }
    if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
        gauge!("process_open_fds").set(files.count() as f64);
    }
    if let Some(most) = getrlimit(Resource::Nofile).current {
        gauge!("process_max_fds").set(most as f64);
    }
}

/// A line of `/proc/PID/stat`.
#[derive(Debug, PartialEq)]
struct Process {
    processor_seconds: u64,
    resident_bytes: u64,
    virtual_bytes: u64,
    threads: u64,
    /// After the start of the system.
    started_seconds: f64,
}

impl Process {
    fn read(line: &str) -> Option<Self> {
        // The second field is the program's name in brackets, which may hold anything.
        let (_, rest) = line.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // `man 5 proc` counts from 1, and the first here is its third.
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let ticks = clock_ticks_per_second();
        Some(Self {
            processor_seconds: (field(14)? + field(15)?) / ticks,
            resident_bytes: field(24)? * page_size() as u64,
            virtual_bytes: field(23)?,
            threads: field(20)?,
            started_seconds: field(22)? as f64 / ticks as f64,
        })
    }
}

/// When the system started, since 1970, as `/proc/stat` says.
fn boot_time_seconds(stat: &str) -> Option<u64> {
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name() {
        let ticks = clock_ticks_per_second();
        let line = format!(
            "7 (self) same (x) S 1 7 7 0 -1 4194560 900 0 0 0 {user} {system} 0 0 20 0 9 0 {started} 83886080 512 1844 1 1",
            user = 5 * ticks,
            system = 2 * ticks,
            started = 40 * ticks,
        );
        let want = Process {
            processor_seconds: 7,
            resident_bytes: 512 * page_size() as u64,
            virtual_bytes: 83_886_080,
            threads: 9,
            started_seconds: 40.0,
        };
        assert_eq!(Process::read(&line), Some(want));
        assert_eq!(Process::read("7 (selfsame) S 1"), None);
        assert_eq!(boot_time_seconds("cpu 1 2\nbtime 1700000000\nprocesses 9\n"), Some(1_700_000_000));
    }
}

//! The machine that was measured, in words.

use std::fs;
use std::path::Path;
use std::process::Command;

/// What a reader needs to know to compare.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    rows: Vec<(&'static str, String)>,
}

impl Machine {
    /// This machine; `folder` is where databases lie, and `repository` what was built.
    pub(crate) fn look(folder: &Path, repository: &Path) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let processor = value_in("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned());
        let memory = value_in("/proc/meminfo", "MemTotal")
            .and_then(|text| text.strip_suffix(" kB")?.parse::<f64>().ok())
            .map_or_else(
                || "unknown".to_owned(),
                |kilobytes| format!("{:.1} GiB", kilobytes / 1024.0 / 1024.0),
            );
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split_whitespace().next().unwrap_or("unknown").to_owned();
        let commit = said("git", &["rev-parse", "--short=10", "HEAD"], repository);
        let rows = vec![
            ("date", jiff::Timestamp::now().strftime("%Y-%m-%d").to_string()),
            ("commit", commit.unwrap_or_else(|| "unknown".to_owned())),
            ("processor", format!("{processor}, {threads} threads")),
            ("memory", memory),
            ("kernel", kernel.trim().to_owned()),
            ("file system of the databases", file_system(folder)),
            ("load before", load),
            ("compiler", said("rustc", &["--version"], repository).unwrap_or_else(|| "unknown".to_owned())),
        ];
        Self { rows }
    }

    /// A table of it.
    pub(crate) fn table(&self) -> String {
        let rows: String = self.rows.iter().map(|(name, value)| format!("| {name} | {value} |\n")).collect();
        format!("| | |\n| --- | --- |\n{rows}")
    }
}

/// The value of the first line of that name in a file of `/proc`.
fn value_in(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The type of the file system that holds a folder: a sync costs nothing where that is memory.
fn file_system(folder: &Path) -> String {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let holding = mounts.lines().filter_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (place, kind) = (fields.next()?, fields.next()?);
        folder.starts_with(place).then_some((place.len(), kind))
    });
    holding
        .max_by_key(|(length, _)| *length)
        .map_or_else(|| "unknown".to_owned(), |(_, kind)| kind.to_owned())
}

/// The first line that a program prints.
fn said(program: &str, arguments: &[&str], folder: &Path) -> Option<String> {
    let output = Command::new(program).args(arguments).current_dir(folder).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.lines().next().unwrap_or_default().to_owned())
}

//! Sampling a server with Linux perf, and putting each sample where it belongs.
//!
//! Everything is inlined into everything in a release build, so a function's name says little. The debug information knows from
//! which source file each instruction came, and the file's path names its crate.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::Signal;

use crate::bench::Bench;
use crate::process::Guarded;
use crate::server::Server;

/// How long is sampled.
pub(crate) const DURATION: Duration = Duration::from_secs(5);
/// Samples a second of each processor.
const FREQUENCY: &str = "997";
/// How long perf may take to write what it has.
const WRITE_LIMIT: Duration = Duration::from_secs(60);

/// A profile, or why there is none.
pub(crate) enum Profile {
    /// One sentence for the document.
    Missing(String),
    /// What was found.
    Taken(Costs),
}

/// Where samples fell.
#[derive(Debug, Default)]
pub(crate) struct Costs {
    /// All samples.
    pub(crate) samples: u64,
    groups: HashMap<String, u64>,
    places: HashMap<(String, String), u64>,
}

impl Costs {
    fn add(&mut self, group: &str, place: &str, count: u64) {
        self.samples += count;
        *self.groups.entry(group.to_owned()).or_default() += count;
        *self.places.entry((group.to_owned(), place.to_owned())).or_default() += count;
    }

    /// The groups, then the single places that have at least `share_min` of all; the costliest first.
    pub(crate) fn tables(&self, share_min: f64) -> String {
        let share = |count: u64| count as f64 / self.samples.max(1) as f64;
        let mut groups: Vec<(&String, u64)> =
            self.groups.iter().map(|(name, count)| (name, *count)).collect();
        groups.sort_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(other.0)));
        let mut text = "| where | of all samples |\n| --- | --- |\n".to_owned();
        let ours = groups.iter().filter(|(name, _)| name.starts_with(OURS)).map(|(_, count)| count).sum();
        text += &format!("| **all that is ours** | {:.1} % |\n", share(ours) * 100.0);
        let (large, small): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|(_, count)| share(*count) >= GROUP_SHARE_MIN);
        for (name, count) in large {
            text += &format!("| {name} | {:.1} % |\n", share(count) * 100.0);
        }
        let rest = small.iter().map(|(_, count)| count).sum();
        text += &format!("| {} others together | {:.1} % |\n", small.len(), share(rest) * 100.0);
        let mut places: Vec<_> =
            self.places.iter().filter(|(_, count)| share(**count) >= share_min).collect();
        places.sort_by(|one, other| other.1.cmp(one.1).then(one.0.cmp(other.0)));
        text += "\n| top costs | where | of all samples |\n| --- | --- | --- |\n";
        for ((group, place), count) in places {
            text += &format!("| `{place}` | {group} | {:.1} % |\n", share(*count) * 100.0);
        }
        text
    }
}

/// Samples a server while `load` runs.
pub(crate) fn sample(
    bench: &Bench,
    server: &Server,
    load: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<Profile> {
    for tool in ["perf", "addr2line"] {
        let found = Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !found.is_ok_and(|status| status.success()) {
            return Ok(Profile::Missing(format!("`{tool}` is not installed here, so no profile was taken.")));
        }
    }
    let folder = bench.scratch()?;
    let data = folder.path().join("perf.data");
    let said = folder.path().join("said");
    let output = File::create(&said).context("perf's output can't be kept")?;
    let mut command = Command::new("perf");
    // By the clock: machines that are guests often have no counters.
    command.args([
        "record",
        "-g",
        "--event",
        "cpu-clock",
        "--freq",
        FREQUENCY,
        "--pid",
        &server.id().to_string(),
    ]);
    command.arg("--output").arg(&data).stdin(Stdio::null()).stdout(Stdio::null()).stderr(output);
    let mut perf = Guarded::spawn(&mut command)?;
    load()?;
    if perf.ended()?.is_none() {
        perf.signal(Signal::INT)?;
    }
    perf.wait(&bench.interrupt, WRITE_LIMIT)?;
    if !data.exists() {
        let why = fs::read_to_string(&said).unwrap_or_default().replace('\n', " ");
        return Ok(Profile::Missing(format!(
            "perf could not sample here, so no profile was taken: {}",
            why.trim()
        )));
    }
    let base = load_address(server.id(), &bench.program)?;
    let script = Command::new("perf")
        .args(["script", "--fields", "ip,sym,dso", "--input"])
        .arg(&data)
        .stderr(Stdio::null())
        .output()
        .context("perf script can't be started")?;
    let script = String::from_utf8_lossy(&script.stdout);
    Ok(Profile::Taken(costs(&script, &bench.program, &base)?))
}

/// One frame of a sample: where, in what function, of what file.
#[derive(Clone, Copy, Debug)]
struct Frame<'text> {
    address: u64,
    symbol: &'text str,
    file: &'text str,
}

/// How addresses of a running program map to those in its file.
struct Mapping {
    /// Where each part was loaded: its beginning, its end, its place in the file.
    parts: Vec<(u64, u64, u64)>,
    /// Each part of the file that is loaded: its place in the file, its length, its address.
    segments: Vec<(u64, u64, u64)>,
}

impl Mapping {
    /// The address as the debug information has it.
    fn in_file(&self, address: u64) -> u64 {
        let part = self.parts.iter().find(|(begin, end, _)| (*begin..*end).contains(&address));
        // Newer versions of perf print the place in the file itself.
        let place = part.map_or(address, |(begin, _, place)| address - begin + place);
        let segment =
            self.segments.iter().find(|(begin, length, _)| (*begin..begin + length).contains(&place));
        segment.map_or(place, |(begin, _, at)| place - begin + at)
    }
}

fn load_address(id: u32, program: &Path) -> anyhow::Result<Mapping> {
    let maps =
        fs::read_to_string(format!("/proc/{id}/maps")).context("the server's memory map can't be read")?;
    let hexadecimal = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).ok();
    let parts = maps.lines().filter(|line| line.ends_with(&*program.to_string_lossy())).filter_map(|line| {
        let mut fields = line.split_whitespace();
        let (begin, end) = fields.next()?.split_once('-')?;
        Some((hexadecimal(begin)?, hexadecimal(end)?, hexadecimal(fields.nth(1)?)?))
    });
    let parts = parts.collect();
    let output = Command::new("readelf").args(["--segments", "--wide"]).arg(program).output();
    let output = output.context("readelf can't be started\nhint: it comes with addr2line")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let segments = text.lines().filter_map(|line| {
        let mut fields = line.trim().strip_prefix("LOAD")?.split_whitespace();
        let (place, address) = (hexadecimal(fields.next()?)?, hexadecimal(fields.next()?)?);
        Some((place, hexadecimal(fields.nth(1)?)?, address))
    });
    Ok(Mapping { parts, segments: segments.collect() })
}

/// Reads what `perf script` prints: samples with an empty line between them, a line a frame, the innermost first.
fn costs(script: &str, program: &Path, mapping: &Mapping) -> anyhow::Result<Costs> {
    let name = program.to_string_lossy();
    let mut costs = Costs::default();
    let mut ours: HashMap<u64, u64> = HashMap::new();
    for sample in script.split("\n\n") {
        let frames: Vec<Frame<'_>> = sample.lines().filter_map(frame).collect();
        let Some(innermost) = frames.first() else { continue };
        if innermost.file.contains("kernel") || innermost.file.contains("guest") {
            costs.add(&format!("kernel: {}", of_kernel(&frames)), innermost.symbol, 1);
        } else if innermost.file == name {
            *ours.entry(mapping.in_file(innermost.address)).or_default() += 1;
        } else {
            costs.add(of_library(innermost.symbol), innermost.symbol, 1);
        }
    }
    if ours.is_empty() && costs.samples == 0 {
        bail!("perf took no sample");
    }
    let addresses: Vec<u64> = ours.keys().copied().collect();
    for (address, (group, place)) in addresses.iter().zip(places(program, &addresses)?) {
        costs.add(&group, &place, ours[address]);
    }
    Ok(costs)
}

fn frame(line: &str) -> Option<Frame<'_>> {
    let (address, rest) = line.trim().split_once(' ')?;
    let (symbol, file) = rest.rsplit_once(" (")?;
    Some(Frame {
        address: u64::from_str_radix(address, 16).ok()?,
        symbol: symbol.trim(),
        file: file.trim_end_matches(')'),
    })
}

/// What led into the kernel: a system call, by its name, or something that nobody called.
fn of_kernel<'text>(frames: &[Frame<'text>]) -> &'text str {
    // The outermost function of a call often gives way to the one that it calls, whose name says the same.
    const CALLS: [&str; 6] = ["__x64_sys_", "__arm64_sys_", "__do_sys_", "__sys_", "ksys_", "do_"];
    let known = |name: &&str| !["syscall_64", "idle", "softirq"].contains(name);
    // From the outside: what runs below a system call may be anything.
    let outermost = frames.iter().rev().filter(|frame| frame.file.contains("kernel")).take(4);
    for Frame { symbol, .. } in outermost {
        if symbol.contains("page_fault") {
            return "page faults";
        }
        if symbol.contains("sysvec") || symbol.contains("irq") || symbol.contains("exit_to_user_mode") {
            return "interrupts and scheduling";
        }
        if let Some(name) = CALLS.iter().find_map(|start| symbol.strip_prefix(start)).filter(known) {
            return name;
        }
    }
    "the rest"
}

/// What the C library is asked for by a server in Rust: memory, and moving it.
fn of_library(symbol: &str) -> &'static str {
    if ["mem", "str", "__mem", "__str"].iter().any(|start| symbol.starts_with(start)) {
        "C library: copying and comparing"
    } else if ["alloc", "free", "unlink_chunk", "malloc_consolidate"].iter().any(|name| symbol.contains(name))
    {
        "C library: allocation"
    } else {
        "C library: the rest"
    }
}

/// The group and the function of each address, by its debug information.
fn places(program: &Path, addresses: &[u64]) -> anyhow::Result<Vec<(String, String)>> {
    let mut command = Command::new("addr2line");
    command.args(["--addresses", "--functions", "--inlines", "--demangle", "--exe"]).arg(program);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = Guarded::spawn(&mut command)?;
    let mut input = child.child().stdin.take().context("addr2line takes no input")?;
    let mut output = child.child().stdout.take().context("addr2line has no output")?;
    let lines: String = addresses.iter().map(|address| format!("{address:#x}\n")).collect();
    // On a thread, because addr2line answers while it still reads.
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let mut text = String::new();
    std::io::Read::read_to_string(&mut output, &mut text).context("addr2line's output can't be read")?;
    writer.join().ok().context("the writer panicked")?.context("addr2line took not all addresses")?;
    let mut found: Vec<(String, String)> = Vec::new();
    // An address line, then a function and its file for each level of inlining, the innermost first.
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if !line.starts_with("0x") {
            bail!("addr2line printed `{line}` where an address should be");
        }
        let mut best: Option<(String, String)> = None;
        while lines.peek().is_some_and(|line| !line.starts_with("0x")) {
            let (Some(function), Some(file)) = (lines.next(), lines.next()) else { break };
            let group = group_of(file);
            // The standard library works for whoever called it.
            if best.as_ref().is_none_or(|(group, _)| group == STANDARD) {
                best = Some((group, shortened(function)));
            }
        }
        found.push(best.unwrap_or_else(|| ("unknown".to_owned(), "?".to_owned())));
    }
    if found.len() != addresses.len() {
        bail!("addr2line answered {} of {} addresses", found.len(), addresses.len());
    }
    Ok(found)
}

/// How the names of our own groups begin.
const OURS: &str = "ours: ";
/// What a group must have of the whole for a row of its own.
const GROUP_SHARE_MIN: f64 = 0.002;
const STANDARD: &str = "Rust's standard library";

/// What a source file belongs to: a part of ours, or a crate.
fn group_of(file: &str) -> String {
    if file.contains("/rustc/") || file.contains("/library/") {
        STANDARD.to_owned()
    } else if file.contains("sqlite3") {
        "SQLite".to_owned()
    } else if let Some((_, rest)) = file.split_once("/registry/src/") {
        let name = rest.split('/').nth(1).unwrap_or(rest);
        // Without its version, which begins at the last dash before a digit.
        let version =
            name.match_indices('-').find(|(at, _)| name[at + 1..].starts_with(|c: char| c.is_ascii_digit()));
        version.map_or(name, |(at, _)| &name[..at]).to_owned()
    } else if let Some((_, rest)) = file.rsplit_once("crates/") {
        let mut parts = rest.split('/');
        let (part, source) = (parts.next().unwrap_or(rest), parts.next_back().unwrap_or_default());
        let source = source.split([':', ' ']).next().unwrap_or_default();
        format!("{OURS}{part}/{source}")
    } else {
        "unknown".to_owned()
    }
}

/// A function's name, without the types that make it fill a page.
fn shortened(function: &str) -> String {
    const LENGTH_MAX: usize = 80;
    let name = function.replace('|', "/").replace('`', "");
    if name.chars().count() <= LENGTH_MAX {
        name
    } else {
        name.chars().take(LENGTH_MAX).chain(['…']).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Mapping, costs, group_of};

    #[test]
    fn a_source_file_names_its_crate() {
        let registry = "/home/me/.cargo/registry/src/index-1/hyper-util-0.1.2/src/rt/tokio.rs:12";
        assert_eq!(group_of(registry), "hyper-util");
        assert_eq!(
            group_of("/src/selfsame/crates/rules/src/email.rs:7 (discriminator 2)"),
            "ours: rules/email.rs"
        );
        assert_eq!(group_of("/rustc/abc/library/core/src/ptr.rs:1"), "Rust's standard library");
        assert_eq!(group_of("??:0"), "unknown");
    }

    #[test]
    fn a_sample_in_the_kernel_counts_for_its_system_call() {
        let script = "\tffff1 tcp_sendmsg ([kernel.kallsyms])\n\tffff2 __x64_sys_write ([kernel.kallsyms])\n\t7f01 [unknown] (/usr/bin/it)\n\n\n\
            \t7f02 malloc (/usr/lib/libc.so.6)\n\n";
        let mapping = Mapping { parts: Vec::new(), segments: Vec::new() };
        let costs = costs(script, Path::new("/usr/bin/it"), &mapping).unwrap();
        assert_eq!(
            (costs.samples, costs.groups["kernel: write"], costs.groups["C library: allocation"]),
            (2, 1, 1)
        );
    }

    #[test]
    fn an_address_is_found_in_the_file_wherever_it_was_loaded() {
        let mapping =
            Mapping { parts: vec![(0x1000, 0x2000, 0x300)], segments: vec![(0x300, 0x1000, 0x1300)] };
        assert_eq!(mapping.in_file(0x1004), 0x1304);
        assert_eq!(mapping.in_file(0x304), 0x1304);
    }
}

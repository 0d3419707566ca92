//! What an import is answered, line by line.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use axum::body::Body;
use http_body_util::BodyExt;
use serde::Deserialize;

/// The lines of an answer, as they come.
pub(crate) struct Lines {
    body: Body,
    unread: Vec<u8>,
}

/// What a line tells.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", untagged)]
enum Line {
    Columns { columns: Columns },
    Rejected { rejected: Rejected },
    Stored { stored: Standing },
    Summary { summary: Standing },
    Problem { code: String, detail: String, status: u16 },
}

/// What happened.
pub(crate) enum Told {
    Columns(Columns),
    Rejected(Rejected),
    Stored(Standing),
    Summary(Standing),
    Problem { code: String, detail: String, status: u16 },
}

/// What was understood of the file.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Columns {
    format: String,
    compression: Option<String>,
    read: Vec<Column>,
    also: Vec<Also>,
    unread_times: Vec<Unread>,
    headers: Vec<String>,
    pub(crate) rejects_header: String,
}

#[derive(Deserialize)]
struct Column {
    header: String,
    meaning: String,
    filled: u64,
    usable: u64,
    examples: Vec<String>,
}

#[derive(Deserialize)]
struct Also {
    header: String,
    meaning: String,
}

#[derive(Deserialize)]
struct Unread {
    header: String,
    reason: String,
}

/// A row that is not taken.
#[derive(Deserialize)]
pub(crate) struct Rejected {
    pub(crate) line: u64,
    pub(crate) column: Option<String>,
    pub(crate) reason: String,
    pub(crate) row: String,
}

/// How far it is, or what came of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Standing {
    pub(crate) rows: u64,
    pub(crate) decided: u64,
    pub(crate) rejected: u64,
    pub(crate) rows_before: u64,
    contacts: i64,
    identities: i64,
    merges: i64,
    refused: i64,
    unchanged: i64,
    pub(crate) bytes: u64,
    #[serde(default)]
    dry_run: bool,
}

impl Lines {
    pub(crate) fn of(body: Body) -> Self {
        Self { body, unread: Vec::new() }
    }

    /// The next line, and what it tells; nothing at the end.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<(String, Told)>> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                let line = String::from_utf8(line).context("the answer is no text")?;
                let line = line.trim_end().to_owned();
                let told = match serde_json::from_str(&line).context("a line of the answer can't be read")? {
                    Line::Columns { columns } => Told::Columns(columns),
                    Line::Rejected { rejected } => Told::Rejected(rejected),
                    Line::Stored { stored } => Told::Stored(stored),
                    Line::Summary { summary } => Told::Summary(summary),
                    Line::Problem { code, detail, status } => Told::Problem { code, detail, status },
                };
                return Ok(Some((line, told)));
            }
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            let frame = frame
                .context("the connection to the server broke\nhint: the same command goes on where it was")?;
            if let Ok(data) = frame.into_data() {
                self.unread.extend_from_slice(&data);
            }
        }
    }
}

impl Columns {
    /// For a person, before anything is stored.
    pub(crate) fn told(&self, file: &str) -> String {
        let compression = self.compression.as_deref().map(|how| format!(", {how}")).unwrap_or_default();
        let mut told = format!("{file}: {}{compression}", self.format);
        for Column { header, meaning, filled, usable, examples } in &self.read {
            let examples: Vec<String> = examples.iter().map(|example| format!("`{example}`")).collect();
            let examples = examples.join(", ");
            told.push_str(&format!(
                "\n  {meaning} from `{header}`: {usable} of the first {filled} can be used: {examples}"
            ));
        }
        for Unread { header, reason } in &self.unread_times {
            told.push_str(&format!("\n  times of `{header}` are not read: {reason}"));
        }
        for Also { header, meaning } in &self.also {
            told.push_str(&format!("\n  `{header}` may be {meaning} too, and is not read"));
        }
        let others =
            self.headers.iter().filter(|header| self.read.iter().all(|read| read.header != **header));
        let others: Vec<String> = others.map(|header| format!("`{header}`")).collect();
        if !others.is_empty() {
            told.push_str(&format!("\n  not read: {}", others.join(", ")));
        }
        told
    }
}

impl Standing {
    /// For a person, at the end.
    pub(crate) fn told(&self, elapsed: Duration, rejects: Option<&Path>) -> String {
        let seconds = elapsed.as_secs_f64();
        let a_second = a_second(self.decided - self.rows_before, elapsed);
        let mut told = String::new();
        let mut line = |name: &str, count: String, more: String| {
            told.push_str(format!("{name:<17}{count:>13}{more}").trim_end());
            told.push('\n');
        };
        let before = match self.rows_before {
            0 => String::new(),
            before => format!("  {} of them imported before", grouped(before)),
        };
        let rejects = rejects.map(|path| format!("  in {}", path.display())).unwrap_or_default();
        line("rows", grouped(self.rows), before);
        line("rejected", grouped(self.rejected), rejects);
        line("new contacts", signed(self.contacts), String::new());
        line("new identities", signed(self.identities), String::new());
        line("merges", signed(self.merges), String::new());
        line("refused by rules", signed(self.refused), String::new());
        line("changed nothing", signed(self.unchanged), String::new());
        let stored = if self.dry_run { "; a dry run: nothing was stored" } else { "" };
        told.push_str(&format!("{seconds:.1} s, {} rows a second{stored}", grouped(a_second)));
        told
    }
}

/// How many that is in a second.
pub(super) fn a_second(count: u64, elapsed: Duration) -> u64 {
    let milliseconds = elapsed.as_millis().max(1);
    u64::try_from(u128::from(count) * 1_000 / milliseconds).unwrap_or(u64::MAX)
}

fn signed(number: i64) -> String {
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{}", grouped(number.unsigned_abs()))
}

/// `1,234,567`
fn grouped(number: u64) -> String {
    indicatif::HumanCount(number).to_string()
}

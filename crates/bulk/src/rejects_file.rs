//! The file of rejected rows: each with its line, its column and the reason, and as it stood, so that it can be mended there and
//! imported again by itself.
//!
//! Rows of CSV and TSV become CSV: the columns `line`, `column` and `reason`, and then the row's own under their names. Lines of JSON
//! become lines of JSON: the row's own members, and before them a member `rejected` with `line`, `column` and `reason`. A file that
//! is made of rejected rows again has these once.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use serde::Serialize;
use serde::de::IgnoredAny;

use crate::reader::{RowReader, Rows};
use crate::reject::Reject;

/// The columns before the row's own.
const COLUMNS: [&str; 3] = ["line", "column", "reason"];

/// How a line of JSON begins that was rejected before.
const REJECTED: &str = "{\"rejected\":";

/// Only the owner reads what customers gave.
const MODE: u32 = 0o600;

/// Writes rejected rows.
pub struct RejectsWriter<W: Write> {
    output: Output<W>,
}

enum Output<W: Write> {
    /// How many of the row's own fields are those of an earlier rejection.
    Csv(Box<csv::Writer<W>>, usize),
    JsonLines(BufWriter<W>),
}

/// What is told of a line of JSON.
#[derive(Serialize)]
struct RejectedBody<'a> {
    line: u64,
    column: Option<&'a str>,
    reason: String,
}

impl RejectsWriter<File> {
    /// Makes the file, which only its owner can read.
    ///
    /// # Errors
    ///
    /// If it can't be made; and if it is there already, since somebody may be mending it.
    pub fn create(path: &Path, rows: &RowReader) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(path)?;
        // Whatever the process masks.
        file.set_permissions(Permissions::from_mode(MODE))?;
        Self::new(file, rows)
    }
}

impl<W: Write> RejectsWriter<W> {
    /// Writes into `output`, beginning with the header.
    ///
    /// # Errors
    ///
    /// If `output` can't be written.
    pub fn new(output: W, rows: &RowReader) -> io::Result<Self> {
        let Rows::Separated(_) = rows.last_row().0 else {
            return Ok(Self { output: Output::JsonLines(BufWriter::new(output)) });
        };
        let headers = rows.columns().headers.names();
        let again = if headers.starts_with(&COLUMNS.map(str::to_owned)) { COLUMNS.len() } else { 0 };
        let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(output);
        let own = headers[again..].iter().map(String::as_str);
        writer.write_record(COLUMNS.into_iter().chain(own)).map_err(error)?;
        Ok(Self { output: Output::Csv(Box::new(writer), again) })
    }

    /// Writes the row that `rows` gave last, which was rejected.
    ///
    /// # Errors
    ///
    /// If the output can't be written.
    pub fn write(&mut self, rows: &RowReader, reject: &Reject) -> io::Result<()> {
        match (&mut self.output, rows.last_row()) {
            (Output::Csv(writer, again), (Rows::Separated(row), lines)) => {
                let line = reject.line.to_string();
                let reason = reject.reason.to_string();
                let told = [line.as_str(), reject.column.as_deref().unwrap_or_default(), &reason];
                let own = (*again..row.len()).map(|place| row.field(lines, place));
                writer.write_record(told.map(str::as_bytes).into_iter().chain(own)).map_err(error)
            }
            (Output::JsonLines(writer), (Rows::JsonLines(row, _), lines)) => {
                let told = RejectedBody {
                    line: reject.line,
                    column: reject.column.as_deref(),
                    reason: reject.reason.to_string(),
                };
                let told = serde_json::to_string(&told)?;
                let text = String::from_utf8_lossy(row.bytes(lines));
                match own_members(&text) {
                    Some("") => writeln!(writer, "{REJECTED}{told}}}"),
                    Some(members) => writeln!(writer, "{REJECTED}{told},{members}}}"),
                    // Not an object: it can't be mended where it stands, and is kept as a text.
                    None => writeln!(writer, "{REJECTED}{told},\"text\":{}}}", serde_json::to_string(&text)?),
                }
            }
            (Output::Csv(..), (Rows::JsonLines(..), _)) | (Output::JsonLines(_), (Rows::Separated(_), _)) => {
                Err(io::Error::new(io::ErrorKind::InvalidInput, "the rejected row is of another file"))
            }
        }
    }

    /// Writes what is still in memory.
    ///
    /// # Errors
    ///
    /// If the output can't be written.
    pub fn flush(&mut self) -> io::Result<()> {
        match &mut self.output {
            Output::Csv(writer, _) => writer.flush(),
            Output::JsonLines(writer) => writer.flush(),
        }
    }

    /// Writes what is still in memory, and gives the output back.
    ///
    /// # Errors
    ///
    /// If the output can't be written.
    pub fn finish(self) -> io::Result<W> {
        match self.output {
            Output::Csv(writer, _) => writer.into_inner().map_err(csv::IntoInnerError::into_error),
            Output::JsonLines(writer) => writer.into_inner().map_err(io::IntoInnerError::into_error),
        }
    }
}

/// The members within the brackets of an object, without an earlier rejection; nothing if it is no object.
fn own_members(text: &str) -> Option<&str> {
    let text = text.trim();
    if !text.starts_with('{') || serde_json::from_str::<IgnoredAny>(text).is_err() {
        return None;
    }
    let members = match text.strip_prefix(REJECTED) {
        None => text.strip_prefix('{')?,
        Some(rest) => {
            let mut told = serde_json::Deserializer::from_str(rest).into_iter::<IgnoredAny>();
            told.next()?.ok()?;
            let rest = rest[told.byte_offset()..].trim_start();
            rest.strip_prefix(',').unwrap_or(rest)
        }
    };
    members.strip_suffix('}').map(str::trim)
}

/// The error of the output below: `csv`'s own conversion hides its kind.
fn error(error: csv::Error) -> io::Error {
    let told = error.to_string();
    if let csv::ErrorKind::Io(below) = error.into_kind() { below } else { io::Error::other(told) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_kept_without_an_earlier_rejection() {
        for (text, want) in [
            (r#"{"a":1}"#, Some(r#""a":1"#)),
            (r#" { "a" : {} } "#, Some(r#""a" : {}"#)),
            ("{}", Some("")),
            (r#"{"rejected":{"line":3},"a":1}"#, Some(r#""a":1"#)),
            (r#"{"rejected":{"line":3} , "a":1}"#, Some(r#""a":1"#)),
            (r#"{"rejected":{"line":3}}"#, Some("")),
            ("[]", None),
            (r#"{"a":1"#, None),
            ("{} {}", None),
        ] {
            assert_eq!(own_members(text), want, "{text}");
        }
    }
}

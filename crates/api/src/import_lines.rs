//! The lines that an import is answered with.

use selfsame_bulk::{Compression, Example, Format, Opened, Rejected, Standing};
use serde::Serialize;

/// What was understood of the file.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ColumnsBody<'file> {
    format: &'static str,
    compression: Option<&'static str>,
    read: Vec<ColumnBody<'file>>,
    /// Columns that could have been meant too.
    also: Vec<AlsoBody<'file>>,
    /// Columns of times that can't be read.
    unread_times: Vec<UnreadBody<'file>>,
    /// All of them, in their order.
    headers: &'file [String],
    /// What a file of rejected rows begins with.
    rejects_header: &'file str,
}

#[derive(Serialize)]
struct ColumnBody<'file> {
    header: &'file str,
    meaning: &'file str,
    /// Of the first rows, how many say something, and how many something that can be used.
    filled: usize,
    usable: usize,
    examples: Vec<&'file str>,
}

#[derive(Serialize)]
struct AlsoBody<'file> {
    header: &'file str,
    meaning: &'file str,
}

#[derive(Serialize)]
struct UnreadBody<'file> {
    header: &'file str,
    reason: String,
}

#[derive(Serialize)]
struct RejectedBody<'row> {
    line: u64,
    column: Option<&'row str>,
    reason: &'row str,
    row: &'row str,
}

/// How far it is, or what came of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StandingBody {
    /// Rows of the file that were read, without blank ones.
    rows: u64,
    /// How many of them were decided, whenever that was.
    decided: i64,
    /// Those that can't be used.
    rejected: u64,
    /// How many of those that were decided were imported before.
    rows_before: i64,
    /// What all rows of the file came to, whenever they were imported.
    contacts: i64,
    identities: i64,
    merges: i64,
    refused: i64,
    unchanged: i64,
    /// How much of the file was read, as it was sent.
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dry_run: Option<bool>,
}

impl StandingBody {
    fn of(standing: &Standing) -> Self {
        let Standing { read, rows, rows_before, counts } = standing;
        Self {
            rows: read.rows,
            decided: *rows,
            rejected: read.rejected,
            rows_before: *rows_before,
            contacts: counts.contacts,
            identities: counts.identities,
            merges: counts.merges,
            refused: counts.refused,
            unchanged: counts.unchanged,
            bytes: read.bytes,
            dry_run: None,
        }
    }
}

/// `{"columns":{…}}`
pub(crate) fn columns_line(opened: &Opened) -> Vec<u8> {
    let columns = opened.columns();
    let read = columns.read.iter().map(|column| ColumnBody {
        header: &column.header,
        meaning: column.meaning.name(),
        filled: column.filled,
        usable: column.usable,
        examples: column.examples.iter().map(Example::text).collect(),
    });
    let also = columns.also.iter().map(|(meaning, header)| AlsoBody { header, meaning: meaning.name() });
    let unread = columns.unread_times.iter();
    let body = ColumnsBody {
        format: match opened.format() {
            Format::Csv => "csv",
            Format::Tsv => "tsv",
            Format::JsonLines => "jsonl",
        },
        compression: opened.compression().map(|compression| match compression {
            Compression::Gzip => "gzip",
            Compression::Zstandard => "zstd",
        }),
        read: read.collect(),
        also: also.collect(),
        unread_times: unread.map(|(header, why)| UnreadBody { header, reason: why.to_string() }).collect(),
        headers: columns.headers.names(),
        rejects_header: opened.rejects_header(),
    };
    line("columns", &body)
}

/// `{"rejected":{…}}`
pub(crate) fn rejected_line(Rejected { line: number, column, reason, row }: &Rejected) -> Vec<u8> {
    line("rejected", &RejectedBody { line: *number, column: column.as_deref(), reason, row })
}

/// `{"stored":{…}}`
pub(crate) fn standing_line(standing: &Standing) -> Vec<u8> {
    line("stored", &StandingBody::of(standing))
}

/// `{"summary":{…}}`
pub(crate) fn summary_line(standing: &Standing, dry_run: bool) -> Vec<u8> {
    line("summary", &StandingBody { dry_run: Some(dry_run), ..StandingBody::of(standing) })
}

fn line(name: &str, body: &impl Serialize) -> Vec<u8> {
    let mut line = format!("{{\"{name}\":").into_bytes();
    serde_json::to_writer(&mut line, body).expect("strings and numbers always make JSON");
    line.extend_from_slice(b"}\n");
    line
}

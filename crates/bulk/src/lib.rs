//! Files in and out: what a file is, which of its columns mean what, what each of its rows says; and what the lines of an export say.
//!
//! [`RowReader::open`] takes anything that can be read, knows how it is compressed and written ([`Compression`], [`Format`]) and what
//! its columns mean ([`Columns`], or a [`ColumnMap`] that says so), and gives an [`Observation`](selfsame_rules::Observation) or
//! a [`Reject`] for each row. [`RejectsWriter`] writes what was rejected, to be mended.
//!
//! A row means what `POST /v1/observations` makes of the same values under the same policy, with these exceptions:
//! - texts that exports write for nothing (`NULL`, `\N`, `None`, `n/a`, `-` …) are blank;
//! - what a spreadsheet damaged (`1.23457E+11`, `#N/A`, a phone number that ends in `.0`) is rejected, whatever the kind;
//! - `="0151"` and `'+49151` in CSV are the text within that guise;
//! - a whole number of JSON stands for its digits, whatever the kind, as it would in CSV.
//!
//! [`Import`] stores what a file says, batch after batch, and goes on where it was interrupted.
//!
//! [`export`] writes contacts, identities or events, from one snapshot and in little memory. [`EventLine`] is a line of an
//! export of events, both ways.
//!
//! Deliberately absent: a concrete store, deciding, progress bars, HTTP. What happens is handed out; nothing is printed.

mod cells;
mod columns;
mod event_line;
pub mod export;
mod format;
mod guess;
mod import;
mod input;
mod json_lines;
mod lines;
mod names;
mod names_of_times;
mod open;
mod reader;
mod reject;
mod rejects_file;
mod rfc3339;
mod row_template;
mod separated;
mod times;
mod zstd;

pub use columns::{Column, ColumnMap, Columns, Example, Headers, InvalidMap, Meaning, UnknownColumn};
pub use event_line::{EventLine, UnreadableLine};
pub use format::{Foreign, Format};
pub use guess::NoColumns;
pub use import::{Import, ImportStopped, Opened, Rejected, Running, Standing, Told};
pub use input::{Compression, ReadError};
pub use open::{OpenError, Settings};
pub use reader::{Progress, Row, RowReader};
pub use reject::{Reason, Reject, SOURCE_CHARACTERS_MAX};
pub use rejects_file::RejectsWriter;
pub use times::{DateEvidence, DateOrder, InvalidTime};

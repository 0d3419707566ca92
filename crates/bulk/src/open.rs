//! Opening a file: what it is, where its rows begin, and what its columns mean.

use std::io::Read;

use selfsame_rules::{Actor, International, Policy};

use crate::columns::{ColumnMap, UnknownColumn};
use crate::format::{Foreign, Format, best_delimiter, named_delimiter};
use crate::guess::{NoColumns, Reading, Sample};
use crate::input::{Input, ReadError};
use crate::json_lines::{JsonLines, Members, list_members, text};
use crate::lines::Lines;
use crate::reader::{RowReader, Rows};
use crate::reject::Reason;
use crate::separated::{Found, Separated};
use crate::times::DateOrder;

/// As much of a file as is read before its first row is given.
const SAMPLE_BYTES: usize = 256 * 1024;

/// As many rows as are looked at to know what columns mean.
const SAMPLE_ROWS: usize = 1000;

/// What is known of a file before it is read.
#[derive(Clone)]
pub struct Settings<'a> {
    /// How the workspace reads values, and which kinds it has.
    pub policy: &'a Policy,
    /// The tables of phone numbers, for a policy with a default region.
    pub international: International,
    /// Who brings the rows.
    pub actor: Actor,
    /// The name of the file, which may tell its format.
    pub file_name: Option<&'a str>,
    /// The format, if it is said.
    pub format: Option<Format>,
    /// What the columns mean, if it is said; else it is guessed.
    pub columns: Option<ColumnMap>,
    /// Whether the first row holds the names of the columns. Where it doesn't, these are `1`, `2` and so on.
    pub has_header: bool,
    /// The order of day and month, if it is said; else it is known from the dates of the first rows, if they tell.
    pub date_order: Option<DateOrder>,
    /// Whether a column is looked for that says when, where columns are guessed.
    pub guesses_times: bool,
    /// Where the rows were seen, for those that don't say it.
    pub source: Option<&'a str>,
}

impl<'a> Settings<'a> {
    /// Nothing is said: all is guessed.
    pub fn new(policy: &'a Policy, international: International, actor: Actor) -> Self {
        Self {
            policy,
            international,
            actor,
            file_name: None,
            format: None,
            columns: None,
            has_header: true,
            date_order: None,
            guesses_times: true,
            source: None,
        }
    }
}

/// Why a file can't be read as rows.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It can't be read at all.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It is something else.
    #[error(transparent)]
    Foreign(#[from] Foreign),
    /// There is nothing in it.
    #[error("the file is empty\nhint: a file has a header and a row at least")]
    Empty,
    /// Its first row can't be read.
    #[error("line {line}, the header: {reason}")]
    Header {
        /// The line of it.
        line: u64,
        /// What is wrong with it.
        reason: Reason,
    },
    /// None of its first lines is an object.
    #[error(
        "no line of the file is a JSON object\nhint: write one object on each line, or say `--format csv`"
    )]
    NoObject,
    /// A column that was named is not there.
    #[error(transparent)]
    UnknownColumn(#[from] UnknownColumn),
    /// No column is known.
    #[error(transparent)]
    NoColumns(#[from] NoColumns),
}

/// Opens a file, or whatever else can be read. See [`RowReader::open`].
pub(crate) fn open(
    input: impl Read + Send + 'static,
    settings: Settings<'_>,
) -> Result<RowReader, OpenError> {
    let mut lines = Lines::new(Input::open(input)?);
    lines.fill(SAMPLE_BYTES);
    if let Some(foreign) = Foreign::of(lines.pending()) {
        return Err(foreign.into());
    }
    if lines.pending().starts_with(b"\xef\xbb\xbf") {
        lines.skip(3);
    }
    if lines.pending().iter().all(u8::is_ascii_whitespace) && !lines.more()? {
        return Err(OpenError::Empty);
    }
    let named = settings.format.or_else(|| Format::of_file(settings.file_name?));
    let format = named.unwrap_or_else(|| Format::of_text(lines.pending()));
    // A file of old Macintoshes, whose lines end so.
    if !lines.pending().contains(&b'\n') && lines.pending().contains(&b'\r') {
        lines.end_with(b'\r');
    }
    let (mut rows, sample) = match format {
        Format::JsonLines => json_lines(&lines)?,
        Format::Csv | Format::Tsv => separated(&mut lines, format, settings.has_header)?,
    };
    let spelling = settings.policy.spelling(settings.international);
    let reading = Reading {
        policy: settings.policy,
        spelling: &spelling,
        date_order: settings.date_order,
        guesses_times: settings.guesses_times,
    };
    let columns = match &settings.columns {
        Some(map) => {
            let pairs = map.places(&sample.headers)?;
            sample.mapped(&pairs, &reading)
        }
        None => sample.guessed(&reading)?,
    };
    if let Rows::JsonLines(_, members) = &mut rows {
        *members = Members::new(columns.read.iter().map(|column| &*column.header));
    }
    Ok(RowReader::new(lines, rows, columns, spelling, format, settings))
}

/// The rows of a file with delimiters, behind its header.
fn separated(lines: &mut Lines, format: Format, has_header: bool) -> Result<(Rows, Sample), OpenError> {
    let end = lines.pending().iter().position(|byte| *byte == lines.terminator());
    let end = end.unwrap_or(lines.pending().len());
    let named = named_delimiter(&lines.pending()[..end]);
    if named.is_some() {
        lines.take_line(end);
    }
    let delimiter = match (named, format) {
        (Some(delimiter), _) => delimiter,
        (None, Format::Tsv) => b'\t',
        (None, Format::Csv | Format::JsonLines) => best_delimiter(lines),
    };
    let mut rows = Separated::new(delimiter);
    let headers = if has_header {
        header(&mut rows, lines)?
    } else {
        header(&mut Separated::new(delimiter), &mut lines.preview())
            .map(|first| (1..=first.len()).map(|number| number.to_string()).collect())?
    };
    rows.set_width(headers.len());

    let mut preview = lines.preview();
    let mut looked = Separated::new(delimiter);
    looked.set_width(headers.len());
    let mut sample = Sample { headers, rows: Vec::new() };
    while sample.rows.len() < SAMPLE_ROWS {
        match looked.next(&mut preview)? {
            None => break,
            Some(Found::Blank | Found::Broken(_)) => {}
            Some(Found::Row) => {
                sample.rows.push(looked.texts(&preview).into_iter().map(Some).collect());
            }
        }
    }
    Ok((Rows::Separated(rows), sample))
}

/// The fields of the first row that isn't blank.
fn header(rows: &mut Separated, lines: &mut Lines) -> Result<Vec<String>, OpenError> {
    loop {
        let line = lines.line();
        match rows.next(lines)? {
            None => return Err(OpenError::Empty),
            Some(Found::Blank) => {}
            Some(Found::Broken(reason)) => return Err(OpenError::Header { line, reason }),
            Some(Found::Row) => {
                return Ok(rows.texts(lines).iter().map(|name| name.trim().to_owned()).collect());
            }
        }
    }
}

/// The rows of a file of JSON lines; which members are read is told later.
fn json_lines(lines: &Lines) -> Result<(Rows, Sample), OpenError> {
    let mut headers = Vec::new();
    let mut objects = Vec::new();
    let mut preview = lines.preview();
    let mut looked = JsonLines::new();
    while objects.len() < SAMPLE_ROWS && looked.next(&mut preview)?.is_some() {
        let Ok(line) = looked.text(&preview) else { continue };
        if Members::default().find(line).is_ok() {
            list_members(line, &mut headers);
            objects.push(line.to_owned());
        }
    }
    if objects.is_empty() {
        return Err(OpenError::NoObject);
    }
    let members = Members::new(headers.iter().map(String::as_str));
    let rows = objects.iter().filter_map(|line| {
        let values = members.find(line).ok()?;
        Some(values.into_iter().map(|value| Some(text(value?).ok()??.into_owned())).collect())
    });
    let rows = rows.collect();
    Ok((Rows::JsonLines(JsonLines::new(), Members::default()), Sample { headers, rows }))
}

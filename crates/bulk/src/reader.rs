//! Row after row of a file: what each says that somebody was seen with, or why it says nothing.

use std::borrow::Cow;
use std::io::Read;
use std::sync::Arc;

use selfsame_rules::{Actor, IdentifierKind, Observation, Origin, SeenIdentifier, Spelling};

use crate::cells::{is_decimal, unguarded, value};
use crate::columns::{Column, Columns, Meaning};
use crate::format::Format;
use crate::input::{Compression, ReadError};
use crate::json_lines::{JsonLines, Members, text};
use crate::lines::Lines;
use crate::open::{OpenError, Settings, open};
use crate::reject::{Reason, Reject, SOURCE_CHARACTERS_MAX};
use crate::row_template::RowTemplate;
use crate::separated::{Found, Separated};
use crate::times::{self, DateEvidence, DateOrder};

/// A row that isn't blank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The line on which it begins, from 1, as an editor counts.
    pub line: u64,
    /// What somebody was seen with, as `POST /v1/observations` reads the same values; or why the row is not taken.
    pub outcome: Result<Observation, Reject>,
}

/// How far the reading of a file is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Rows that were given, rejected ones among them.
    pub rows: u64,
    /// Rows that were rejected.
    pub rejected: u64,
    /// Rows that were skipped, since there is nothing in them.
    pub blank: u64,
    /// Bytes of the file that were read, as it lies there: compressed, if it is.
    pub bytes: u64,
}

/// Reads the rows of a file, one after the other, in memory that does not grow with the file.
///
/// ```
/// use selfsame_bulk::{RowReader, Settings};
/// use selfsame_rules::{Actor, Policy};
///
/// let file = "E-Mail;Telefon\nDoc@Hill.edu;0151 23\nnobody;1\n".as_bytes();
/// let policy = Policy::default();
/// let mut rows = RowReader::open(file, Settings::new(&policy, |_, _| None, Actor::named("example")))?;
///
/// let first = rows.next().expect("a row")?;
/// let values: Vec<_> = first.outcome.as_ref().unwrap().identifiers().map(|one| one.value()).collect();
/// assert_eq!((first.line, values), (2, vec!["doc@hill.edu", "015123"]));
///
/// let second = rows.next().expect("another")?;
/// let reject = second.outcome.unwrap_err();
/// assert_eq!((reject.line, reject.column.as_deref()), (3, Some("E-Mail")));
/// assert_eq!(reject.reason.to_string(), "the value can't be used: it has no `@`");
/// assert!(rows.next().is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RowReader {
    lines: Lines,
    rows: Rows,
    columns: Columns,
    reading: RowReading,
    format: Format,
    progress: Progress,
    ended: bool,
}

/// What rows are written as.
pub(crate) enum Rows {
    Separated(Separated),
    JsonLines(JsonLines, Members),
}

/// How the values of a row become an observation.
struct RowReading {
    spelling: Spelling,
    actor: Actor,
    source: Option<Box<str>>,
    date_order: Option<DateOrder>,
    evidence: DateEvidence,
}

/// What is wrong with a row, and where: the place of a column among those that are read.
type Wrong = (Option<usize>, Reason);

impl RowReader {
    /// Opens a file, a pipe or a body: reads its first rows, and knows then what its columns mean.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if it can't be read as rows, or its columns aren't known.
    pub fn open(input: impl Read + Send + 'static, settings: Settings<'_>) -> Result<Self, OpenError> {
        open(input, settings)
    }

    pub(crate) fn new(
        lines: Lines,
        rows: Rows,
        columns: Columns,
        spelling: Spelling,
        format: Format,
        settings: Settings<'_>,
    ) -> Self {
        let reading = RowReading {
            spelling,
            actor: settings.actor,
            source: settings.source.map(Into::into),
            date_order: settings.date_order.or_else(|| columns.dates.order()),
            evidence: DateEvidence::default(),
        };
        Self { lines, rows, columns, reading, format, progress: Progress::default(), ended: false }
    }

    /// What was understood of the columns.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// How the rows are written.
    pub fn format(&self) -> Format {
        self.format
    }

    /// What stands between two fields; nothing for JSON.
    pub fn delimiter(&self) -> Option<u8> {
        match &self.rows {
            Rows::Separated(rows) => Some(rows.delimiter()),
            Rows::JsonLines(..) => None,
        }
    }

    /// What the file is compressed with.
    pub fn compression(&self) -> Option<Compression> {
        self.lines.input().compression()
    }

    /// How far the reading is.
    pub fn progress(&self) -> Progress {
        Progress { bytes: self.lines.input().bytes(), ..self.progress }
    }

    /// What rows have in common.
    pub(crate) fn template(&self) -> RowTemplate {
        RowTemplate::new(self.reading.spelling.clone(), self.reading.actor.clone())
    }

    /// What the dates of the rows that were read say of the order of day and month. After a whole file it is what the
    /// file says, and may be said when it is read for good.
    pub fn dates(&self) -> DateEvidence {
        self.reading.evidence
    }

    /// The row that was given last, as it stood.
    pub(crate) fn last_row(&self) -> (&Rows, &Lines) {
        (&self.rows, &self.lines)
    }

    fn read(&mut self) -> Result<Option<Row>, ReadError> {
        loop {
            let line = self.lines.line();
            let found = match &mut self.rows {
                Rows::Separated(rows) => rows.next(&mut self.lines)?,
                Rows::JsonLines(rows, _) => rows.next(&mut self.lines)?,
            };
            let outcome = match found {
                None => return Ok(None),
                Some(Found::Blank) => {
                    self.progress.blank += 1;
                    continue;
                }
                Some(Found::Broken(reason)) => Err((None, reason)),
                Some(Found::Row) => self.observe(),
            };
            self.progress.rows += 1;
            let outcome = outcome.map_err(|(column, reason)| {
                self.progress.rejected += 1;
                let column = column.map(|place| Arc::clone(&self.columns.read[place].header));
                Reject { line, column, reason }
            });
            return Ok(Some(Row { line, outcome }));
        }
    }

    fn observe(&mut self) -> Result<Observation, Wrong> {
        match &self.rows {
            Rows::Separated(rows) => self.reading.observation(&self.columns.read, |_, column| {
                Ok(Some(Cow::Borrowed(unguarded(rows.text(&self.lines, column.place)?))))
            }),
            Rows::JsonLines(rows, members) => {
                let line = rows.text(&self.lines).map_err(|reason| (None, reason))?;
                let values = members.find(line)?;
                self.reading.observation(&self.columns.read, |place, _| match values[place] {
                    Some(value) => text(value),
                    None => Ok(None),
                })
            }
        }
    }
}

impl RowReading {
    /// The observation that the cells of a row are.
    fn observation<'row>(
        &mut self,
        columns: &[Column],
        cell: impl Fn(usize, &Column) -> Result<Option<Cow<'row, str>>, Reason>,
    ) -> Result<Observation, Wrong> {
        let mut seen = Vec::with_capacity(columns.len());
        let mut origin = Origin::default();
        for (place, column) in columns.iter().enumerate() {
            let at = |reason| (Some(place), reason);
            let Some(text) = cell(place, column).map_err(at)? else { continue };
            let Some(text) = value(&text).map_err(at)? else { continue };
            match &column.meaning {
                Meaning::Identifier(kind) => seen.extend(self.identifier(kind, text).map_err(at)?),
                Meaning::ObservedAt => {
                    self.evidence.note(text);
                    let read = times::read(text, self.date_order);
                    origin.observed_at = read.map_err(|invalid| at(invalid.into()))?;
                }
                Meaning::Source => {
                    if text.chars().count() > SOURCE_CHARACTERS_MAX {
                        return Err(at(Reason::SourceTooLong));
                    }
                    origin.source = Some(text.into());
                }
            }
        }
        if origin.source.is_none() {
            origin.source.clone_from(&self.source);
        }
        // Columns are of different kinds, so it is empty if it is no observation.
        let observation =
            Observation::new(self.actor.clone(), seen).map_err(|_| (None, Reason::NothingToIdentify))?;
        Ok(observation.with_origin(origin).read_by(self.spelling.clone()))
    }

    fn identifier(&self, kind: &IdentifierKind, text: &str) -> Result<Option<SeenIdentifier>, Reason> {
        if *kind == IdentifierKind::Phone && is_decimal(text) {
            return Err(Reason::DecimalNumber);
        }
        Ok(self.spelling.parse(kind, text)?)
    }
}

impl Iterator for RowReader {
    type Item = Result<Row, ReadError>;

    /// The next row that isn't blank. After an error there is none.
    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let read = self.read().transpose();
        self.ended = !matches!(read, Some(Ok(_)));
        read
    }
}

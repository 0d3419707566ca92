//! The import of a file: its rows, decided in large batches, each stored with how far the file has come.
//!
//! 1. The file is opened, and its columns are known ([`Import::open`]). By these and its first rows it is known when it comes again.
//! 2. Rows that were stored before are skipped, if they still say what they said.
//! 3. A thread reads (`reading`); what it read is stored, batch after batch, while it reads on ([`Running`]).
//!
//! Where nothing ever happened in the workspace, and the file says when, rows are put in the order of their own times first
//! (`by_time`), and accepted as of these.
//!
//! Source: SEMANTICS, "Time is the log's".

mod by_time;
mod reading;
mod rows;
mod running;

use std::io::{self, Read};
use std::sync::Arc;

use selfsame_rules::{Actor, International, Policy};
use selfsame_service::ImportError;
use selfsame_store::StoreError;
use tokio::task::JoinError;

pub use rows::Rejected;
pub use running::{Running, Standing, Told};

use crate::columns::{ColumnMap, Columns, Meaning};
use crate::format::Format;
use crate::input::{Compression, ReadError};
use crate::open::{OpenError, Settings};
use crate::reader::RowReader;
use crate::times::{DateOrder, InvalidTime};
use reading::Head;

/// What is to be imported, and how.
#[derive(Clone)]
pub struct Import {
    /// How the workspace reads values, and which kinds it has.
    pub policy: Arc<Policy>,
    /// The tables of phone numbers, for a policy with a default region.
    pub international: International,
    /// Who brings the rows.
    pub actor: Actor,
    /// The name of the file, which may tell its format.
    pub file_name: Option<String>,
    /// The format, if it is said.
    pub format: Option<Format>,
    /// What the columns mean, if it is said.
    pub columns: Option<ColumnMap>,
    /// Whether the first row holds the names of the columns.
    pub has_header: bool,
    /// The order of day and month, if it is said.
    pub date_order: Option<DateOrder>,
    /// Whether a column is looked for that says when, where columns are guessed.
    pub guesses_times: bool,
    /// Where the rows were seen, for those that don't say it.
    pub source: Option<String>,
    /// Whether rows that were imported before are decided once more.
    pub again: bool,
}

/// A file whose columns are known, and of which nothing is stored yet.
pub struct Opened {
    reader: RowReader,
    head: Head,
    columns: Columns,
    import: Import,
}

/// Why an import ended before its file did. What was stored stays stored, and the same import goes on behind it.
#[derive(Debug, thiserror::Error)]
pub enum ImportStopped {
    /// The file can't be read on.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The rows that were stored before are not those that the file has.
    #[error("{}", changed(*rows, *by_time))]
    Changed {
        /// How many were stored.
        rows: i64,
        /// Whether they were put in the order of their times.
        by_time: bool,
    },
    /// The workspace is empty, so that rows could be accepted as of their own times, and those can't be read.
    #[error(
        "`{column}` seems to say when, and one of its first values can't be read: {why}; only while nothing ever happened in a \
         workspace can rows be accepted as of their own times\n\
         hint: {}; with `--no-times` all rows are accepted as of now", remedy(*why)
    )]
    UnreadTimes {
        /// The header of the column.
        column: Arc<str>,
        /// Why the value is no time.
        why: InvalidTime,
    },
    /// Somebody else wrote first into what was empty.
    #[error("somebody else wrote into the workspace, which was empty when the import began")]
    NotEmpty,
    /// Where rows wait until all are read, nothing can be written.
    #[error("no room for the rows that are put in the order of their times: {0}")]
    Spool(#[source] io::Error),
    /// The store could not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A fault of ours.
    #[error("reading ended in a panic")]
    Panicked,
}

/// What to do about a column of times that can't be read, other than to do without them.
fn remedy(why: InvalidTime) -> &'static str {
    match why {
        InvalidTime::Ambiguous => {
            "say whether the day or the month comes first: `--date-order day-first` or `--date-order month-first`"
        }
        InvalidTime::UnknownSpelling | InvalidTime::NoSuchTime | InvalidTime::ShortYear => {
            "mend the values, or name the columns with `--map email=Header,observedAt=Header`, which rejects each row whose time \
             can't be read"
        }
    }
}

/// What a file is told that is not what it was.
fn changed(rows: i64, by_time: bool) -> String {
    let mut told = format!(
        "the file is not what it was: of the {rows} rows that were imported before, some are gone or say something else"
    );
    if by_time {
        told.push_str(
            ", or one is new among them: they were put in the order of their own times, so only later ones can follow; \
             decided once more, what is new is accepted as of now and keeps its time as `observedAt`",
        );
    }
    told
}

impl From<ImportError> for ImportStopped {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::NotEmpty => Self::NotEmpty,
            ImportError::Store(error) => Self::Store(error),
        }
    }
}

impl From<JoinError> for ImportStopped {
    fn from(_: JoinError) -> Self {
        Self::Panicked
    }
}

impl Import {
    /// Opens a file, a pipe or a body, and reads its first rows. Blocks as long as its input does.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if it can't be read as rows, or its columns aren't known.
    pub fn open(self, input: impl Read + Send + 'static) -> Result<Opened, OpenError> {
        let settings = Settings {
            file_name: self.file_name.as_deref(),
            format: self.format,
            columns: self.columns.clone(),
            has_header: self.has_header,
            date_order: self.date_order,
            guesses_times: self.guesses_times,
            source: self.source.as_deref(),
            ..Settings::new(&self.policy, self.international, self.actor.clone())
        };
        let mut reader = RowReader::open(input, settings)?;
        let columns = reader.columns().clone();
        let head = Head::read(&mut reader, &self.policy)?;
        Ok(Opened { reader, head, columns, import: self })
    }
}

impl Opened {
    /// What was understood of the columns.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// How the rows are written.
    pub fn format(&self) -> Format {
        self.reader.format()
    }

    /// What the file is compressed with.
    pub fn compression(&self) -> Option<Compression> {
        self.reader.compression()
    }

    /// What a file of rejected rows begins with.
    pub fn rejects_header(&self) -> &str {
        self.head.rejects_header()
    }

    pub(crate) fn says_when(&self) -> bool {
        self.columns.read.iter().any(|column| column.meaning == Meaning::ObservedAt)
    }

    /// Why no history may begin with the file: its times can't be read, and could never be had again.
    pub(crate) fn unread_times(&self) -> Option<ImportStopped> {
        let (column, why) = self.columns.unread_times.first().filter(|_| !self.says_when())?;
        Some(ImportStopped::UnreadTimes { column: Arc::clone(column), why: *why })
    }

    /// By what the file is known when it comes again: what its columns mean, and its first rows.
    pub(crate) fn file(&self) -> Box<str> {
        let columns = self.columns.read.iter().map(|column| (column.meaning.name(), &*column.header));
        self.head.name_of_file(columns, self.import.source.as_deref())
    }
}

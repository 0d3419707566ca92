//! Everything of a workspace as a file: contacts, identities or events, as lines of JSON or as CSV.
//!
//! Written from one snapshot, piece by piece, as whoever takes the pieces takes them. The present state costs little memory; an
//! earlier one is folded from the log, and its contacts are held.

mod contacts;
mod events;
mod identities;
mod past;
mod table;

use std::sync::Arc;

use selfsame_rules::{Incoherent, Moment, Sequence};
use selfsame_store::{Record, Scan, Scanned, StoreError};
use tokio::sync::mpsc;

use contacts::ContactRow;
use events::EventCells;
use identities::IdentityRow;
use past::Past;
use table::Table;

use crate::rfc3339;

/// What is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Subject {
    /// A row for each contact, deleted ones too, with the original's eight fields.
    #[default]
    Contacts,
    /// A row for each identity with a live contact.
    Identities,
    /// A row for each event, which loses nothing of it.
    Events,
}

impl Subject {
    /// Each, with its word.
    pub const ALL: [(&'static str, Self); 3] =
        [("contacts", Self::Contacts), ("identities", Self::Identities), ("events", Self::Events)];
}

/// How it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// An object a line.
    #[default]
    JsonLines,
    /// RFC 4180 with a line of names, lines that end in LF, and empty fields for null.
    Csv,
}

impl Format {
    /// Each, with its word.
    pub const ALL: [(&'static str, Self); 2] = [("jsonl", Self::JsonLines), ("csv", Self::Csv)];
}

/// What is to be written, how, and as of when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Export {
    /// What.
    pub subject: Subject,
    /// How.
    pub format: Format,
    /// After which event or time; now, if it isn't said. Of events, those up to there.
    pub at: Option<Moment>,
}

/// Why an export did not come to its end.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ExportError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A row of the log is none that this version could write as it is.
    #[error("event {0} can't be written as it is stored: `selfsame check` says what is wrong with it")]
    Event(Sequence),
    /// A row of the log is none that this version can fold.
    #[error("event {0} can't be read, so that what was after it isn't known: {1}")]
    Unreadable(Sequence, Arc<str>),
    /// An event doesn't follow from those before it.
    #[error("event {0} can't follow from the log before it: {1}")]
    Impossible(Sequence, Incoherent),
    /// A time lies beyond the years that have a spelling.
    #[error("a time lies beyond the year 9999 or before the year -9999, which no spelling has")]
    Time,
}

/// The moment that a text names: the number of an event (or 0), or a time as RFC 3339 has it.
///
/// ```
/// use selfsame_bulk::export::read_moment;
/// use selfsame_rules::{Moment, Sequence, Timestamp};
///
/// assert_eq!(read_moment("7"), Some(Moment::Sequence(Sequence(7))));
/// assert_eq!(read_moment("1970-01-01T00:00:01Z"), Some(Moment::Time(Timestamp::from_milliseconds(1_000))));
/// assert_eq!(read_moment("-1"), None);
/// ```
pub fn read_moment(text: &str) -> Option<Moment> {
    match text.parse::<i64>() {
        Ok(number) => (number >= 0).then_some(Moment::Sequence(Sequence(number))),
        Err(_) => rfc3339::read(text).map(Moment::Time),
    }
}

impl Export {
    /// Writes it in pieces of whole lines, each when the last was taken; ends early, and well, when nobody takes them any more.
    ///
    /// `scan` reads the workspace, as [`Store::scan`](selfsame_store::Store::scan) does. What was sent is the whole file only if this
    /// returns without an error: until then, a piece may be missing.
    ///
    /// # Errors
    ///
    /// [`ExportError`]: the pieces that were sent are not all.
    pub async fn write<Scanning>(
        self,
        scan: impl FnOnce(Scan, mpsc::Sender<Vec<Record>>) -> Scanning,
        pieces: mpsc::Sender<Vec<u8>>,
    ) -> Result<(), ExportError>
    where
        Scanning: Future<Output = Result<Scanned, StoreError>>,
    {
        let (sender, mut records) = mpsc::channel(2);
        let mut writer = Writer::of(self);
        let writing = async {
            if !send(&pieces, writer.begin()).await {
                return Ok::<_, ExportError>(Going::Enough);
            }
            while let Some(records) = records.recv().await {
                let (piece, going) = writer.take(records)?;
                if !send(&pieces, piece).await {
                    return Ok(Going::Enough);
                }
                if going == Going::Enough {
                    break;
                }
            }
            // Whoever reads need read no more.
            drop(records);
            Ok(Going::On)
        };
        let (scanned, written) = tokio::join!(scan(self.scan(), sender), writing);
        if written? == Going::Enough {
            return Ok(());
        }
        // What a scan that failed has sent is not all.
        scanned?;
        for piece in writer.rest() {
            if !send(&pieces, piece?).await {
                return Ok(());
            }
        }
        Ok(())
    }

    /// What is read for it.
    fn scan(self) -> Scan {
        match (self.subject, self.at) {
            (Subject::Events, _) | (_, Some(_)) => Scan::Events,
            (Subject::Contacts, None) => Scan::Contacts,
            (Subject::Identities, None) => Scan::Identities,
        }
    }
}

/// Whether anybody takes it; of nothing, nobody need.
async fn send(pieces: &mpsc::Sender<Vec<u8>>, piece: Vec<u8>) -> bool {
    if piece.is_empty() { !pieces.is_closed() } else { pieces.send(piece).await.is_ok() }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Going {
    On,
    /// What comes after is not wanted.
    Enough,
}

/// Makes lines of records.
struct Writer {
    export: Export,
    table: Table,
    past: Past,
}

impl Writer {
    fn of(export: Export) -> Self {
        Self { export, table: Table::of(export.format), past: Past::default() }
    }

    /// What stands before all rows.
    fn begin(&self) -> Vec<u8> {
        self.table.header(match self.export.subject {
            Subject::Contacts => &contacts::HEADER,
            Subject::Identities => &identities::HEADER,
            Subject::Events => &events::HEADER,
        })
    }

    /// The lines of what was read.
    fn take(&mut self, records: Vec<Record>) -> Result<(Vec<u8>, Going), ExportError> {
        let mut lines = self.table.lines();
        for record in records {
            match record {
                Record::EventRow(row) => {
                    if past::is_after(&row, self.export.at) {
                        return Ok((lines.end(), Going::Enough));
                    }
                    if self.export.subject == Subject::Events {
                        lines.add(&EventCells::of(&row)?);
                    } else {
                        self.past.follow(&row)?;
                    }
                }
                Record::Contact(contact) => lines.add(&ContactRow::of(&contact)?),
                Record::Identity(contacts) => lines.add(&IdentityRow::of(&contacts)?),
                // Of a scan of everything.
                Record::Event(_) | Record::UnreadableEvent(..) | Record::Owner(..) | Record::Finder(_) => {}
            }
        }
        Ok((lines.end(), Going::On))
    }

    /// What is left when all was read: of an earlier state, everything.
    fn rest(self) -> impl Iterator<Item = Result<Vec<u8>, ExportError>> {
        let Self { export, table, past } = self;
        let is_past = export.at.is_some() && export.subject != Subject::Events;
        let parts = is_past.then(|| past.records(export.subject)).into_iter().flatten();
        parts.map(move |records| {
            let mut writer = Self { export, table, past: Past::default() };
            writer.take(records).map(|(piece, _)| piece)
        })
    }
}

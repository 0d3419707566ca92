//! Any bytes as a file to import.

use std::io::{Cursor, Read};

use selfsame_bulk::{Format, OpenError, ReadError, RejectsWriter, Row, RowReader, Settings};
use selfsame_rules::{Actor, Policy, PolicyDocument};
use serde_json::value::RawValue;

/// What a file says does not depend on how its bytes come; each row is given once, in the order of lines; what is accepted is
/// canonical; and what is rejected can be read again.
pub(super) fn import_file(data: &[u8]) {
    let whole = read(Cursor::new(data.to_vec()));
    // The file's own length cuts it, so that the search may move the cuts.
    let pieces = read(Pieces { data: data.to_vec(), piece_bytes: 1 + data.len() % 13 });
    let Ok(whole) = whole else { return };
    // Where a decoder fails depends on what it was given at once.
    if whole.error.is_none() {
        let pieces = pieces.unwrap_or_else(|error| panic!("in pieces it can't be opened: {error}"));
        assert_eq!(whole.rows, pieces.rows, "it depends on how the bytes come");
        assert!(pieces.error.is_none(), "{:?}", pieces.error);
    }
    let lines = whole.rows.iter().map(|row| row.line);
    assert!(lines.is_sorted_by(|one, next| one < next), "rows out of order");
    let rejected = whole.rows.iter().filter(|row| row.outcome.is_err()).count();
    for row in &whole.rows {
        let Ok(observation) = &row.outcome else { continue };
        for seen in observation.seen() {
            let again = policy().parse(seen.identifier().kind(), seen.sent(), |_, _| None);
            let again = again.expect("it was read before").expect("it isn't blank");
            assert_eq!(again.identifier(), seen.identifier(), "it is not what the same value is elsewhere");
        }
    }
    assert_eq!(whole.rejects_told, rejected, "a rejected row is lost, or became two");
}

/// What came of reading a file to its end.
struct Told {
    rows: Vec<Row>,
    /// How many rows the file of rejects has.
    rejects_told: usize,
    error: Option<ReadError>,
}

fn policy() -> Policy {
    let document = PolicyDocument { kinds: vec!["customerId".into()], ..PolicyDocument::default() };
    Policy::read(&document).expect("it is a policy")
}

fn read(input: impl Read + Send + 'static) -> Result<Told, OpenError> {
    let policy = policy();
    let mut rows = RowReader::open(input, Settings::new(&policy, |_, _| None, Actor::named("fuzz")))?;
    let mut rejects = RejectsWriter::new(Vec::new(), &rows).expect("memory can be written");
    let mut told = Told { rows: Vec::new(), rejects_told: 0, error: None };
    while let Some(row) = rows.next() {
        match row {
            Ok(row) => {
                if let Err(reject) = &row.outcome {
                    rejects.write(&rows, reject).expect("memory can be written");
                }
                told.rows.push(row);
            }
            Err(error) => told.error = Some(error),
        }
    }
    let progress = rows.progress();
    let rejected = told.rows.iter().filter(|row| row.outcome.is_err()).count();
    let counted = (usize::try_from(progress.rows), usize::try_from(progress.rejected));
    assert_eq!(counted, (Ok(told.rows.len()), Ok(rejected)), "it counts otherwise than it gives");
    let rejects = rejects.finish().expect("memory can be written");
    told.rejects_told = match rows.format() {
        Format::Csv | Format::Tsv => {
            let mut records = csv::ReaderBuilder::new().flexible(true).from_reader(rejects.as_slice());
            records.byte_records().map(|record| assert!(record.expect("it is CSV").len() >= 3)).count()
        }
        Format::JsonLines => {
            let lines = rejects.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            lines
                .map(|line| assert!(serde_json::from_slice::<&RawValue>(line).is_ok(), "it is no JSON"))
                .count()
        }
    };
    Ok(told)
}

/// Gives bytes in small pieces.
struct Pieces {
    data: Vec<u8>,
    piece_bytes: usize,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.piece_bytes.min(self.data.len()).min(buffer.len());
        buffer[..count].copy_from_slice(&self.data[..count]);
        self.data.drain(..count);
        Ok(count)
    }
}

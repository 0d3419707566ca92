//! Rows as lines, in one of the formats.

use std::borrow::Cow;

use serde::Serialize;

use super::Format;

/// A row of a table, both ways.
pub(super) trait Row: Serialize {
    /// Its fields in the order of the header.
    fn cells(&self) -> Vec<Cow<'_, str>>;
}

/// How rows are written.
#[derive(Clone, Copy)]
pub(super) struct Table(Format);

/// Some lines.
pub(super) enum Lines {
    Json(Vec<u8>),
    Csv(Box<csv::Writer<Vec<u8>>>),
}

impl Table {
    pub(super) fn of(format: Format) -> Self {
        Self(format)
    }

    /// The line of names, where there is one.
    pub(super) fn header(self, names: &[&str]) -> Vec<u8> {
        let mut lines = self.lines();
        if let Lines::Csv(writer) = &mut lines {
            writer.write_record(names).expect("memory takes what is written");
        }
        lines.end()
    }

    pub(super) fn lines(self) -> Lines {
        match self.0 {
            Format::JsonLines => Lines::Json(Vec::new()),
            Format::Csv => {
                Lines::Csv(Box::new(csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new())))
            }
        }
    }
}

impl Lines {
    pub(super) fn add(&mut self, row: &impl Row) {
        match self {
            Self::Json(lines) => {
                serde_json::to_writer(&mut *lines, row).expect("rows are texts, numbers and lists");
                lines.push(b'\n');
            }
            Self::Csv(writer) => {
                let cells = row.cells();
                writer
                    .write_record(cells.iter().map(|cell| cell.as_bytes()))
                    .expect("rows are as long as the header");
            }
        }
    }

    pub(super) fn end(self) -> Vec<u8> {
        match self {
            Self::Json(lines) => lines,
            Self::Csv(writer) => writer.into_inner().expect("memory takes what is written"),
        }
    }
}

/// A number, or an empty field.
pub(super) fn number(number: Option<i64>) -> Cow<'static, str> {
    number.map_or(Cow::Borrowed(""), |number| number.to_string().into())
}

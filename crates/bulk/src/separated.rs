//! Rows of fields with a delimiter between them: CSV and TSV.
//!
//! Fields may be quoted with `"`, and a quote within is doubled (RFC 4180). What stands behind a closing quote belongs to the
//! field, and a quote within an unquoted field is a quote, as most readers have it.

use std::ops::Range;

use memchr::{memchr, memchr_iter, memchr2};

use crate::input::ReadError;
use crate::lines::{Ahead, Lines, ROW_BYTES_MAX};
use crate::reject::Reason;

const QUOTE: u8 = b'"';

/// What was found where a row may begin.
#[derive(Debug)]
pub(crate) enum Found {
    /// A row with something in it.
    Row,
    /// A row without anything in it.
    Blank,
    /// A row that can't be used.
    Broken(Reason),
}

/// The row that was read last, field by field.
pub(crate) struct Separated {
    delimiter: u8,
    /// How many fields a row has.
    width: Option<usize>,
    /// Where in the lines the row is, if no field of it is quoted.
    plain: Option<Range<usize>>,
    /// The fields of a row with quotes, unquoted, behind each other.
    unquoted: Vec<u8>,
    /// Where each field ends.
    ends: Vec<usize>,
    /// Rows that begin before this end with their line: a quote was opened there and not closed.
    one_line_until: u64,
}

impl Separated {
    pub(crate) fn new(delimiter: u8) -> Self {
        Self {
            delimiter,
            width: None,
            plain: None,
            unquoted: Vec::new(),
            ends: Vec::new(),
            one_line_until: 0,
        }
    }

    /// Says how many fields each row has.
    pub(crate) fn set_width(&mut self, width: usize) {
        self.width = Some(width);
    }

    pub(crate) fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// How many fields the row has.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// A field of the row.
    pub(crate) fn field<'row>(&'row self, lines: &'row Lines, place: usize) -> &'row [u8] {
        let (text, gap) = match &self.plain {
            Some(range) => (lines.slice(range), 1),
            None => (self.unquoted.as_slice(), 0),
        };
        let start = if place == 0 { 0 } else { self.ends[place - 1] + gap };
        &text[start..self.ends[place]]
    }

    /// A field of the row as text; an error if it isn't UTF-8.
    pub(crate) fn text<'row>(&'row self, lines: &'row Lines, place: usize) -> Result<&'row str, Reason> {
        std::str::from_utf8(self.field(lines, place)).map_err(|_| Reason::NotUtf8)
    }

    /// All fields of the row for a person to look at. What isn't UTF-8 is read as Latin-1, which it mostly is.
    pub(crate) fn texts(&self, lines: &Lines) -> Vec<String> {
        (0..self.len())
            .map(|place| match self.text(lines, place) {
                Ok(text) => text.to_owned(),
                Err(_) => self.field(lines, place).iter().map(|byte| char::from(*byte)).collect(),
            })
            .collect()
    }

    /// Reads the next row; nothing at the end.
    ///
    /// A quote that isn't closed within 1 MiB breaks its line only: reading goes on with the next line, and what was looked
    /// through in vain is read line by line, so that no file makes this look through the same bytes again and again.
    pub(crate) fn next(&mut self, lines: &mut Lines) -> Result<Option<Found>, ReadError> {
        self.ends.clear();
        self.unquoted.clear();
        self.plain = Some(0..0);
        match lines.ahead(QUOTE)? {
            Ahead::End => return Ok(None),
            Ahead::TooLong => return self.too_long(lines).map(Some),
            Ahead::Line(length) => {
                let range = lines.take_line(length);
                let text = lines.slice(&range);
                self.ends.extend(memchr_iter(self.delimiter, text));
                self.ends.push(text.len());
                self.plain = Some(range);
            }
            Ahead::Marked => {
                self.plain = None;
                let closed = lines.offset() >= self.one_line_until && self.quoted(lines)?;
                if !closed && let Some(broken) = self.one_line(lines)? {
                    return Ok(Some(broken));
                }
            }
        }
        if self.is_blank(lines) {
            return Ok(Some(Found::Blank));
        }
        let found = self.len();
        match self.width {
            Some(expected) if expected != found => {
                Ok(Some(Found::Broken(Reason::FieldCount { found, expected })))
            }
            _ => Ok(Some(Found::Row)),
        }
    }

    fn too_long(&mut self, lines: &mut Lines) -> Result<Found, ReadError> {
        lines.drop_line()?;
        self.ends.clear();
        Ok(Found::Broken(Reason::RowTooLong))
    }

    /// Reads a row with quotes, over as many lines as it has; false if a quote in it isn't closed.
    fn quoted(&mut self, lines: &mut Lines) -> Result<bool, ReadError> {
        loop {
            let pending = lines.pending();
            let seen = pending.len().min(ROW_BYTES_MAX);
            let length = match self.split(&pending[..seen], lines.terminator()) {
                Split::Ended(length) => Some(length),
                Split::Cut { in_quotes: _ } if seen == ROW_BYTES_MAX => None,
                Split::Cut { in_quotes } => {
                    if lines.reach((seen * 2).min(ROW_BYTES_MAX))? {
                        continue;
                    }
                    (!in_quotes).then_some(seen)
                }
            };
            match length {
                Some(length) => lines.take(length),
                None => self.one_line_until = lines.offset() + u64::try_from(seen).unwrap_or(u64::MAX),
            }
            return Ok(length.is_some());
        }
    }

    /// Reads the next line as a row, whatever its quotes say; what is wrong with it, if a quote isn't closed.
    fn one_line(&mut self, lines: &mut Lines) -> Result<Option<Found>, ReadError> {
        let terminator = lines.terminator();
        let length = match lines.ahead(terminator)? {
            Ahead::Line(length) => length,
            Ahead::TooLong => return self.too_long(lines).map(Some),
            // It was there a moment ago, and nothing else is looked for.
            Ahead::Marked | Ahead::End => return Ok(None),
        };
        let range = lines.take_line(length);
        match self.split(lines.slice(&range), terminator) {
            Split::Cut { in_quotes: true } => Ok(Some(Found::Broken(Reason::UnclosedQuote))),
            Split::Cut { in_quotes: false } | Split::Ended(_) => Ok(None),
        }
    }

    /// Unquotes the fields of the row at the beginning of `text`.
    fn split(&mut self, text: &[u8], terminator: u8) -> Split {
        self.ends.clear();
        self.unquoted.clear();
        let mut at = 0;
        loop {
            if text.get(at) == Some(&QUOTE) {
                at += 1;
                loop {
                    let Some(length) = memchr(QUOTE, &text[at..]) else {
                        self.unquoted.extend_from_slice(&text[at..]);
                        self.ends.push(self.unquoted.len());
                        return Split::Cut { in_quotes: true };
                    };
                    self.unquoted.extend_from_slice(&text[at..at + length]);
                    at += length + 1;
                    if text.get(at) != Some(&QUOTE) {
                        break;
                    }
                    self.unquoted.push(QUOTE);
                    at += 1;
                }
            }
            let length = memchr2(self.delimiter, terminator, &text[at..]);
            let end = length.map_or(text.len(), |length| at + length);
            let ends_row = text.get(end) != Some(&self.delimiter);
            let rest = &text[at..end];
            // The `\r` of a `\r\n`.
            let rest = rest.strip_suffix(b"\r").filter(|_| ends_row && terminator == b'\n').unwrap_or(rest);
            self.unquoted.extend_from_slice(rest);
            self.ends.push(self.unquoted.len());
            match length {
                None => return Split::Cut { in_quotes: false },
                Some(_) if ends_row => return Split::Ended(end + 1),
                Some(_) => at = end + 1,
            }
        }
    }

    fn is_blank(&self, lines: &Lines) -> bool {
        let text = match &self.plain {
            Some(range) => lines.slice(range),
            None => self.unquoted.as_slice(),
        };
        text.iter().all(|byte| *byte == self.delimiter || byte.is_ascii_whitespace())
    }
}

/// Where the row at the beginning of a text ends.
enum Split {
    /// After so many bytes, the end of its line counted.
    Ended(usize),
    /// Not in this text.
    Cut { in_quotes: bool },
}

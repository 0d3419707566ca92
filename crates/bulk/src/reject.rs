//! Why a row is not taken. A reason says the rule and never the value, which may be somebody's.

use std::sync::Arc;

use selfsame_rules::InvalidIdentifier;

use crate::lines::ROW_BYTES_MAX;
use crate::times::InvalidTime;

/// The longest name of a source: in a file, in what is said of a file, and in `POST /v1/observations`.
pub const SOURCE_CHARACTERS_MAX: usize = 200;

/// A row that is not taken, for a person to mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// The line on which the row begins, from 1, as an editor counts.
    pub line: u64,
    /// The column to look at; none if it is the row as a whole.
    pub column: Option<Arc<str>>,
    /// What is wrong.
    pub reason: Reason,
}

/// Why a row is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Nothing in the columns of identifiers.
    #[error("there is nothing to identify: each column of an identifier is blank")]
    NothingToIdentify,
    /// The workspace's policy blocks all that is in the row, or takes it for a claim that nobody verified.
    #[error("the workspace's policy lets none of the row's identifiers link anybody")]
    NothingLinks,
    /// A value breaks a rule of its kind.
    #[error("the value can't be used: {0}")]
    InvalidIdentifier(#[from] InvalidIdentifier),
    /// A time that can't be read.
    #[error("the time can't be read: {0}")]
    InvalidTime(#[from] InvalidTime),
    /// A source that is longer than 200 characters.
    #[error("the source has more than {SOURCE_CHARACTERS_MAX} characters")]
    SourceTooLong,
    /// A number as a spreadsheet shortens it: `1.23457E+11`.
    #[error(
        "a spreadsheet has shortened the number (1.2E+11), and its digits are lost; format the column as text and export it again"
    )]
    ShortenedNumber,
    /// A phone number with `.0` behind it, as a program writes that took it for an amount.
    #[error("it ends in `.0`, as if it were an amount; export the column as text")]
    DecimalNumber,
    /// The error of a spreadsheet's formula: `#N/A`, `#REF!`.
    #[error("it is the error of a spreadsheet's formula, not a value; export the values")]
    SpreadsheetError,
    /// Bytes that are not UTF-8.
    #[error("it is not UTF-8; save the file as UTF-8 (in Excel: `CSV UTF-8`)")]
    NotUtf8,
    /// More or fewer fields than the header has.
    #[error(
        "the row has {} and the header {expected}; a quote, a delimiter or a line break may be in the wrong place",
        fields(*found)
    )]
    FieldCount {
        /// Fields of the row.
        found: usize,
        /// Fields of the header.
        expected: usize,
    },
    /// A quote that isn't closed within a megabyte, or not at all.
    #[error("a quote is opened and not closed; close it, or double it where it belongs to the text")]
    UnclosedQuote,
    /// A row that is longer than a megabyte.
    #[error("the row is longer than {ROW_BYTES_MAX} bytes")]
    RowTooLong,
    /// Not JSON.
    #[error("it is not valid JSON (at character {at})")]
    MalformedJson {
        /// Where in the line, from 1.
        at: usize,
    },
    /// JSON, but no object.
    #[error("it is not a JSON object; write one object on each line")]
    NotAnObject,
    /// A member that stands in an object twice.
    #[error("the member stands there twice")]
    RepeatedMember,
    /// A JSON number with a sign, a fraction or an exponent.
    #[error(
        "it is a number with a sign, a fraction or an exponent, whose digits may be lost; write it as a text"
    )]
    NotAWholeNumber,
    /// A JSON value that is no text and no number.
    #[error("it is neither a text nor a whole number")]
    NeitherTextNorNumber,
}

fn fields(count: usize) -> String {
    if count == 1 { "1 field".to_owned() } else { format!("{count} fields") }
}

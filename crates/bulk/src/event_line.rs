//! A line of an export of events: a row of the log as JSON, in which its own JSON stands byte for byte.

use std::borrow::Cow;

use selfsame_rules::{Event, Timestamp};
use selfsame_store::EventRow;
use selfsame_store::event_text::{self, UnreadableEvent};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::rfc3339;

/// A row of the log as a line has it.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventLine<'line> {
    sequence: i64,
    #[serde(borrow)]
    at: Cow<'line, str>,
    #[serde(borrow)]
    kind: Cow<'line, str>,
    format: i64,
    #[serde(borrow)]
    caused_by: Cow<'line, str>,
    #[serde(borrow)]
    evidence: &'line RawValue,
    #[serde(borrow)]
    outcome: &'line RawValue,
    #[serde(borrow)]
    origin: Option<&'line RawValue>,
}

/// Why a line is no row of a log. Without the line: it holds values of people.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableLine {
    /// It isn't what an export of events writes.
    #[error("it is no line of an export of events (column {column})")]
    Malformed {
        /// Where in the line, from 1.
        column: usize,
    },
    /// Its members are, and what they say is no event.
    #[error(transparent)]
    Event(#[from] UnreadableEvent),
    /// It is spelt otherwise than an export spells that event, so that the copy would not be the original.
    #[error("it is not spelt as an export spells that event")]
    OtherBytes,
}

impl<'row> EventLine<'row> {
    /// The line of a row; nothing if a text of that is no JSON of one line, or its time has no spelling.
    pub fn of(row: &'row EventRow) -> Option<Self> {
        Some(Self {
            sequence: row.sequence,
            at: rfc3339::write(Timestamp::from_milliseconds(row.at_ms))?.into(),
            kind: row.kind.as_str().into(),
            format: row.format,
            caused_by: row.caused_by.as_str().into(),
            evidence: raw(&row.evidence)?,
            outcome: raw(&row.outcome)?,
            origin: match &row.origin {
                None => None,
                Some(origin) => Some(raw(origin)?),
            },
        })
    }

    /// The time as the line spells it.
    pub(crate) fn at(&self) -> &str {
        &self.at
    }

    /// The event that a line records, without its line break.
    ///
    /// What is read is what an export would write of that event again, byte for byte.
    ///
    /// ```
    /// use selfsame_bulk::EventLine;
    ///
    /// let line = r#"{"sequence":1,"at":"2026-01-31T12:00:00.000Z","kind":"created","format":1,"causedBy":"till","#.to_owned()
    ///     + r#""evidence":[{"kind":"phone","value":"123"}],"outcome":{"contact":{"id":1,"owns":["phone"]}},"origin":null}"#;
    /// assert_eq!(EventLine::read(&line).unwrap().sequence.0, 1);
    /// assert!(EventLine::read(&line.replace(":1,", ": 1,")).is_err());
    /// assert!(EventLine::read(&line.replace("created", "creates")).is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// [`UnreadableLine`] says what is wrong, without a value.
    pub fn read(line: &str) -> Result<Event, UnreadableLine> {
        let malformed = |column| UnreadableLine::Malformed { column };
        let read: EventLine<'_> = serde_json::from_str(line).map_err(|error| malformed(error.column()))?;
        let row = EventRow {
            sequence: read.sequence,
            at_ms: rfc3339::read(&read.at).ok_or_else(|| malformed(1))?.as_milliseconds(),
            kind: read.kind.into_owned(),
            format: read.format,
            caused_by: read.caused_by.into_owned(),
            evidence: read.evidence.get().to_owned(),
            outcome: read.outcome.get().to_owned(),
            origin: read.origin.map(|origin| origin.get().to_owned()),
        };
        let event = event_text::read(&row)?;
        let again = event_text::write(&event);
        let spelt = EventLine::of(&again).map(|line| line.to_string());
        if spelt.as_deref() == Some(line) { Ok(event) } else { Err(UnreadableLine::OtherBytes) }
    }
}

/// The line, without its line break.
impl std::fmt::Display for EventLine<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&serde_json::to_string(self).map_err(|_| std::fmt::Error)?)
    }
}

/// A text that is one value of JSON on one line.
fn raw(text: &str) -> Option<&RawValue> {
    let value: &RawValue = serde_json::from_str(text).ok()?;
    // White space around it would be lost.
    (value.get().len() == text.len() && !text.contains(['\n', '\r'])).then_some(value)
}

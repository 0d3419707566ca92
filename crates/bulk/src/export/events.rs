//! A row of the log as a row of a file: nothing of it is lost.

use std::borrow::Cow;

use selfsame_rules::Sequence;
use selfsame_store::EventRow;
use serde::{Serialize, Serializer};

use super::ExportError;
use super::table::{Row, number};
use crate::EventLine;

pub(super) const HEADER: [&str; 8] =
    ["sequence", "at", "kind", "format", "causedBy", "evidence", "outcome", "origin"];

/// In JSON, an [`EventLine`]; in CSV, its JSON as texts.
pub(super) struct EventCells<'row> {
    row: &'row EventRow,
    line: EventLine<'row>,
}

impl<'row> EventCells<'row> {
    pub(super) fn of(row: &'row EventRow) -> Result<Self, ExportError> {
        let line = EventLine::of(row).ok_or(ExportError::Event(Sequence(row.sequence)))?;
        Ok(Self { row, line })
    }
}

impl Serialize for EventCells<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.line.serialize(serializer)
    }
}

impl Row for EventCells<'_> {
    fn cells(&self) -> Vec<Cow<'_, str>> {
        vec![
            number(Some(self.row.sequence)),
            self.line.at().into(),
            self.row.kind.as_str().into(),
            number(Some(self.row.format)),
            self.row.caused_by.as_str().into(),
            self.row.evidence.as_str().into(),
            self.row.outcome.as_str().into(),
            self.row.origin.as_deref().unwrap_or_default().into(),
        ]
    }
}

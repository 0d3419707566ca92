//! A customer's events, each in a sentence.

use selfsame_rules::Event;

use crate::moments::{machine, moment};
use crate::sentences::tell;

/// An event in the list.
pub(crate) struct Told {
    pub(crate) sequence: i64,
    pub(crate) at: String,
    pub(crate) machine: String,
    pub(crate) kind: &'static str,
    pub(crate) by: String,
    pub(crate) sentence: String,
}

impl Told {
    pub(crate) fn of(event: &Event) -> Self {
        Self {
            sequence: event.sequence.0,
            at: moment(event.at),
            machine: machine(event.at),
            kind: event.kind(),
            by: event.caused_by.name().to_owned(),
            sentence: tell(event),
        }
    }
}

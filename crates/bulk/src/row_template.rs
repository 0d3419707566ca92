//! Rows as bytes, and rows again: for those that wait in a file until their turn comes.

use std::io;

use selfsame_rules::{Actor, IdentifierKind, Observation, Origin, Spelling, Timestamp};

/// Stands for a time that isn't said.
const NO_TIME: i64 = i64::MIN;

/// What the rows of a file have in common.
#[derive(Clone)]
pub(crate) struct RowTemplate {
    spelling: Spelling,
    actor: Actor,
}

impl RowTemplate {
    pub(crate) fn new(spelling: Spelling, actor: Actor) -> Self {
        Self { spelling, actor }
    }

    /// Appends what the row says: when, where, and each identifier as it was sent.
    pub(crate) fn write(row: &Observation, into: &mut Vec<u8>) {
        let origin = row.origin();
        let at = origin.and_then(|origin| origin.observed_at).map_or(NO_TIME, Timestamp::as_milliseconds);
        into.extend_from_slice(&at.to_le_bytes());
        write_text(origin.and_then(|origin| origin.source.as_deref()).unwrap_or_default(), into);
        for seen in row.seen() {
            write_text(seen.identifier().kind().name(), into);
            write_text(seen.as_sent().unwrap_or_else(|| seen.identifier().value()), into);
        }
    }

    /// The row that was written.
    pub(crate) fn read(&self, text: &[u8]) -> io::Result<Observation> {
        self.read_whole(text)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a row that waited is damaged"))
    }

    fn read_whole(&self, text: &[u8]) -> Option<Observation> {
        let (at, mut rest) = text.split_first_chunk()?;
        let at = i64::from_le_bytes(*at);
        let source = read_text(&mut rest)?;
        let mut seen = Vec::new();
        while !rest.is_empty() {
            let kind = IdentifierKind::from_name(read_text(&mut rest)?).ok()?;
            seen.push(self.spelling.parse(&kind, read_text(&mut rest)?).ok()??);
        }
        let origin = Origin {
            observed_at: (at != NO_TIME).then(|| Timestamp::from_milliseconds(at)),
            source: (!source.is_empty()).then(|| source.into()),
            imported: true,
        };
        let row = Observation::new(self.actor.clone(), seen).ok()?;
        Some(row.with_origin(origin).read_by(self.spelling.clone()))
    }
}

fn write_text(text: &str, into: &mut Vec<u8>) {
    // A row has at most a megabyte.
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    into.extend_from_slice(&length.to_le_bytes());
    into.extend_from_slice(text.as_bytes());
}

fn read_text<'text>(rest: &mut &'text [u8]) -> Option<&'text str> {
    let (length, behind) = rest.split_first_chunk()?;
    let (text, behind) = behind.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *rest = behind;
    std::str::from_utf8(text).ok()
}

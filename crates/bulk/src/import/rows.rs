//! What rows say, in few bytes: enough to know them again.

use selfsame_rules::{Observation, Timestamp};
use sha2::{Digest, Sha256};

/// A row that is not taken.
#[derive(Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The line on which it begins, from 1.
    pub line: u64,
    /// The column to look at; none if it is the row as a whole.
    pub column: Option<Box<str>>,
    /// What is wrong, without the value.
    pub reason: Box<str>,
    /// The row as a file of rejects has it ([`crate::RejectsWriter`]), its line end included.
    pub row: Box<str>,
}

impl std::fmt::Debug for Rejected {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Rejected(line {}, {})", self.line, self.reason)
    }
}

/// What all rows so far say.
#[derive(Clone, Default)]
pub(super) struct RowsDigest(Sha256);

impl RowsDigest {
    /// Takes a row.
    pub(super) fn add(&mut self, row: &Observation) {
        for seen in row.seen() {
            self.text(seen.identifier().kind().name());
            self.text(seen.as_sent().unwrap_or_else(|| seen.identifier().value()));
        }
        let origin = row.origin();
        let at = origin.and_then(|origin| origin.observed_at);
        self.0.update(at.map_or(i64::MIN, Timestamp::as_milliseconds).to_le_bytes());
        self.text(origin.and_then(|origin| origin.source.as_deref()).unwrap_or_default());
    }

    /// Takes a text, with its length, so that no two lists of texts are the same.
    pub(super) fn text(&mut self, text: &str) {
        self.0.update(text.len().to_le_bytes());
        self.0.update(text);
    }

    /// 64 hexadecimal digits.
    pub(super) fn hexadecimal(&self) -> Box<str> {
        let digest = self.0.clone().finalize();
        digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
    }
}

//! Any texts in the columns of the log, and of contacts: what a damaged or foreign database could hold.

use selfsame_rules::{Identifier, IdentifierKind};
use selfsame_store::declared_text;
use selfsame_store::event_text::{EventRow, FORMAT, read, write};

/// A row that can be read is one that we would write: it reads back as the same event, and is then written alike.
///
/// Lines: the kind, the evidence, and the outcome, which may have more of them.
pub(super) fn log_rows(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.splitn(3, '\n');
    let mut line = || lines.next().unwrap_or_default().to_owned();
    let (kind, evidence, outcome) = (line(), line(), line());
    assert_declared(&evidence);
    assert_declared(&outcome);
    let caused_by = "POST /identify".to_owned();
    let row =
        EventRow { sequence: 1, at_ms: 2, kind, format: FORMAT, caused_by, evidence, outcome, origin: None };
    let with_origin = EventRow { origin: Some(row.evidence.clone()), ..row.clone() };
    assert_reads_back(&row);
    assert_reads_back(&with_origin);
}

fn assert_reads_back(row: &EventRow) {
    match read(row) {
        Ok(event) => {
            let written = write(&event);
            assert_eq!(read(&written).as_ref().ok(), Some(&event), "what is written does not read back");
            assert_eq!(write(&event), written);
            assert_eq!((&written.kind, written.sequence, written.at_ms), (&row.kind, 1, 2));
        }
        // It says where, and never what.
        Err(error) => assert!(error.to_string().len() < 100),
    }
}

fn assert_declared(text: &str) {
    let Ok(identifiers) = declared_text::read(text) else { return };
    let is_declared = |identifier: &Identifier| matches!(identifier.kind(), IdentifierKind::Declared(_));
    let declared: Vec<Identifier> = identifiers.into_iter().filter(is_declared).collect();
    let written = declared_text::write(&declared).unwrap_or_else(|| "{}".to_owned());
    assert_eq!(declared_text::read(&written), Ok(declared), "what is written does not read back");
}

//! The statements that write many new rows at once.

/// The log, row by row in PostgreSQL's binary format.
pub(crate) const COPY_EVENTS: &str = "COPY selfsame.events
    (workspace, sequence, at_ms, kind, format, caused_by, evidence, outcome, origin) FROM STDIN BINARY";

/// The contacts, row by row in PostgreSQL's binary format.
pub(crate) const COPY_CONTACTS: &str = "COPY selfsame.contacts
    (workspace, id, email, phone, declared, linked_id, created_at_ms, updated_at_ms, deleted_at_ms, event_sequence)
    FROM STDIN BINARY";

/// The owners, row by row in PostgreSQL's binary format.
pub(crate) const COPY_IDENTIFIERS: &str = "COPY selfsame.identifiers
    (workspace, kind, value, contact_id) FROM STDIN BINARY";

/// Those here, by name.
pub(super) fn all() -> Vec<(&'static str, String)> {
    let fixed = [
        ("copy events", COPY_EVENTS),
        ("copy contacts", COPY_CONTACTS),
        ("copy identifiers", COPY_IDENTIFIERS),
    ];
    fixed.map(|(name, text)| (name, text.to_owned())).into()
}

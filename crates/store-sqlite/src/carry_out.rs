//! Carrying a plan out: its events are appended, and the rows that they add up to.

use std::collections::HashMap;

use rusqlite::{Transaction, params};
use selfsame_rules::{Contact, ContactId, Event, IdentifierKind, Sequence, Timestamp};
use selfsame_store::{Changes, Counts, EvidenceDigest, WorkspaceKey, declared_text, event_text};

use crate::rows;

pub(crate) const INSERT_EVENT: &str =
    "INSERT INTO events (workspace, sequence, at_ms, kind, format, caused_by, evidence, outcome, origin)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";

pub(crate) const INSERT_CONTACT: &str =
    "INSERT INTO contacts (workspace, id, email, phone, declared, linked_id,
         created_at_ms, updated_at_ms, deleted_at_ms, owns_email, owns_phone, owns_declared, event_sequence)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";

pub(crate) const INSERT_EVENT_CONTACT: &str =
    "INSERT INTO event_contacts (workspace, contact_id, sequence) VALUES (?1, ?2, ?3)";

pub(crate) const INSERT_REFUSAL: &str =
    "INSERT INTO refusals (workspace, sequence, evidence) VALUES (?1, ?2, ?3)";

pub(crate) const ADVANCE: &str = "UPDATE workspaces SET last_sequence = ?2, last_event_at_ms = ?3,
         last_contact_id = max(last_contact_id, coalesce(?4, 0)), linked_sequence = ?5,
         contact_count = contact_count + ?6, identity_count = identity_count + ?7
     WHERE workspace = ?1";

/// Appends to the log.
pub(crate) fn append(
    transaction: &Transaction<'_>,
    workspace: WorkspaceKey,
    events: &[Event],
) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached(INSERT_EVENT)?;
    for event in events {
        let row = event_text::write(event);
        statement.execute(params![
            workspace.0,
            row.sequence,
            row.at_ms,
            row.kind,
            row.format,
            row.caused_by,
            row.evidence,
            row.outcome,
            row.origin
        ])?;
    }
    Ok(())
}

/// Inserts the contacts that are new, each with what it owns. Rows that were there before are not moved here.
pub(crate) fn insert_contacts(
    transaction: &Transaction<'_>,
    workspace: WorkspaceKey,
    changes: &Changes,
) -> rusqlite::Result<()> {
    let mut owned: HashMap<ContactId, Vec<IdentifierKind>> = HashMap::with_capacity(changes.contacts.len());
    for (identifier, owner) in &changes.owners {
        owned.entry(*owner).or_default().push(identifier.kind().clone());
    }
    let mut statement = transaction.prepare_cached(INSERT_CONTACT)?;
    for contact in changes.contacts.values() {
        let owns = owned.get(&contact.id).map_or(&[] as &[_], Vec::as_slice);
        let made_by = changes.made_by.get(&contact.id).copied().unwrap_or(Sequence(0));
        insert(&mut statement, workspace, contact, owns, made_by)?;
    }
    Ok(())
}

/// Notes by which contacts events are found, besides those that they made, and by which evidence refusals are.
pub(crate) fn note(
    transaction: &Transaction<'_>,
    workspace: WorkspaceKey,
    changes: &Changes,
) -> rusqlite::Result<()> {
    let mut concerns = transaction.prepare_cached(INSERT_EVENT_CONTACT)?;
    for (contact, sequence) in &changes.concerned {
        concerns.execute([workspace.0, contact.0, sequence.0])?;
    }
    let mut refused = transaction.prepare_cached(INSERT_REFUSAL)?;
    for (sequence, evidence) in &changes.refused {
        refused.execute(params![workspace.0, sequence.0, EvidenceDigest::of(evidence).text()])?;
    }
    Ok(())
}

/// Where a workspace's counters go.
pub(crate) struct Advance<'event> {
    /// The last event of its log.
    pub(crate) last: &'event Event,
    /// The highest contact id given, if any was.
    pub(crate) last_contact: Option<ContactId>,
    /// Up to which event all rows link as the log says.
    pub(crate) linked: Sequence,
    /// How many more there are than before.
    pub(crate) counts: Counts,
}

/// Moves the workspace's counters to where the log now stands.
pub(crate) fn advance(
    transaction: &Transaction<'_>,
    workspace: WorkspaceKey,
    to: &Advance<'_>,
) -> rusqlite::Result<()> {
    transaction.prepare_cached(ADVANCE)?.execute(params![
        workspace.0,
        to.last.sequence.0,
        to.last.at.as_milliseconds(),
        to.last_contact.map(|contact| contact.0),
        to.linked.0,
        to.counts.contacts,
        to.counts.identities
    ])?;
    Ok(())
}

/// Inserts a contact, by [`INSERT_CONTACT`].
pub(crate) fn insert(
    statement: &mut rusqlite::Statement<'_>,
    workspace: WorkspaceKey,
    contact: &Contact,
    owns: &[IdentifierKind],
    made_by: Sequence,
) -> rusqlite::Result<()> {
    statement.execute(params![
        workspace.0,
        contact.id.0,
        rows::column(&contact.identifiers, &IdentifierKind::Email),
        rows::column(&contact.identifiers, &IdentifierKind::Phone),
        declared_text::write(&contact.identifiers),
        contact.linked_to.map(|primary| primary.0),
        contact.created_at.as_milliseconds(),
        contact.updated_at.as_milliseconds(),
        contact.deleted_at.map(Timestamp::as_milliseconds),
        owns.contains(&IdentifierKind::Email),
        owns.contains(&IdentifierKind::Phone),
        rows::kinds_text(owns),
        made_by.0,
    ])?;
    Ok(())
}

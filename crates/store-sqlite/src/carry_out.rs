//! Carrying a plan out: its events are appended, and the rows follow them through `rules::apply`.

use rusqlite::{Transaction, params};
use selfsame_rules::{Contact, ContactId, Event, Identifier, IdentifierKind, Plan, Tables, Timestamp, apply};
use selfsame_store::{WorkspaceKey, declared_text, event_text};

use crate::rows;

// Two statements, because one with OR would read the whole table.
pub(crate) const RELINK_PRIMARY: &str =
    "UPDATE contacts SET linked_id = ?3, updated_at_ms = ?4 WHERE workspace = ?1 AND id = ?2";

// The index is named for the reason given in `load`.
pub(crate) const RELINK_SECONDARIES: &str = "UPDATE contacts INDEXED BY contacts_by_primary
    SET linked_id = ?3, updated_at_ms = ?4 WHERE workspace = ?1 AND linked_id = ?2";

/// Writes the plan within `transaction`, which the caller commits. An empty plan writes nothing.
pub(crate) fn carry_out(
    transaction: &Transaction<'_>,
    workspace: WorkspaceKey,
    plan: &Plan,
) -> rusqlite::Result<()> {
    let Some(last) = plan.events.last() else { return Ok(()) };
    let mut tables = SqlTables { transaction, workspace, last_contact: None };
    for event in &plan.events {
        append(transaction, workspace, event)?;
        apply(event, &mut tables)?;
    }
    transaction
        .prepare_cached(
            "UPDATE workspaces SET last_sequence = ?2, last_event_at_ms = ?3,
                 last_contact_id = coalesce(?4, last_contact_id)
             WHERE workspace = ?1",
        )?
        .execute(params![
            workspace.0,
            last.sequence.0,
            last.at.as_milliseconds(),
            tables.last_contact.map(|contact| contact.0)
        ])?;
    Ok(())
}

fn append(transaction: &Transaction<'_>, workspace: WorkspaceKey, event: &Event) -> rusqlite::Result<()> {
    let row = event_text::write(event);
    transaction
        .prepare_cached(
            "INSERT INTO events (workspace, sequence, at_ms, kind, format, caused_by, evidence, outcome)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            workspace.0,
            row.sequence,
            row.at_ms,
            row.kind,
            row.format,
            row.caused_by,
            row.evidence,
            row.outcome
        ])?;
    Ok(())
}

/// The tables of one workspace, as `rules::apply` changes them.
struct SqlTables<'transaction> {
    transaction: &'transaction Transaction<'transaction>,
    workspace: WorkspaceKey,
    last_contact: Option<ContactId>,
}

impl Tables for SqlTables<'_> {
    type Error = rusqlite::Error;

    fn insert_contact(&mut self, contact: Contact) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached(
                "INSERT INTO contacts (workspace, id, email, phone, declared, linked_id,
                     created_at_ms, updated_at_ms, deleted_at_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                self.workspace.0,
                contact.id.0,
                rows::column(&contact.identifiers, &IdentifierKind::Email),
                rows::column(&contact.identifiers, &IdentifierKind::Phone),
                declared_text::write(&contact.identifiers),
                contact.linked_to.map(|primary| primary.0),
                contact.created_at.as_milliseconds(),
                contact.updated_at.as_milliseconds(),
                contact.deleted_at.map(Timestamp::as_milliseconds),
            ])?;
        self.last_contact = self.last_contact.max(Some(contact.id));
        Ok(())
    }

    fn own(&mut self, identifier: &Identifier, contact: ContactId) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached(
                "INSERT INTO identifiers (workspace, kind, value, contact_id) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![self.workspace.0, identifier.kind().name(), identifier.value(), contact.0])?;
        Ok(())
    }

    fn relink(&mut self, former: ContactId, survivor: ContactId, at: Timestamp) -> rusqlite::Result<()> {
        for statement in [RELINK_PRIMARY, RELINK_SECONDARIES] {
            self.transaction.prepare_cached(statement)?.execute(params![
                self.workspace.0,
                former.0,
                survivor.0,
                at.as_milliseconds()
            ])?;
        }
        Ok(())
    }
}

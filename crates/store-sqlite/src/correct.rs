//! Carrying a person's correction out: the event, and each table as it is after it.

use rusqlite::{Transaction, params};
use selfsame_rules::{IdentifierKind, RegisterRow, Timestamp};
use selfsame_store::{Corrected, WorkspaceKey, declared_text, event_text};

use crate::carry_out::{
    Advance, INSERT_CONTACT, INSERT_EVENT_CONTACT, INSERT_REFUSAL, advance, append, insert,
};
use crate::rows;

const UPDATE_CONTACT: &str = "UPDATE contacts SET email = ?3, phone = ?4, declared = ?5, linked_id = ?6,
        updated_at_ms = ?7, deleted_at_ms = ?8, owns_email = ?9, owns_phone = ?10, owns_declared = ?11
    WHERE workspace = ?1 AND id = ?2";

const REWRITE_EVENT: &str =
    "UPDATE events SET evidence = ?3, outcome = ?4, origin = ?5 WHERE workspace = ?1 AND sequence = ?2";

const INSERT_KEPT_APART: &str =
    "INSERT INTO kept_apart (workspace, contact_id, sequence) VALUES (?1, ?2, ?3)";

const SETTLE: &str = "UPDATE refusals SET settled_sequence = ?3 WHERE workspace = ?1 AND sequence = ?2";

const REWRITE_REFUSAL: &str = "UPDATE refusals SET evidence = ?3 WHERE workspace = ?1 AND sequence = ?2";

const SET_POLICY: &str = "UPDATE workspaces SET policy = ?2, policy_sequence = ?3 WHERE workspace = ?1";

/// Makes the correction. All rows link as the log says before it, and so they do after it.
pub(crate) fn carry_out_correction(
    transaction: &Transaction<'_>,
    workspace: WorkspaceKey,
    corrected: &Corrected,
) -> rusqlite::Result<()> {
    let sequence = corrected.event.sequence;
    append(transaction, workspace, std::slice::from_ref(&corrected.event))?;
    for event in &corrected.rewritten {
        let row = event_text::write(event);
        let text = params![workspace.0, row.sequence, row.evidence, row.outcome, row.origin];
        transaction.prepare_cached(REWRITE_EVENT)?.execute(text)?;
    }
    contacts(transaction, workspace, corrected)?;
    for (statement, contacts) in
        [(INSERT_EVENT_CONTACT, &corrected.concerned), (INSERT_KEPT_APART, &corrected.apart)]
    {
        let mut statement = transaction.prepare_cached(statement)?;
        for contact in contacts {
            statement.execute([workspace.0, contact.0, sequence.0])?;
        }
    }
    if let Some(review) = corrected.settled {
        transaction.execute(SETTLE, [workspace.0, review.0, sequence.0])?;
    }
    if let Some(evidence) = &corrected.refused {
        transaction.execute(INSERT_REFUSAL, params![workspace.0, sequence.0, evidence.text()])?;
    }
    for (refusal, evidence) in &corrected.refusals {
        transaction.execute(REWRITE_REFUSAL, params![workspace.0, refusal.0, evidence.text()])?;
    }
    if let Some(policy) = &corrected.policy {
        transaction.execute(SET_POLICY, params![workspace.0, event_text::policy_text(policy), sequence.0])?;
    }
    let last_contact = corrected.inserted.iter().map(|row| row.contact.id).max();
    let counts = corrected.counts;
    let to = Advance { last: &corrected.event, last_contact, linked: sequence, counts };
    advance(transaction, workspace, &to)
}

fn contacts(
    transaction: &Transaction<'_>,
    workspace: WorkspaceKey,
    corrected: &Corrected,
) -> rusqlite::Result<()> {
    let mut inserting = transaction.prepare_cached(INSERT_CONTACT)?;
    for RegisterRow { contact, owns } in &corrected.inserted {
        insert(&mut inserting, workspace, contact, owns, corrected.event.sequence)?;
    }
    let mut updating = transaction.prepare_cached(UPDATE_CONTACT)?;
    for RegisterRow { contact, owns } in &corrected.updated {
        updating.execute(params![
            workspace.0,
            contact.id.0,
            rows::column(&contact.identifiers, &IdentifierKind::Email),
            rows::column(&contact.identifiers, &IdentifierKind::Phone),
            declared_text::write(&contact.identifiers),
            contact.linked_to.map(|primary| primary.0),
            contact.updated_at.as_milliseconds(),
            contact.deleted_at.map(Timestamp::as_milliseconds),
            owns.contains(&IdentifierKind::Email),
            owns.contains(&IdentifierKind::Phone),
            rows::kinds_text(owns),
        ])?;
    }
    Ok(())
}

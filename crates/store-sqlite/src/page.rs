//! A page of a person's contacts: the index knows which they are, and only their rows are read.

use std::slice;

use rusqlite::Transaction;
use selfsame_rules::{ContactId, Register, Sequence};
use selfsame_store::{PageAsked, PageOf, PersonPage, StoreError, WorkspaceKey, left_to_others};

use crate::indexes::Knowledge;
use crate::recall::Snapshot;

/// The page, from the transaction's snapshot; nothing if nobody is meant.
pub(crate) fn page(
    transaction: &Transaction<'_>,
    workspace: WorkspaceKey,
    asked: &PageAsked,
    knowledge: Option<Knowledge<'_>>,
) -> Result<Option<PersonPage>, StoreError> {
    let (snapshot, head) = Snapshot::of(transaction, workspace, knowledge)?;
    let whom = match &asked.whom {
        PageOf::Contact(contact) => Some(*contact),
        PageOf::Owner(identifier) => snapshot.owners(slice::from_ref(identifier))?.pop(),
    };
    let found = whom.map(|whom| snapshot.contacts(&[whom])).transpose()?.and_then(|mut found| found.pop());
    let Some(found) = found else { return Ok(None) };
    let primary = found.contact.primary();
    if let Some(known) = knowledge
        && let Some(page) = known_page(&snapshot, known, primary, head.last_sequence, asked)?
    {
        return Ok(Some(page));
    }
    // Without an index of this snapshot, all contacts of the workspace are read.
    Ok(PersonPage::of(&Register::load(head, snapshot.identities(&[primary])?)?, asked))
}

/// The same by an index; nothing where that stands elsewhere in the log, or does by now.
fn known_page(
    snapshot: &Snapshot<'_, '_>,
    known: Knowledge<'_>,
    primary: ContactId,
    last: Sequence,
    asked: &PageAsked,
) -> Result<Option<PersonPage>, StoreError> {
    let Some((count, mut ids)) = known.page(primary, asked.after, asked.most.saturating_add(1), last) else {
        return Ok(None);
    };
    let more = ids.len() > asked.most;
    ids.truncate(asked.most);
    let mut rows = snapshot.contacts(&ids)?;
    rows.sort_by_key(|row| row.contact.age());
    let others = known.owned_by(primary, left_to_others(&rows), last);
    Ok(others.map(|others| PersonPage::of_rows(primary, count, rows, more, others)))
}

//! A scan of identities: the live contacts of each together, in little memory.
//!
//! No index knows who links to whom, so the numbers of all contacts are sorted (in a temporary file, where they are many)
//! and each row is read by its own.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Statement, Transaction};
use selfsame_rules::{ContactId, Identifier, RegisterRow, Timestamp};
use selfsame_store::{Record, WorkspaceKey};

use crate::merges::UnfinishedMerges;
use crate::rows;
use crate::scan::{Sink, Stop};

/// The contacts by the primary that their rows name, oldest first.
const LIVE: &str = "SELECT coalesce(linked_id, id), created_at_ms, id FROM contacts
    WHERE workspace = ?1 AND deleted_at_ms IS NULL
    ORDER BY coalesce(linked_id, id), created_at_ms, id";

const CONTACT: &str = "SELECT id, email, phone, declared, linked_id, created_at_ms, updated_at_ms,
        deleted_at_ms, owns_email, owns_phone, owns_declared
    FROM contacts WHERE workspace = ?1 AND id = ?2";

/// The contacts of an identity, oldest first.
type Members = BTreeSet<(Timestamp, ContactId)>;

/// Sends every identity with a live contact, in the order of their primaries.
pub(crate) fn identities(
    transaction: &Transaction<'_>,
    workspace: WorkspaceKey,
    merges: &UnfinishedMerges,
    sink: &mut Sink,
) -> Result<(), Stop> {
    let mut merging = merging(transaction, workspace, merges)?;
    let mut reading = Reading { statement: transaction.prepare(CONTACT)?, workspace, merges, sink };
    let mut statement = transaction.prepare(LIVE)?;
    let mut rows = statement.query([workspace.0])?;
    let mut identity: Option<(ContactId, Members)> = None;
    while let Some(row) = rows.next()? {
        let (primary, age) = read(row)?;
        if merges.concern(primary) {
            continue;
        }
        match &mut identity {
            Some((last, members)) if *last == primary => _ = members.insert(age),
            last => {
                if let Some((_, members)) = last.replace((primary, Members::from([age]))) {
                    reading.send(&members)?;
                }
                while let Some(before) = merging.first_entry().filter(|before| *before.key() < primary) {
                    reading.send(&before.remove())?;
                }
            }
        }
    }
    let last = identity.map(|(_, members)| members);
    last.iter().chain(merging.values()).try_for_each(|members| reading.send(members))
}

/// The identities of which not all rows name the primary yet.
fn merging(
    transaction: &Transaction<'_>,
    workspace: WorkspaceKey,
    merges: &UnfinishedMerges,
) -> rusqlite::Result<BTreeMap<ContactId, Members>> {
    let mut merging: BTreeMap<ContactId, Members> = BTreeMap::new();
    if merges.first().is_none() {
        return Ok(merging);
    }
    let mut statement = transaction.prepare(LIVE)?;
    let mut rows = statement.query([workspace.0])?;
    while let Some(row) = rows.next()? {
        let (named, age) = read(row)?;
        if merges.concern(named) {
            let primary = merges.survivor(named).map_or(named, |(survivor, _)| survivor);
            merging.entry(primary).or_default().insert(age);
        }
    }
    Ok(merging)
}

/// The primary that a row names, and the contact's age.
fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<(ContactId, (Timestamp, ContactId))> {
    let age = (Timestamp::from_milliseconds(row.get(1)?), ContactId(row.get(2)?));
    Ok((ContactId(row.get(0)?), age))
}

/// What reads the rows of an identity, and sends them.
struct Reading<'scan> {
    statement: Statement<'scan>,
    workspace: WorkspaceKey,
    merges: &'scan UnfinishedMerges,
    sink: &'scan mut Sink,
}

impl Reading<'_> {
    fn send(&mut self, members: &Members) -> Result<(), Stop> {
        let mut identity = Vec::with_capacity(members.len());
        for (_, id) in members {
            let row = self.statement.query_row([self.workspace.0, id.0], |row| {
                let contact = rows::contact(row)?;
                let owned = rows::owned(row, &contact)?;
                let owns = owned.iter().map(Identifier::kind).cloned().collect();
                Ok(RegisterRow { contact: self.merges.moved(contact), owns })
            })?;
            identity.push(row);
        }
        self.sink.push(Record::Identity(identity))
    }
}

//! Loading: every identity that owns one of the identifiers, whole, within one transaction.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{OptionalExtension, Transaction, params};
use selfsame_rules::{Contact, ContactId, Head, Identifier, Incoherent, Neighbourhood, Sequence, Timestamp};
use selfsame_store::{StoreError, WorkspaceKey};

use crate::error::store_error;
use crate::rows::{self, contact_columns};

const HEAD: &str =
    "SELECT last_sequence, last_contact_id, last_event_at_ms FROM workspaces WHERE workspace = ?1";

// The outer join tells an identifier that nobody owns from one whose owner is gone, which can't be.
const OWNER: &str = "SELECT identifiers.contact_id, coalesce(contacts.linked_id, contacts.id)
    FROM identifiers
    LEFT JOIN contacts ON contacts.workspace = identifiers.workspace AND contacts.id = identifiers.contact_id
    WHERE identifiers.workspace = ?1 AND identifiers.kind = ?2 AND identifiers.value = ?3";

// The index is named because SQLite, which has no statistics here, would otherwise take the primary key for as
// good, of which only the workspace is given: it would read every contact for every lookup.
const IDENTITY: &str = concat!(
    "SELECT ",
    contact_columns!(),
    " FROM contacts WHERE workspace = ?1 AND id = ?2 AND deleted_at_ms IS NULL UNION ALL SELECT ",
    contact_columns!(),
    " FROM contacts INDEXED BY contacts_by_primary
      WHERE workspace = ?1 AND linked_id = ?2 AND deleted_at_ms IS NULL"
);

/// What a decision on `identifiers` looks at. The transaction makes its statements one snapshot.
pub(crate) fn load(
    transaction: &Transaction<'_>,
    workspace: WorkspaceKey,
    identifiers: &[Identifier],
) -> Result<Neighbourhood, StoreError> {
    let head = head(transaction, workspace)?;
    let mut owners = BTreeMap::new();
    let mut primaries = BTreeSet::new();
    for identifier in identifiers {
        if owners.contains_key(identifier) {
            continue;
        }
        if let Some((owner, primary)) = owner(transaction, workspace, identifier)? {
            owners.insert(identifier.clone(), owner);
            primaries.insert(primary);
        }
    }
    let mut contacts = Vec::new();
    for primary in primaries {
        contacts.extend(identity(transaction, workspace, primary).map_err(store_error)?);
    }
    Ok(Neighbourhood::new(head, contacts, owners)?)
}

/// Where the workspace's log stands.
pub(crate) fn head(transaction: &Transaction<'_>, workspace: WorkspaceKey) -> Result<Head, StoreError> {
    transaction
        .prepare_cached(HEAD)
        .and_then(|mut statement| {
            statement.query_row([workspace.0], |row| {
                Ok(Head {
                    last_sequence: Sequence(row.get(0)?),
                    last_contact: ContactId(row.get(1)?),
                    last_event_at: Timestamp::from_milliseconds(row.get(2)?),
                })
            })
        })
        .map_err(store_error)
}

fn owner(
    transaction: &Transaction<'_>,
    workspace: WorkspaceKey,
    identifier: &Identifier,
) -> Result<Option<(ContactId, ContactId)>, StoreError> {
    let found = transaction
        .prepare_cached(OWNER)
        .and_then(|mut statement| {
            let key = params![workspace.0, identifier.kind().name(), identifier.value()];
            statement
                .query_row(key, |row| {
                    Ok((ContactId(row.get(0)?), row.get::<_, Option<i64>>(1)?.map(ContactId)))
                })
                .optional()
        })
        .map_err(store_error)?;
    match found {
        None => Ok(None),
        Some((owner, Some(primary))) => Ok(Some((owner, primary))),
        Some((owner, None)) => Err(Incoherent::NoOwner { owner }.into()),
    }
}

fn identity(
    transaction: &Transaction<'_>,
    workspace: WorkspaceKey,
    primary: ContactId,
) -> rusqlite::Result<Vec<Contact>> {
    let mut statement = transaction.prepare_cached(IDENTITY)?;
    let contacts = statement.query_map([workspace.0, primary.0], rows::contact)?;
    contacts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::carry_out::{RELINK_PRIMARY, RELINK_SECONDARIES};
    use crate::connection::open_for_writing;

    /// What users saw: with 100,000 contacts a lookup took tens of milliseconds, and longer with each one more.
    #[test]
    fn no_lookup_and_no_relink_reads_a_whole_workspace() {
        let folder = tempfile::tempdir().unwrap();
        let connection =
            open_for_writing(&folder.path().join("selfsame.db"), selfsame_store::Migrations::Apply).unwrap();
        for query in [HEAD, OWNER, IDENTITY, RELINK_PRIMARY, RELINK_SECONDARIES] {
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {query}")).unwrap();
            let parameters = (1..=statement.parameter_count()).map(|_| 1).collect::<Vec<i64>>();
            let steps = statement
                .query_map(rusqlite::params_from_iter(parameters), |row| row.get::<_, String>("detail"))
                .unwrap()
                .collect::<Result<Vec<_>, _>>()
                .unwrap();
            for step in steps.iter().filter(|step| !step.contains("workspaces")) {
                let reads_all = step.starts_with("SCAN") || step.contains("(workspace=?)");
                assert!(!reads_all, "{step}");
            }
        }
    }
}

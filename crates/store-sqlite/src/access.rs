//! Workspaces and keys: reading them, and carrying out a change of them.

use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};
use selfsame_rules::{
    ContactId, Head, KeyFacts, KeyLimits, Name, Scope, Scopes, Sequence, Timestamp, WorkspaceFacts,
};
use selfsame_store::{
    Access, AccessChange, AccessEffect, Counts, FormerNames, KeyDigest, KeyRow, StoreError, WorkspaceKey,
    WorkspaceRow,
};

use crate::carry_out::{Advance, advance, append};
use crate::error::store_error;
use crate::rows::unreadable;

const WORKSPACES: &str = "SELECT workspace, name, last_sequence, last_contact_id, last_event_at_ms,
        contact_count, identity_count, created_at_ms, erased_at_ms, swept_at_ms IS NOT NULL, former_names,
        policy_sequence
    FROM workspaces ORDER BY workspace";

const KEYS: &str = "SELECT workspace, id, every_workspace, name, digest, scopes, requests_per_second,
        requests_at_once_max, created_at_ms, expires_at_ms, revoked_at_ms
    FROM keys ORDER BY workspace, id";

const INSERT_WORKSPACE: &str =
    "INSERT INTO workspaces (workspace, name, last_sequence, last_contact_id, last_event_at_ms, created_at_ms)
    VALUES (?1, ?2, 0, 0, 0, ?3)";

const RENAME_WORKSPACE: &str = "UPDATE workspaces SET name = ?2, former_names = ?3 WHERE workspace = ?1";

const ERASE_WORKSPACE: &str = "UPDATE workspaces SET erased_at_ms = ?2 WHERE workspace = ?1";

const REVOKE_KEYS: &str = "UPDATE keys SET revoked_at_ms = coalesce(revoked_at_ms, ?2) WHERE workspace = ?1";

const INSERT_KEY: &str = "INSERT INTO keys (workspace, id, every_workspace, name, digest, scopes,
        requests_per_second, requests_at_once_max, created_at_ms, expires_at_ms, revoked_at_ms)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

const END_KEY: &str =
    "UPDATE keys SET revoked_at_ms = ?3, expires_at_ms = ?4 WHERE workspace = ?1 AND id = ?2";

const IS_ERASED: &str =
    "SELECT erased_at_ms IS NOT NULL AND swept_at_ms IS NULL FROM workspaces WHERE workspace = ?1";

const SWEEP_CONTACTS: &str = "DELETE FROM contacts WHERE workspace = ?1
    AND id IN (SELECT id FROM contacts WHERE workspace = ?1 ORDER BY id LIMIT ?2)";

const SWEEP_EVENTS: &str = "DELETE FROM events WHERE workspace = ?1
    AND sequence IN (SELECT sequence FROM events
        WHERE workspace = ?1 AND kind NOT IN ('keyChanged', 'workspaceChanged') ORDER BY sequence LIMIT ?2)";

const SWEEP_EVENT_CONTACTS: &str = "DELETE FROM event_contacts WHERE workspace = ?1
    AND (contact_id, sequence) IN (SELECT contact_id, sequence FROM event_contacts
        WHERE workspace = ?1 ORDER BY contact_id, sequence LIMIT ?2)";

const SWEEP_KEPT_APART: &str = "DELETE FROM kept_apart WHERE workspace = ?1
    AND (contact_id, sequence) IN (SELECT contact_id, sequence FROM kept_apart
        WHERE workspace = ?1 ORDER BY contact_id, sequence LIMIT ?2)";

const SWEEP_REFUSALS: &str = "DELETE FROM refusals WHERE workspace = ?1
    AND sequence IN (SELECT sequence FROM refusals WHERE workspace = ?1 ORDER BY sequence LIMIT ?2)";

const SWEEP_ANSWERS: &str = "DELETE FROM answers WHERE workspace = ?1
    AND (route, key_digest) IN (SELECT route, key_digest FROM answers WHERE workspace = ?1 LIMIT ?2)";

const SWEEP_WEBHOOKS: &str = "DELETE FROM webhooks WHERE workspace = ?1
    AND id IN (SELECT id FROM webhooks WHERE workspace = ?1 ORDER BY id LIMIT ?2)";

const SWEEP_IMPORTS: &str = "DELETE FROM imports WHERE workspace = ?1
    AND file IN (SELECT file FROM imports WHERE workspace = ?1 ORDER BY file LIMIT ?2)";

const SWEPT: &str =
    "UPDATE workspaces SET swept_at_ms = ?2, contact_count = 0, identity_count = 0, policy = NULL
    WHERE workspace = ?1";

/// How many rows of a table one transaction sweeps: a few milliseconds.
pub(crate) const ROWS_AT_ONCE: usize = 2_000;

/// All workspaces and keys, from the transaction's snapshot.
pub(crate) fn access(transaction: &Transaction<'_>) -> rusqlite::Result<Access> {
    let mut workspaces = transaction.prepare_cached(WORKSPACES)?;
    let mut keys = transaction.prepare_cached(KEYS)?;
    Ok(Access {
        workspaces: workspaces.query_map([], workspace_row)?.collect::<Result<_, _>>()?,
        keys: keys.query_map([], key_row)?.collect::<Result<_, _>>()?,
    })
}

fn workspace_row(row: &Row<'_>) -> rusqlite::Result<WorkspaceRow> {
    Ok(WorkspaceRow {
        key: WorkspaceKey(row.get(0)?),
        facts: WorkspaceFacts {
            name: name(row, 1)?,
            created_at: Timestamp::from_milliseconds(row.get(7)?),
            erased_at: time(row, 8)?,
        },
        head: Head {
            last_sequence: Sequence(row.get(2)?),
            last_contact: ContactId(row.get(3)?),
            last_event_at: Timestamp::from_milliseconds(row.get(4)?),
        },
        former_names: FormerNames::from_text(row.get_ref(10)?.as_str()?).ok_or_else(|| unreadable(10))?,
        counts: Counts { contacts: row.get(5)?, identities: row.get(6)? },
        policy_since: Sequence(row.get(11)?),
        swept: row.get(9)?,
    })
}

fn key_row(row: &Row<'_>) -> rusqlite::Result<KeyRow> {
    let words: String = row.get(5)?;
    let scopes = words.split_whitespace().map(Scope::from_word).collect::<Option<Scopes>>();
    let digest: String = row.get(4)?;
    Ok(KeyRow {
        workspace: WorkspaceKey(row.get(0)?),
        facts: KeyFacts {
            id: row.get(1)?,
            name: name(row, 3)?,
            scopes: scopes.ok_or_else(|| unreadable(5))?,
            every_workspace: row.get(2)?,
            limits: KeyLimits { requests_per_second: row.get(6)?, requests_at_once_max: row.get(7)? },
            created_at: Timestamp::from_milliseconds(row.get(8)?),
            expires_at: time(row, 9)?,
            revoked_at: time(row, 10)?,
        },
        digest: KeyDigest::from_text(&digest).ok_or_else(|| unreadable(4))?,
    })
}

fn name(row: &Row<'_>, column: usize) -> rusqlite::Result<Name> {
    let text: String = row.get(column)?;
    Name::parse(&text).map_err(|_| unreadable(column))
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_milliseconds))
}

/// Makes the change and appends its event. `linked`: up to which event all rows of its workspace link as the log says.
pub(crate) fn carry_out_access(
    transaction: &Transaction<'_>,
    change: &AccessChange,
    linked: Sequence,
) -> rusqlite::Result<()> {
    let AccessChange { workspace, event, effect } = change;
    match effect {
        AccessEffect::WorkspaceMade(facts) => {
            let row = params![workspace.0, facts.name.as_str(), facts.created_at.as_milliseconds()];
            transaction.execute(INSERT_WORKSPACE, row)?;
        }
        AccessEffect::WorkspaceRenamed(facts, former) => {
            transaction
                .execute(RENAME_WORKSPACE, params![workspace.0, facts.name.as_str(), former.text()])?;
        }
        AccessEffect::WorkspaceErased(_) => {
            let at = params![workspace.0, event.at.as_milliseconds()];
            transaction.execute(ERASE_WORKSPACE, at)?;
            transaction.execute(REVOKE_KEYS, at)?;
        }
        AccessEffect::KeyMade(key) => insert_key(transaction, key)?,
        AccessEffect::KeyEnded(facts) => {
            let [revoked, expires] =
                [facts.revoked_at, facts.expires_at].map(|at| at.map(Timestamp::as_milliseconds));
            transaction.execute(END_KEY, params![workspace.0, facts.id, revoked, expires])?;
        }
    }
    append(transaction, *workspace, std::slice::from_ref(event))?;
    advance(
        transaction,
        *workspace,
        &Advance { last: event, last_contact: None, linked, counts: Counts::default() },
    )
}

fn insert_key(transaction: &Transaction<'_>, key: &KeyRow) -> rusqlite::Result<()> {
    let KeyRow { workspace, facts, digest } = key;
    let scopes: Vec<&str> = facts.scopes.iter().map(Scope::word).collect();
    transaction.execute(
        INSERT_KEY,
        params![
            workspace.0,
            facts.id,
            facts.every_workspace,
            facts.name.as_str(),
            digest.text(),
            scopes.join(" "),
            facts.limits.requests_per_second,
            facts.limits.requests_at_once_max,
            facts.created_at.as_milliseconds(),
            facts.expires_at.map(Timestamp::as_milliseconds),
            facts.revoked_at.map(Timestamp::as_milliseconds),
        ],
    )?;
    Ok(())
}

/// One transaction that deletes some rows of an erased workspace; true when none are left to delete.
pub(crate) fn sweep(connection: &mut Connection, workspace: WorkspaceKey) -> Result<bool, StoreError> {
    overwriting(connection, |connection| sweep_some(connection, workspace)).map_err(store_error)
}

/// Does work whose deleted rows are overwritten, not only forgotten.
pub(crate) fn overwriting<T>(
    connection: &mut Connection,
    work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    connection.pragma_update(None, "secure_delete", "ON")?;
    let done = work(connection);
    connection.pragma_update(None, "secure_delete", "OFF")?;
    done
}

fn sweep_some(connection: &mut Connection, workspace: WorkspaceKey) -> rusqlite::Result<bool> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let erased = transaction.query_row(IS_ERASED, [workspace.0], |row| row.get(0)).optional()?;
    if erased != Some(true) {
        return Ok(true);
    }
    let limit = i64::try_from(ROWS_AT_ONCE).unwrap_or(i64::MAX);
    let mut deleted = 0;
    for statement in [
        SWEEP_CONTACTS,
        SWEEP_EVENTS,
        SWEEP_EVENT_CONTACTS,
        SWEEP_KEPT_APART,
        SWEEP_REFUSALS,
        SWEEP_ANSWERS,
        SWEEP_WEBHOOKS,
        SWEEP_IMPORTS,
    ] {
        deleted += transaction.prepare_cached(statement)?.execute([workspace.0, limit])?;
    }
    if deleted == 0 {
        transaction.execute(SWEPT, [workspace.0, now_ms()])?;
    }
    transaction.commit()?;
    Ok(deleted == 0)
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

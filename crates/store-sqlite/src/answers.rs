//! Answers that are kept for requests that may be repeated.

use std::cell::OnceCell;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use selfsame_rules::Timestamp;
use selfsame_store::{ErasedTexts, Kept, KeptAnswer, Once, StoreError, WorkspaceKey};

use crate::access::{ROWS_AT_ONCE, overwriting};
use crate::error::{commit_error, store_error};

const KEPT: &str = "SELECT request_digest, status, location, body FROM answers
    WHERE workspace = ?1 AND route = ?2 AND key_digest = ?3 AND created_at_ms > ?4";

/// One that is kept no longer may still be there.
const KEEP: &str =
    "INSERT INTO answers (workspace, route, key_digest, request_digest, status, location, body, created_at_ms)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
    ON CONFLICT (workspace, route, key_digest) DO UPDATE
    SET request_digest = excluded.request_digest, status = excluded.status, location = excluded.location,
        body = excluded.body, created_at_ms = excluded.created_at_ms";

const KEEP_INSTEAD: &str = "UPDATE answers SET status = ?5, location = ?6, body = ?7
    WHERE workspace = ?1 AND route = ?2 AND key_digest = ?3 AND request_digest = ?4 AND body IS NOT NULL";

/// The texts are an array of JSON. The digest goes with them: a value could be guessed by it.
const TAKE_BODIES: &str = "UPDATE answers SET body = NULL, request_digest = ''
    WHERE workspace = ?1 AND body IS NOT NULL
        AND EXISTS (SELECT 1 FROM json_each(?2) AS gone WHERE instr(answers.body, gone.value) > 0)";

const ANY_TO_FORGET: &str =
    "SELECT EXISTS (SELECT 1 FROM answers WHERE workspace = ?1 AND created_at_ms <= ?2)";

const FORGET: &str = "DELETE FROM answers WHERE workspace = ?1
    AND (route, key_digest) IN (SELECT route, key_digest FROM answers
        WHERE workspace = ?1 AND created_at_ms <= ?2 ORDER BY created_at_ms LIMIT ?3)";

/// What is kept under the request's key.
pub(crate) fn kept(connection: &Connection, once: &Once) -> rusqlite::Result<Option<Kept>> {
    let mut statement = connection.prepare_cached(KEPT)?;
    let since_ms = once.kept_since().as_milliseconds();
    let kept = params![once.workspace().0, once.route(), once.key(), since_ms];
    let row = statement.query_row(kept, |row| {
        let answer = KeptAnswer { status: row.get(1)?, location: row.get(2)?, body: row.get(3)? };
        Ok(Kept { request: row.get(0)?, answer })
    });
    row.optional()
}

/// What the request was answered before.
pub(crate) fn answered(
    transaction: &Transaction<'_>,
    once: Option<&Once>,
) -> Result<Option<Kept>, StoreError> {
    once.map(|once| kept(transaction, once)).transpose().map(Option::flatten).map_err(store_error)
}

/// Tells a decision what is kept. Only the connection that asks writes, so that it need hold no transaction meanwhile.
pub(crate) struct Asking<'connection> {
    connection: &'connection Connection,
    /// What went wrong on the way: a decision is told nothing of that, and comes to nothing.
    failure: OnceCell<rusqlite::Error>,
}

impl<'connection> Asking<'connection> {
    pub(crate) fn of(connection: &'connection Connection) -> Self {
        Self { connection, failure: OnceCell::new() }
    }

    pub(crate) fn is_kept(&self, once: &Once) -> bool {
        kept(self.connection, once).map(|kept| kept.is_some()).unwrap_or_else(|error| {
            self.failure.get_or_init(|| error);
            false
        })
    }

    /// What was decided, if all that it asked was answered.
    pub(crate) fn and<T>(self, decided: T) -> Result<T, StoreError> {
        self.failure.into_inner().map_or(Ok(decided), |error| Err(store_error(error)))
    }
}

/// Keeps of each of the requests that it was carried out.
pub(crate) fn keep_all(transaction: &Transaction<'_>, all: &[Once]) -> Result<(), StoreError> {
    let answer = KeptAnswer::carried_out();
    all.iter().try_for_each(|once| keep_if_wanted(transaction, Some(once), Some(&answer)))
}

/// Keeps the answer, if there is one to keep.
pub(crate) fn keep_if_wanted(
    transaction: &Transaction<'_>,
    once: Option<&Once>,
    answer: Option<&KeptAnswer>,
) -> Result<(), StoreError> {
    let Some((once, answer)) = once.zip(answer) else { return Ok(()) };
    let kept = params![
        once.workspace().0,
        once.route(),
        once.key(),
        once.request(),
        answer.status,
        answer.location,
        answer.body,
        once.at().as_milliseconds(),
    ];
    transaction.prepare_cached(KEEP).and_then(|mut keep| keep.execute(kept)).map_err(store_error)?;
    Ok(())
}

/// Commits an answer beside which nothing changes, if there is one to keep.
pub(crate) fn keep_alone(
    transaction: Transaction<'_>,
    once: Option<&Once>,
    answer: Option<&KeptAnswer>,
) -> Result<(), StoreError> {
    if once.is_none() || answer.is_none() {
        return Ok(());
    }
    keep_if_wanted(&transaction, once, answer)?;
    transaction.commit().map_err(commit_error)
}

/// Keeps that answer instead of the one that is kept.
pub(crate) fn keep_instead(
    connection: &Connection,
    once: &Once,
    answer: &KeptAnswer,
) -> rusqlite::Result<()> {
    connection.execute(
        KEEP_INSTEAD,
        params![
            once.workspace().0,
            once.route(),
            once.key(),
            once.request(),
            answer.status,
            answer.location,
            answer.body,
        ],
    )?;
    Ok(())
}

/// Takes the bodies in which one of the texts stands.
pub(crate) fn take_bodies(
    connection: &Connection,
    workspace: WorkspaceKey,
    texts: &ErasedTexts,
) -> rusqlite::Result<()> {
    let texts = serde_json::Value::from(texts.in_json()).to_string();
    connection.execute(TAKE_BODIES, params![workspace.0, texts])?;
    Ok(())
}

/// One transaction that deletes some that are kept since then or longer; true when none are left to delete.
pub(crate) fn forget(
    connection: &mut Connection,
    workspace: WorkspaceKey,
    since: Timestamp,
) -> Result<bool, StoreError> {
    let which = params![workspace.0, since.as_milliseconds()];
    let any: bool = connection.query_row(ANY_TO_FORGET, which, |row| row.get(0)).map_err(store_error)?;
    if !any {
        return Ok(true);
    }
    overwriting(connection, |connection| {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let limit = i64::try_from(ROWS_AT_ONCE).unwrap_or(i64::MAX);
        let which = params![workspace.0, since.as_milliseconds(), limit];
        let deleted = transaction.prepare_cached(FORGET)?.execute(which)?;
        transaction.commit()?;
        Ok(deleted < ROWS_AT_ONCE)
    })
    .map_err(store_error)
}

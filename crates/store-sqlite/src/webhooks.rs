//! Webhooks: reading them, and what people and deliveries change of them.

use rusqlite::{Connection, Row, Transaction, TransactionBehavior, params};
use selfsame_rules::{Sequence, Timestamp};
use selfsame_store::{
    Carried, Decided, Once, StoreError, WebhookChange, WebhookDecision, WebhookNote, WebhookProgress,
    WebhookRow, WebhookSecret, WebhooksSeen, WorkspaceKey,
};

use crate::answers::{answered, keep_alone, keep_if_wanted};
use crate::error::{commit_error, store_error};
use crate::load::standing;

const WEBHOOKS: &str = "SELECT workspace, id, url, kinds, secret, former_secret, former_secret_until_ms, created_at_ms,
        delivered_sequence, is_parked, failures, failing_since_ms, last_attempt_at_ms, last_status, last_problem,
        next_attempt_at_ms, holder, is_held, revision
    FROM webhooks WHERE ?1 IS NULL OR workspace = ?1 ORDER BY workspace, id";

const INSERT_WEBHOOK: &str = "INSERT INTO webhooks (workspace, id, url, kinds, secret, former_secret,
        former_secret_until_ms, created_at_ms, delivered_sequence, is_parked, failures, failing_since_ms,
        last_attempt_at_ms, last_status, last_problem, next_attempt_at_ms, holder, is_held, revision)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, '', 0, 1)";

/// Whoever held it can note nothing any more.
const CHANGE_WEBHOOK: &str = "UPDATE webhooks SET url = ?3, kinds = ?4, secret = ?5, former_secret = ?6,
        former_secret_until_ms = ?7, created_at_ms = ?8, delivered_sequence = ?9, is_parked = ?10, failures = ?11,
        failing_since_ms = ?12, last_attempt_at_ms = ?13, last_status = ?14, last_problem = ?15,
        next_attempt_at_ms = ?16, holder = '', is_held = 0, revision = revision + 1
    WHERE workspace = ?1 AND id = ?2";

const REMOVE_WEBHOOK: &str = "DELETE FROM webhooks WHERE workspace = ?1 AND id = ?2";

const NOTE_WEBHOOK: &str = "UPDATE webhooks SET revision = revision + 1, holder = ?4, is_held = ?5,
        delivered_sequence = ?6, is_parked = ?7, failures = ?8, failing_since_ms = ?9, last_attempt_at_ms = ?10,
        last_status = ?11, last_problem = ?12, next_attempt_at_ms = ?13
    WHERE workspace = ?1 AND id = ?2 AND revision = ?3";

/// Those of a workspace, or of all.
pub(crate) fn webhooks(
    connection: &Connection,
    workspace: Option<WorkspaceKey>,
) -> rusqlite::Result<Vec<WebhookRow>> {
    let mut statement = connection.prepare_cached(WEBHOOKS)?;
    let rows = statement.query_map([workspace.map(|key| key.0)], webhook)?;
    rows.collect()
}

fn webhook(row: &Row<'_>) -> rusqlite::Result<WebhookRow> {
    let time = |column| -> rusqlite::Result<Option<Timestamp>> {
        Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_milliseconds))
    };
    let former = row.get::<_, Option<Box<str>>>(5)?.map(WebhookSecret);
    Ok(WebhookRow {
        workspace: WorkspaceKey(row.get(0)?),
        id: row.get(1)?,
        url: row.get(2)?,
        kinds: WebhookRow::kinds_from_text(row.get_ref(3)?.as_str()?),
        secret: WebhookSecret(row.get(4)?),
        former_secret: former.zip(time(6)?),
        created_at: Timestamp::from_milliseconds(row.get(7)?),
        progress: WebhookProgress {
            position: Sequence(row.get(8)?),
            is_parked: row.get(9)?,
            failures: row.get(10)?,
            failing_since: time(11)?,
            last_attempt_at: time(12)?,
            last_status: row.get(13)?,
            last_problem: row.get(14)?,
            next_attempt_at: time(15)?,
        },
        holder: row.get(16)?,
        is_held: row.get(17)?,
        revision: row.get(18)?,
    })
}

/// Reads the workspace's webhooks, decides, and writes, in one transaction.
pub(crate) fn change_webhooks(
    connection: &mut Connection,
    workspace: WorkspaceKey,
    once: Option<&Once>,
    decision: &mut WebhookDecision,
) -> Result<Carried<WebhookChange>, StoreError> {
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(store_error)?;
    if let Some(before) = answered(&transaction, once)? {
        return Ok(Carried::Before(before));
    }
    let last_sequence = standing(&transaction, workspace)?.head.last_sequence;
    let rows = webhooks(&transaction, Some(workspace)).map_err(store_error)?;
    let Decided { change, answer } = decision(&WebhooksSeen { last_sequence, rows });
    let Some(change) = change else {
        keep_alone(transaction, once, answer.as_ref())?;
        return Ok(Carried::Now(None));
    };
    carry_out(&transaction, workspace, &change).map_err(store_error)?;
    keep_if_wanted(&transaction, once, answer.as_ref())?;
    transaction.commit().map_err(commit_error)?;
    Ok(Carried::Now(Some(change)))
}

fn carry_out(
    transaction: &Transaction<'_>,
    workspace: WorkspaceKey,
    change: &WebhookChange,
) -> rusqlite::Result<()> {
    let (statement, row) = match change {
        WebhookChange::Added(row) => (INSERT_WEBHOOK, row),
        WebhookChange::Changed(row) => (CHANGE_WEBHOOK, row),
        WebhookChange::Removed(id) => {
            return transaction.execute(REMOVE_WEBHOOK, params![workspace.0, id]).map(|_| ());
        }
    };
    let ms = |at: Option<Timestamp>| at.map(Timestamp::as_milliseconds);
    let (former, until) = row.former_secret.as_ref().map(|(secret, until)| (&secret.0, *until)).unzip();
    let progress = &row.progress;
    transaction.execute(
        statement,
        params![
            workspace.0,
            row.id,
            row.url,
            row.kinds_text(),
            row.secret.0,
            former,
            ms(until),
            row.created_at.as_milliseconds(),
            progress.position.0,
            progress.is_parked,
            progress.failures,
            ms(progress.failing_since),
            ms(progress.last_attempt_at),
            progress.last_status,
            progress.last_problem,
            ms(progress.next_attempt_at),
        ],
    )?;
    Ok(())
}

/// Writes a note, if nobody wrote the row since.
pub(crate) fn note_webhook(connection: &Connection, note: &WebhookNote) -> rusqlite::Result<bool> {
    let ms = |at: Option<Timestamp>| at.map(Timestamp::as_milliseconds);
    let progress = &note.progress;
    let written = connection.prepare_cached(NOTE_WEBHOOK)?.execute(params![
        note.workspace.0,
        note.id,
        note.revision,
        note.holder,
        note.is_held,
        progress.position.0,
        progress.is_parked,
        progress.failures,
        ms(progress.failing_since),
        ms(progress.last_attempt_at),
        progress.last_status,
        progress.last_problem,
        ms(progress.next_attempt_at),
    ])?;
    Ok(written == 1)
}

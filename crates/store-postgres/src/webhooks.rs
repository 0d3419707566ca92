//! Webhooks: reading them, and what people and deliveries change of them.

use deadpool_postgres::Pool;
use futures_util::future::{join, join4};
use selfsame_rules::{Sequence, Timestamp};
use selfsame_store::{
    Carried, Decided, Once, StoreError, WebhookChange, WebhookDecision, WebhookNote, WebhookProgress,
    WebhookRow, WebhookSecret, WebhooksSeen, WorkspaceKey,
};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use crate::answers::{answered, keep};
use crate::carry_out::Statement;
use crate::connections::Loan;
use crate::rows::{get, head, time, time_if_any};
use crate::statements::webhooks::{
    CHANGE_WEBHOOK, INSERT_WEBHOOK, NOTE_WEBHOOK, REMOVE_WEBHOOK, WEBHOOKS, WEBHOOKS_OF,
};
use crate::statements::{COMMIT, HEAD, LOCK, ROLLBACK};
use crate::transaction::{Stopped, Transaction, Writer, carry_out_and_commit, no_workspace};

/// Those of all workspaces, from a statement of its own.
pub(crate) async fn webhooks_alone(pool: &Pool) -> Result<Vec<WebhookRow>, Stopped> {
    let client = Loan::from(pool).await?;
    let rows = client.query_typed(WEBHOOKS, &[]).await?;
    client.give_back();
    let mut webhooks = read(&rows)?;
    // A database may order texts as a language does.
    webhooks.sort_by(|one, other| (one.workspace, &one.id).cmp(&(other.workspace, &other.id)));
    Ok(webhooks)
}

fn read(rows: &[Row]) -> Result<Vec<WebhookRow>, StoreError> {
    rows.iter().map(webhook).collect()
}

fn webhook(row: &Row) -> Result<WebhookRow, StoreError> {
    let text = |column| get::<&str>(row, column).map(Box::<str>::from);
    let text_if_any = |column| get::<Option<&str>>(row, column).map(|text| text.map(Box::<str>::from));
    let former = text_if_any("former_secret")?.map(WebhookSecret);
    let status = get::<Option<i64>>(row, "last_status")?.map(u16::try_from).transpose();
    Ok(WebhookRow {
        workspace: WorkspaceKey(get(row, "workspace")?),
        id: text("id")?,
        url: text("url")?,
        kinds: WebhookRow::kinds_from_text(get(row, "kinds")?),
        secret: WebhookSecret(text("secret")?),
        former_secret: former.zip(time_if_any(row, "former_secret_until_ms")?),
        created_at: time(row, "created_at_ms")?,
        progress: WebhookProgress {
            position: Sequence(get(row, "delivered_sequence")?),
            is_parked: get(row, "is_parked")?,
            failures: u32::try_from(get::<i64>(row, "failures")?).map_err(StoreError::failed)?,
            failing_since: time_if_any(row, "failing_since_ms")?,
            last_attempt_at: time_if_any(row, "last_attempt_at_ms")?,
            last_status: status.map_err(StoreError::failed)?,
            last_problem: text_if_any("last_problem")?,
            next_attempt_at: time_if_any(row, "next_attempt_at_ms")?,
        },
        holder: text("holder")?,
        is_held: get(row, "is_held")?,
        revision: get(row, "revision")?,
    })
}

/// A change of a workspace's webhooks, decided under its lock.
pub(crate) struct ChangeWebhooks {
    workspace: WorkspaceKey,
    once: Option<Once>,
    decision: WebhookDecision,
}

impl ChangeWebhooks {
    pub(crate) fn new(workspace: WorkspaceKey, once: Option<Once>, decision: WebhookDecision) -> Self {
        Self { workspace, once, decision }
    }
}

impl Transaction for ChangeWebhooks {
    type Done = Carried<WebhookChange>;

    async fn attempt(
        &mut self,
        writer: &Writer,
        commit_sent: &mut bool,
    ) -> Result<Carried<WebhookChange>, Stopped> {
        let client = Loan::from(&writer.pool).await?;
        // Sent behind each other without waiting, and run one after the other: what is read is read under the lock.
        let key: [(&(dyn ToSql + Sync), Type); 1] = [(&self.workspace.0, Type::INT8)];
        let (begun, locked, stands, rows) = join4(
            client.batch_execute(&writer.begin),
            client.query_typed(LOCK, &key),
            client.query_typed(HEAD, &key),
            client.query_typed(WEBHOOKS_OF, &key),
        )
        .await;
        begun?;
        if locked?.is_empty() {
            return Err(no_workspace(client, self.workspace).await);
        }
        let client = match answered(client, self.once.as_ref()).await? {
            Ok(client) => client,
            Err(before) => return Ok(Carried::Before(before)),
        };
        let stands = stands?;
        let stands = stands.first().ok_or(StoreError::NoWorkspace(self.workspace))?;
        let seen = WebhooksSeen { last_sequence: head(stands)?.last_sequence, rows: read(&rows?)? };
        let Decided { change, answer } = (self.decision)(&seen);
        let keeping = keep(self.once.as_ref(), answer.as_ref());
        let changing = change.as_ref().map(|change| statement(self.workspace, change));
        let statements: Vec<Statement> = changing.into_iter().chain(keeping).collect();
        if statements.is_empty() {
            client.batch_execute(ROLLBACK).await?;
        } else {
            carry_out_and_commit(&client, &statements, commit_sent).await?;
        }
        client.give_back();
        Ok(Carried::Now(change))
    }
}

/// The statement that carries `change` out.
fn statement(workspace: WorkspaceKey, change: &WebhookChange) -> Statement {
    let (text, row) = match change {
        WebhookChange::Added(row) => (INSERT_WEBHOOK, row),
        WebhookChange::Changed(row) => (CHANGE_WEBHOOK, row),
        WebhookChange::Removed(id) => {
            return Statement::new(REMOVE_WEBHOOK, workspace).with(id.to_string(), Type::TEXT);
        }
    };
    let former = row.former_secret.as_ref().map(|(secret, until)| (secret.0.to_string(), *until));
    let (former, until) = former.unzip();
    let written = Statement::new(text, workspace)
        .with(row.id.to_string(), Type::TEXT)
        .with(row.url.to_string(), Type::TEXT)
        .with(row.kinds_text(), Type::TEXT)
        .with(row.secret.0.to_string(), Type::TEXT)
        .with(former, Type::TEXT)
        .with(until.map(Timestamp::as_milliseconds), Type::INT8)
        .with(row.created_at.as_milliseconds(), Type::INT8);
    with_progress(written, &row.progress)
}

fn with_progress(statement: Statement, progress: &WebhookProgress) -> Statement {
    statement
        .with(progress.position.0, Type::INT8)
        .with(progress.is_parked, Type::BOOL)
        .with(i64::from(progress.failures), Type::INT8)
        .with(progress.failing_since.map(Timestamp::as_milliseconds), Type::INT8)
        .with(progress.last_attempt_at.map(Timestamp::as_milliseconds), Type::INT8)
        .with(progress.last_status.map(i64::from), Type::INT8)
        .with(progress.last_problem.as_deref().map(str::to_owned), Type::TEXT)
        .with(progress.next_attempt_at.map(Timestamp::as_milliseconds), Type::INT8)
}

/// Writing what is noted of a delivery.
pub(crate) struct NoteWebhook(pub(crate) WebhookNote);

impl Transaction for NoteWebhook {
    /// Whether it was written.
    type Done = bool;

    async fn attempt(&mut self, writer: &Writer, commit_sent: &mut bool) -> Result<bool, Stopped> {
        let client = Loan::from(&writer.pool).await?;
        let note = &self.0;
        let noting = Statement::new(NOTE_WEBHOOK, note.workspace)
            .with(note.id.to_string(), Type::TEXT)
            .with(note.revision, Type::INT8)
            .with(note.holder.to_string(), Type::TEXT)
            .with(note.is_held, Type::BOOL);
        let noting = with_progress(noting, &note.progress);
        let (begun, written) = join(client.batch_execute(&writer.begin), noting.count(&client)).await;
        begun?;
        let written = written?;
        *commit_sent = true;
        client.batch_execute(COMMIT).await?;
        client.give_back();
        Ok(written == 1)
    }
}

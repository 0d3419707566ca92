//! Answers that are kept for requests that may be repeated.

use std::collections::HashSet;

use deadpool_postgres::{ClientWrapper, Pool};
use futures_util::future::join;
use selfsame_rules::Timestamp;
use selfsame_store::{ErasedTexts, Kept, KeptAnswer, Once, StoreError, WorkspaceKey};
use tokio_postgres::types::{ToSql, Type};

use crate::carry_out::Statement;
use crate::connections::Loan;
use crate::rows::get;
use crate::statements::answers::{FORGET, KEEP, KEEP_ALL, KEEP_INSTEAD, KEPT, KEPT_OF, TAKE_BODIES};
use crate::statements::{COMMIT, ROLLBACK};
use crate::transaction::{Stopped, Transaction, Writer, carry_out_and_commit};

/// How many one transaction deletes.
const ROWS_AT_ONCE: i64 = 5_000;

/// What is kept under the request's key.
pub(crate) async fn kept(client: &ClientWrapper, once: &Once) -> Result<Option<Kept>, Stopped> {
    let since_ms = once.kept_since().as_milliseconds();
    let which: [(&(dyn ToSql + Sync), Type); 4] = [
        (&once.workspace().0, Type::INT8),
        (&once.route(), Type::TEXT),
        (&once.key(), Type::TEXT),
        (&since_ms, Type::INT8),
    ];
    let rows = client.query_typed(KEPT, &which).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let status = u16::try_from(get::<i64>(row, "status")?).map_err(StoreError::failed)?;
    let text = |column| get::<Option<&str>>(row, column).map(|text| text.map(Box::from));
    let answer = KeptAnswer { status, location: text("location")?, body: text("body")? };
    Ok(Some(Kept { request: get::<&str>(row, "request_digest")?.into(), answer }))
}

/// The same by itself.
pub(crate) async fn kept_alone(pool: &Pool, once: &Once) -> Result<Option<Kept>, Stopped> {
    let client = Loan::from(pool).await?;
    let kept = kept(&client, once).await?;
    client.give_back();
    Ok(kept)
}

/// Under the lock of its workspace: what the request was answered before, where it may be a repeat. The transaction is over then.
pub(crate) async fn answered(client: Loan, once: Option<&Once>) -> Result<Result<Loan, Kept>, Stopped> {
    let Some(once) = once else { return Ok(Ok(client)) };
    let Some(kept) = kept(&client, once).await? else { return Ok(Ok(client)) };
    client.batch_execute(ROLLBACK).await?;
    client.give_back();
    Ok(Err(kept))
}

/// Those of some requests of a workspace of which an answer is kept.
#[derive(Default)]
pub(crate) struct KeptOf(HashSet<(String, String)>);

impl KeptOf {
    /// Sends the statement, where there is anything to ask; under the lock, it is answered behind it.
    pub(crate) async fn load(
        client: &ClientWrapper,
        workspace: WorkspaceKey,
        all: &[Once],
    ) -> Result<Self, Stopped> {
        if all.is_empty() {
            return Ok(Self::default());
        }
        let routes: Vec<&str> = all.iter().map(Once::route).collect();
        let keys: Vec<&str> = all.iter().map(Once::key).collect();
        let since_ms: Vec<i64> = all.iter().map(|once| once.kept_since().as_milliseconds()).collect();
        let which: [(&(dyn ToSql + Sync), Type); 4] = [
            (&workspace.0, Type::INT8),
            (&routes, Type::TEXT_ARRAY),
            (&keys, Type::TEXT_ARRAY),
            (&since_ms, Type::INT8_ARRAY),
        ];
        let rows = client.query_typed(KEPT_OF, &which).await?;
        let kept = rows.iter().map(|row| Ok((get(row, "route")?, get(row, "key_digest")?)));
        Ok(Self(kept.collect::<Result<_, StoreError>>()?))
    }

    pub(crate) fn has(&self, once: &Once) -> bool {
        !self.0.is_empty() && self.0.contains(&(once.route().to_owned(), once.key().to_owned()))
    }
}

/// The statement that keeps of each of the requests that it was carried out.
pub(crate) fn keep_all(workspace: WorkspaceKey, all: &[Once]) -> Option<Statement> {
    let texts = |text: fn(&Once) -> &str| all.iter().map(|once| text(once).to_owned()).collect::<Vec<_>>();
    let at_ms: Vec<i64> = all.iter().map(|once| once.at().as_milliseconds()).collect();
    let answer = KeptAnswer::carried_out();
    (!all.is_empty()).then(|| {
        Statement::new(KEEP_ALL, workspace)
            .with(texts(|once| once.route()), Type::TEXT_ARRAY)
            .with(texts(Once::key), Type::TEXT_ARRAY)
            .with(texts(Once::request), Type::TEXT_ARRAY)
            .with(at_ms, Type::INT8_ARRAY)
            .with(i64::from(answer.status), Type::INT8)
            .with(answer.body.map(String::from), Type::TEXT)
    })
}

/// The statement that keeps the answer, if there is one to keep.
pub(crate) fn keep(once: Option<&Once>, answer: Option<&KeptAnswer>) -> Option<Statement> {
    let (once, answer) = once.zip(answer)?;
    Some(of(KEEP, once, answer).with(once.at().as_milliseconds(), Type::INT8))
}

/// The statement that takes bodies in which one of the texts stands.
pub(crate) fn take_bodies(workspace: WorkspaceKey, texts: &ErasedTexts) -> Statement {
    Statement::new(TAKE_BODIES, workspace).with(texts.in_json(), Type::TEXT_ARRAY)
}

fn of(text: &'static str, once: &Once, answer: &KeptAnswer) -> Statement {
    Statement::new(text, once.workspace())
        .with(once.route(), Type::TEXT)
        .with(once.key().to_owned(), Type::TEXT)
        .with(once.request().to_owned(), Type::TEXT)
        .with(i64::from(answer.status), Type::INT8)
        .with(answer.location.as_deref().map(str::to_owned), Type::TEXT)
        .with(answer.body.as_deref().map(str::to_owned), Type::TEXT)
}

/// Keeping another answer than before.
pub(crate) struct KeepInstead(pub(crate) Once, pub(crate) KeptAnswer);

impl Transaction for KeepInstead {
    type Done = ();

    async fn attempt(&mut self, writer: &Writer, commit_sent: &mut bool) -> Result<(), Stopped> {
        let client = Loan::from(&writer.pool).await?;
        client.batch_execute(&writer.begin).await?;
        carry_out_and_commit(&client, &[of(KEEP_INSTEAD, &self.0, &self.1)], commit_sent).await?;
        client.give_back();
        Ok(())
    }
}

/// Deleting some that are kept since a moment or longer. Nobody waits for its rows: they are nobody's answer any more.
pub(crate) struct Forget(pub(crate) WorkspaceKey, pub(crate) Timestamp);

impl Transaction for Forget {
    /// Whether none is left to delete.
    type Done = bool;

    async fn attempt(&mut self, writer: &Writer, commit_sent: &mut bool) -> Result<bool, Stopped> {
        let client = Loan::from(&writer.pool).await?;
        let since_ms = self.1.as_milliseconds();
        let which: [(&(dyn ToSql + Sync), Type); 3] =
            [(&self.0.0, Type::INT8), (&since_ms, Type::INT8), (&ROWS_AT_ONCE, Type::INT8)];
        let (begun, deleted) =
            join(client.batch_execute(&writer.begin), client.execute_typed(FORGET, &which)).await;
        begun?;
        let deleted = deleted?;
        *commit_sent = true;
        client.batch_execute(COMMIT).await?;
        client.give_back();
        Ok(i64::try_from(deleted).is_ok_and(|deleted| deleted < ROWS_AT_ONCE))
    }
}

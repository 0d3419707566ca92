//! A change of workspaces and keys: lock the default workspace, which all such changes wait for, and the one whose log
//! it belongs to; read all workspaces and keys; decide, carry out, commit.

use futures_util::future::{OptionFuture, join4};
use selfsame_rules::Timestamp;
use selfsame_store::{
    Access, AccessChange, AccessDecision, AccessEffect, Carried, Changes, Decided, KeyRow, Once, WorkspaceKey,
};
use tokio_postgres::types::{ToSql, Type};

use crate::access::{self, scopes_text};
use crate::answers::{answered, keep};
use crate::carry_out::{Statement, advance, insert_events};
use crate::connections::Loan;
use crate::statements::administration::{
    END_KEY, ERASE_WORKSPACE, INSERT_KEY, INSERT_WORKSPACE, RENAME_WORKSPACE, REVOKE_KEYS,
};
use crate::statements::{LOCK, ROLLBACK};
use crate::transaction::{Stopped, Transaction, Writer, carry_out_and_commit, no_workspace};

/// What an administration was asked for.
pub(crate) struct Administration {
    /// Locked after the default one; the log that is written is one of theirs, or a new workspace's.
    workspace: WorkspaceKey,
    once: Option<Once>,
    decision: AccessDecision,
    /// The erasure that an attempt before this one may have committed.
    erasure: Option<AccessChange>,
}

impl Administration {
    pub(crate) fn new(workspace: WorkspaceKey, once: Option<Once>, decision: AccessDecision) -> Self {
        Self { workspace, once, decision, erasure: None }
    }
}

impl Transaction for Administration {
    type Done = Carried<AccessChange>;

    async fn attempt(
        &mut self,
        writer: &Writer,
        commit_sent: &mut bool,
    ) -> Result<Carried<AccessChange>, Stopped> {
        let client = Loan::from(&writer.pool).await?;
        // Sent behind each other without waiting, and run one after the other: what is read is read under both locks.
        let default: [(&(dyn ToSql + Sync), Type); 1] = [(&WorkspaceKey::DEFAULT.0, Type::INT8)];
        let key: [(&(dyn ToSql + Sync), Type); 1] = [(&self.workspace.0, Type::INT8)];
        let other = (self.workspace != WorkspaceKey::DEFAULT).then(|| client.query_typed(LOCK, &key));
        let (begun, locked, other_locked, sent) = join4(
            client.batch_execute(&writer.begin),
            client.query_typed(LOCK, &default),
            OptionFuture::from(other),
            access::send(&client),
        )
        .await;
        begun?;
        if locked?.is_empty() {
            return Err(no_workspace(client, WorkspaceKey::DEFAULT).await);
        }
        if other_locked.transpose()?.is_some_and(|rows| rows.is_empty()) {
            // No decision would be shown that this erasure has been made: there is no lock any more to decide under.
            let access = access::read(&sent?)?;
            if let Some(erasure) = self.erasure.take_if(|erasure| is_made(erasure, &access)) {
                client.batch_execute(ROLLBACK).await?;
                client.give_back();
                return Ok(Carried::Now(Some(erasure)));
            }
            return Err(no_workspace(client, self.workspace).await);
        }
        let access = access::read(&sent?)?;
        let client = match answered(client, self.once.as_ref()).await? {
            Ok(client) => client,
            Err(before) => return Ok(Carried::Before(before)),
        };
        let Decided { change, answer } = (self.decision)(&access);
        let keeping = keep(self.once.as_ref(), answer.as_ref());
        let Some(change) = change else {
            if let Some(keeping) = keeping {
                carry_out_and_commit(&client, &[keeping], commit_sent).await?;
            } else {
                client.batch_execute(ROLLBACK).await?;
            }
            client.give_back();
            return Ok(Carried::Now(None));
        };
        let is_new = matches!(change.effect, AccessEffect::WorkspaceMade(_));
        assert!(
            is_new || [WorkspaceKey::DEFAULT, self.workspace].contains(&change.workspace),
            "the log that is written is that of a workspace whose lock is held"
        );
        if matches!(change.effect, AccessEffect::WorkspaceErased(_)) {
            self.erasure = Some(change.clone());
        }
        let mut statements = statements(&change);
        statements.extend(keeping);
        carry_out_and_commit(&client, &statements, commit_sent).await?;
        client.give_back();
        Ok(Carried::Now(Some(change)))
    }
}

/// Whether the last event of an erased workspace is that erasure. None comes after it.
fn is_made(erasure: &AccessChange, access: &Access) -> bool {
    access.workspace(erasure.workspace).is_some_and(|row| {
        let made = AccessEffect::WorkspaceErased(row.facts.clone());
        made == erasure.effect && row.head.last_sequence == erasure.event.sequence
    })
}

/// The statements that carry `change` out, in their order.
fn statements(change: &AccessChange) -> Vec<Statement> {
    let AccessChange { workspace, event, effect } = change;
    let mut statements = match effect {
        AccessEffect::WorkspaceMade(facts) => {
            let made = Statement::new(INSERT_WORKSPACE, *workspace)
                .with(facts.name.as_str().to_owned(), Type::TEXT)
                .with(facts.created_at.as_milliseconds(), Type::INT8);
            vec![made]
        }
        AccessEffect::WorkspaceRenamed(facts, former) => {
            let renamed = Statement::new(RENAME_WORKSPACE, *workspace)
                .with(facts.name.as_str().to_owned(), Type::TEXT)
                .with(former.text(), Type::TEXT);
            vec![renamed]
        }
        AccessEffect::WorkspaceErased(facts) => {
            let at_ms = facts.erased_at.unwrap_or(event.at).as_milliseconds();
            let both = [ERASE_WORKSPACE, REVOKE_KEYS];
            both.map(|text| Statement::new(text, *workspace).with(at_ms, Type::INT8)).into()
        }
        AccessEffect::KeyMade(key) => vec![insert_key(key)],
        AccessEffect::KeyEnded(facts) => {
            let ended = Statement::new(END_KEY, *workspace)
                .with(facts.id.to_string(), Type::TEXT)
                .with(facts.revoked_at.map(Timestamp::as_milliseconds), Type::INT8)
                .with(facts.expires_at.map(Timestamp::as_milliseconds), Type::INT8);
            vec![ended]
        }
    };
    statements.push(insert_events(*workspace, std::slice::from_ref(event)));
    statements.push(advance(*workspace, event, &Changes::default()));
    statements
}

fn insert_key(KeyRow { workspace, facts, digest }: &KeyRow) -> Statement {
    Statement::new(INSERT_KEY, *workspace)
        .with(facts.id.to_string(), Type::TEXT)
        .with(facts.every_workspace, Type::BOOL)
        .with(facts.name.as_str().to_owned(), Type::TEXT)
        .with(digest.text(), Type::TEXT)
        .with(scopes_text(facts.scopes), Type::TEXT)
        .with(facts.limits.requests_per_second.map(i64::from), Type::INT8)
        .with(facts.limits.requests_at_once_max.map(i64::from), Type::INT8)
        .with(facts.created_at.as_milliseconds(), Type::INT8)
        .with(facts.expires_at.map(Timestamp::as_milliseconds), Type::INT8)
        .with(facts.revoked_at.map(Timestamp::as_milliseconds), Type::INT8)
}

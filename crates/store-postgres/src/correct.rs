//! A person's correction: lock the workspace, look at what it concerns, decide, carry out, commit.

use std::sync::{Arc, Mutex};

use futures_util::future::join;
use selfsame_rules::{Contact, Identifier, IdentifierKind, Outcome, Sequence, Timestamp};
use selfsame_store::{
    Carried, Corrected, CorrectionDecision, Decided, ErasedTexts, Once, Question, Recall, WorkspaceKey,
    declared_text, event_text,
};
use tokio_postgres::types::{ToSql, Type};

use crate::answers::{answered, keep, take_bodies};
use crate::apart::apart;
use crate::carry_out::{Statement, advance_by, insert_contacts, insert_events, insert_identifiers, value};
use crate::connections::Loan;
use crate::imports::forget_imports;
use crate::recall::{recall_on, reply};
use crate::repeat::Limits;
use crate::statements::history::{
    DELETE_IDENTIFIERS, INSERT_EVENT_CONTACTS, INSERT_KEPT_APART, INSERT_REFUSALS, NO_LONGER_PLAIN,
    REWRITE_EVENTS, REWRITE_REFUSALS, SET_POLICY, SETTLE, UPDATE_CONTACTS,
};
use crate::statements::{LOCK, ROLLBACK};
use crate::transaction::{Stopped, Transaction, Writer, carry_out_and_commit, no_workspace};

/// What a correction was asked for.
pub(crate) struct Correction {
    workspace: WorkspaceKey,
    recall: Recall,
    once: Option<Once>,
    decision: Arc<Mutex<CorrectionDecision>>,
    /// What an attempt before this one may have committed.
    sent: Option<Corrected>,
}

impl Correction {
    pub(crate) fn new(
        workspace: WorkspaceKey,
        recall: Recall,
        once: Option<Once>,
        decision: CorrectionDecision,
    ) -> Self {
        Self { workspace, recall, once, decision: Arc::new(Mutex::new(decision)), sent: None }
    }
}

impl Transaction for Correction {
    type Done = Carried<Corrected>;

    fn limits(usual: Limits) -> Limits {
        usual.patient()
    }

    async fn attempt(
        &mut self,
        writer: &Writer,
        commit_sent: &mut bool,
    ) -> Result<Carried<Corrected>, Stopped> {
        let workspace = self.workspace;
        let client = Loan::from(&writer.pool).await?;
        let key: [(&(dyn ToSql + Sync), Type); 1] = [(&workspace.0, Type::INT8)];
        let (begun, locked) = join(client.batch_execute(&writer.begin), client.query_typed(LOCK, &key)).await;
        begun?;
        if locked?.is_empty() {
            return Err(no_workspace(client, workspace).await);
        }
        if let Some(sent) = &self.sent {
            // Decided again, it would be refused: what it asks for is done.
            let question = Question::Events(vec![sent.event.sequence]);
            let stored = reply(&client, workspace, &question).await?.events;
            if stored == [sent.event.clone()] {
                client.batch_execute(ROLLBACK).await?;
                client.give_back();
                return Ok(Carried::Now(self.sent.take()));
            }
        }
        let client = match answered(client, self.once.as_ref()).await? {
            Ok(client) => client,
            Err(before) => return Ok(Carried::Before(before)),
        };
        let recalled = recall_on(&client, workspace, self.recall.clone()).await?;
        let (decision, once) = (Arc::clone(&self.decision), self.once.clone());
        let decided = apart(recalled.register.rows().count(), move || {
            let mut decision = decision.lock().expect("a decision that panics ends its correction");
            let Decided { change, answer } = decision(&recalled);
            let mut statements =
                change.as_ref().map_or_else(Vec::new, |corrected| statements(workspace, corrected));
            if let Some(corrected) = &change
                && matches!(corrected.event.outcome, Outcome::Erased { .. })
            {
                statements.push(take_bodies(workspace, &ErasedTexts::between(&recalled, corrected)));
                statements.push(forget_imports(workspace));
            }
            statements.extend(keep(once.as_ref(), answer.as_ref()));
            (statements, change)
        });
        let (statements, corrected) = decided.await;
        if statements.is_empty() {
            client.batch_execute(ROLLBACK).await?;
            client.give_back();
            return Ok(Carried::Now(None));
        }
        self.sent.clone_from(&corrected);
        carry_out_and_commit(&client, &statements, commit_sent).await?;
        client.give_back();
        Ok(Carried::Now(corrected))
    }
}

/// The statements that carry a correction out, in their order.
fn statements(workspace: WorkspaceKey, corrected: &Corrected) -> Vec<Statement> {
    let Sequence(sequence) = corrected.event.sequence;
    let mut statements = vec![insert_events(workspace, std::slice::from_ref(&corrected.event))];
    if !joins_as_ever(&corrected.event.outcome) {
        statements.push(Statement::new(NO_LONGER_PLAIN, workspace));
    }
    if !corrected.rewritten.is_empty() {
        statements.push(rewrite(workspace, corrected));
    }
    if !corrected.disowned.is_empty() {
        let (kinds, values) = texts(corrected.disowned.iter().map(|(lost, _)| lost));
        let lost = Statement::new(DELETE_IDENTIFIERS, workspace);
        statements.push(lost.with(kinds, Type::TEXT_ARRAY).with(values, Type::TEXT_ARRAY));
    }
    if !corrected.inserted.is_empty() {
        let made_by = vec![sequence; corrected.inserted.len()];
        let contacts = corrected.inserted.iter().map(|row| &row.contact);
        statements.push(insert_contacts(workspace, &contacts, made_by));
    }
    if !corrected.updated.is_empty() {
        let contacts: Vec<&Contact> = corrected.updated.iter().map(|row| &row.contact).collect();
        statements.push(update_contacts(workspace, &contacts));
    }
    if !corrected.owned.is_empty() {
        statements.push(insert_identifiers(workspace, &corrected.owned));
    }
    if !corrected.concerned.is_empty() {
        let contacts: Vec<i64> = corrected.concerned.iter().map(|contact| contact.0).collect();
        let sequences = vec![sequence; contacts.len()];
        let concerned = Statement::new(INSERT_EVENT_CONTACTS, workspace);
        statements.push(concerned.with(contacts, Type::INT8_ARRAY).with(sequences, Type::INT8_ARRAY));
    }
    if !corrected.apart.is_empty() {
        let contacts: Vec<i64> = corrected.apart.iter().map(|contact| contact.0).collect();
        let kept = Statement::new(INSERT_KEPT_APART, workspace);
        statements.push(kept.with(contacts, Type::INT8_ARRAY).with(sequence, Type::INT8));
    }
    if let Some(Sequence(review)) = corrected.settled {
        let settled = Statement::new(SETTLE, workspace);
        statements.push(settled.with(review, Type::INT8).with(sequence, Type::INT8));
    }
    if let Some(evidence) = &corrected.refused {
        let refused = Statement::new(INSERT_REFUSALS, workspace);
        let evidence = vec![evidence.text().to_owned()];
        statements.push(refused.with(vec![sequence], Type::INT8_ARRAY).with(evidence, Type::TEXT_ARRAY));
    }
    if !corrected.refusals.is_empty() {
        let refusals = &corrected.refusals;
        let sequences: Vec<i64> = refusals.iter().map(|(refusal, _)| refusal.0).collect();
        let evidence: Vec<String> = refusals.iter().map(|(_, evidence)| evidence.text().to_owned()).collect();
        let anew = Statement::new(REWRITE_REFUSALS, workspace);
        statements.push(anew.with(sequences, Type::INT8_ARRAY).with(evidence, Type::TEXT_ARRAY));
    }
    if let Some(policy) = &corrected.policy {
        let text = event_text::policy_text(policy);
        let policy = Statement::new(SET_POLICY, workspace);
        statements.push(policy.with(text, Type::TEXT).with(sequence, Type::INT8));
    }
    let last_contact = corrected.inserted.iter().map(|row| row.contact.id).max();
    statements.push(advance_by(workspace, &corrected.event, last_contact, corrected.counts));
    statements
}

/// Whether decisions after it need to look at nothing more than before.
fn joins_as_ever(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Created { .. } | Outcome::Attached { .. } | Outcome::Merged { .. })
}

fn rewrite(workspace: WorkspaceKey, corrected: &Corrected) -> Statement {
    let rows: Vec<event_text::EventRow> = corrected.rewritten.iter().map(event_text::write).collect();
    Statement::new(REWRITE_EVENTS, workspace)
        .with(rows.iter().map(|row| row.sequence).collect::<Vec<_>>(), Type::INT8_ARRAY)
        .with(rows.iter().map(|row| row.evidence.clone()).collect::<Vec<_>>(), Type::TEXT_ARRAY)
        .with(rows.iter().map(|row| row.outcome.clone()).collect::<Vec<_>>(), Type::TEXT_ARRAY)
        .with(rows.into_iter().map(|row| row.origin).collect::<Vec<_>>(), Type::TEXT_ARRAY)
}

fn update_contacts(workspace: WorkspaceKey, contacts: &[&Contact]) -> Statement {
    let column = |kind: &IdentifierKind| -> Vec<Option<String>> {
        contacts.iter().map(|contact| value(contact, kind).map(str::to_owned)).collect()
    };
    let declared: Vec<Option<String>> =
        contacts.iter().map(|contact| declared_text::write(&contact.identifiers)).collect();
    let linked: Vec<Option<i64>> =
        contacts.iter().map(|contact| contact.linked_to.map(|primary| primary.0)).collect();
    let updated: Vec<i64> = contacts.iter().map(|contact| contact.updated_at.as_milliseconds()).collect();
    let deleted: Vec<Option<i64>> =
        contacts.iter().map(|contact| contact.deleted_at.map(Timestamp::as_milliseconds)).collect();
    Statement::new(UPDATE_CONTACTS, workspace)
        .with(contacts.iter().map(|contact| contact.id.0).collect::<Vec<_>>(), Type::INT8_ARRAY)
        .with(column(&IdentifierKind::Email), Type::TEXT_ARRAY)
        .with(column(&IdentifierKind::Phone), Type::TEXT_ARRAY)
        .with(declared, Type::TEXT_ARRAY)
        .with(linked, Type::INT8_ARRAY)
        .with(updated, Type::INT8_ARRAY)
        .with(deleted, Type::INT8_ARRAY)
}

fn texts<'value>(identifiers: impl Iterator<Item = &'value Identifier>) -> (Vec<String>, Vec<String>) {
    identifiers.map(|value| (value.kind().name().to_owned(), value.value().to_owned())).unzip()
}

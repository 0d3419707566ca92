//! Looking at identities and their past: an answer to each question that [`Recalling`] asks, a statement each.

use deadpool_postgres::{ClientWrapper, Pool};
use selfsame_rules::{Contact, ContactId, Event, Head, Identifier, IdentifierKind, Policy, RegisterRow};
use selfsame_store::event_text::{self, EventRow};
use selfsame_store::{
    EvidenceDigest, Question, Recall, Recalled, Recalling, Reply, StoreError, WorkspaceKey,
};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use crate::apart::apart;
use crate::connections::Loan;
use crate::rows::{self, get};
use crate::statements::history::{
    CONTACTS_BEARING, CONTACTS_BY_ID, CONTACTS_BY_PRIMARY, EVENTS_BY_SEQUENCE, EVENTS_GOVERNING, EVENTS_OF,
    EVENTS_OF_PAIRS, EVENTS_WITH, LOG_AFTER, OPEN_REFUSALS, OWNERS, REFUSALS, REVIEW, STANDING,
};
use crate::statements::{BEGIN_SCAN, COMMIT, SCAN_EVENTS};
use crate::transaction::Stopped;

/// What `recall` asks for, in a transaction of its own that only reads: so from one snapshot.
pub(crate) async fn recall_alone(
    pool: &Pool,
    workspace: WorkspaceKey,
    recall: Recall,
) -> Result<Recalled, Stopped> {
    let client = Loan::from(pool).await?;
    client.batch_execute(BEGIN_SCAN).await?;
    let recalled = recall_on(&client, workspace, recall).await?;
    client.batch_execute(COMMIT).await?;
    client.give_back();
    Ok(recalled)
}

/// The same within a transaction that has the workspace's lock: what each statement sees, nobody changes.
pub(crate) async fn recall_on(
    client: &ClientWrapper,
    workspace: WorkspaceKey,
    recall: Recall,
) -> Result<Recalled, Stopped> {
    let (head, policy) = standing(client, workspace).await?;
    let mut recalling = Recalling::new(recall, policy.as_ref());
    let mut count = 0;
    while let Some(question) = recalling.next() {
        let reply = reply(client, workspace, &question).await?;
        count += reply.rows.len() + reply.events.len();
        recalling.answer(reply);
    }
    Ok(apart(count, move || recalling.end(head, policy.as_ref())).await?)
}

pub(crate) async fn standing(
    client: &ClientWrapper,
    workspace: WorkspaceKey,
) -> Result<(Head, Option<Policy>), Stopped> {
    let rows = client.query_typed(STANDING, &[(&workspace.0, Type::INT8)]).await?;
    let row = rows.first().ok_or(StoreError::NoWorkspace(workspace))?;
    let policy = get::<Option<&str>>(row, "policy")?.map(event_text::read_policy).transpose();
    Ok((rows::head(row)?, policy.map_err(StoreError::failed)?))
}

/// The answer to one question.
pub(crate) async fn reply(
    client: &ClientWrapper,
    workspace: WorkspaceKey,
    question: &Question,
) -> Result<Reply, Stopped> {
    let mut reply = Reply::default();
    match question {
        Question::Owners(identifiers) => {
            let (kinds, values) = columns(identifiers);
            let parameters = [(&kinds as _, Type::TEXT_ARRAY), (&values as _, Type::TEXT_ARRAY)];
            for row in ask(client, workspace, OWNERS, &parameters).await? {
                reply.owners.push(ContactId(get(&row, "contact_id")?));
            }
        }
        Question::Contacts(contacts) => {
            let ids = numbers(contacts);
            reply.rows = contacts_of(client, workspace, CONTACTS_BY_ID, &[(&ids, Type::INT8_ARRAY)]).await?;
        }
        Question::Identities(primaries) => {
            let ids = numbers(primaries);
            reply.rows =
                contacts_of(client, workspace, CONTACTS_BY_PRIMARY, &[(&ids, Type::INT8_ARRAY)]).await?;
        }
        Question::Bearers(identifiers) => {
            let (kinds, values) = columns(identifiers);
            let parameters = [(&kinds as _, Type::TEXT_ARRAY), (&values as _, Type::TEXT_ARRAY)];
            reply.rows = contacts_of(client, workspace, CONTACTS_BEARING, &parameters).await?;
        }
        Question::EventsOf(contacts) => {
            let ids = numbers(contacts);
            reply = events(client, workspace, EVENTS_OF, &[(&ids, Type::INT8_ARRAY)]).await?;
        }
        Question::Events(sequences) => {
            let sequences: Vec<i64> = sequences.iter().map(|sequence| sequence.0).collect();
            reply = events(client, workspace, EVENTS_BY_SEQUENCE, &[(&sequences, Type::INT8_ARRAY)]).await?;
        }
        Question::Governing => reply = events(client, workspace, EVENTS_GOVERNING, &[]).await?,
        Question::PairsOf(contacts) => {
            let ids = numbers(contacts);
            reply = events(client, workspace, EVENTS_OF_PAIRS, &[(&ids, Type::INT8_ARRAY)]).await?;
        }
        Question::Refusals(evidence) => {
            let digests: Vec<&str> = evidence.iter().map(EvidenceDigest::text).collect();
            reply = events(client, workspace, REFUSALS, &[(&digests, Type::TEXT_ARRAY)]).await?;
        }
        Question::Review(sequence) => {
            reply = events(client, workspace, REVIEW, &[(&sequence.0, Type::INT8)]).await?;
        }
        Question::EventsWith(identifiers) => {
            let texts: Vec<String> = identifiers.iter().map(event_text::value_text).collect();
            reply = events(client, workspace, EVENTS_WITH, &[(&texts, Type::TEXT_ARRAY)]).await?;
            reply.events.retain(|event| has_any(event, identifiers));
        }
        Question::LogAfter(after, most) => {
            let most = i64::try_from(*most).unwrap_or(i64::MAX);
            let place = [(&after.0 as _, Type::INT8), (&most as _, Type::INT8)];
            reply = events(client, workspace, LOG_AFTER, &place).await?;
        }
        Question::OpenRefusals(after, most) => {
            let most = i64::try_from(*most).unwrap_or(i64::MAX);
            let place = [(&after.0 as _, Type::INT8), (&most as _, Type::INT8)];
            reply = events(client, workspace, OPEN_REFUSALS, &place).await?;
        }
        Question::Log => reply = events(client, workspace, SCAN_EVENTS, &[]).await?,
    }
    Ok(reply)
}

pub(crate) type Parameter<'value> = (&'value (dyn ToSql + Sync), Type);

/// Sends a statement whose first parameter is the workspace.
pub(crate) async fn ask(
    client: &ClientWrapper,
    workspace: WorkspaceKey,
    statement: &str,
    others: &[Parameter<'_>],
) -> Result<Vec<Row>, tokio_postgres::Error> {
    let mut parameters: Vec<Parameter<'_>> = vec![(&workspace.0, Type::INT8)];
    parameters.extend(others.iter().cloned());
    client.query_typed(statement, &parameters).await
}

pub(crate) async fn contacts_of(
    client: &ClientWrapper,
    workspace: WorkspaceKey,
    statement: &str,
    parameters: &[Parameter<'_>],
) -> Result<Vec<RegisterRow>, Stopped> {
    let rows = ask(client, workspace, statement, parameters).await?;
    Ok(rows.iter().map(register_row).collect::<Result<_, _>>()?)
}

pub(crate) fn register_row(row: &Row) -> Result<RegisterRow, StoreError> {
    let contact: Contact = rows::contact(row)?;
    let mut owns = Vec::new();
    for (column, kind) in [("owns_email", IdentifierKind::Email), ("owns_phone", IdentifierKind::Phone)] {
        if get(row, column)? {
            owns.push(kind);
        }
    }
    for name in get::<Vec<&str>>(row, "owns_declared")? {
        owns.push(IdentifierKind::from_name(name).map_err(StoreError::failed)?);
    }
    owns.sort_unstable();
    Ok(RegisterRow { contact, owns })
}

async fn events(
    client: &ClientWrapper,
    workspace: WorkspaceKey,
    statement: &str,
    parameters: &[Parameter<'_>],
) -> Result<Reply, Stopped> {
    let mut reply = Reply::default();
    let of_refusals = [REFUSALS, REVIEW, OPEN_REFUSALS].contains(&statement);
    for row in ask(client, workspace, statement, parameters).await? {
        let event = event(&row)?;
        if of_refusals && get(&row, "is_settled")? {
            reply.settled.push(event.sequence);
        }
        if statement == REFUSALS {
            reply.refused.push((event.sequence, EvidenceDigest::from_stored(get(&row, "digest")?)));
        }
        reply.events.push(event);
    }
    Ok(reply)
}

fn event(row: &Row) -> Result<Event, StoreError> {
    event_text::read(&event_row(row)?).map_err(StoreError::failed)
}

/// A row of `events`, all its columns under their own names.
pub(crate) fn event_row(row: &Row) -> Result<EventRow, StoreError> {
    Ok(EventRow {
        sequence: get(row, "sequence")?,
        at_ms: get(row, "at_ms")?,
        kind: get(row, "kind")?,
        format: get(row, "format")?,
        caused_by: get(row, "caused_by")?,
        evidence: get(row, "evidence")?,
        outcome: get(row, "outcome")?,
        origin: get(row, "origin")?,
    })
}

fn has_any(event: &Event, identifiers: &[Identifier]) -> bool {
    event.evidence.iter().any(|seen| identifiers.contains(seen.identifier()))
}

fn numbers(contacts: &[ContactId]) -> Vec<i64> {
    contacts.iter().map(|contact| contact.0).collect()
}

pub(crate) fn columns(identifiers: &[Identifier]) -> (Vec<&str>, Vec<&str>) {
    identifiers.iter().map(|identifier| (identifier.kind().name(), identifier.value())).unzip()
}

//! Carrying a plan out: its events and the rows that they add up to, set by set.
//!
//! The statements are sent one behind the other without waiting in between, so that the whole costs one round trip.

use selfsame_rules::{Contact, ContactId, Event, Identifier, IdentifierKind, Plan, Timestamp};
use selfsame_store::{Changes, Counts, EvidenceDigest, WorkspaceKey, declared_text, event_text};
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use crate::statements::history::{INSERT_EVENT_CONTACTS, INSERT_REFUSALS, NO_LONGER_PLAIN};
use crate::statements::{ADVANCE, INSERT_CONTACTS, INSERT_EVENTS, INSERT_IDENTIFIERS, RELINK};

/// A statement with its parameters.
pub(crate) struct Statement {
    text: &'static str,
    parameters: Vec<(Box<dyn ToSql + Sync + Send>, Type)>,
}

impl Statement {
    pub(crate) fn new(text: &'static str, workspace: WorkspaceKey) -> Self {
        Self { text, parameters: Vec::new() }.with(workspace.0, Type::INT8)
    }

    pub(crate) fn with(mut self, value: impl ToSql + Sync + Send + 'static, sort: Type) -> Self {
        self.parameters.push((Box::new(value), sort));
        self
    }

    /// Sends it; the answer comes when those sent before it on this connection were answered.
    pub(crate) async fn send(&self, client: &Client) -> Result<(), tokio_postgres::Error> {
        self.count(client).await.map(|_| ())
    }

    /// The same, and how many rows it wrote.
    pub(crate) async fn count(&self, client: &Client) -> Result<u64, tokio_postgres::Error> {
        let parameters: Vec<(&(dyn ToSql + Sync), Type)> = self
            .parameters
            .iter()
            .map(|(value, sort)| (&**value as &(dyn ToSql + Sync), sort.clone()))
            .collect();
        client.execute_typed(self.text, &parameters).await
    }
}

/// The statements that carry `plan` out, in their order; none for an empty plan.
///
/// Old rows move before new ones come, which already have their final links.
pub(crate) fn statements(workspace: WorkspaceKey, plan: &Plan) -> Vec<Statement> {
    let Some(last) = plan.events.last() else { return Vec::new() };
    let changes = Changes::of(&plan.events);
    let mut statements: Vec<Statement> = relink(workspace, &changes).into_iter().collect();
    statements.push(insert_events(workspace, &plan.events));
    if !changes.contacts.is_empty() {
        let made_by = changes.contacts.keys().map(|contact| made_by(&changes, *contact)).collect();
        statements.push(insert_contacts(workspace, &changes.contacts.values(), made_by));
    }
    if !changes.owners.is_empty() {
        statements.push(insert_identifiers(workspace, &changes.owners));
    }
    statements.extend(behind_rows(workspace, last, &changes));
    statements
}

/// Moves the rows that other primaries take over; nothing if there are none.
pub(crate) fn relink(workspace: WorkspaceKey, changes: &Changes) -> Option<Statement> {
    if changes.moved.is_empty() {
        return None;
    }
    let former: Vec<i64> = changes.moved.keys().map(|former| former.0).collect();
    let survivor: Vec<i64> = changes.moved.values().map(|(survivor, _)| survivor.0).collect();
    let at_ms: Vec<i64> = changes.moved.values().map(|(_, at)| at.as_milliseconds()).collect();
    let statement = Statement::new(RELINK, workspace)
        .with(former, Type::INT8_ARRAY)
        .with(survivor, Type::INT8_ARRAY)
        .with(at_ms, Type::INT8_ARRAY);
    Some(statement)
}

/// What follows the new events, contacts and owners: the finders of events, and the counters, which `last` leaves where it is.
pub(crate) fn behind_rows(workspace: WorkspaceKey, last: &Event, changes: &Changes) -> Vec<Statement> {
    let mut statements = Vec::new();
    if !changes.concerned.is_empty() {
        let (contacts, sequences): (Vec<i64>, Vec<i64>) =
            changes.concerned.iter().map(|(contact, sequence)| (contact.0, sequence.0)).unzip();
        let concerned = Statement::new(INSERT_EVENT_CONTACTS, workspace);
        statements.push(concerned.with(contacts, Type::INT8_ARRAY).with(sequences, Type::INT8_ARRAY));
    }
    if !changes.refused.is_empty() {
        let (sequences, evidence): (Vec<i64>, Vec<String>) = changes
            .refused
            .iter()
            .map(|(sequence, evidence)| (sequence.0, EvidenceDigest::of(evidence).text().to_owned()))
            .unzip();
        let refused = Statement::new(INSERT_REFUSALS, workspace);
        statements.push(refused.with(sequences, Type::INT8_ARRAY).with(evidence, Type::TEXT_ARRAY));
        statements.push(Statement::new(NO_LONGER_PLAIN, workspace));
    }
    statements.push(advance(workspace, last, changes));
    statements
}

pub(crate) fn insert_events(workspace: WorkspaceKey, events: &[Event]) -> Statement {
    let rows: Vec<event_text::EventRow> = events.iter().map(event_text::write).collect();
    Statement::new(INSERT_EVENTS, workspace)
        .with(rows.iter().map(|row| row.sequence).collect::<Vec<_>>(), Type::INT8_ARRAY)
        .with(rows.iter().map(|row| row.at_ms).collect::<Vec<_>>(), Type::INT8_ARRAY)
        .with(rows.iter().map(|row| row.kind.clone()).collect::<Vec<_>>(), Type::TEXT_ARRAY)
        .with(rows.iter().map(|row| row.format).collect::<Vec<_>>(), Type::INT8_ARRAY)
        .with(rows.iter().map(|row| row.caused_by.clone()).collect::<Vec<_>>(), Type::TEXT_ARRAY)
        .with(rows.iter().map(|row| row.evidence.clone()).collect::<Vec<_>>(), Type::TEXT_ARRAY)
        .with(rows.iter().map(|row| row.outcome.clone()).collect::<Vec<_>>(), Type::TEXT_ARRAY)
        .with(rows.into_iter().map(|row| row.origin).collect::<Vec<_>>(), Type::TEXT_ARRAY)
}

/// The event that made a new contact.
pub(crate) fn made_by(changes: &Changes, contact: ContactId) -> i64 {
    changes.made_by.get(&contact).map_or(0, |sequence| sequence.0)
}

/// Gives identifiers that nobody owns their owners.
pub(crate) fn insert_identifiers(workspace: WorkspaceKey, owners: &[(Identifier, ContactId)]) -> Statement {
    let kinds: Vec<String> = owners.iter().map(|(owned, _)| owned.kind().name().to_owned()).collect();
    let values: Vec<String> = owners.iter().map(|(owned, _)| owned.value().to_owned()).collect();
    let contacts: Vec<i64> = owners.iter().map(|(_, contact)| contact.0).collect();
    Statement::new(INSERT_IDENTIFIERS, workspace)
        .with(kinds, Type::TEXT_ARRAY)
        .with(values, Type::TEXT_ARRAY)
        .with(contacts, Type::INT8_ARRAY)
}

/// Adds contacts; `made_by`: the event that made each.
pub(crate) fn insert_contacts<'contact>(
    workspace: WorkspaceKey,
    contacts: &(impl Iterator<Item = &'contact Contact> + Clone),
    made_by: Vec<i64>,
) -> Statement {
    let column = |kind: &IdentifierKind| -> Vec<Option<String>> {
        contacts.clone().map(|contact| value(contact, kind).map(str::to_owned)).collect()
    };
    let ids = contacts.clone().map(|contact| contact.id.0).collect::<Vec<_>>();
    let declared =
        contacts.clone().map(|contact| declared_text::write(&contact.identifiers)).collect::<Vec<_>>();
    let linked = contacts.clone().map(|contact| contact.linked_to.map(|id| id.0)).collect::<Vec<_>>();
    let created = contacts.clone().map(|contact| contact.created_at.as_milliseconds()).collect::<Vec<_>>();
    let updated = contacts.clone().map(|contact| contact.updated_at.as_milliseconds()).collect::<Vec<_>>();
    let deleted = contacts
        .clone()
        .map(|contact| contact.deleted_at.map(Timestamp::as_milliseconds))
        .collect::<Vec<Option<i64>>>();
    Statement::new(INSERT_CONTACTS, workspace)
        .with(ids, Type::INT8_ARRAY)
        .with(column(&IdentifierKind::Email), Type::TEXT_ARRAY)
        .with(column(&IdentifierKind::Phone), Type::TEXT_ARRAY)
        .with(declared, Type::TEXT_ARRAY)
        .with(linked, Type::INT8_ARRAY)
        .with(created, Type::INT8_ARRAY)
        .with(updated, Type::INT8_ARRAY)
        .with(deleted, Type::INT8_ARRAY)
        .with(made_by, Type::INT8_ARRAY)
}

/// Moves the counters to where `last` and what changed leave them.
pub(crate) fn advance(workspace: WorkspaceKey, last: &Event, changes: &Changes) -> Statement {
    advance_by(workspace, last, changes.last_contact(), changes.counts())
}

/// Moves the counters to where `last` leaves them; `last_contact`: the highest id given, if any was.
pub(crate) fn advance_by(
    workspace: WorkspaceKey,
    last: &Event,
    last_contact: Option<ContactId>,
    counts: Counts,
) -> Statement {
    Statement::new(ADVANCE, workspace)
        .with(last.sequence.0, Type::INT8)
        .with(last.at.as_milliseconds(), Type::INT8)
        .with(last_contact.map(|contact| contact.0), Type::INT8)
        .with(counts.contacts, Type::INT8)
        .with(counts.identities, Type::INT8)
}

/// The value of a kind that has a column of its own.
pub(crate) fn value<'contact>(contact: &'contact Contact, kind: &IdentifierKind) -> Option<&'contact str> {
    contact.identifiers.iter().find(|identifier| identifier.kind() == kind).map(Identifier::value)
}

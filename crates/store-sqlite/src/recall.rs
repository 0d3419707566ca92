//! Looking at identities and their past: an answer to each question that [`Recalling`] asks, from one snapshot.

use std::borrow::Cow;

use rusqlite::{Params, Row, Transaction};
use selfsame_rules::{Contact, ContactId, Event, Head, Identifier, Policy, RegisterRow, Sequence, Spelt};
use selfsame_store::event_text;
use selfsame_store::{
    Decisions, EvidenceDigest, Question, Recall, Recalled, Recalling, Reply, StoreError, WorkspaceKey,
};

use crate::error::store_error;
use crate::indexes::Knowledge;
use crate::load::{Standing, standing};
use crate::merges::{UnfinishedMerges, event_row};
use crate::rows;

const POLICY: &str = "SELECT policy FROM workspaces WHERE workspace = ?1";

/// Lists of numbers and texts come as JSON arrays.
const CONTACTS_BY_ID: &str =
    "SELECT contacts.id, email, phone, declared, linked_id, created_at_ms, updated_at_ms,
        deleted_at_ms, owns_email, owns_phone, owns_declared
    FROM json_each(?2) AS wanted
    CROSS JOIN contacts ON contacts.workspace = ?1 AND contacts.id = wanted.value";

/// Reads all contacts of the workspace: no index of this store knows who links to whom.
const CONTACTS_BY_PRIMARY: &str =
    "SELECT id, email, phone, declared, linked_id, created_at_ms, updated_at_ms,
        deleted_at_ms, owns_email, owns_phone, owns_declared
    FROM contacts
    WHERE workspace = ?1 AND coalesce(linked_id, id) IN (SELECT value FROM json_each(?2))";

const EVENTS_OF: &str = "SELECT events.sequence, at_ms, kind, format, caused_by, evidence, outcome, origin
    FROM (
        SELECT event_sequence AS sequence
        FROM json_each(?2) AS wanted
        CROSS JOIN contacts ON contacts.workspace = ?1 AND contacts.id = wanted.value
        UNION
        SELECT sequence
        FROM json_each(?2) AS wanted
        CROSS JOIN event_contacts
            ON event_contacts.workspace = ?1 AND event_contacts.contact_id = wanted.value
    ) AS found
    CROSS JOIN events ON events.workspace = ?1 AND events.sequence = found.sequence";

const EVENTS_BY_SEQUENCE: &str = "SELECT sequence, at_ms, kind, format, caused_by, evidence, outcome, origin
    FROM json_each(?2) AS wanted
    CROSS JOIN events ON events.workspace = ?1 AND events.sequence = wanted.value";

const EVENTS_GOVERNING: &str = "SELECT sequence, at_ms, kind, format, caused_by, evidence, outcome, origin
    FROM events WHERE workspace = ?1 AND kind IN ('policyChanged', 'refolded')";

const EVENTS_OF_PAIRS: &str =
    "SELECT events.sequence, at_ms, kind, format, caused_by, evidence, outcome, origin
    FROM (
        SELECT DISTINCT sequence
        FROM json_each(?2) AS wanted
        CROSS JOIN kept_apart ON kept_apart.workspace = ?1 AND kept_apart.contact_id = wanted.value
    ) AS found
    CROSS JOIN events ON events.workspace = ?1 AND events.sequence = found.sequence";

const REFUSALS: &str =
    "SELECT events.sequence, at_ms, kind, format, caused_by, events.evidence, outcome, origin,
        settled_sequence IS NOT NULL, refusals.evidence
    FROM json_each(?2) AS wanted
    CROSS JOIN refusals ON refusals.workspace = ?1 AND refusals.evidence = wanted.value
    CROSS JOIN events ON events.workspace = ?1 AND events.sequence = refusals.sequence";

const REVIEW: &str =
    "SELECT events.sequence, at_ms, kind, format, caused_by, events.evidence, outcome, origin,
        settled_sequence IS NOT NULL
    FROM refusals
    CROSS JOIN events ON events.workspace = ?1 AND events.sequence = refusals.sequence
    WHERE refusals.workspace = ?1 AND refusals.sequence = ?2";

const ALL_PAIRS: &str = "SELECT events.sequence, at_ms, kind, format, caused_by, evidence, outcome, origin, 0
    FROM (SELECT DISTINCT sequence FROM kept_apart WHERE workspace = ?1) AS found
    CROSS JOIN events ON events.workspace = ?1 AND events.sequence = found.sequence";

const ALL_REFUSALS: &str =
    "SELECT events.sequence, at_ms, kind, format, caused_by, events.evidence, outcome, origin,
        settled_sequence IS NOT NULL
    FROM refusals
    CROSS JOIN events ON events.workspace = ?1 AND events.sequence = refusals.sequence
    WHERE refusals.workspace = ?1";

/// Reads the whole log, and looks closer where a text that a value has in JSON (?2) stands in the evidence.
const EVENTS_WITH: &str = "SELECT sequence, at_ms, kind, format, caused_by, evidence, outcome, origin
    FROM events
    WHERE workspace = ?1
        AND EXISTS (SELECT 1 FROM json_each(?2) AS wanted WHERE instr(events.evidence, wanted.value) > 0)";

const LOG_AFTER: &str = "SELECT sequence, at_ms, kind, format, caused_by, evidence, outcome, origin
    FROM events WHERE workspace = ?1 AND sequence > ?2 ORDER BY sequence LIMIT ?3";

const OPEN_REFUSALS: &str =
    "SELECT events.sequence, at_ms, kind, format, caused_by, events.evidence, outcome, origin, 0
    FROM (
        SELECT sequence FROM refusals
        WHERE workspace = ?1 AND settled_sequence IS NULL AND sequence > ?2
        ORDER BY sequence LIMIT ?3
    ) AS open
    CROSS JOIN events ON events.workspace = ?1 AND events.sequence = open.sequence";

const LOG: &str = "SELECT sequence, at_ms, kind, format, caused_by, evidence, outcome, origin
    FROM events WHERE workspace = ?1 ORDER BY sequence";

/// What `recall` asks for, from the transaction's snapshot. What the index doesn't know of that is searched in all rows.
pub(crate) fn recall(
    transaction: &Transaction<'_>,
    workspace: WorkspaceKey,
    recall: Recall,
    knowledge: Option<Knowledge<'_>>,
) -> Result<Recalled, StoreError> {
    let (snapshot, head) = Snapshot::of(transaction, workspace, knowledge)?;
    let policy = policy(transaction, workspace)?;
    let mut recalling = Recalling::new(recall, policy.as_ref());
    while let Some(question) = recalling.next() {
        recalling.answer(snapshot.reply(&question)?);
    }
    recalling.end(head, policy.as_ref())
}

/// The workspace's policy; `None` where it is the default one.
pub(crate) fn policy(
    transaction: &Transaction<'_>,
    workspace: WorkspaceKey,
) -> Result<Option<Policy>, StoreError> {
    let text: Option<String> =
        transaction.query_row(POLICY, [workspace.0], |row| row.get(0)).map_err(store_error)?;
    text.map(|text| event_text::read_policy(&text)).transpose().map_err(StoreError::failed)
}

/// What people decided and rules refused in the whole workspace.
pub(crate) fn decisions(
    transaction: &Transaction<'_>,
    workspace: WorkspaceKey,
) -> Result<Decisions, StoreError> {
    let mut decisions = Decisions::default();
    for (statement, events) in [(ALL_PAIRS, &mut decisions.pairs), (ALL_REFUSALS, &mut decisions.refusals)] {
        let mut statement = transaction.prepare_cached(statement).map_err(store_error)?;
        let mut rows = statement.query([workspace.0]).map_err(store_error)?;
        while let Some(row) = rows.next().map_err(store_error)? {
            let event = read_event(row)?;
            if row.get(8).map_err(store_error)? {
                decisions.settled.insert(event.sequence);
            }
            events.insert(event.sequence, event);
        }
    }
    if !decisions.refusals.is_empty() {
        let governing = events(transaction, EVENTS_GOVERNING, [workspace.0])?;
        let spelt = Spelt::of(&governing);
        for (sequence, event) in &decisions.refusals {
            if let Cow::Owned(evidence) = spelt.evidence(*sequence, &event.evidence) {
                decisions.spelt.insert(*sequence, evidence);
            }
        }
    }
    Ok(decisions)
}

fn events(
    transaction: &Transaction<'_>,
    statement: &str,
    parameters: impl Params,
) -> Result<Vec<Event>, StoreError> {
    let mut statement = transaction.prepare_cached(statement).map_err(store_error)?;
    let mut rows = statement.query(parameters).map_err(store_error)?;
    let mut events = Vec::new();
    while let Some(row) = rows.next().map_err(store_error)? {
        events.push(read_event(row)?);
    }
    Ok(events)
}

/// The rows of a workspace as a transaction sees them.
pub(crate) struct Snapshot<'transaction, 'index> {
    transaction: &'transaction Transaction<'transaction>,
    workspace: WorkspaceKey,
    last: Sequence,
    merges: UnfinishedMerges,
    knowledge: Option<Knowledge<'index>>,
}

impl<'transaction, 'index> Snapshot<'transaction, 'index> {
    /// The snapshot of the transaction, and where the log stands in it.
    pub(crate) fn of(
        transaction: &'transaction Transaction<'transaction>,
        workspace: WorkspaceKey,
        knowledge: Option<Knowledge<'index>>,
    ) -> Result<(Self, Head), StoreError> {
        let Standing { head, linked, .. } = standing(transaction, workspace)?;
        let merges = UnfinishedMerges::read(transaction, workspace, linked)?;
        let last = head.last_sequence;
        Ok((Self { transaction, workspace, last, merges, knowledge }, head))
    }
}

impl Snapshot<'_, '_> {
    fn reply(&self, question: &Question) -> Result<Reply, StoreError> {
        let workspace = self.workspace.0;
        match question {
            Question::Owners(identifiers) => {
                Ok(Reply { owners: self.owners(identifiers)?, ..Reply::default() })
            }
            Question::Contacts(contacts) => self.as_rows(self.contacts(contacts)?),
            Question::Identities(primaries) => self.as_rows(self.identities(primaries)?),
            Question::Bearers(identifiers) => {
                let mut rows = self.rows(rows::CONTACTS, [workspace])?;
                rows.retain(|row| {
                    let bears = |value| row.contact.identifiers.contains(value);
                    row.contact.deleted_at.is_none() && identifiers.iter().any(bears)
                });
                self.as_rows(rows)
            }
            Question::EventsOf(contacts) => self.events(EVENTS_OF, (workspace, ids(contacts))),
            Question::Events(sequences) => {
                let sequences: Vec<i64> = sequences.iter().map(|sequence| sequence.0).collect();
                self.events(EVENTS_BY_SEQUENCE, (workspace, json(sequences)))
            }
            Question::Governing => self.events(EVENTS_GOVERNING, [workspace]),
            Question::PairsOf(contacts) => self.events(EVENTS_OF_PAIRS, (workspace, ids(contacts))),
            Question::Refusals(evidence) => {
                let digests: Vec<&str> = evidence.iter().map(EvidenceDigest::text).collect();
                self.refusals(REFUSALS, (workspace, json(digests)))
            }
            Question::Review(sequence) => self.refusals(REVIEW, (workspace, sequence.0)),
            Question::EventsWith(identifiers) => {
                let texts: Vec<String> = identifiers.iter().map(event_text::value_text).collect();
                let mut reply = self.events(EVENTS_WITH, (workspace, json(texts)))?;
                reply.events.retain(|event| has_any(event, identifiers));
                Ok(reply)
            }
            Question::LogAfter(after, most) => self.events(LOG_AFTER, (workspace, after.0, limit(*most))),
            Question::OpenRefusals(after, most) => {
                self.refusals(OPEN_REFUSALS, (workspace, after.0, limit(*most)))
            }
            Question::Log => self.events(LOG, [workspace]),
        }
    }

    /// Contacts of those who own the identifiers.
    pub(crate) fn owners(&self, identifiers: &[Identifier]) -> Result<Vec<ContactId>, StoreError> {
        if let Some(owners) = self.knowledge.and_then(|known| known.owners(identifiers, self.last)) {
            return Ok(owners);
        }
        let mut rows = self.rows(rows::CONTACTS, [self.workspace.0])?;
        rows.retain(|row| owns_any(row, identifiers));
        Ok(rows.iter().map(|row| row.contact.id).collect())
    }

    /// The rows of contacts, in any order.
    pub(crate) fn contacts(&self, contacts: &[ContactId]) -> Result<Vec<RegisterRow>, StoreError> {
        self.rows(CONTACTS_BY_ID, (self.workspace.0, ids(contacts)))
    }

    /// The rows of primaries and of all that link to them.
    pub(crate) fn identities(&self, primaries: &[ContactId]) -> Result<Vec<RegisterRow>, StoreError> {
        if let Some(mut all) = self.knowledge.and_then(|known| known.followers(primaries, self.last)) {
            // One that is deleted and was alone is followed by nobody, itself included.
            all.extend(primaries);
            all.sort_unstable();
            all.dedup();
            return self.contacts(&all);
        }
        // A row that a merge is yet to move still names its former primary.
        let mut named = primaries.to_vec();
        named.extend(self.merges.former_of(primaries));
        self.rows(CONTACTS_BY_PRIMARY, (self.workspace.0, ids(&named)))
    }

    fn rows(&self, statement: &str, parameters: impl Params) -> Result<Vec<RegisterRow>, StoreError> {
        let mut statement = self.transaction.prepare_cached(statement).map_err(store_error)?;
        let rows = statement.query_map(parameters, |row| self.row(row)).map_err(store_error)?;
        rows.collect::<Result<_, _>>().map_err(store_error)
    }

    fn row(&self, row: &Row<'_>) -> rusqlite::Result<RegisterRow> {
        let contact = self.merges.moved(rows::contact(row)?);
        let owned = rows::owned(row, &contact)?;
        Ok(RegisterRow { contact, owns: owned.iter().map(|value| value.kind().clone()).collect() })
    }

    fn as_rows(&self, rows: Vec<RegisterRow>) -> Result<Reply, StoreError> {
        Ok(Reply { rows, ..Reply::default() })
    }

    fn events(&self, statement: &str, parameters: impl Params) -> Result<Reply, StoreError> {
        Ok(Reply { events: events(self.transaction, statement, parameters)?, ..Reply::default() })
    }

    fn refusals(&self, statement: &str, parameters: impl Params) -> Result<Reply, StoreError> {
        let by_evidence = statement == REFUSALS;
        let mut statement = self.transaction.prepare_cached(statement).map_err(store_error)?;
        let mut rows = statement.query(parameters).map_err(store_error)?;
        let mut reply = Reply::default();
        while let Some(row) = rows.next().map_err(store_error)? {
            let event = read_event(row)?;
            if row.get(8).map_err(store_error)? {
                reply.settled.push(event.sequence);
            }
            if by_evidence {
                let digest: String = row.get(9).map_err(store_error)?;
                reply.refused.push((event.sequence, EvidenceDigest::from_stored(&digest)));
            }
            reply.events.push(event);
        }
        Ok(reply)
    }
}

fn read_event(row: &Row<'_>) -> Result<Event, StoreError> {
    event_text::read(&event_row(row).map_err(store_error)?).map_err(StoreError::failed)
}

fn owns_any(row: &RegisterRow, identifiers: &[Identifier]) -> bool {
    let Contact { identifiers: borne, .. } = &row.contact;
    borne.iter().any(|value| row.owns.contains(value.kind()) && identifiers.contains(value))
}

fn has_any(event: &Event, identifiers: &[Identifier]) -> bool {
    event.evidence.iter().any(|seen| identifiers.contains(seen.identifier()))
}

fn limit(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}

fn ids(contacts: &[ContactId]) -> String {
    json(contacts.iter().map(|contact| contact.0).collect::<Vec<_>>())
}

fn json(list: impl Into<serde_json::Value>) -> String {
    list.into().to_string()
}

//! Merges of which not all rows link to the survivor yet: they are read from the log, and what a row links to follows
//! from them.

use std::collections::{HashMap, HashSet};

use rusqlite::Transaction;
use selfsame_rules::{Contact, ContactId, Outcome, Sequence, Timestamp};
use selfsame_store::event_text::{self, EventRow};
use selfsame_store::{StoreError, WorkspaceKey};

use crate::error::store_error;

/// The rows of the log after a given one.
pub(crate) const EVENTS_AFTER: &str =
    "SELECT sequence, at_ms, kind, format, caused_by, evidence, outcome, origin
    FROM events WHERE workspace = ?1 AND sequence > ?2 ORDER BY sequence";

/// Where the rows of former primaries belong.
#[derive(Debug, Default)]
pub(crate) struct UnfinishedMerges {
    survivors: HashMap<ContactId, (ContactId, Timestamp)>,
    /// Whom they merged into.
    heads: HashSet<ContactId>,
    /// The first of these merges in the log.
    first: Option<Sequence>,
}

impl UnfinishedMerges {
    /// The merges after `linked`, up to which all rows link as the log says.
    pub(crate) fn read(
        transaction: &Transaction<'_>,
        workspace: WorkspaceKey,
        linked: Sequence,
    ) -> Result<Self, StoreError> {
        let mut unfinished = Self::default();
        let mut statement = transaction.prepare(EVENTS_AFTER).map_err(store_error)?;
        let mut rows = statement.query([workspace.0, linked.0]).map_err(store_error)?;
        while let Some(row) = rows.next().map_err(store_error)? {
            let event = event_text::read(&event_row(row).map_err(store_error)?);
            let event = event.map_err(StoreError::failed)?;
            if let Outcome::Merged { survivor, former_primaries, .. }
            | Outcome::Refused { home: survivor, former_primaries, .. } = event.outcome
                && !former_primaries.is_empty()
            {
                unfinished.first.get_or_insert(event.sequence);
                unfinished.heads.insert(survivor);
                let moves = former_primaries.into_iter().map(|former| (former, (survivor, event.at)));
                unfinished.survivors.extend(moves);
            }
        }
        Ok(unfinished)
    }

    /// The first of them in the log.
    pub(crate) fn first(&self) -> Option<Sequence> {
        self.first
    }

    /// The contact as it is once its row has moved.
    pub(crate) fn moved(&self, contact: Contact) -> Contact {
        match self.survivor(contact.primary()) {
            Some((survivor, at)) => Contact { linked_to: Some(survivor), updated_at: at, ..contact },
            None => contact,
        }
    }

    /// The former primaries of which rows belong to one of these primaries now.
    pub(crate) fn former_of(&self, primaries: &[ContactId]) -> impl Iterator<Item = ContactId> {
        let survives = |former: &ContactId| {
            self.survivor(*former).is_some_and(|(survivor, _)| primaries.contains(&survivor))
        };
        self.survivors.keys().copied().filter(survives)
    }

    /// Whether rows that name this primary belong to another one now, or rows that name another to it.
    pub(crate) fn concern(&self, primary: ContactId) -> bool {
        self.survivors.contains_key(&primary) || self.heads.contains(&primary)
    }

    /// What a row belongs to now, and since when, if not to the primary that it names.
    pub(crate) fn survivor(&self, primary: ContactId) -> Option<(ContactId, Timestamp)> {
        let mut found = *self.survivors.get(&primary)?;
        while let Some(next) = self.survivors.get(&found.0) {
            found = *next;
        }
        Some(found)
    }
}

/// Reads a row of the log, of the columns in [`EVENTS_AFTER`].
pub(crate) fn event_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<EventRow> {
    Ok(EventRow {
        sequence: row.get(0)?,
        at_ms: row.get(1)?,
        kind: row.get(2)?,
        format: row.get(3)?,
        caused_by: row.get(4)?,
        evidence: row.get(5)?,
        outcome: row.get(6)?,
        origin: row.get(7)?,
    })
}

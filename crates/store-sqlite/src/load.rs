//! Reading all identities into memory: one pass over `contacts`, in one transaction.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rusqlite::{OptionalExtension, Transaction};
use selfsame_rules::{
    ContactId, Head, Identifier, IdentifierKind, IdentityIndex, Sequence, StoredContact, Timestamp,
};
use selfsame_store::{Counts, StoreError, WorkspaceKey, declared_text};

use crate::error::store_error;
use crate::merges::UnfinishedMerges;
use crate::moves::Move;
use crate::recall::{decisions, policy};
use crate::rows::{kinds_in, text, unreadable};

const WORKSPACES: &str = "SELECT workspace FROM workspaces WHERE erased_at_ms IS NULL ORDER BY workspace";

const HEAD: &str = "SELECT last_sequence, last_contact_id, last_event_at_ms, linked_sequence,
        contact_count, identity_count
    FROM workspaces WHERE workspace = ?1 AND erased_at_ms IS NULL";

const PLACES: &str = "SELECT id, email, phone, declared, linked_id, created_at_ms,
        owns_email, owns_phone, owns_declared, deleted_at_ms IS NOT NULL
    FROM contacts WHERE workspace = ?1 ORDER BY id";

/// How many rows go from the thread that reads to the one that builds at once.
const ROWS_AT_ONCE: usize = 1_000;

/// A workspace as it was read.
pub(crate) struct Loaded {
    pub(crate) index: IdentityIndex,
    /// Rows that don't link yet as the log says, in the order of their numbers.
    pub(crate) moves: Vec<Move>,
}

/// The workspaces of the file.
pub(crate) fn workspaces(transaction: &Transaction<'_>) -> Result<Vec<WorkspaceKey>, StoreError> {
    let mut statement = transaction.prepare(WORKSPACES).map_err(store_error)?;
    let keys = statement.query_map([], |row| row.get(0).map(WorkspaceKey)).map_err(store_error)?;
    keys.collect::<Result<_, _>>().map_err(store_error)
}

/// A workspace's own row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    /// Where its log stands.
    pub(crate) head: Head,
    /// Up to which event all rows link as the log says.
    pub(crate) linked: Sequence,
    pub(crate) counts: Counts,
}

/// Where the workspace stands.
pub(crate) fn standing(
    transaction: &Transaction<'_>,
    workspace: WorkspaceKey,
) -> Result<Standing, StoreError> {
    let found = transaction
        .query_row(HEAD, [workspace.0], |row| {
            let head = Head {
                last_sequence: Sequence(row.get(0)?),
                last_contact: ContactId(row.get(1)?),
                last_event_at: Timestamp::from_milliseconds(row.get(2)?),
            };
            let counts = Counts { contacts: row.get(4)?, identities: row.get(5)? };
            Ok(Standing { head, linked: Sequence(row.get(3)?), counts })
        })
        .optional()
        .map_err(store_error)?;
    found.ok_or(StoreError::NoWorkspace(workspace))
}

/// All contacts of a workspace. One thread reads rows while another builds the index.
pub(crate) fn load(transaction: &Transaction<'_>, workspace: WorkspaceKey) -> Result<Loaded, StoreError> {
    let Standing { head, linked, .. } = standing(transaction, workspace)?;
    let merges = UnfinishedMerges::read(transaction, workspace, linked)?;
    // A number that nobody can guess: values that are slow to tell apart can't be made up.
    let seed = RandomState::new().hash_one(workspace);
    let (into, rows) = sync_channel(4);
    std::thread::scope(|scope| {
        let building = scope.spawn(|| build(IdentityIndex::new(head, seed), rows, &merges));
        let read = read(transaction, workspace, &into).map_err(store_error);
        drop(into);
        let built = building.join().map_err(|_| StoreError::failed("building the index panicked"))?;
        // The builder stops early if a row can't be, and then the reader has nobody to read for.
        let loaded = built?;
        read.map(|()| loaded)
    })
    .and_then(|mut loaded| {
        let policy = policy(transaction, workspace)?;
        decisions(transaction, workspace)?.tell(policy.as_ref(), &mut loaded.index)?;
        Ok(loaded)
    })
}

/// Rows on their way, their texts end to end.
#[derive(Default)]
struct Rows {
    rows: Vec<Row>,
    texts: String,
}

struct Row {
    contact: StoredContact,
    email: Option<Value>,
    phone: Option<Value>,
    declared: Vec<(Identifier, bool)>,
}

/// Where a value's text stands, and whether the contact owns it.
struct Value {
    text: Range<usize>,
    owned: bool,
}

impl Rows {
    fn add(&mut self, text: Option<&str>, owned: bool) -> Option<Value> {
        let begin = self.texts.len();
        self.texts.push_str(text?);
        Some(Value { text: begin..self.texts.len(), owned })
    }
}

fn read(
    transaction: &Transaction<'_>,
    workspace: WorkspaceKey,
    into: &SyncSender<Rows>,
) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare(PLACES)?;
    let mut stored = statement.query([workspace.0])?;
    let mut rows = Rows::default();
    while let Some(row) = stored.next()? {
        let email = rows.add(text(row, 1)?, row.get(6)?);
        let phone = rows.add(text(row, 2)?, row.get(7)?);
        let declared = match text(row, 3)? {
            None => Vec::new(),
            Some(declared) => {
                let owned = kinds_in(text(row, 8)?)?;
                let borne = declared_text::read(declared).map_err(|_| unreadable(3))?;
                borne
                    .into_iter()
                    .map(|value| {
                        let owns = owned.contains(value.kind());
                        (value, owns)
                    })
                    .collect()
            }
        };
        let contact = StoredContact {
            id: ContactId(row.get(0)?),
            linked_to: row.get::<_, Option<i64>>(4)?.map(ContactId),
            created_at: Timestamp::from_milliseconds(row.get(5)?),
            deleted: row.get(9)?,
        };
        rows.rows.push(Row { contact, email, phone, declared });
        if rows.rows.len() == ROWS_AT_ONCE && into.send(std::mem::take(&mut rows)).is_err() {
            return Ok(());
        }
    }
    // Refused only if the builder has stopped, which it tells itself.
    let _ = into.send(rows);
    Ok(())
}

fn build(
    mut index: IdentityIndex,
    rows: Receiver<Rows>,
    merges: &UnfinishedMerges,
) -> Result<Loaded, StoreError> {
    let mut moves = Vec::new();
    for Rows { rows, texts } in rows {
        for Row { mut contact, email, phone, declared } in rows {
            if let Some((survivor, at)) = merges.survivor(contact.linked_to.unwrap_or(contact.id)) {
                contact.linked_to = Some(survivor);
                let sequence = merges.first().expect("a merge made it");
                moves.push(Move { id: contact.id, survivor, at, sequence });
            }
            let columns = [(&IdentifierKind::Email, email), (&IdentifierKind::Phone, phone)];
            let columns = columns.iter().filter_map(|(kind, value)| {
                value.as_ref().map(|value| (*kind, &texts[value.text.clone()], value.owned))
            });
            let declared = declared.iter().map(|(value, owned)| (value.kind(), value.value(), *owned));
            index.add_stored(contact, columns.chain(declared))?;
        }
    }
    index.settle()?;
    Ok(Loaded { index, moves })
}

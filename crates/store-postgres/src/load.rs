//! Loading: every identity that owns one of the identifiers, whole, by one statement and so from one snapshot.

use std::collections::{HashMap, HashSet};

use deadpool_postgres::ClientWrapper;
use futures_util::future::{join3, join4};
use selfsame_rules::{Contact, ContactId, Head, Identifier, Incoherent, Neighbourhood, Sequence, Timestamp};
use selfsame_store::{StoreError, WorkspaceKey};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, ToSql, Type};

use crate::rows::{Bearing, identifiers as identifiers_of};
use crate::statements::planned::{EXECUTE_LOAD, SET_PARAMETERS};
use crate::statements::{BEGIN_LOAD, COMMIT, LOAD};

/// What was loaded for one or several look-ups.
pub(crate) struct Loaded {
    head: Head,
    /// Nothing was ever corrected or refused, and no policy set: what was loaded is all that a decision looks at.
    is_plain: bool,
    /// The contact that owns each identifier that somebody owns.
    owners: HashMap<Identifier, ContactId>,
    /// The primary of each of those contacts, if it isn't gone.
    primaries: HashMap<ContactId, ContactId>,
    /// The contacts of each identity by its primary, each once.
    identities: HashMap<ContactId, Vec<Contact>>,
    /// How many these are.
    contacts: usize,
}

/// The places of the columns of [`LOAD`]: asked by name, each would be searched for in each of very many rows.
mod column {
    pub(super) const SORT: usize = 0;
    pub(super) const A: usize = 1;
    pub(super) const B: usize = 2;
    pub(super) const EMAIL: usize = 3;
    pub(super) const PHONE: usize = 4;
    pub(super) const DECLARED: usize = 5;
    pub(super) const LINKED_ID: usize = 6;
    pub(super) const CREATED_AT_MS: usize = 7;
    pub(super) const UPDATED_AT_MS: usize = 8;
}

/// Sends the statement; the rows belong to `identifiers` in that order.
pub(crate) async fn send(
    client: &ClientWrapper,
    workspace: WorkspaceKey,
    identifiers: &[Identifier],
) -> Result<Vec<Row>, tokio_postgres::Error> {
    let question = Question::new(workspace, identifiers);
    client.query_typed(LOAD, &question.parameters()).await
}

/// [`send`] in a transaction of its own, in one round trip.
pub(crate) async fn send_alone(
    client: &ClientWrapper,
    workspace: WorkspaceKey,
    identifiers: &[Identifier],
) -> Result<Vec<Row>, tokio_postgres::Error> {
    let (begun, loaded, ended) = join3(
        client.batch_execute(BEGIN_LOAD),
        send(client, workspace, identifiers),
        client.batch_execute(COMMIT),
    )
    .await;
    begun.and(ended).and(loaded)
}

/// As [`send_alone`], by the plan that the server keeps.
pub(crate) async fn send_planned(
    client: &ClientWrapper,
    workspace: WorkspaceKey,
    identifiers: &[Identifier],
) -> Result<Vec<Row>, tokio_postgres::Error> {
    let question = Question::new(workspace, identifiers);
    let (begun, set, loaded, ended) = join4(
        client.batch_execute(BEGIN_LOAD),
        client.query_typed(SET_PARAMETERS, &question.parameters()),
        client.query_typed(&EXECUTE_LOAD, &[]),
        client.batch_execute(COMMIT),
    )
    .await;
    begun.and(set).and(ended).and(loaded)
}

/// What the statement is asked with.
struct Question<'identifier> {
    workspace: WorkspaceKey,
    kinds: Vec<&'identifier str>,
    values: Vec<&'identifier str>,
}

impl<'identifier> Question<'identifier> {
    fn new(workspace: WorkspaceKey, identifiers: &'identifier [Identifier]) -> Self {
        let both = |identifier: &'identifier Identifier| (identifier.kind().name(), identifier.value());
        let (kinds, values) = identifiers.iter().map(both).unzip();
        Self { workspace, kinds, values }
    }

    fn parameters(&self) -> [(&(dyn ToSql + Sync), Type); 3] {
        [(&self.workspace.0, Type::INT8), (&self.kinds, Type::TEXT_ARRAY), (&self.values, Type::TEXT_ARRAY)]
    }
}

impl Loaded {
    /// Reads the rows that [`send`] got for `identifiers`.
    pub(crate) fn read(
        rows: &[Row],
        identifiers: &[Identifier],
        workspace: WorkspaceKey,
    ) -> Result<Self, StoreError> {
        let mut head = None;
        let mut is_plain = true;
        let mut owners = HashMap::with_capacity(identifiers.len());
        let mut primaries = HashMap::with_capacity(identifiers.len());
        let mut identities: HashMap<ContactId, Vec<Contact>> = HashMap::with_capacity(identifiers.len());
        for row in rows {
            match at::<i32>(row, column::SORT)? {
                0 => {
                    head = Some(read_head(row)?);
                    is_plain = at::<i64>(row, column::LINKED_ID)? == 1;
                }
                1 => {
                    // Counted from 1.
                    let place = usize::try_from(at::<i64>(row, column::A)?).unwrap_or_default();
                    let identifier = place.checked_sub(1).and_then(|place| identifiers.get(place));
                    let identifier =
                        identifier.ok_or_else(|| StoreError::failed("a place that was not asked"))?;
                    owners.insert(identifier.clone(), ContactId(at(row, column::B)?));
                }
                sort => {
                    let contact = read_contact(row)?;
                    let primary = contact.primary();
                    if sort == 2 {
                        primaries.insert(contact.id, primary);
                    }
                    // A secondary that is an owner comes again among its identity's secondaries.
                    if sort != 2 || contact.linked_to.is_none() {
                        identities.entry(primary).or_default().push(contact);
                    }
                }
            }
        }
        let head = head.ok_or(StoreError::NoWorkspace(workspace))?;
        let contacts = identities.values().map(Vec::len).sum();
        Ok(Self { head, is_plain, owners, primaries, identities, contacts })
    }

    /// Whether a decision on it needs nothing else.
    pub(crate) fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// How many contacts were loaded.
    pub(crate) fn contacts(&self) -> usize {
        self.contacts
    }

    /// The part of it that one look-up asked for.
    pub(crate) fn neighbourhood(&self, identifiers: &[Identifier]) -> Result<Neighbourhood, StoreError> {
        let mut owners = Vec::with_capacity(identifiers.len());
        let mut touched = HashSet::new();
        for identifier in identifiers {
            let Some(owner) = self.owners.get(identifier) else { continue };
            let primary = self.primaries.get(owner).ok_or(Incoherent::NoOwner { owner: *owner })?;
            owners.push((identifier.clone(), *owner));
            touched.insert(primary);
        }
        let contacts = touched.into_iter().filter_map(|primary| self.identities.get(primary)).flatten();
        Ok(Neighbourhood::new(self.head, contacts.cloned(), owners)?)
    }
}

/// Reads a column by its place.
fn at<'row, T: FromSql<'row>>(row: &'row Row, place: usize) -> Result<T, StoreError> {
    row.try_get(place).map_err(|error| {
        StoreError::failed(format!("the column {place} of a look-up can't be read: {error}"))
    })
}

fn read_head(row: &Row) -> Result<Head, StoreError> {
    Ok(Head {
        last_sequence: Sequence(at(row, column::A)?),
        last_contact: ContactId(at(row, column::B)?),
        last_event_at: Timestamp::from_milliseconds(at(row, column::CREATED_AT_MS)?),
    })
}

fn read_contact(row: &Row) -> Result<Contact, StoreError> {
    let bearing = Bearing {
        email: at(row, column::EMAIL)?,
        phone: at(row, column::PHONE)?,
        declared: at(row, column::DECLARED)?,
    };
    Ok(Contact {
        id: ContactId(at(row, column::A)?),
        identifiers: identifiers_of(&bearing)?,
        linked_to: at::<Option<i64>>(row, column::LINKED_ID)?.map(ContactId),
        created_at: Timestamp::from_milliseconds(at(row, column::CREATED_AT_MS)?),
        updated_at: Timestamp::from_milliseconds(at(row, column::UPDATED_AT_MS)?),
        deleted_at: None::<Timestamp>,
    })
}

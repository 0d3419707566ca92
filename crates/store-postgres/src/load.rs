//! Loading: every identity that owns one of the identifiers, whole, by one statement and so from one snapshot.

use std::collections::HashMap;

use deadpool_postgres::ClientWrapper;
use selfsame_rules::{Contact, ContactId, Head, Identifier, Incoherent, Neighbourhood, Sequence, Timestamp};
use selfsame_store::{StoreError, WorkspaceKey};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::rows::{get, identifiers as identifiers_of, time};
use crate::statements::LOAD;

/// What was loaded for one or several look-ups.
pub(crate) struct Loaded {
    head: Head,
    /// The owner of each identifier that has one, and the primary of that, unless it is gone.
    owners: HashMap<Identifier, (ContactId, Option<ContactId>)>,
    /// The contacts of each identity by its primary.
    identities: HashMap<ContactId, Vec<Contact>>,
}

/// Sends the statement; the rows belong to `identifiers` in that order.
pub(crate) async fn send(
    client: &ClientWrapper,
    workspace: WorkspaceKey,
    identifiers: &[Identifier],
) -> Result<Vec<Row>, tokio_postgres::Error> {
    let kinds: Vec<&str> = identifiers.iter().map(|identifier| identifier.kind().name()).collect();
    let values: Vec<&str> = identifiers.iter().map(Identifier::value).collect();
    let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
        [(&workspace.0, Type::INT8), (&kinds, Type::TEXT_ARRAY), (&values, Type::TEXT_ARRAY)];
    client.query_typed(LOAD, &parameters).await
}

impl Loaded {
    /// Reads the rows that [`send`] got for `identifiers`.
    pub(crate) fn read(
        rows: &[Row],
        identifiers: &[Identifier],
        workspace: WorkspaceKey,
    ) -> Result<Self, StoreError> {
        let (mut head, mut owners, mut identities) = (None, HashMap::new(), HashMap::<_, Vec<_>>::new());
        for row in rows {
            match get(row, "sort")? {
                "head" => head = Some(read_head(row)?),
                "owner" => {
                    // Counted from 1.
                    let place = usize::try_from(get::<i64>(row, "a")?).unwrap_or_default();
                    let identifier = place.checked_sub(1).and_then(|place| identifiers.get(place));
                    let identifier =
                        identifier.ok_or_else(|| StoreError::failed("a place that was not asked"))?;
                    let primary: Option<i64> = get(row, "c")?;
                    owners.insert(identifier.clone(), (ContactId(get(row, "b")?), primary.map(ContactId)));
                }
                _ => {
                    let contact = read_contact(row)?;
                    identities.entry(ContactId(get(row, "a")?)).or_default().push(contact);
                }
            }
        }
        let head = head.ok_or_else(|| no_workspace(workspace))?;
        Ok(Self { head, owners, identities })
    }

    /// The part of it that one look-up asked for.
    pub(crate) fn neighbourhood(&self, identifiers: &[Identifier]) -> Result<Neighbourhood, StoreError> {
        let mut owners = Vec::with_capacity(identifiers.len());
        let mut contacts: HashMap<ContactId, &[Contact]> = HashMap::new();
        for identifier in identifiers {
            let Some((owner, primary)) = self.owners.get(identifier) else { continue };
            let primary = primary.ok_or(Incoherent::NoOwner { owner: *owner })?;
            owners.push((identifier.clone(), *owner));
            contacts.insert(primary, self.identities.get(&primary).map_or(&[], Vec::as_slice));
        }
        Ok(Neighbourhood::new(self.head, contacts.into_values().flatten().cloned(), owners)?)
    }
}

/// Every workspace that is asked for is there, unless somebody took its row away.
pub(crate) fn no_workspace(workspace: WorkspaceKey) -> StoreError {
    StoreError::failed(format!("the table `selfsame.workspaces` has no row for workspace {workspace}"))
}

fn read_head(row: &Row) -> Result<Head, StoreError> {
    Ok(Head {
        last_sequence: Sequence(get(row, "a")?),
        last_contact: ContactId(get(row, "b")?),
        last_event_at: time(row, "c")?,
    })
}

fn read_contact(row: &Row) -> Result<Contact, StoreError> {
    Ok(Contact {
        id: ContactId(get(row, "b")?),
        identifiers: identifiers_of(row)?,
        linked_to: get::<Option<i64>>(row, "linked_id")?.map(ContactId),
        created_at: time(row, "c")?,
        updated_at: time(row, "updated_at_ms")?,
        deleted_at: None::<Timestamp>,
    })
}

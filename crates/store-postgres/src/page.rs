//! A page of a person's contacts: their rows and no others, and how many there are.

use deadpool_postgres::{ClientWrapper, Pool};
use selfsame_rules::{Identifier, IdentifierKind};
use selfsame_store::{PageAsked, PageOf, PersonPage, Question, StoreError, WorkspaceKey, left_to_others};
use tokio::try_join;
use tokio_postgres::types::Type;

use crate::connections::Loan;
use crate::recall::{ask, columns, contacts_of, reply, standing};
use crate::rows::get;
use crate::statements::history::{COUNT_OF_IDENTITY, OWNED_BY_IDENTITY, PAGE_OF_IDENTITY};
use crate::statements::{BEGIN_SCAN, COMMIT};
use crate::transaction::Stopped;

/// The page, in a transaction of its own that only reads: so from one snapshot; nothing if nobody is meant.
pub(crate) async fn page_alone(
    pool: &Pool,
    workspace: WorkspaceKey,
    asked: &PageAsked,
) -> Result<Option<PersonPage>, Stopped> {
    let client = Loan::from(pool).await?;
    client.batch_execute(BEGIN_SCAN).await?;
    standing(&client, workspace).await?;
    let page = page_on(&client, workspace, asked).await?;
    client.batch_execute(COMMIT).await?;
    client.give_back();
    Ok(page)
}

async fn page_on(
    client: &ClientWrapper,
    workspace: WorkspaceKey,
    asked: &PageAsked,
) -> Result<Option<PersonPage>, Stopped> {
    let whom = match &asked.whom {
        PageOf::Contact(contact) => vec![*contact],
        PageOf::Owner(identifier) => {
            reply(client, workspace, &Question::Owners(vec![identifier.clone()])).await?.owners
        }
    };
    let found = reply(client, workspace, &Question::Contacts(whom)).await?.rows;
    let Some(primary) = found.first().map(|row| row.contact.primary()) else { return Ok(None) };
    let after = asked.after.map_or((i64::MIN, 0), |(created_at, id)| (created_at.as_milliseconds(), id.0));
    // One more than is asked for tells whether there are others.
    let most = i64::try_from(asked.most).unwrap_or(i64::MAX).saturating_add(1);
    let place = [
        (&primary.0 as _, Type::INT8),
        (&after.0 as _, Type::INT8),
        (&after.1 as _, Type::INT8),
        (&most as _, Type::INT8),
    ];
    let counting = [(&primary.0 as _, Type::INT8)];
    let (mut rows, counted) = try_join!(contacts_of(client, workspace, PAGE_OF_IDENTITY, &place), async {
        Ok(ask(client, workspace, COUNT_OF_IDENTITY, &counting).await?)
    },)?;
    let count: i64 = counted.first().map_or(Ok(0), |row| get(row, "contacts"))?;
    let more = rows.len() > asked.most;
    rows.truncate(asked.most);
    let mut others = left_to_others(&rows);
    if !others.is_empty() {
        let (kinds, values) = columns(&others);
        let values = [
            (&kinds as _, Type::TEXT_ARRAY),
            (&values as _, Type::TEXT_ARRAY),
            (&primary.0 as _, Type::INT8),
        ];
        let owned = ask(client, workspace, OWNED_BY_IDENTITY, &values).await?;
        others = owned.iter().map(identifier).collect::<Result<_, _>>()?;
    }
    let count = usize::try_from(count).unwrap_or_default();
    Ok(Some(PersonPage::of_rows(primary, count, rows, more, others)))
}

fn identifier(row: &tokio_postgres::Row) -> Result<Identifier, StoreError> {
    let kind = IdentifierKind::from_name(get(row, "kind")?).map_err(StoreError::failed)?;
    Ok(Identifier::from_stored(kind, get::<&str>(row, "value")?))
}

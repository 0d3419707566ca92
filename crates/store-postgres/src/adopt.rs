//! Taking over a database that holds the original's table: read it, let the rules decide, carry out what they said.

use std::pin::pin;
use std::time::Duration;

use futures_util::TryStreamExt;
use selfsame_rules::{
    Actor, Adoption, AdoptionReport, AdoptionSettings, OriginalRow, Precedence, Timestamp, adopt,
};
use selfsame_store::StoreError;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use crate::connection::{OpenError, OriginalName, begin_for, log_is_empty, migrate, original_name};
use crate::error::Fault;
use crate::fill::fill;
use crate::rows::{get, time, time_if_any};
use crate::settings::{ConnectError, ConnectionSettings};
use crate::statements::adoption::{
    ANALYZE, BEGIN_LOOK, DEPENDENTS, DURABLY, KEPT_AS, NAME_TAKEN, READERS, begin_takeover, count,
    grant_view, keep_table, lock_table, read_table, unfit,
};
use crate::statements::{COMMIT, ROLLBACK, create_view};

/// How an adoption is to be done.
#[derive(Clone, Debug)]
pub struct AdoptionOrder {
    /// Whether to do it, or only to tell what would be done.
    pub apply: bool,
    /// How long to wait until nobody else has the table open.
    pub lock_timeout: Duration,
    /// What the rules are told.
    pub settings: AdoptionSettings,
    /// Who causes the events.
    pub actor: Actor,
    /// The moment of adoption.
    pub at: Timestamp,
}

/// How far an adoption has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdoptionStep {
    /// So many of so many rows were read.
    Read(u64, u64),
    /// The rules decide.
    Decide,
    /// So many of so many rows of ours were written.
    Written(u64, u64),
    /// Everything was written; what is left is the commit.
    Commit,
}

/// What was found, and done if that was asked.
#[derive(Clone, Debug)]
pub struct Adopted {
    /// The schema that the table stands in.
    pub schema: String,
    /// The name under which the table is kept.
    pub kept_as: &'static str,
    /// Views over the table and foreign keys to it: they go on with the table that is kept.
    pub dependents: Vec<String>,
    /// What the rules found and decided.
    pub report: AdoptionReport,
}

/// Why a database can't be adopted. Nothing was changed, unless the variant says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The database can't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There is no table of the original's.
    #[error(
        "there is no table \"Contact\" of the original service to adopt\n\
         hint: check DATABASE_URL; `?schema=NAME` at its end names the schema if it isn't the first of the search path"
    )]
    NoTable,
    /// The table was adopted before.
    #[error(
        "the database was adopted before: where the table \"Contact\" stood, there is selfsame's view\nhint: run `selfsame serve`"
    )]
    AdoptedBefore,
    /// The log isn't empty.
    #[error(
        "selfsame has customers of its own in this database already, and adopts only into an empty one\n\
         hint: adopt into a copy of the original's database; or, if you went back to the original since, let \
         `DROP SCHEMA selfsame CASCADE` forget what selfsame knows"
    )]
    NotEmpty,
    /// The name for the kept table is taken.
    #[error("a table \"{KEPT_AS}\" is in the way in schema `{schema}`\nhint: rename or drop it")]
    NameTaken {
        /// The schema.
        schema: String,
    },
    /// An id that no contact can have.
    #[error(
        "{count} rows have an id below 1, and the first of them is {first}\nhint: give them ids of their own first"
    )]
    InvalidIds {
        /// How many.
        count: i64,
        /// The first of them.
        first: i64,
    },
    /// Ids that the view can't show.
    #[error(
        "{count} rows have an id above 2147483647, and the first of them is {first}\n\
         hint: give them ids of their own first"
    )]
    IdsTooGreat {
        /// How many.
        count: i64,
        /// The first of them.
        first: i64,
    },
    /// Times that can't be told.
    #[error(
        "{count} rows have a time that is infinite or outside the years 1 to 9999, or no `createdAt`, and the first of them has id {first}\n\
         hint: give them other times first"
    )]
    InvalidTimes {
        /// How many.
        count: i64,
        /// The first of them.
        first: i64,
    },
    /// PostgreSQL refused something.
    #[error("the adoption was stopped, and nothing was changed: {0}")]
    Refused(Fault),
    /// The table is in use.
    #[error(
        "the table \"Contact\" is in use, so nothing was changed\nhint: stop the old server, and whatever else has it open"
    )]
    InUse,
    /// Whether the commit was made is not known.
    #[error(
        "the connection was lost while the adoption was committed: {0}\n\
         hint: run `selfsame adopt` again; it says whether the database was adopted"
    )]
    OutcomeUnknown(Fault),
    /// A row that can't be read.
    #[error("the table can't be read, and nothing was changed: {0}")]
    Unreadable(#[from] StoreError),
}

impl From<tokio_postgres::Error> for AdoptError {
    fn from(error: tokio_postgres::Error) -> Self {
        let fault = Fault::from(error);
        if fault.is_lock_not_available() { Self::InUse } else { Self::Refused(fault) }
    }
}

/// Adopts the database, or only looks at it. `progress` is told of each step as it is taken.
///
/// The takeover is one transaction: the table gets another name, events, contacts and owners are written, and the view
/// takes the table's place.
///
/// # Errors
///
/// [`AdoptError`]; nothing was changed, unless it is [`AdoptError::OutcomeUnknown`].
pub async fn adopt_database(
    settings: &ConnectionSettings,
    order: AdoptionOrder,
    progress: &(dyn Fn(AdoptionStep) + Sync),
) -> Result<Adopted, AdoptError> {
    let mut client = settings.connect().await?;
    let begin = begin_for(&client).await?;
    let schema = table_to_adopt(&client, settings).await?;
    // Before anything is made for it, so that nothing is left of an adoption that can't be.
    expect_fit(&client, &schema).await?;
    if order.apply {
        migrate(&mut client, settings, true).await?;
        client.batch_execute(&begin_takeover(order.lock_timeout)).await?;
        if begin.contains("synchronous_commit") {
            client.batch_execute(DURABLY).await?;
        }
        client.batch_execute(&lock_table(&schema)).await?;
    } else {
        client.batch_execute(BEGIN_LOOK).await?;
    }
    let dependents = names(&client, DEPENDENTS, &schema).await?;
    expect_fit(&client, &schema).await?;
    let rows = read(&client, &schema, progress).await?;
    progress(AdoptionStep::Decide);
    let (actor, at, rules) = (order.actor.clone(), order.at, order.settings);
    let decided = tokio::task::spawn_blocking(move || adopt(rows, &actor, rules, at)).await;
    let adoption = decided.map_err(StoreError::failed)?;
    if order.apply {
        take_over(&client, &schema, &adoption, progress).await?;
    } else {
        client.batch_execute(ROLLBACK).await?;
        // Another adoption may have been quicker, and then what was read is its view.
        table_to_adopt(&client, settings).await?;
    }
    Ok(Adopted { schema, kept_as: KEPT_AS, dependents, report: adoption.report })
}

/// The schema of the original's table, if there is one and nothing stands against its adoption.
async fn table_to_adopt(client: &Client, settings: &ConnectionSettings) -> Result<String, AdoptError> {
    match (original_name(client, settings.schema()).await?, log_is_empty(client).await?) {
        (OriginalName::Table { .. }, false) => Err(AdoptError::NotEmpty),
        (OriginalName::Table { schema }, true) => {
            let names: [(&(dyn ToSql + Sync), Type); 2] = [(&schema, Type::TEXT), (&KEPT_AS, Type::TEXT)];
            if client.query_typed_one(NAME_TAKEN, &names).await?.try_get("taken")? {
                Err(AdoptError::NameTaken { schema })
            } else {
                Ok(schema)
            }
        }
        (OriginalName::View, false) => Err(AdoptError::AdoptedBefore),
        (
            OriginalName::View
            | OriginalName::Free { .. }
            | OriginalName::SomebodyElses { .. }
            | OriginalName::Nowhere,
            _,
        ) => Err(AdoptError::NoTable),
    }
}

/// Refuses rows that could be written but not shown.
async fn expect_fit(client: &Client, schema: &str) -> Result<(), AdoptError> {
    let unfit = client.query_typed_one(&unfit(schema), &[]).await?;
    if let Some(first) = unfit.try_get("low_id")? {
        return Err(AdoptError::InvalidIds { count: unfit.try_get("low_ids")?, first });
    }
    if let Some(first) = unfit.try_get("id")? {
        return Err(AdoptError::IdsTooGreat { count: unfit.try_get("ids")?, first });
    }
    match unfit.try_get("time")? {
        Some(first) => Err(AdoptError::InvalidTimes { count: unfit.try_get("times")?, first }),
        None => Ok(()),
    }
}

async fn read(
    client: &Client,
    schema: &str,
    progress: &(dyn Fn(AdoptionStep) + Sync),
) -> Result<Vec<OriginalRow>, AdoptError> {
    let total: i64 = client.query_typed_one(&count(schema), &[]).await?.try_get("rows")?;
    let total = u64::try_from(total).unwrap_or_default();
    let stream = client.query_typed_raw(&read_table(schema), Vec::<(i64, Type)>::new()).await?;
    let mut stream = pin!(stream);
    let mut rows = Vec::new();
    while let Some(row) = stream.try_next().await? {
        rows.push(original_row(&row)?);
        if rows.len().is_multiple_of(10_000) {
            progress(AdoptionStep::Read(rows.len() as u64, total));
        }
    }
    progress(AdoptionStep::Read(rows.len() as u64, total));
    Ok(rows)
}

fn original_row(row: &Row) -> Result<OriginalRow, StoreError> {
    Ok(OriginalRow {
        id: get(row, "id")?,
        email: get(row, "email")?,
        phone: get(row, "phone")?,
        linked_id: get(row, "linked_id")?,
        precedence: Precedence::from_word(get(row, "precedence")?),
        created_at: time(row, "created_at_ms")?,
        updated_at: time(row, "updated_at_ms")?,
        deleted_at: time_if_any(row, "deleted_at_ms")?,
    })
}

/// Writes everything and commits; the transaction was begun, and the table is ours alone.
async fn take_over(
    client: &Client,
    schema: &str,
    adoption: &Adoption,
    progress: &(dyn Fn(AdoptionStep) + Sync),
) -> Result<(), AdoptError> {
    // Under the lock, for which another adoption may have made us wait.
    if !log_is_empty(client).await? {
        return Err(AdoptError::AdoptedBefore);
    }
    let readers = names(client, READERS, schema).await?;
    client.batch_execute(&keep_table(schema)).await?;
    fill(client, adoption, progress).await?;
    client.batch_execute(&create_view(schema)).await?;
    for reader in readers {
        client.batch_execute(&grant_view(schema, &reader)).await?;
    }
    progress(AdoptionStep::Commit);
    client.batch_execute(COMMIT).await.map_err(|error| {
        let fault = Fault::from(error);
        if fault.is_certain() { AdoptError::Refused(fault) } else { AdoptError::OutcomeUnknown(fault) }
    })?;
    for statement in ANALYZE {
        if let Err(error) = client.batch_execute(statement).await {
            let cause = Fault::from(error);
            tracing::warn!(%cause, "the database is adopted, but its statistics could not be refreshed: run ANALYZE");
        }
    }
    Ok(())
}

/// The first column of a statement that is asked about the table's schema.
async fn names(client: &Client, statement: &str, schema: &str) -> Result<Vec<String>, AdoptError> {
    let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(&schema, Type::TEXT)];
    let rows = client.query_typed(statement, &parameters).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

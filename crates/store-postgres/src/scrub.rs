//! Scrubbing: PostgreSQL keeps what was erased in dead rows, in unused places of pages and indexes, and in its statistics of
//! columns, until the tables are written anew. And looking for texts in all of that.
//!
//! Deliberately absent: the write-ahead log, standbys and backups, which nobody cleans from here.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::time::Duration;

use futures_util::TryStreamExt;
use selfsame_store::{Sought, StoreError};
use tokio::time::{Instant, sleep};
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use crate::connection::{OpenError, expect_current};
use crate::error::Fault;
use crate::settings::{ConnectError, ConnectionSettings};
use crate::statements::scrub::{
    CHECKPOINT, FILE_BYTES, OLDER_THAN, READ_FILE, SCRUBBED_FILES, SCRUBBED_TABLES, TEXT_COLUMNS,
    THIS_TRANSACTION, UNSEEN, begin_scrub, rewrite, texts_of,
};

/// How often is looked whether older transactions have ended.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How much of a file is read at once.
const PIECE_BYTES: usize = 4 * 1024 * 1024;

/// A relation has files of these names after its own. Each goes on in files with a number behind.
const FORKS: [&str; 4] = ["", "_fsm", "_vm", "_init"];

/// Why a database was not scrubbed or searched.
#[derive(Debug, thiserror::Error)]
pub enum ScrubError {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The database can't be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Somebody sees an earlier state, so PostgreSQL would keep it.
    #[error(
        "{0} transactions, replication slots or prepared transactions still see the time before, and PostgreSQL keeps that for them\n\
         hint: end them (pg_stat_activity, pg_replication_slots, pg_prepared_xacts), or wait longer with --lock-timeout-seconds; \
         nothing was rewritten"
    )]
    HeldOpen(i64),
    /// A table is in use.
    #[error(
        "somebody else has the table `{0}` locked\n\
         hint: scrub when less is going on, or wait longer with --lock-timeout-seconds; what was rewritten before it stays so"
    )]
    InUse(String),
    /// The role may not do it.
    #[error(
        "this role may not rewrite `{0}`\n\
         hint: scrub as the owner of the database, whose tables and statistics these are, or as superuser"
    )]
    NoRights(String),
    /// PostgreSQL refused something.
    #[error("the scrub was stopped: {0}")]
    Refused(Fault),
    /// What was read can't be searched.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<tokio_postgres::Error> for ScrubError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Refused(error.into())
    }
}

/// What a scrub did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// How many tables were written anew.
    pub tables: usize,
    /// How many sessions of others this role could not look into: what they still see is kept.
    pub unseen: i64,
}

/// What a search read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SearchedBy {
    /// All bytes of the files of tables, indexes and statistics.
    Files,
    /// The rows only, because the role may not read files: unused places were not looked at.
    Rows,
}

/// What a search found.
#[derive(Clone, Debug)]
pub struct Searched {
    /// What it read.
    pub by: SearchedBy,
    /// The places of each text that was found, by its place among the texts.
    pub found: BTreeMap<usize, BTreeSet<String>>,
}

/// Writes all tables and indexes of ours anew, and what PostgreSQL has gathered of their values. Each table is locked meanwhile, for
/// readers too.
///
/// `patience`: how long to wait until nobody sees the time before, and then for each lock.
///
/// # Errors
///
/// [`ScrubError`] says what is in the way.
pub async fn scrub(settings: &ConnectionSettings, patience: Duration) -> Result<Rewritten, ScrubError> {
    let client = settings.connect().await?;
    expect_current(&client, settings).await?;
    client.batch_execute(&begin_scrub(patience.as_millis())).await?;
    wait_for_older(&client, patience).await?;
    let unseen = client.query_typed_one(UNSEEN, &[]).await?.try_get("unseen")?;
    let tables = client.query_typed(SCRUBBED_TABLES, &[]).await?;
    for table in &tables {
        let (schema, name): (String, String) = (table.try_get("schema")?, table.try_get("name")?);
        if let Err(error) = client.batch_execute(&rewrite(&schema, &name)).await {
            let (fault, name) = (Fault::from(error), format!("{schema}.{name}"));
            return Err(if fault.is_lock_not_available() {
                ScrubError::InUse(name)
            } else if fault.is_about_rights() {
                ScrubError::NoRights(name)
            } else {
                ScrubError::Refused(fault)
            });
        }
    }
    // One that this role may not touch is passed over with no more than a warning.
    let after = client.query_typed(SCRUBBED_TABLES, &[]).await?;
    for (before, after) in tables.iter().zip(&after) {
        if before.try_get::<_, i64>("file")? == after.try_get::<_, i64>("file")? {
            let (schema, name): (String, String) = (after.try_get("schema")?, after.try_get("name")?);
            return Err(ScrubError::NoRights(format!("{schema}.{name}")));
        }
    }
    Ok(Rewritten { tables: tables.len(), unseen })
}

async fn wait_for_older(client: &Client, patience: Duration) -> Result<(), ScrubError> {
    let this: String = client.query_typed_one(THIS_TRANSACTION, &[]).await?.try_get("number")?;
    let began = Instant::now();
    loop {
        let this: [(&(dyn ToSql + Sync), Type); 1] = [(&this, Type::TEXT)];
        let held: i64 = client.query_typed_one(OLDER_THAN, &this).await?.try_get("held")?;
        if held == 0 {
            return Ok(());
        }
        if began.elapsed() > patience {
            return Err(ScrubError::HeldOpen(held));
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Looks for texts in the files of all tables and indexes of ours; where the role may not read files, in all rows. The texts stay here:
/// PostgreSQL is not told them.
///
/// # Errors
///
/// [`ScrubError`] if the database can't be read.
pub async fn search(settings: &ConnectionSettings, sought: &Sought) -> Result<Searched, ScrubError> {
    let client = settings.connect().await?;
    expect_current(&client, settings).await?;
    let mut found = BTreeMap::new();
    match search_files(&client, sought, &mut found).await {
        Ok(()) => {
            search_rows(&client, sought, &mut found).await?;
            Ok(Searched { by: SearchedBy::Files, found })
        }
        Err(error) => {
            let fault = Fault::from(error);
            if !fault.is_about_rights() {
                return Err(ScrubError::Refused(fault));
            }
            search_rows(&client, sought, &mut found).await?;
            Ok(Searched { by: SearchedBy::Rows, found })
        }
    }
}

type Found = BTreeMap<usize, BTreeSet<String>>;

async fn search_files(
    client: &Client,
    sought: &Sought,
    found: &mut Found,
) -> Result<(), tokio_postgres::Error> {
    // What is in memory only goes to the files.
    client.batch_execute(CHECKPOINT).await?;
    for relation in client.query_typed(SCRUBBED_FILES, &[]).await? {
        let (name, path): (String, Option<String>) = (relation.try_get("name")?, relation.try_get("path")?);
        let Some(path) = path else { continue };
        for fork in FORKS {
            let mut segment = 0;
            loop {
                let number = if segment == 0 { String::new() } else { format!(".{segment}") };
                let file = format!("{path}{fork}{number}");
                let Some(bytes) = bytes_of(client, &file).await? else { break };
                search_file(client, &file, bytes, sought, found, &format!("file of `{name}`")).await?;
                segment += 1;
            }
        }
    }
    Ok(())
}

async fn bytes_of(client: &Client, file: &str) -> Result<Option<i64>, tokio_postgres::Error> {
    let file: [(&(dyn ToSql + Sync), Type); 1] = [(&file, Type::TEXT)];
    client.query_typed_one(FILE_BYTES, &file).await?.try_get("bytes")
}

async fn search_file(
    client: &Client,
    file: &str,
    bytes: i64,
    sought: &Sought,
    found: &mut Found,
    place: &str,
) -> Result<(), tokio_postgres::Error> {
    let overlap = sought.length_bytes_max();
    let (mut at, piece) = (0_i64, PIECE_BYTES + overlap);
    while at < bytes {
        let length = i64::try_from(piece).unwrap_or(i64::MAX);
        let what: [(&(dyn ToSql + Sync), Type); 3] =
            [(&file, Type::TEXT), (&at, Type::INT8), (&length, Type::INT8)];
        let read = client.query_typed_one(READ_FILE, &what).await?;
        let Some(read) = read.try_get::<_, Option<&[u8]>>("bytes")? else { break };
        tell(found, sought, read, place);
        at += i64::try_from(PIECE_BYTES).unwrap_or(i64::MAX);
    }
    Ok(())
}

/// Also where files were read: long texts stand in them compressed.
async fn search_rows(
    client: &Client,
    sought: &Sought,
    found: &mut Found,
) -> Result<(), tokio_postgres::Error> {
    for table in client.query_typed(TEXT_COLUMNS, &[]).await? {
        let (name, columns): (String, Vec<String>) = (table.try_get("name")?, table.try_get("columns")?);
        let nothing: [(&str, Type); 0] = [];
        let rows = client.query_typed_raw(&texts_of(&name, &columns), nothing).await?;
        let mut rows = pin!(rows);
        while let Some(row) = rows.try_next().await? {
            tell(found, sought, row.try_get::<_, &str>("texts")?.as_bytes(), &format!("rows of `{name}`"));
        }
    }
    Ok(())
}

fn tell(found: &mut Found, sought: &Sought, bytes: &[u8], place: &str) {
    let mut here = BTreeSet::new();
    sought.find_in(bytes, &mut here);
    for index in here {
        found.entry(index).or_default().insert(place.to_owned());
    }
}

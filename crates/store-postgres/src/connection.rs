//! Opening a database: what it is, its migrations, and the databases that are refused.

use selfsame_store::{StoreError, WorkspaceKey};
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use crate::error::Fault;
use crate::settings::{ConnectError, ConnectionSettings};
use crate::statements::{
    BEGIN_WRITE, BEGIN_WRITE_DURABLY, CREATE_SCHEMA, LAST_SEQUENCE, ORIGINAL, SCHEMA_PRESENT, SCHEMA_VERSION,
    SERVER, create_view,
};
use crate::tls::TlsError;

mod migrations {
    refinery::embed_migrations!("migrations");
}

/// Where refinery keeps which migrations were applied.
const HISTORY: &str = "selfsame.refinery_schema_history";

/// The oldest PostgreSQL that the statements are tried on.
pub(crate) const SERVER_VERSION_MIN: i32 = 130_000;

/// How often migrating is tried when other replicas migrate at the same time.
const MIGRATION_ATTEMPTS: u32 = 10;

/// How many columns the original's table has.
const ORIGINAL_COLUMNS: i64 = 8;

/// Why a database can't be opened. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A file of the TLS settings can't be used any more.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// What stands in a row can't be read.
    #[error(transparent)]
    Unreadable(#[from] StoreError),
    /// The server is too old.
    #[error("the server is PostgreSQL {found}, and selfsame needs 13 or later\nhint: upgrade the server")]
    ServerTooOld {
        /// Its major version.
        found: i32,
    },
    /// The database can't hold every character.
    #[error(
        "the database's encoding is {0}, which can't hold every customer's values\n\
         hint: make a database with the encoding UTF8, and move the data there with pg_dump and pg_restore"
    )]
    NotUnicode(String),
    /// The database holds the original service's table, which was not adopted.
    #[error(
        "the database has the table \"Contact\" of the original service (schema `{schema}`), and selfsame has not \
         taken it over yet\n\
         hint: stop the old server, then run `selfsame adopt` to see what would be done, and `selfsame adopt --apply` \
         to do it"
    )]
    NotAdopted {
        /// The schema that it stands in.
        schema: String,
    },
    /// The original's table stands where the view was, beside a log of ours.
    #[error(
        "the original's table \"Contact\" is back (schema `{schema}`) beside selfsame's own data: whatever an old server \
         writes there, selfsame doesn't know\n\
         hint: if the table is a leftover, rename it, and the view takes its place again; if you went back to the \
         original, `DROP SCHEMA selfsame CASCADE` forgets what selfsame knows, and `selfsame adopt` begins anew"
    )]
    TableIsBack {
        /// The schema that it stands in.
        schema: String,
    },
    /// The database was made by a version that knows more migrations than this one.
    #[error(
        "the database was made by a newer version of selfsame (schema {found}, and this version knows {known})\n\
         hint: run that version or a later one; nothing was touched"
    )]
    Newer {
        /// The schema that it has.
        found: i32,
        /// The schema that this version knows.
        known: i32,
    },
    /// The database has no schema of ours, or an older one, and may not be changed now.
    #[error(
        "the database has schema {found} of selfsame, and this version needs {known}\n\
         hint: run `selfsame migrate`, or let `selfsame serve` of this version start once"
    )]
    Older {
        /// The schema that it has; 0 for none.
        found: i32,
        /// The schema that this version knows.
        known: i32,
    },
    /// The role may not do what migrating needs.
    #[error(
        "the database can't be brought to this version's schema: {cause}\n\
         hint: run `selfsame migrate` with a role that may create the schema `selfsame`, on a server that takes writes; then \
         grant its use to this role"
    )]
    Migration {
        /// What PostgreSQL or refinery said.
        cause: String,
    },
    /// The tables are to be distributed, and nothing is there to do it.
    #[error(
        "the database has no Citus, so its tables can't be distributed\n\
         hint: CREATE EXTENSION citus, on a server that has it; or leave --citus out"
    )]
    NoCitus,
    /// The role may not use what is there.
    #[error(
        "the role may not use selfsame's tables: {cause}\n\
         hint: as their owner, `GRANT USAGE ON SCHEMA selfsame` and `GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA \
         selfsame` to it, again after each upgrade"
    )]
    NoRights {
        /// What PostgreSQL said.
        cause: String,
    },
    /// PostgreSQL refused a question about the database.
    #[error("the database can't be opened: {cause}")]
    Refused {
        /// What it said.
        cause: String,
    },
}

impl From<tokio_postgres::Error> for OpenError {
    fn from(error: tokio_postgres::Error) -> Self {
        let fault = Fault::from(error);
        let cause = fault.to_string();
        if fault.is_about_rights() { Self::NoRights { cause } } else { Self::Refused { cause } }
    }
}

/// What stands where the original's table stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginalName {
    /// Nothing; a view may be made in this schema.
    Free {
        /// The schema.
        schema: String,
    },
    /// The original's table.
    Table {
        /// The schema that it stands in.
        schema: String,
    },
    /// A view, ours or somebody's.
    View,
    /// A table that isn't the original's.
    SomebodyElses {
        /// The schema that it stands in.
        schema: String,
    },
    /// No schema to look in.
    Nowhere,
}

/// The migrations of this version that the database does not have yet, by version and name.
pub(crate) async fn pending(client: &Client) -> Result<Vec<String>, OpenError> {
    let found = schema_version(client).await?;
    let runner = migrations::migrations::runner();
    let pending = runner.get_migrations().iter().filter(|migration| migration.version() > found);
    Ok(pending.map(ToString::to_string).collect())
}

/// Brings the database to this version's schema. Any number of replicas may do so at once: one does it.
pub(crate) async fn migrate(
    client: &mut Client,
    settings: &ConnectionSettings,
    adopting: bool,
) -> Result<(), OpenError> {
    let found = schema_version(client).await?;
    if found > known_version() {
        return Err(OpenError::Newer { found, known: known_version() });
    }
    let name = if adopting {
        original_name(client, settings.schema()).await?
    } else {
        refuse_originals_table(client, settings).await?
    };
    if found < known_version() {
        apply_migrations(client).await?;
    }
    match name {
        OriginalName::Free { schema } => place_view(client, settings, &schema).await?,
        OriginalName::SomebodyElses { schema } => tracing::warn!(
            schema,
            "the table \"Contact\" there is not the original service's, and stays; selfsame.\"Contact\" has selfsame's rows"
        ),
        OriginalName::Table { .. } | OriginalName::View | OriginalName::Nowhere => {}
    }
    Ok(())
}

/// Refuses a database that is not exactly at this version's schema.
pub(crate) async fn expect_current(client: &Client, settings: &ConnectionSettings) -> Result<(), OpenError> {
    let (found, known) = (schema_version(client).await?, known_version());
    if found == 0 {
        refuse_originals_table(client, settings).await?;
    }
    match found.cmp(&known) {
        std::cmp::Ordering::Less => Err(OpenError::Older { found, known }),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(OpenError::Newer { found, known }),
    }
}

/// What else stands under the original's name. Its table there is refused: an old server could still write to it.
pub(crate) async fn refuse_originals_table(
    client: &Client,
    settings: &ConnectionSettings,
) -> Result<OriginalName, OpenError> {
    let name = original_name(client, settings.schema()).await?;
    let OriginalName::Table { schema } = name else { return Ok(name) };
    let adopted = !log_is_empty(client).await?;
    Err(if adopted { OpenError::TableIsBack { schema } } else { OpenError::NotAdopted { schema } })
}

/// How a change is to begin on this server; refuses a server that is too old, and warns of one that may forget.
pub(crate) async fn begin_for(client: &Client) -> Result<&'static str, OpenError> {
    let server = client.query_typed_one(SERVER, &[]).await?;
    let version: i32 = server.try_get("version")?;
    if version < SERVER_VERSION_MIN {
        return Err(OpenError::ServerTooOld { found: version / 10_000 });
    }
    let encoding: &str = server.try_get("encoding")?;
    // SQL_ASCII takes any bytes as they are, and ours are UTF-8.
    if !["UTF8", "SQL_ASCII"].contains(&encoding) {
        return Err(OpenError::NotUnicode(encoding.to_owned()));
    }
    if server.try_get::<_, &str>("fsync")? == "off" {
        tracing::warn!(
            "the server runs with fsync=off: a power cut may lose or damage what was acknowledged"
        );
    }
    let durable = server.try_get::<_, &str>("synchronous_commit")? != "off";
    Ok(if durable { BEGIN_WRITE } else { BEGIN_WRITE_DURABLY })
}

/// Whether the default workspace has no event yet, or there is no workspace at all.
pub(crate) async fn log_is_empty(client: &Client) -> Result<bool, OpenError> {
    if schema_version(client).await? == 0 {
        return Ok(true);
    }
    let key: [(&(dyn ToSql + Sync), Type); 1] = [(&WorkspaceKey::DEFAULT.0, Type::INT8)];
    let log = client.query_typed_opt(LAST_SEQUENCE, &key).await?;
    Ok(log.is_none_or(|log| log.get::<_, i64>("last_sequence") == 0))
}

/// The schema that the database has; 0 if it has none of ours.
pub(crate) async fn schema_version(client: &Client) -> Result<i32, OpenError> {
    let present = client.query_typed_one(SCHEMA_PRESENT, &[]).await?;
    if !present.try_get::<_, bool>("has_history")? {
        return Ok(0);
    }
    Ok(client.query_typed_one(SCHEMA_VERSION, &[]).await?.try_get("version")?)
}

pub(crate) async fn original_name(client: &Client, schema: Option<&str>) -> Result<OriginalName, OpenError> {
    let row = client.query_typed_one(ORIGINAL, &[(&schema, Type::TEXT)]).await?;
    let Some(schema) = row.try_get::<_, Option<String>>("schema")? else {
        return Ok(OriginalName::Nowhere);
    };
    let columns: i64 = row.try_get("columns")?;
    Ok(match row.try_get::<_, Option<&str>>("sort")? {
        None => OriginalName::Free { schema },
        Some("v" | "m") => OriginalName::View,
        Some(_) if columns == ORIGINAL_COLUMNS => OriginalName::Table { schema },
        Some(_) => OriginalName::SomebodyElses { schema },
    })
}

async fn apply_migrations(client: &mut Client) -> Result<(), OpenError> {
    let mut attempt = 1;
    loop {
        let applied = apply_once(client).await;
        // Another replica may just have done it: the database tells, not the error.
        if schema_version(client).await? == known_version() {
            return Ok(());
        }
        match applied {
            Err(cause) if attempt == MIGRATION_ATTEMPTS => return Err(OpenError::Migration { cause }),
            Err(cause) => tracing::debug!(cause, attempt, "migrating is tried again"),
            Ok(()) => {}
        }
        attempt += 1;
    }
}

async fn apply_once(client: &mut Client) -> Result<(), String> {
    let present =
        client.query_typed_one(SCHEMA_PRESENT, &[]).await.map_err(|error| Fault::from(error).to_string())?;
    // Asked for only where needed: a role that may use the schema need not be one that may make it.
    if !present.get::<_, bool>("has_schema") {
        client.batch_execute(CREATE_SCHEMA).await.map_err(|error| Fault::from(error).to_string())?;
    }
    let mut runner = migrations::migrations::runner().set_grouped(true);
    runner.set_migration_table_name(HISTORY);
    runner.run_async(client).await.map(|_| ()).map_err(|error| {
        let mut cause = std::error::Error::source(&error);
        while let Some(source) = cause {
            if let Some(said) = source.downcast_ref::<tokio_postgres::Error>() {
                return Fault::of(said).to_string();
            }
            cause = source.source();
        }
        error.to_string()
    })
}

/// Makes the view under the original's name. Where that is not allowed, the server works all the same.
async fn place_view(client: &Client, settings: &ConnectionSettings, schema: &str) -> Result<(), OpenError> {
    let Err(error) = client.batch_execute(&create_view(schema)).await else { return Ok(()) };
    // Another replica may just have done it.
    if original_name(client, settings.schema()).await? != OriginalName::View {
        let cause = Fault::from(error);
        tracing::warn!(%cause, schema, "the view \"Contact\" can't be made; selfsame.\"Contact\" has the same rows");
    }
    Ok(())
}

pub(crate) fn known_version() -> i32 {
    let runner = migrations::migrations::runner();
    runner.get_migrations().iter().map(refinery::Migration::version).max().unwrap_or(0)
}

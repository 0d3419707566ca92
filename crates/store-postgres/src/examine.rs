//! Looking at a database and its server without changing anything: for whoever asks what is wrong with them.

use selfsame_store::Access;

use crate::access;
use crate::clock::now_ms;
use crate::connection::{
    OpenError, OriginalName, SERVER_VERSION_MIN, known_version, log_is_empty, original_name, schema_version,
};
use crate::settings::ConnectionSettings;
use crate::statements::administration::ACCESS;
use crate::statements::{CIRCUMSTANCES, KEPT_TABLES, SERVER, STATISTICS};

/// The first schema with keys and several workspaces.
const SCHEMA_OF_ACCESS: i32 = 3;

/// What was found.
#[derive(Clone, Debug)]
pub struct Examined {
    /// The server's major version.
    pub version: i32,
    /// Whether that is one that selfsame can use.
    pub version_is_enough: bool,
    /// The database's encoding, as PostgreSQL names it.
    pub encoding: String,
    /// Whether the server waits for the disk.
    pub fsync: bool,
    /// What a commit waits for by the server's default. Ours wait for the disk whatever it is.
    pub synchronous_commit: String,
    /// Whether a power cut in the middle of a page can be mended.
    pub full_page_writes: bool,
    /// Whether it only follows another server.
    pub is_standby: bool,
    /// How many connections it takes from everybody together.
    pub connections_max: i32,
    /// How many of them one of us may open.
    pub connection_limit: usize,
    /// How far its clock is ahead of this machine's, at least; less than 0 if it is behind.
    pub clock_ahead_ms: i64,
    /// The schema of ours that the database has; 0 for none.
    pub schema: i32,
    /// The schema that this version knows.
    pub known_schema: i32,
    /// Whether no event is in the log.
    pub log_is_empty: bool,
    /// What stands under the name of the original's table.
    pub original: OriginalName,
    /// The schemas in which adoption has kept an original's table.
    pub kept_tables: Vec<String>,
    /// Its workspaces and keys; none where the schema is older than they are.
    pub access: Access,
    /// How large the table of contacts is.
    pub contacts_bytes: i64,
    /// Whether PostgreSQL has ever counted them.
    pub contacts_counted: bool,
}

/// Examines the database that `settings` lead to.
///
/// # Errors
///
/// [`OpenError`] if it can't be reached or asked.
pub async fn examine(settings: &ConnectionSettings) -> Result<Examined, OpenError> {
    let client = settings.connect().await?;
    let server = client.query_typed_one(SERVER, &[]).await?;
    let asked = now_ms();
    let circumstances = client.query_typed_one(CIRCUMSTANCES, &[]).await?;
    let clock_ahead_ms = ahead_ms(asked, circumstances.try_get("now_ms")?, now_ms());
    let statistics = client.query_typed_opt(STATISTICS, &[]).await?;
    let (contacts_bytes, rows) = match statistics {
        Some(row) => (row.try_get("size_bytes")?, row.try_get::<_, f64>("rows")?),
        None => (0, 0.0),
    };
    let kept = client.query_typed(KEPT_TABLES, &[]).await?;
    let version: i32 = server.try_get("version")?;
    let schema = schema_version(&client).await?;
    let access = if schema < SCHEMA_OF_ACCESS {
        Access::default()
    } else {
        access::read(&client.query_typed(ACCESS, &[]).await?)?
    };
    Ok(Examined {
        version: version / 10_000,
        version_is_enough: version >= SERVER_VERSION_MIN,
        encoding: server.try_get("encoding")?,
        fsync: server.try_get::<_, &str>("fsync")? != "off",
        synchronous_commit: server.try_get("synchronous_commit")?,
        full_page_writes: circumstances.try_get::<_, &str>("full_page_writes")? != "off",
        is_standby: circumstances.try_get("is_standby")?,
        connections_max: circumstances.try_get("connections_max")?,
        connection_limit: settings.connections_max(),
        clock_ahead_ms,
        schema,
        known_schema: known_version(),
        log_is_empty: log_is_empty(&client).await?,
        original: original_name(&client, settings.schema()).await?,
        kept_tables: kept.iter().map(|row| row.try_get("schema")).collect::<Result<_, _>>()?,
        access,
        contacts_bytes,
        contacts_counted: rows > 0.0,
    })
}

/// The server told its time somewhere between these two of ours: within them, nobody is ahead.
fn ahead_ms(asked: i64, told: i64, answered: i64) -> i64 {
    if told > answered { told - answered } else { (told - asked).min(0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_ahead_by_what_the_way_does_not_explain() {
        for (asked, told, answered, want) in
            [(100, 110, 120, 0), (100, 125, 120, 5), (100, 90, 120, -10), (100, 100, 100, 0)]
        {
            assert_eq!(ahead_ms(asked, told, answered), want, "{asked} {told} {answered}");
        }
    }
}

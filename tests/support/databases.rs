//! Databases for a test, of either engine: SQLite files in folders of their own, or a database on a PostgreSQL
//! cluster of the test's own. What runs against one runs unchanged against the other.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use selfsame_store::Store;
use tempfile::TempDir;
use tokio::sync::OnceCell;
use tokio_postgres::{Client, NoTls};

use crate::postgres::cluster::Cluster;
use crate::scenario::{Row, by_age};
use crate::server::{open_postgres, open_postgres_within, open_sqlite};

/// How long nobody waits, even at full size and in a slow build.
pub const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// Where a test's databases come from.
pub enum Databases {
    Sqlite,
    Postgres(Box<OneDatabase>),
}

/// A cluster, and the one database on it that a test uses again and again.
pub struct OneDatabase {
    cluster: Cluster,
    url: OnceCell<String>,
}

/// A database, which ends with its [`Databases`] or with this value, whichever is first.
pub enum Database {
    Sqlite(TempDir),
    Postgres { url: String },
}

impl Databases {
    /// On a cluster of its own, of the system's version.
    pub fn postgres() -> Self {
        Self::on(Cluster::start())
    }

    /// On a cluster with settings of its own.
    pub fn on(cluster: Cluster) -> Self {
        Self::Postgres(Box::new(OneDatabase { cluster, url: OnceCell::new() }))
    }

    /// A database that holds nothing but the schema. On PostgreSQL it is the one there was before, emptied: making
    /// one takes longer than most histories.
    pub async fn empty(&self) -> Database {
        match self {
            Self::Sqlite => {
                Database::Sqlite(tempfile::tempdir().expect("there is room for a temporary folder"))
            }
            Self::Postgres(one) => {
                let database = Database::Postgres { url: one.url.get_or_init(|| one.create()).await.clone() };
                database.execute(EMPTY).await;
                database
            }
        }
    }
}

/// For sentences.
impl fmt::Display for Databases {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::Postgres(_) => "PostgreSQL",
        })
    }
}

impl OneDatabase {
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    async fn create(&self) -> String {
        let url = self.cluster.create_database("shop").await;
        open_postgres(&url).await.close().await.expect("a pool closes");
        url
    }
}

/// What was there when it was made stays: the schema and the default workspace.
const EMPTY: &str =
    "TRUNCATE contacts, identifiers, events, event_contacts, kept_apart, refusals, answers, webhooks, imports, keys;
    DELETE FROM workspaces WHERE workspace <> 1;
    UPDATE workspaces SET name = 'default', last_sequence = 0, last_contact_id = 0, last_event_at_ms = 0,
        contact_count = 0, identity_count = 0, policy = NULL, policy_sequence = 0, is_plain = TRUE;";

impl Database {
    /// A store over it. On PostgreSQL several may be open at once, as replicas have it.
    pub async fn open(&self) -> Arc<dyn Store> {
        match self {
            Self::Sqlite(folder) => open_sqlite(&folder.path().join("selfsame.db")),
            Self::Postgres { url } => open_postgres(url).await,
        }
    }

    /// The same, where whoever asks has time: laws are judged, not how soon an answer comes.
    pub async fn open_for_the_patient(&self) -> Arc<dyn Store> {
        match self {
            Self::Sqlite(_) => self.open().await,
            Self::Postgres { url } => open_postgres_within(url, PATIENCE).await,
        }
    }

    /// What `DATABASE_URL` calls it.
    pub fn url(&self) -> String {
        match self {
            Self::Sqlite(folder) => format!("sqlite:{}", folder.path().join("selfsame.db").display()),
            Self::Postgres { url } => url.clone(),
        }
    }

    /// Writes rows past the log: states that only an import or an adoption makes.
    pub async fn give(&self, rows: &[Row]) {
        if !rows.is_empty() {
            self.execute(&self.insert(rows)).await;
        }
    }

    /// The rows of a query that has one column, a text. Over SQLite, all stores must be closed.
    pub async fn texts(&self, sql: &str) -> Vec<String> {
        match self {
            Self::Sqlite(_) => {
                let connection = self.sqlite();
                let mut statement = connection.prepare(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
                let rows = statement.query_map((), |row| row.get(0)).expect("it has no parameters");
                rows.collect::<Result<_, _>>().unwrap_or_else(|error| panic!("{sql}: {error}"))
            }
            Self::Postgres { url } => {
                let rows = connect(url).await.query(sql, &[]).await;
                let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
                rows.iter().map(|row| row.get(0)).collect()
            }
        }
    }

    /// Runs statements on it, past selfsame. Over SQLite, all stores must be closed.
    pub async fn execute(&self, sql: &str) {
        match self {
            Self::Sqlite(_) => {
                drop(self.open().await);
                self.sqlite().execute_batch(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
            }
            Self::Postgres { url } => {
                let executed = connect(url).await.batch_execute(sql).await;
                executed.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
            }
        }
    }

    /// The statements that write `rows` and who owns their values.
    fn insert(&self, rows: &[Row]) -> String {
        insert(rows, |row, kind, value| match self {
            Self::Sqlite(_) => format!("UPDATE contacts SET owns_{kind} = 1 WHERE id = {};\n", row.id),
            Self::Postgres { .. } => format!(
                "INSERT INTO identifiers (workspace, kind, value, contact_id) VALUES (1, {}, {}, {});\n",
                quoted(kind),
                quoted(value),
                row.id
            ),
        })
    }

    fn sqlite(&self) -> rusqlite::Connection {
        let Self::Sqlite(folder) = self else { panic!("it is no file") };
        rusqlite::Connection::open(folder.path().join("selfsame.db")).expect("it was made before")
    }
}

/// A connection that finds selfsame's tables by their bare names, as SQLite does.
pub async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the cluster is up");
    // Its error reaches whoever waits for an answer.
    tokio::spawn(async move { drop(connection.await) });
    client.batch_execute("SET search_path = selfsame").await.expect("any name may stand there");
    client
}

/// The statements that write `rows`; `own` gives the one that makes a row the owner of a value.
fn insert(rows: &[Row], own: impl Fn(&Row, &str, &str) -> String) -> String {
    let mut sql = String::new();
    let mut owned = BTreeSet::new();
    for row in by_age(rows) {
        let value = |kind: &str| row.values.iter().find(|(name, _)| name == kind).map(|(_, value)| value);
        let values = [
            Some(row.id.to_string()),
            value("email").map(quoted),
            value("phone").map(quoted),
            row.linked_to.map(|id| id.to_string()),
            row.at.map(|at| at.to_string()),
            row.updated.or(row.at).map(|at| at.to_string()),
        ];
        let values = values.map(|value| value.unwrap_or_else(|| "NULL".to_owned())).join(", ");
        sql += &format!(
            "INSERT INTO contacts (workspace, id, email, phone, linked_id, created_at_ms, updated_at_ms)
             VALUES (1, {values});\n"
        );
        for (kind, value) in &row.values {
            if owned.insert((kind, value)) {
                sql += &own(row, kind, value);
            }
        }
    }
    let last_contact = rows.iter().map(|row| row.id).max().unwrap_or_default();
    let last_event_at = rows.iter().filter_map(|row| row.updated.or(row.at)).max().unwrap_or_default();
    sql + &format!(
        "UPDATE workspaces SET last_contact_id = {last_contact}, last_event_at_ms = {last_event_at},
            contact_count = (SELECT count(*) FROM contacts WHERE deleted_at_ms IS NULL),
            identity_count = (SELECT count(*) FROM contacts WHERE deleted_at_ms IS NULL AND linked_id IS NULL);"
    )
}

fn quoted(text: impl AsRef<str>) -> String {
    format!("'{}'", text.as_ref().replace('\'', "''"))
}

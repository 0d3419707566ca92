//! Databases of the original service: its table as it makes it, and rows as it leaves them.

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::deadline::run_to_end;
use crate::postgres::binaries::Binaries;
use crate::postgres::cluster::Cluster;
use crate::postgres::settings::Settings;
use crate::process::command;

/// The table as the original makes it.
pub const TABLE: &str = r#"CREATE TABLE "Contact" (
    "id" SERIAL NOT NULL,
    "phoneNumber" TEXT,
    "email" TEXT,
    "linkedId" INTEGER,
    "linkPrecedence" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,
    "deletedAt" TIMESTAMP(3),
    CONSTRAINT "Contact_pkey" PRIMARY KEY ("id")
);"#;

/// A database in a cluster of its own, and a folder for the program's runs.
pub struct Original {
    pub cluster: Cluster,
    pub folder: TempDir,
    /// The database that `DATABASE_URL` names; `postgres` unless a test makes others.
    pub url: String,
}

impl Original {
    /// An empty database, without the table.
    pub fn without_table() -> Self {
        Self::on(Binaries::of_the_system())
    }

    /// The same, on another version of PostgreSQL.
    pub fn on(binaries: Binaries) -> Self {
        // As in production, where the program warns of nothing.
        let cluster = Cluster::start_with(binaries, Settings::default().durable());
        let url = cluster.url("postgres");
        Self { cluster, folder: tempfile::tempdir().expect("there is room for a folder"), url }
    }

    /// The original's table with the rows of [`insert`].
    pub async fn with(rows: &str) -> Self {
        let original = Self::without_table();
        original.execute(&format!("{TABLE}{}", insert(rows))).await;
        original
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A command line of the program on this database.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(self.folder(), arguments);
        command.env("DATABASE_URL", &self.url);
        command
    }

    /// Runs the program to its end: exit code, standard output, standard error.
    pub fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut arguments = arguments.to_vec();
        arguments.extend(["--database-url", &self.url]);
        told(&run_to_end(self.folder(), &arguments))
    }

    /// As [`Self::run`], for what must succeed and say nothing beside its output.
    pub fn output(&self, arguments: &[&str]) -> String {
        let (code, output, error) = self.run(arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {output}{error}");
        output
    }

    /// A connection as superuser.
    pub async fn connect(&self) -> Client {
        self.cluster.connect("postgres").await
    }

    pub async fn execute(&self, sql: &str) {
        self.cluster.execute("postgres", sql).await;
    }

    /// The rows of a query, a line each, their columns as text and null as `-`.
    pub async fn query(&self, sql: &str) -> String {
        let messages = self.connect().await.simple_query(sql).await;
        let messages = messages.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let lines = messages.iter().filter_map(|message| {
            let SimpleQueryMessage::Row(row) = message else { return None };
            let columns = (0..row.len()).map(|column| row.get(column).unwrap_or("-"));
            Some(columns.collect::<Vec<_>>().join(" ") + "\n")
        });
        lines.collect()
    }

    /// Everything in the database: what there is, to whom it is open, and every row.
    pub async fn dump(&self) -> String {
        let mut dump = self.query(RELATIONS).await;
        for table in self.query(TABLES).await.lines() {
            dump += &format!("{table}\n{}", self.query(&format!("TABLE {table}")).await);
        }
        dump
    }
}

/// Every table, view, index and sequence of somebody's, with its owner, its grants and its columns.
const RELATIONS: &str = "SELECT relation.oid::regclass, relkind, relowner::regrole, relacl, pg_get_viewdef(relation.oid),
        (SELECT string_agg(concat_ws(' ', attname, format_type(atttypid, atttypmod), attnotnull), ', ' ORDER BY attnum)
            FROM pg_attribute WHERE attrelid = relation.oid AND NOT attisdropped)
    FROM pg_class AS relation JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') ORDER BY relation.oid::regclass::text";

/// What of these has rows.
const TABLES: &str = "SELECT relation.oid::regclass
    FROM pg_class AS relation JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relkind IN ('r', 'S') AND nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') ORDER BY relation.oid::regclass::text";

/// Statements that insert rows, written a line each:
/// `id email phone linkedId linkPrecedence createdAt updatedAt deletedAt`. Times are minutes of 2026, `-` is null, and
/// `_` is a space. Lines that begin with `#` say what the rows are.
pub fn insert(rows: &str) -> String {
    let mut sql = String::new();
    for line in rows.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [id, email, phone, linked_id, precedence, created, updated, deleted] = columns[..] else {
            panic!("eight columns, not {line}");
        };
        let text = |text: &str| match text {
            "-" => "NULL".to_owned(),
            text => format!("'{}'", text.replace('_', " ")),
        };
        let number = |text: &str| if text == "-" { "NULL".to_owned() } else { text.to_owned() };
        let time = |text: &str| match text {
            "-" => "NULL".to_owned(),
            minutes => format!("TIMESTAMP '2026-01-01' + {minutes} * INTERVAL '1 minute'"),
        };
        sql += &format!(
            "INSERT INTO \"Contact\" (id, email, \"phoneNumber\", \"linkedId\", \"linkPrecedence\", \
             \"createdAt\", \"updatedAt\", \"deletedAt\") VALUES ({id}, {}, {}, {}, {}, {}, {}, {});\n",
            text(email),
            text(phone),
            number(linked_id),
            text(precedence),
            time(created),
            time(updated),
            time(deleted)
        );
    }
    sql + "SELECT setval(pg_get_serial_sequence('\"Contact\"', 'id'), coalesce(max(id), 1)) FROM \"Contact\";"
}

/// The exit code, standard output and standard error.
pub fn told(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("the program speaks UTF-8");
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

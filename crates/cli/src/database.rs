//! `DATABASE_URL`: which store, and where. The only place that knows how many stores there are.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use selfsame_store::{Migrations, Store};
use selfsame_store_postgres::{ConnectionSettings, InvalidUrl, PostgresStore};
use selfsame_store_sqlite::SqliteStore;

use crate::settings::{DatabaseSettings, load_file, variable};

/// The file that is used when nothing is said.
const DEFAULT_URL: &str = "sqlite:selfsame.db";

/// How long a command waits for an answer of the database.
pub(crate) const COMMAND_PATIENCE: Duration = Duration::from_secs(10);

/// Where the data is.
#[derive(Clone, Debug)]
pub(crate) enum Database {
    /// The SQLite file, as it was named.
    Sqlite(PathBuf),
    /// A PostgreSQL database.
    Postgres(Box<ConnectionSettings>),
}

/// Why a URL names no database. The URL itself is not told: it may hold a password.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidDatabaseUrl {
    #[error(transparent)]
    Postgres(#[from] InvalidUrl),
    #[error(
        "DATABASE_URL must begin with `sqlite:` or `postgresql:`\n\
         hint: for example sqlite:selfsame.db, or postgresql://user:password@localhost:5432/shop"
    )]
    UnknownScheme,
    #[error("DATABASE_URL names no file after `sqlite:`\nhint: for example sqlite:selfsame.db")]
    NoPath,
    #[error(
        "DATABASE_URL asks for a database in memory, which could keep no promise of durability\nhint: name a file, for example sqlite:selfsame.db"
    )]
    InMemory,
    #[error("DATABASE_URL has parameters after `?`, which a SQLite file doesn't take\nhint: leave them out")]
    Parameters,
}

impl Database {
    /// Reads `sqlite:PATH` (`sqlite://PATH` is the same), `postgresql://…` or `postgres://…`.
    ///
    /// `variable` gives the variables that stand in for what a PostgreSQL URL leaves out.
    pub(crate) fn parse(
        url: &str,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, InvalidDatabaseUrl> {
        if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            return Ok(Self::Postgres(Box::new(ConnectionSettings::parse(url, variable)?)));
        }
        let path = url.strip_prefix("sqlite:").ok_or(InvalidDatabaseUrl::UnknownScheme)?;
        let path = path.strip_prefix("//").unwrap_or(path);
        match path {
            "" => Err(InvalidDatabaseUrl::NoPath),
            ":memory:" => Err(InvalidDatabaseUrl::InMemory),
            _ if path.ends_with('/') => Err(InvalidDatabaseUrl::NoPath),
            _ if path.contains('?') => Err(InvalidDatabaseUrl::Parameters),
            _ => Ok(Self::Sqlite(path.into())),
        }
    }

    /// The database that the settings choose.
    pub(crate) fn chosen_by(settings: &DatabaseSettings) -> anyhow::Result<Self> {
        let database = Self::parse(settings.database_url.as_deref().unwrap_or(DEFAULT_URL), variable()?)?;
        if let Self::Postgres(settings) = &database {
            settings.warnings().iter().for_each(|warning| tracing::warn!("DATABASE_URL: {warning}"));
        }
        Ok(database)
    }

    /// The database of a command: its flag, the environment, the file, the default.
    pub(crate) fn of_command(
        given: DatabaseSettings,
        common: &crate::CommonArguments,
    ) -> anyhow::Result<Self> {
        Self::chosen_by(&given.or(load_file(common.config.as_deref())?.database))
    }

    /// Opens it for writing; `answer_within` bounds what it makes a request wait.
    pub(crate) async fn open(
        &self,
        migrations: Migrations,
        answer_within: Duration,
    ) -> anyhow::Result<Arc<dyn Store>> {
        Ok(match self {
            Self::Sqlite(path) => Arc::new(SqliteStore::open(path, migrations)?),
            Self::Postgres(settings) => {
                Arc::new(PostgresStore::open(settings, migrations, answer_within).await?)
            }
        })
    }

    /// Opens it for reading, beside whatever else has it open.
    pub(crate) async fn open_for_reading(&self) -> anyhow::Result<Arc<dyn Store>> {
        Ok(match self {
            Self::Sqlite(path) => Arc::new(SqliteStore::open_for_reading(path)?),
            Self::Postgres(settings) => {
                Arc::new(PostgresStore::open_for_reading(settings, COMMAND_PATIENCE).await?)
            }
        })
    }

    /// Applies pending migrations and returns those that were pending, or only tells them.
    pub(crate) async fn migrate(&self, dry_run: bool) -> anyhow::Result<Vec<String>> {
        Ok(match self {
            Self::Sqlite(path) => SqliteStore::migrate(path, dry_run)?,
            Self::Postgres(settings) => PostgresStore::migrate(settings, dry_run).await?,
        })
    }

    /// The file, where it is one: only one process writes it, and others reach that one through a socket beside it.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(path) => Some(path),
            Self::Postgres(_) => None,
        }
    }
}

impl std::fmt::Display for Database {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => write!(formatter, "sqlite:{}", path.display()),
            Self::Postgres(settings) => settings.fmt(formatter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_database_or_says_why_not() {
        for (url, want) in [
            ("sqlite:selfsame.db", "sqlite:selfsame.db"),
            ("sqlite://selfsame.db", "sqlite:selfsame.db"),
            ("sqlite:///var/lib/selfsame.db", "sqlite:/var/lib/selfsame.db"),
            ("postgresql://user:secret@db/shop", "postgresql://db:5432/shop"),
            ("postgres://user:secret@db:5433/shop", "postgresql://db:5433/shop"),
            ("sqlite:", "DATABASE_URL names no file after `sqlite:`"),
            ("sqlite://", "DATABASE_URL names no file after `sqlite:`"),
            ("sqlite:folder/", "DATABASE_URL names no file after `sqlite:`"),
            ("sqlite::memory:", "DATABASE_URL asks for a database in memory"),
            ("sqlite:a.db?mode=ro", "DATABASE_URL has parameters after `?`"),
            ("mysql://db/shop", "DATABASE_URL must begin with `sqlite:` or `postgresql:`"),
        ] {
            let told = match Database::parse(url, |_| None) {
                Ok(database) => database.to_string(),
                Err(error) => error.to_string(),
            };
            assert!(told.starts_with(want), "{url}: {told}");
        }
    }
}

//! `DATABASE_URL`: which store, and where. The only place that knows how many stores there are.

use std::path::PathBuf;

use crate::settings::{DatabaseSettings, load_file};

/// The file that is used when nothing is said.
const DEFAULT_URL: &str = "sqlite:selfsame.db";

/// Where the data is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Database {
    /// The SQLite file, as it was named.
    pub(crate) path: PathBuf,
}

/// Why a URL names no database. The URL itself is not told: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidDatabaseUrl {
    #[error(
        "DATABASE_URL names a PostgreSQL database, which this version can't use yet\nhint: use sqlite:PATH, or leave it out"
    )]
    Postgres,
    #[error("DATABASE_URL must begin with `sqlite:`\nhint: for example sqlite:selfsame.db")]
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
    /// Reads `sqlite:PATH`; `sqlite://PATH` is the same.
    pub(crate) fn parse(url: &str) -> Result<Self, InvalidDatabaseUrl> {
        if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            return Err(InvalidDatabaseUrl::Postgres);
        }
        let path = url.strip_prefix("sqlite:").ok_or(InvalidDatabaseUrl::UnknownScheme)?;
        let path = path.strip_prefix("//").unwrap_or(path);
        match path {
            "" => Err(InvalidDatabaseUrl::NoPath),
            ":memory:" => Err(InvalidDatabaseUrl::InMemory),
            _ if path.ends_with('/') => Err(InvalidDatabaseUrl::NoPath),
            _ if path.contains('?') => Err(InvalidDatabaseUrl::Parameters),
            _ => Ok(Self { path: path.into() }),
        }
    }

    /// The database that the settings choose.
    pub(crate) fn chosen_by(settings: &DatabaseSettings) -> Result<Self, InvalidDatabaseUrl> {
        Self::parse(settings.database_url.as_deref().unwrap_or(DEFAULT_URL))
    }

    /// The database of a command: its flag, the environment, the file, the default.
    pub(crate) fn of_command(
        given: DatabaseSettings,
        common: &crate::CommonArguments,
    ) -> anyhow::Result<Self> {
        let settings = given.or(load_file(common.config.as_deref())?.database);
        Ok(Self::chosen_by(&settings)?)
    }
}

impl std::fmt::Display for Database {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "sqlite:{}", self.path.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_file_or_says_why_not() {
        for (url, want) in [
            ("sqlite:selfsame.db", Ok("selfsame.db")),
            ("sqlite://selfsame.db", Ok("selfsame.db")),
            ("sqlite:///var/lib/selfsame.db", Ok("/var/lib/selfsame.db")),
            ("sqlite:", Err(InvalidDatabaseUrl::NoPath)),
            ("sqlite://", Err(InvalidDatabaseUrl::NoPath)),
            ("sqlite:folder/", Err(InvalidDatabaseUrl::NoPath)),
            ("sqlite::memory:", Err(InvalidDatabaseUrl::InMemory)),
            ("sqlite:a.db?mode=ro", Err(InvalidDatabaseUrl::Parameters)),
            ("postgresql://user:secret@db/shop", Err(InvalidDatabaseUrl::Postgres)),
            ("mysql://db/shop", Err(InvalidDatabaseUrl::UnknownScheme)),
        ] {
            let want = want.map(|path| Database { path: path.into() });
            assert_eq!(Database::parse(url), want, "{url}");
        }
    }
}

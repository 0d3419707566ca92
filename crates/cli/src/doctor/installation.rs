//! All that is seen of an installation, by one look at each part of it. Deliberately absent: any judgement.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use selfsame_api::ShopifySecrets;
use selfsame_service::{AdminKey, Clock, SystemClock};
use selfsame_store::Access;
use selfsame_store_postgres::Examined as PostgresExamined;
use selfsame_store_sqlite::{Examined, OpenError, WriterProcess, absolute, examine, writer_of};

use super::machine::Machine;
use super::server::Server;
use crate::database::Database;
use crate::settings::{Settings, load_dotenv, load_file};
use crate::{serve, told};

pub(super) struct Installation {
    /// As `serve` would have them.
    pub(super) settings: Settings,
    /// Why they can't be had; the flags and the environment are in `settings` all the same.
    pub(super) settings_error: Option<String>,
    /// The files that settings were read from.
    pub(super) settings_files: Vec<SettingsFile>,
    /// Nothing, where it is off; otherwise whether the files can be used.
    pub(super) tls: Option<Result<Tls, String>>,
    pub(super) addresses: Result<Vec<SocketAddr>, String>,
    /// The key that the environment or a file gives, or why it can't be one.
    pub(super) admin_key: Result<Option<String>, String>,
    pub(super) shopify_secrets: Result<ShopifySecrets, String>,
    pub(super) database: Result<Database, String>,
    pub(super) embedded: Option<Embedded>,
    pub(super) postgres: Option<Result<PostgresExamined, String>>,
    pub(super) server: Server,
    pub(super) machine: Machine,
}

pub(super) struct SettingsFile {
    pub(super) path: PathBuf,
    pub(super) mode: u32,
    pub(super) has_secret: bool,
}

/// Files of TLS that go together.
pub(super) struct Tls {
    pub(super) key: PathBuf,
    pub(super) key_mode: u32,
}

/// The embedded store's file and what is beside it.
pub(super) struct Embedded {
    pub(super) path: PathBuf,
    /// The file and those beside it that are there, the file first.
    pub(super) files: Vec<FoundFile>,
    pub(super) folder: Option<FoundFile>,
    pub(super) folder_is_writable: bool,
    /// The file is there, and whoever asks may not use it.
    pub(super) is_denied: bool,
    pub(super) disk: Option<Disk>,
    pub(super) writer: std::io::Result<WriterProcess>,
    pub(super) socket_is_there: bool,
    pub(super) examined: Result<Examined, OpenError>,
}

pub(super) struct FoundFile {
    pub(super) path: PathBuf,
    pub(super) mode: u32,
    pub(super) owner: u32,
    pub(super) bytes: u64,
}

pub(super) struct Disk {
    /// The kernel's number of the sort of file system.
    pub(super) sort: u64,
    pub(super) free_bytes: u64,
}

impl Installation {
    pub(super) async fn look(given: Settings, config: Option<PathBuf>) -> Self {
        let (settings, settings_error) = match load_file(config.as_deref()) {
            Ok(file) => (given.or(file), None),
            Err(error) => (given, Some(told(&error))),
        };
        let database = Database::chosen_by(&settings.database).map_err(|error| told(&error));
        let embedded = database.as_ref().ok().and_then(Database::file).map(Embedded::look);
        let postgres = match &database {
            Ok(Database::Postgres(settings)) => {
                let examined = selfsame_store_postgres::examine(settings).await;
                Some(examined.map_err(|error| told(&error.into())))
            }
            _ => None,
        };
        Self {
            settings_error,
            tls: Tls::look(&settings),
            settings_files: settings_files(config.as_deref()),
            admin_key: serve::admin_key(&settings).map_err(|error| told(&error)),
            shopify_secrets: settings.sources.shopify_secrets().map_err(|error| told(&error)),
            addresses: serve::addresses(&settings).await.map_err(|error| told(&error)),
            server: Server::look(&settings).await,
            machine: Machine::look(),
            database,
            embedded,
            postgres,
            settings,
        }
    }

    /// Whether a key would be good for something once `serve` has started; nothing, where the database can't say.
    pub(super) fn will_have_a_key(&self) -> Option<bool> {
        let (access, now) = (self.access()?, SystemClock.now());
        let given = matches!(self.given_key()?, Some(AdminKey::Made | AdminKey::Usable));
        Some(given || access.keys.iter().any(|key| key.facts.is_usable(now)))
    }

    /// What the key that is given would become; nothing, where the database can't say.
    pub(super) fn given_key(&self) -> Option<Option<AdminKey>> {
        let (access, now) = (self.access()?, SystemClock.now());
        let given = self.admin_key.as_ref().ok()?.as_deref();
        Some(given.map(|text| AdminKey::of(text, &access, now)))
    }

    fn access(&self) -> Option<Cow<'_, Access>> {
        let nothing_yet = Access::default();
        let access = match (&self.embedded, &self.postgres) {
            (Some(embedded), _) if embedded.file().is_none() => return Some(Cow::Owned(nothing_yet)),
            (Some(embedded), _) => &embedded.examined.as_ref().ok()?.access,
            (None, Some(postgres)) => &postgres.as_ref().ok()?.access,
            (None, None) => return None,
        };
        Some(Cow::Borrowed(access))
    }

    /// How many contacts the embedded store would hold in memory.
    pub(super) fn embedded_contacts(&self) -> Option<u64> {
        let contents = &self.embedded.as_ref()?.examined.as_ref().ok()?.contents;
        // Ids are dense, and no row is ever taken away.
        let contacts: i64 = contents.heads.values().map(|head| head.last_contact.0).sum();
        u64::try_from(contacts).ok()
    }
}

impl Tls {
    fn look(settings: &Settings) -> Option<Result<Self, String>> {
        let seen = settings.tls.files().transpose()?.and_then(|files| {
            files.check()?;
            let key_mode = files.key.metadata()?.mode() & 0o7777;
            Ok(Self { key: files.key, key_mode })
        });
        Some(seen.map_err(|error| told(&error)))
    }
}

impl Embedded {
    fn look(named: &Path) -> Self {
        let path = absolute(named).unwrap_or_else(|_| named.to_owned());
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let files = ["", "-wal", "-shm", ".lock", ".sock"].map(|suffix| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            FoundFile::at(Path::new(&name))
        });
        let socket_is_there = files[4].is_some();
        Self {
            files: files.into_iter().flatten().collect(),
            folder: FoundFile::at(folder),
            folder_is_writable: rustix::fs::access(
                folder,
                rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK,
            )
            .is_ok(),
            is_denied: rustix::fs::access(&path, rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK)
                == Err(rustix::io::Errno::ACCESS),
            disk: Disk::of(folder),
            writer: writer_of(&path),
            socket_is_there,
            examined: examine(&path),
            path,
        }
    }

    /// The database file itself.
    pub(super) fn file(&self) -> Option<&FoundFile> {
        self.files.first().filter(|file| file.path == self.path)
    }

    /// How large the file with this ending is; 0 if it isn't there.
    pub(super) fn bytes_of(&self, suffix: &str) -> u64 {
        let mut name = self.path.as_os_str().to_owned();
        name.push(suffix);
        self.files.iter().find(|file| file.path.as_os_str() == name).map_or(0, |file| file.bytes)
    }
}

impl FoundFile {
    fn at(path: &Path) -> Option<Self> {
        let metadata = path.metadata().ok()?;
        let mode = metadata.mode() & 0o7777;
        Some(Self { path: path.to_owned(), mode, owner: metadata.uid(), bytes: metadata.len() })
    }
}

impl Disk {
    fn of(folder: &Path) -> Option<Self> {
        let found = rustix::fs::statfs(folder).ok()?;
        let block = u64::try_from(found.f_bsize).ok()?;
        // A number of 32 bits, which some have signed.
        let sort = u64::from_ne_bytes(found.f_type.to_ne_bytes()) & 0xffff_ffff;
        Some(Self { sort, free_bytes: found.f_bavail.saturating_mul(block) })
    }
}

/// `.env` and the TOML file, where they are there.
fn settings_files(config: Option<&Path>) -> Vec<SettingsFile> {
    let dotenv = load_dotenv().is_ok_and(|dotenv| {
        dotenv.iter().any(|(name, value)| is_secret(name) || name == "DATABASE_URL" && has_password(value))
    });
    let toml = load_file(config).is_ok_and(|file| {
        file.admin_key.is_some()
            || file.sources.has_secret()
            || file.database.database_url.is_some_and(|url| has_password(&url))
    });
    let files = [(Path::new(".env"), dotenv), (config.unwrap_or(Path::new("selfsame.toml")), toml)];
    let found = files.into_iter().filter_map(|(path, has_secret)| {
        let mode = path.metadata().ok()?.mode() & 0o7777;
        Some(SettingsFile { path: path.to_owned(), mode, has_secret })
    });
    found.collect()
}

fn is_secret(name: &str) -> bool {
    // A key of TLS is in the file that its setting names.
    name.ends_with("PASSWORD")
        || name.ends_with("_SECRETS")
        || name.ends_with("_KEY") && name != "SELFSAME_TLS_KEY"
}

/// `postgresql://user:password@host`, or `?password=`.
fn has_password(url: &str) -> bool {
    let (_, rest) = url.split_once("://").unwrap_or(("", url));
    rest.rsplit_once('@').is_some_and(|(user, _)| user.contains(':')) || rest.contains("password=")
}

#[cfg(test)]
mod tests {
    use super::has_password;

    #[test]
    fn a_url_with_a_password_is_known() {
        for (url, want) in [
            ("postgresql://shop:secret@db/shop", true),
            ("postgresql://db/shop?user=shop&password=secret", true),
            ("postgresql://shop@db:5432/shop", false),
            ("sqlite:selfsame.db", false),
        ] {
            assert_eq!(has_password(url), want, "{url}");
        }
    }
}

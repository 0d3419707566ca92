//! A folder in which the program finds its database by itself, whichever store that is: what is proved of a server
//! on SQLite is proved of one on PostgreSQL by the same lines.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use selfsame_store::Store;
use tempfile::TempDir;

use crate::postgres::binaries::Binaries;
use crate::postgres::cluster::Cluster;
use crate::postgres::settings::Settings;
use crate::server::{open_postgres, open_sqlite};

/// The password in the URL of [`Home::postgres`]: no log may have it.
pub const PASSWORD: &str = "hunter2-and-more";

/// A folder for the program, and the cluster that holds its database.
pub struct Home {
    cluster: Option<Cluster>,
    folder: TempDir,
    url: Option<String>,
}

impl Home {
    /// With `selfsame.db` in the folder.
    pub fn sqlite() -> Self {
        Self { cluster: None, folder: folder(), url: None }
    }

    /// With an empty database in a cluster of its own, which is as durable as in production and asks for
    /// [`PASSWORD`].
    pub async fn postgres() -> Self {
        let settings = Settings::default().durable().access(&["host all all 127.0.0.1/32 scram-sha-256"]);
        let cluster = Cluster::start_with(Binaries::of_the_system(), settings);
        cluster.execute("postgres", &format!("CREATE ROLE shop LOGIN PASSWORD '{PASSWORD}'")).await;
        cluster.execute("postgres", "CREATE DATABASE shop OWNER shop").await;
        let url = format!("postgresql://shop:{PASSWORD}@127.0.0.1:{}/shop?sslmode=disable", cluster.port());
        Self::of_cluster(cluster, &url)
    }

    /// With a database of a cluster, by any way to it.
    pub fn of_cluster(cluster: Cluster, url: &str) -> Self {
        let folder = folder();
        std::fs::write(folder.path().join(".env"), format!("DATABASE_URL='{url}'\n"))
            .expect("our own folder can be written");
        Self { cluster: Some(cluster), folder, url: Some(url.to_owned()) }
    }

    /// The same, with another address on the way to the database.
    #[must_use]
    pub fn by_way_of(self, address: SocketAddr) -> Self {
        let (cluster, url) = self.cluster.zip(self.url).expect("the database is in PostgreSQL");
        let url = url.replace(&format!("127.0.0.1:{}", cluster.port()), &address.to_string());
        Self::of_cluster(cluster, &url)
    }

    /// The folder to start the program in.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The URL of the database, where it has one.
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// The cluster, where there is one.
    pub fn cluster(&mut self) -> &mut Cluster {
        self.cluster.as_mut().expect("the database is in PostgreSQL")
    }

    /// The database, opened by this process.
    pub async fn open(&self) -> Arc<dyn Store> {
        open(self.path()).await
    }
}

/// The database of a home's folder, opened by this process.
pub async fn open(folder: &Path) -> Arc<dyn Store> {
    let settings = std::fs::read_to_string(folder.join(".env")).unwrap_or_default();
    match settings.trim().strip_prefix("DATABASE_URL='").and_then(|rest| rest.strip_suffix('\'')) {
        None => open_sqlite(&folder.join("selfsame.db")),
        Some(url) => open_postgres(url).await,
    }
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("there is room for a temporary folder")
}

//! Connections that only read, for lookups: as many as may run at once, each used by one at a time.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use selfsame_store::StoreError;
use tokio::sync::Semaphore;

use crate::connection::{OpenError, open_for_reading};

/// How many lookups may run at once. They mostly wait for memory, not for the disk, so a few are enough.
const AT_ONCE: usize = 8;

/// A pool of reading connections, opened when first needed.
#[derive(Debug, Clone)]
pub(crate) struct Readers {
    path: PathBuf,
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    /// A pool for that file, with its first connection open, so that a bad file is told at once.
    pub(crate) fn open(path: PathBuf) -> Result<Self, OpenError> {
        let first = open_for_reading(&path)?;
        Ok(Self { path, idle: Arc::new(Mutex::new(vec![first])), permits: Arc::new(Semaphore::new(AT_ONCE)) })
    }

    /// Runs `work` with a connection on a thread that may block.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.map_err(|_| StoreError::NotWritable)?;
        let readers = self.clone();
        let task = tokio::task::spawn_blocking(move || {
            let mut connection = readers.take()?;
            let result = work(&mut connection);
            readers.give_back(connection);
            drop(permit);
            result
        });
        task.await.map_err(StoreError::failed)?
    }

    /// Lets running lookups end, refuses new ones, and closes the connections.
    pub(crate) async fn close(&self) {
        let at_once = u32::try_from(AT_ONCE).expect("a handful");
        // Fails only if it is closed already.
        let _all = self.permits.acquire_many(at_once).await;
        self.permits.close();
        self.lock().clear();
    }

    fn take(&self) -> Result<Connection, StoreError> {
        if let Some(connection) = self.lock().pop() {
            return Ok(connection);
        }
        open_for_reading(&self.path).map_err(|error| StoreError::Unavailable(Arc::new(error)))
    }

    fn give_back(&self, connection: Connection) {
        self.lock().push(connection);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().expect("nothing panics while it holds the list")
    }
}

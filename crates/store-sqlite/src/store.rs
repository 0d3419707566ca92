//! The store as callers see it: opened for writing or for reading, then used through the trait.

use std::fs::File;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::Connection;
use selfsame_rules::{Observation, Plan, Timestamp};
use selfsame_store::{
    Access, AccessChange, AccessDecision, Carried, Corrected, CorrectionDecision, Following, ImportNote,
    Kept, KeptAnswer, Look, Migrations, Once, OnceDecision, PageAsked, PersonPage, Recall, Recalled, Record,
    Scan, Scanned, Scrubbed, Store, StoreError, WebhookChange, WebhookDecision, WebhookNote, WebhookRow,
    WorkspaceKey,
};
use tokio::sync::{mpsc, oneshot};

use crate::access::access;
use crate::answers::kept;
use crate::checkpoint::Checkpoints;
use crate::connection::{
    OpenError, absolute, open_for_checkpoints, open_for_reading, open_for_writing, pending, refuse_others,
};
use crate::error::store_error;
use crate::file::OpenedFile;
use crate::imports::import_note;
use crate::indexes::Indexes;
use crate::job::{Answer, Job};
use crate::load::{load, standing};
use crate::lock::{WriterLock, beside};
use crate::page::page;
use crate::recall::recall;
use crate::scan::scan;
use crate::scrub::{Debt, Owed, cut_off_log, is_left, settle_at_start};
use crate::webhooks::webhooks;
use crate::writer::Writer;

/// How long the end waits for those who read.
const READERS_END_WITHIN: Duration = Duration::from_secs(1);

/// A selfsame database in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    /// What look-ups are answered from. `None` when opened for reading, where another process may write.
    indexes: Option<Arc<Indexes>>,
    closed: AtomicBool,
    /// Held for as long as a connection of its own reads. The last that closes removes the log beside the file.
    aside: Arc<tokio::sync::RwLock<()>>,
    owed: Arc<Owed>,
    /// One scrub at a time. In it the database's file, once it was needed.
    scrubbing: tokio::sync::Mutex<Option<ManuallyDrop<Arc<File>>>>,
    /// `None` when opened for reading, and after `close`.
    writing: Mutex<Option<Writing>>,
}

/// What only the one process that writes has.
#[derive(Debug)]
struct Writing {
    jobs: mpsc::Sender<Job>,
    thread: JoinHandle<()>,
    files: [OpenedFile; 2],
    /// Given back last, when the thread has closed its connection.
    lock: WriterLock,
}

impl SqliteStore {
    /// Opens the file for writing; makes it, and brings its schema up to date, where needed and allowed.
    ///
    /// # Errors
    ///
    /// [`OpenError::InUse`] at once if another process has it; otherwise what is wrong with the file.
    pub fn open(path: &Path, migrations: Migrations) -> Result<Self, OpenError> {
        let path = absolute(path)?;
        refuse_others(&path)?;
        let lock = WriterLock::take(&path).map_err(|error| OpenError::from_lock(&path, error))?;
        let mut connection = open_for_writing(&path, migrations)?;
        let owed = settle_at_start(&connection, &path)?;
        let io = |source| OpenError::Io { path: path.clone(), source };
        let checkpoints = Checkpoints::start(&mut connection, open_for_checkpoints(&path)?)
            .map_err(|error| OpenError::from_checkpoints(&path, error))?;
        let writer = Writer::new(connection, checkpoints, Arc::clone(&owed))
            .map_err(|source| OpenError::Unreadable { path: path.clone(), source })?;
        let indexes = Some(writer.indexes());
        // The log was made when the first transaction looked for it.
        let files = [path.clone(), beside(&path, "-wal")].map(OpenedFile::at);
        let [database, log] = files.map(|file| file.map_err(io));
        let files = [database?, log?];
        let (jobs, waiting) = mpsc::channel(16);
        let thread = writer.start(waiting, files.clone()).map_err(io)?;
        let writing = Mutex::new(Some(Writing { jobs, thread, files, lock }));
        Ok(Self::at(path, indexes, owed, writing))
    }

    /// Opens the file for reading, beside a process that writes or without one. It changes nothing in it.
    ///
    /// # Errors
    ///
    /// [`OpenError::Missing`] if there is no file; otherwise what is wrong with it.
    pub fn open_for_reading(path: &Path) -> Result<Self, OpenError> {
        let path = absolute(path)?;
        refuse_others(&path)?;
        drop(open_for_reading(&path)?);
        Ok(Self::at(path, None, Arc::default(), Mutex::new(None)))
    }

    fn at(
        path: PathBuf,
        indexes: Option<Arc<Indexes>>,
        owed: Arc<Owed>,
        writing: Mutex<Option<Writing>>,
    ) -> Self {
        let scrubbing = tokio::sync::Mutex::default();
        Self {
            path,
            indexes,
            closed: AtomicBool::new(false),
            aside: Arc::default(),
            owed,
            scrubbing,
            writing,
        }
    }

    /// Applies pending migrations and returns those that were pending, or only tells them.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn migrate(path: &Path, dry_run: bool) -> Result<Vec<String>, OpenError> {
        let path = absolute(path)?;
        refuse_others(&path)?;
        let pending = pending(&path)?;
        if !dry_run {
            let lock = WriterLock::take(&path).map_err(|error| OpenError::from_lock(&path, error))?;
            drop(open_for_writing(&path, Migrations::Apply)?);
            drop(lock);
        }
        Ok(pending)
    }

    /// The file, in its one spelling.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the process that writes `database` listens for commands of others.
    ///
    /// # Errors
    ///
    /// As [`absolute`].
    pub fn socket_of(database: &Path) -> Result<PathBuf, OpenError> {
        Ok(beside(&absolute(database)?, ".sock"))
    }

    fn jobs(&self) -> Result<mpsc::Sender<Job>, StoreError> {
        let writing = self.writing.lock().expect("nothing panics while it holds this");
        writing.as_ref().map(|writing| writing.jobs.clone()).ok_or(StoreError::NotWritable)
    }

    /// What became of a job that the writer is given.
    async fn done<T>(&self, job: impl FnOnce(Answer<T>) -> Job) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.jobs()?.send(job(answer)).await.map_err(|_| StoreError::NotWritable)?;
        answered.await.map_err(|_| StoreError::failed("the writer ended before it answered"))?
    }

    fn refuse_if_closed(&self) -> Result<(), StoreError> {
        if self.closed.load(Ordering::Acquire) { Err(StoreError::NotWritable) } else { Ok(()) }
    }

    fn files_still_there(&self) -> Result<(), StoreError> {
        let writing = self.writing.lock().expect("nothing panics while it holds this");
        writing.iter().flat_map(|writing| &writing.files).try_for_each(OpenedFile::still_there)
    }

    /// One try to bring the files to where nothing erased is in them.
    async fn scrub_once(
        &self,
        debt: &Debt,
        file: &mut Option<ManuallyDrop<Arc<File>>>,
    ) -> Result<Scrubbed, StoreError> {
        if !self.cut_off().await? {
            return Ok(Scrubbed::HeldByReader);
        }
        let opened = match file {
            Some(opened) => Arc::clone(opened),
            None => {
                // Never closed: that would drop SQLite's locks on it, which are the process's.
                let opened = Arc::new(File::open(&self.path).map_err(StoreError::failed)?);
                Arc::clone(file.insert(ManuallyDrop::new(opened)))
            }
        };
        let (path, sought) = (self.path.clone(), debt.clone());
        let looking = move || is_left(&ManuallyDrop::new(opened), &path, &sought);
        let is_left = tokio::task::spawn_blocking(looking).await.map_err(StoreError::failed)??;
        if is_left {
            self.done(|answer| Job::Pack { answer }).await?;
            if !self.cut_off().await? {
                return Ok(Scrubbed::HeldByReader);
            }
        }
        Ok(if is_left { Scrubbed::WrittenAnew } else { Scrubbed::Clean })
    }

    async fn cut_off(&self) -> Result<bool, StoreError> {
        let path = self.path.clone();
        tokio::task::spawn_blocking(move || cut_off_log(&path)).await.map_err(StoreError::failed)?
    }

    /// Runs `work` on a connection and a thread of its own, so that it may take its time.
    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (path, reading) = (self.path.clone(), Arc::clone(&self.aside).read_owned().await);
        self.refuse_if_closed()?;
        let task = tokio::task::spawn_blocking(move || {
            let mut connection =
                open_for_reading(&path).map_err(|error| StoreError::Unavailable(Arc::new(error)))?;
            let done = work(&mut connection);
            drop((connection, reading));
            done
        });
        task.await.map_err(StoreError::failed)?
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn look(
        &self,
        workspace: WorkspaceKey,
        _observations: Vec<Observation>,
        look: &mut Look<'_>,
    ) -> Result<(), StoreError> {
        self.refuse_if_closed()?;
        if let Some(indexes) = &self.indexes {
            return indexes.look(workspace, |index| look(index));
        }
        let load = move |connection: &mut Connection| {
            load(&connection.transaction().map_err(store_error)?, workspace)
        };
        look(&self.aside(load).await?.index);
        Ok(())
    }

    fn shows_everything(&self) -> bool {
        true
    }

    async fn write_once(
        &self,
        workspace: WorkspaceKey,
        _observations: Vec<Observation>,
        _once: Vec<Once>,
        decision: OnceDecision,
    ) -> Result<Plan, StoreError> {
        self.done(|answer| Job::Write { workspace, decision, answer }).await
    }

    async fn recall(&self, workspace: WorkspaceKey, wanted: Recall) -> Result<Recalled, StoreError> {
        self.refuse_if_closed()?;
        let indexes = self.indexes.clone();
        self.aside(move |connection| {
            let transaction = connection.transaction().map_err(store_error)?;
            let knowledge = indexes.as_ref().map(|indexes| indexes.knowledge(workspace));
            recall(&transaction, workspace, wanted, knowledge)
        })
        .await
    }

    async fn page(
        &self,
        workspace: WorkspaceKey,
        asked: PageAsked,
    ) -> Result<Option<PersonPage>, StoreError> {
        self.refuse_if_closed()?;
        let indexes = self.indexes.clone();
        self.aside(move |connection| {
            let transaction = connection.transaction().map_err(store_error)?;
            let knowledge = indexes.as_ref().map(|indexes| indexes.knowledge(workspace));
            page(&transaction, workspace, &asked, knowledge)
        })
        .await
    }

    async fn correct(
        &self,
        workspace: WorkspaceKey,
        recall: Recall,
        once: Option<Once>,
        decision: CorrectionDecision,
    ) -> Result<Carried<Corrected>, StoreError> {
        self.done(|answer| Job::Correct { workspace, recall, once, decision, answer }).await
    }

    async fn kept(&self, once: &Once) -> Result<Option<Kept>, StoreError> {
        self.refuse_if_closed()?;
        let once = once.clone();
        self.aside(move |connection| kept(connection, &once).map_err(store_error)).await
    }

    async fn write_following(
        &self,
        workspace: WorkspaceKey,
        _: &Following,
        decision: OnceDecision,
    ) -> Result<Option<Plan>, StoreError> {
        self.write_once(workspace, Vec::new(), Vec::new(), decision).await.map(Some)
    }

    async fn import_note(
        &self,
        workspace: WorkspaceKey,
        file: &str,
    ) -> Result<Option<ImportNote>, StoreError> {
        let file = file.to_owned();
        self.aside(move |connection| import_note(connection, workspace, &file).map_err(store_error)).await
    }

    async fn keep_instead(&self, once: &Once, kept: KeptAnswer) -> Result<(), StoreError> {
        let once = once.clone();
        self.done(|answer| Job::KeepInstead { once, kept, answer }).await
    }

    async fn forget_answers(&self, workspace: WorkspaceKey, since: Timestamp) -> Result<bool, StoreError> {
        self.done(|answer| Job::Forget { workspace, since, answer }).await
    }

    async fn access(&self) -> Result<Access, StoreError> {
        self.aside(|connection| access(&connection.transaction().map_err(store_error)?).map_err(store_error))
            .await
    }

    fn is_written_elsewhere(&self) -> bool {
        self.indexes.is_none()
    }

    async fn administer(
        &self,
        workspace: WorkspaceKey,
        once: Option<Once>,
        decision: AccessDecision,
    ) -> Result<Carried<AccessChange>, StoreError> {
        self.done(|answer| Job::Administer { workspace, once, decision, answer }).await
    }

    async fn webhooks(&self) -> Result<Vec<WebhookRow>, StoreError> {
        self.aside(|connection| webhooks(connection, None).map_err(store_error)).await
    }

    async fn change_webhooks(
        &self,
        workspace: WorkspaceKey,
        once: Option<Once>,
        decision: WebhookDecision,
    ) -> Result<Carried<WebhookChange>, StoreError> {
        self.done(|answer| Job::ChangeWebhooks { workspace, once, decision, answer }).await
    }

    async fn note_webhook(&self, note: WebhookNote) -> Result<bool, StoreError> {
        self.done(|answer| Job::NoteWebhook { note, answer }).await
    }

    async fn sweep(&self, workspace: WorkspaceKey) -> Result<bool, StoreError> {
        self.done(|answer| Job::Sweep { workspace, answer }).await
    }

    async fn scrub(&self) -> Result<Scrubbed, StoreError> {
        let mut file = self.scrubbing.lock().await;
        let Some(debt) = self.owed.now() else { return Ok(Scrubbed::Clean) };
        let scrubbed = self.scrub_once(&debt, &mut file).await?;
        if scrubbed.is_done() {
            self.done(|answer| Job::Settle { debt, answer }).await?;
        }
        Ok(scrubbed)
    }

    async fn scan(
        &self,
        workspace: WorkspaceKey,
        what: Scan,
        into: mpsc::Sender<Vec<Record>>,
    ) -> Result<Scanned, StoreError> {
        self.aside(move |connection| scan(connection, workspace, what, into)).await
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.refuse_if_closed()?;
        self.files_still_there()?;
        self.aside(|connection| {
            standing(&connection.transaction().map_err(store_error)?, WorkspaceKey::DEFAULT).map(|_| ())
        })
        .await
    }

    async fn findings(&self) -> Result<Vec<String>, StoreError> {
        self.aside(|connection| {
            let mut statement = connection.prepare("PRAGMA integrity_check").map_err(store_error)?;
            let lines = statement.query_map([], |row| row.get(0)).map_err(store_error)?;
            let findings: Vec<String> = lines.collect::<Result<_, _>>().map_err(store_error)?;
            Ok(if findings == ["ok"] { Vec::new() } else { findings })
        })
        .await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.closed.store(true, Ordering::Release);
        // Nobody who still reads is waited for long: what is left of the log then, the next start folds in.
        let read = tokio::time::timeout(READERS_END_WITHIN, self.aside.write()).await;
        drop(read);
        let writing = self.writing.lock().expect("nothing panics while it holds this").take();
        let Some(Writing { jobs, thread, lock, .. }) = writing else { return Ok(()) };
        drop(jobs);
        let joined = tokio::task::spawn_blocking(move || thread.join()).await;
        drop(lock);
        match joined {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(StoreError::failed("the writer ended in a panic")),
        }
    }
}

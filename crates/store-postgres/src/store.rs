//! The store as callers see it: opened for writing or for reading, then used through the trait.

use std::time::Duration;

use async_trait::async_trait;
use deadpool_postgres::Pool;
use selfsame_rules::{Observation, Plan, Timestamp};
use selfsame_store::{
    Access, AccessChange, AccessDecision, Carried, Corrected, CorrectionDecision, Following, ImportNote,
    Kept, KeptAnswer, Look, Migrations, Once, OnceDecision, PageAsked, PersonPage, Recall, Recalled, Record,
    Scan, Scanned, Store, StoreError, WebhookChange, WebhookDecision, WebhookNote, WebhookRow, WorkspaceKey,
};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::administration::Administration;
use crate::answers::{Forget, KeepInstead};
use crate::bulk_write::BulkWrite;
use crate::connection::{
    OpenError, OriginalName, begin_for, expect_current, known_version, migrate, original_name, pending,
    refuse_originals_table,
};
use crate::connections::{Loan, pool};
use crate::correct::Correction;
use crate::error::Fault;
use crate::metrics::{repeated_writes, sample};
use crate::readers::{Readers, load_once};
use crate::repeat::Limits;
use crate::rows::get;
use crate::scan::scan;
use crate::settings::ConnectionSettings;
use crate::statements::{HAS_CITUS, INVALID_INDEXES, SCHEMA_VERSION, begin_write, citus_statements};
use crate::sweep::Sweep;
use crate::transaction::{Transaction, Writer};
use crate::webhooks::{ChangeWebhooks, NoteWebhook};
use crate::write::{Write, identifiers_in_plain};

/// How long the question whether the store can answer waits for the answer.
const READY_WITHIN: Duration = Duration::from_secs(2);

/// How long a connection may be idle.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// A selfsame database in PostgreSQL. Any number of processes may have it open.
#[derive(Debug)]
pub struct PostgresStore {
    pool: Pool,
    readers: Readers,
    /// `None` when opened for reading.
    writer: Option<Writer>,
    schema: Option<String>,
    /// Looks after the pool as long as there is a store. Its tasks end with it, or the pool's connections would stay.
    _upkeep: JoinSet<()>,
}

impl PostgresStore {
    /// Opens the database for writing. `answer_within` bounds each load and each write, repeats included.
    ///
    /// # Errors
    ///
    /// [`OpenError`] says what is wrong with the way to the database or with what is in it.
    pub async fn open(
        settings: &ConnectionSettings,
        migrations: Migrations,
        answer_within: Duration,
    ) -> Result<Self, OpenError> {
        let mut client = settings.connect().await?;
        let begin = begin_for(&client).await?;
        match migrations {
            Migrations::Apply => migrate(&mut client, settings, false).await?,
            Migrations::Expect => {
                refuse_originals_table(&client, settings).await?;
                expect_current(&client, settings).await?;
            }
        }
        let pool = pool(settings)?;
        let limits = limits(settings, answer_within);
        let begin = begin_write(begin, limits.attempt);
        let writer = Writer { pool: pool.clone(), limits, begin, repeats: repeated_writes() };
        Ok(Self::over(pool, Some(writer), settings, limits))
    }

    /// Opens the database for reading. It changes nothing in it.
    ///
    /// # Errors
    ///
    /// [`OpenError::Older`] if there is no schema of selfsame's, or an older one; otherwise as [`Self::open`].
    pub async fn open_for_reading(
        settings: &ConnectionSettings,
        answer_within: Duration,
    ) -> Result<Self, OpenError> {
        let client = settings.connect().await?;
        expect_current(&client, settings).await?;
        Ok(Self::over(pool(settings)?, None, settings, limits(settings, answer_within)))
    }

    /// Applies pending migrations and returns those that were pending, or only tells them.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub async fn migrate(settings: &ConnectionSettings, dry_run: bool) -> Result<Vec<String>, OpenError> {
        let mut client = settings.connect().await?;
        begin_for(&client).await?;
        let pending = pending(&client).await?;
        if !dry_run {
            migrate(&mut client, settings, false).await?;
        }
        Ok(pending)
    }

    /// Spreads the tables over a Citus cluster by workspace; where that was done before, nothing is.
    ///
    /// # Errors
    ///
    /// [`OpenError::NoCitus`] if the server has no such extension; otherwise as [`Self::open`].
    pub async fn distribute(settings: &ConnectionSettings) -> Result<(), OpenError> {
        let client = settings.connect().await?;
        expect_current(&client, settings).await?;
        if !client.query_typed_one(HAS_CITUS, &[]).await?.try_get("present")? {
            return Err(OpenError::NoCitus);
        }
        for statement in citus_statements() {
            client.batch_execute(&statement).await?;
        }
        Ok(())
    }

    fn over(pool: Pool, writer: Option<Writer>, settings: &ConnectionSettings, limits: Limits) -> Self {
        let readers = Readers::start(pool.clone(), limits, settings.keeps_plans());
        let mut upkeep = JoinSet::new();
        upkeep.spawn(close_idle(pool.clone()));
        upkeep.spawn(sample(pool.clone()));
        Self { pool, readers, writer, schema: settings.schema().map(str::to_owned), _upkeep: upkeep }
    }

    /// Carries a transaction out in a task of its own: a panic in its decision costs it alone, not whoever asked for
    /// it, and nobody who goes away leaves it half done.
    async fn carry_out<T: Transaction + 'static>(&self, transaction: T) -> Result<T::Done, StoreError> {
        let writer = self.writer.clone().ok_or(StoreError::NotWritable)?;
        if self.pool.is_closed() {
            return Err(StoreError::NotWritable);
        }
        let task = tokio::spawn(async move { writer.carry_out(transaction).await });
        task.await.map_err(|_| StoreError::failed("the write panicked"))?
    }
}

/// Gives back to the server what hasn't been used for a while: another replica may need it.
async fn close_idle(pool: Pool) {
    while !pool.is_closed() {
        tokio::time::sleep(IDLE_MAX).await;
        pool.retain(|_, metrics| metrics.last_used() < IDLE_MAX);
    }
}

/// `socket_timeout` bounds an attempt; without it, a quarter of the time does.
fn limits(settings: &ConnectionSettings, answer_within: Duration) -> Limits {
    Limits { answer: answer_within, attempt: settings.socket_timeout().unwrap_or(answer_within / 4) }
}

#[async_trait]
impl Store for PostgresStore {
    async fn look(
        &self,
        workspace: WorkspaceKey,
        observations: Vec<Observation>,
        look: &mut Look<'_>,
    ) -> Result<(), StoreError> {
        match self.readers.load(workspace, identifiers_in_plain(&observations)).await? {
            Some(neighbourhood) => look(&neighbourhood),
            None => {
                let recall = Recall::Observations(observations);
                look(&self.readers.recall(workspace, recall).await?.register);
            }
        }
        Ok(())
    }

    async fn write_once(
        &self,
        workspace: WorkspaceKey,
        observations: Vec<Observation>,
        once: Vec<Once>,
        decision: OnceDecision,
    ) -> Result<Plan, StoreError> {
        self.carry_out(Write::new(workspace, observations, once, decision)).await
    }

    async fn recall(&self, workspace: WorkspaceKey, recall: Recall) -> Result<Recalled, StoreError> {
        self.readers.recall_patiently(workspace, recall).await
    }

    async fn page(
        &self,
        workspace: WorkspaceKey,
        asked: PageAsked,
    ) -> Result<Option<PersonPage>, StoreError> {
        self.readers.page(workspace, asked).await
    }

    async fn correct(
        &self,
        workspace: WorkspaceKey,
        recall: Recall,
        once: Option<Once>,
        decision: CorrectionDecision,
    ) -> Result<Carried<Corrected>, StoreError> {
        self.carry_out(Correction::new(workspace, recall, once, decision)).await
    }

    async fn kept(&self, once: &Once) -> Result<Option<Kept>, StoreError> {
        self.readers.kept(once).await
    }

    async fn write_following(
        &self,
        workspace: WorkspaceKey,
        following: &Following,
        decision: OnceDecision,
    ) -> Result<Option<Plan>, StoreError> {
        self.carry_out(BulkWrite::new(workspace, following.clone(), decision)).await
    }

    async fn import_note(
        &self,
        workspace: WorkspaceKey,
        file: &str,
    ) -> Result<Option<ImportNote>, StoreError> {
        self.readers.import_note(workspace, file).await
    }

    async fn keep_instead(&self, once: &Once, answer: KeptAnswer) -> Result<(), StoreError> {
        self.carry_out(KeepInstead(once.clone(), answer)).await
    }

    async fn forget_answers(&self, workspace: WorkspaceKey, since: Timestamp) -> Result<bool, StoreError> {
        self.carry_out(Forget(workspace, since)).await
    }

    async fn access(&self) -> Result<Access, StoreError> {
        self.readers.access().await
    }

    async fn administer(
        &self,
        workspace: WorkspaceKey,
        once: Option<Once>,
        decision: AccessDecision,
    ) -> Result<Carried<AccessChange>, StoreError> {
        self.carry_out(Administration::new(workspace, once, decision)).await
    }

    async fn webhooks(&self) -> Result<Vec<WebhookRow>, StoreError> {
        self.readers.webhooks().await
    }

    async fn change_webhooks(
        &self,
        workspace: WorkspaceKey,
        once: Option<Once>,
        decision: WebhookDecision,
    ) -> Result<Carried<WebhookChange>, StoreError> {
        self.carry_out(ChangeWebhooks::new(workspace, once, decision)).await
    }

    async fn note_webhook(&self, note: WebhookNote) -> Result<bool, StoreError> {
        self.carry_out(NoteWebhook(note)).await
    }

    async fn sweep(&self, workspace: WorkspaceKey) -> Result<bool, StoreError> {
        self.carry_out(Sweep(workspace)).await
    }

    async fn scan(
        &self,
        workspace: WorkspaceKey,
        what: Scan,
        into: mpsc::Sender<Vec<Record>>,
    ) -> Result<Scanned, StoreError> {
        scan(&self.pool, workspace, what, into).await
    }

    async fn ready(&self) -> Result<(), StoreError> {
        let asked = async {
            load_once(&self.pool, WorkspaceKey::DEFAULT, &[]).await?;
            let client = Loan::from(&self.pool).await?;
            let found: i32 = client.query_typed_one(SCHEMA_VERSION, &[]).await?.try_get("version")?;
            client.give_back();
            Ok::<_, Fault>(found)
        };
        let (found, known) =
            (timeout(READY_WITHIN, asked).await.map_err(|_| Fault::TimedOut)??, known_version());
        if found > known { Err(StoreError::NewerSchema { found, known }) } else { Ok(()) }
    }

    async fn findings(&self) -> Result<Vec<String>, StoreError> {
        let client = Loan::from(&self.pool).await?;
        let indexes = client.query_typed(INVALID_INDEXES, &[]).await.map_err(Fault::from)?;
        let mut findings = indexes
            .iter()
            .map(|row| Ok(format!("the index {} is broken; REINDEX it", get::<&str>(row, "name")?)))
            .collect::<Result<Vec<_>, StoreError>>()?;
        let name = original_name(&client, self.schema.as_deref()).await.map_err(StoreError::failed)?;
        if let OriginalName::Table { schema } = name {
            findings.push(format!(
                "a table \"Contact\" stands in schema {schema} where the view should be; its rows are in no log"
            ));
        }
        client.give_back();
        Ok(findings)
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.pool.close();
        Ok(())
    }
}

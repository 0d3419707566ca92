//! One endpoint, for as long as this replica holds it: the log from where it stands, one message after the other. The next
//! is sent when the one before it was taken, so that they come in order; at the first that isn't, the endpoint is given
//! back, to be tried again when its time has come.

use std::sync::Arc;
use std::time::Duration;

use selfsame_rules::{Event, Timestamp};
use selfsame_store::{StoreError, WebhookNote, WebhookRow};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::administration::after;
use super::back_off::back_off;
use super::message::Message;
use super::{Channel, Inner, PostError, refusal};
use crate::{Engine, Listener};

/// How long what was delivered may wait to be noted: what is noted later is delivered again after a crash.
const NOTE_WITHIN: Duration = Duration::from_millis(200);

/// How long the log, or a note, may wait after the store could not be asked.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How long others leave an endpoint alone after its holder has noted something.
pub(super) const HELD_FOR: Duration = Duration::from_secs(15);

/// How often a holder says that he still is, where there are others.
const HOLD_EVERY: Duration = Duration::from_secs(5);

/// When a holder that could not say so takes himself for none: well before others do.
const GIVE_UP_AFTER: Duration = Duration::from_secs(10);

/// How long a note may take.
const NOTE_TIMEOUT: Duration = Duration::from_secs(4);

/// Why a delivery ends.
enum End {
    /// The server does.
    Stopped,
    /// The endpoint did not take a message.
    Failed,
    /// Somebody else has it, or it is gone.
    Lost,
}

/// An endpoint that this replica holds.
pub(super) struct Delivery {
    webhooks: Arc<Inner>,
    row: WebhookRow,
    listener: Listener,
    stopping: watch::Receiver<bool>,
    /// When something was noted last.
    noted_at: Instant,
    /// When the next note is due, if what was delivered waits for it.
    note_due: Option<Instant>,
}

impl Delivery {
    /// `row`: as it is since this replica took it.
    pub(super) fn of(
        webhooks: Arc<Inner>,
        row: WebhookRow,
        engine: &Engine,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let listener = engine.listen(row.progress.position);
        Self { webhooks, row, listener, stopping, noted_at: Instant::now(), note_due: None }
    }

    /// Delivers until the endpoint fails, is somebody else's, or the server ends; then gives it back.
    pub(super) async fn run(mut self) {
        let mut channel = self.webhooks.transport.channel(&self.row.url);
        let end = loop {
            if let Err(end) = self.deliver_page(&mut *channel).await {
                break end;
            }
        };
        match end {
            End::Lost => {}
            // Where that fails, others take it for held a while longer.
            End::Stopped | End::Failed => drop(self.note(false).await),
        }
    }

    async fn deliver_page(&mut self, channel: &mut dyn Channel) -> Result<(), End> {
        let page = match self.listener.read().await {
            Ok(Some(page)) => page,
            Ok(None) => return self.wait_for_more().await,
            Err(StoreError::NoWorkspace(_)) => return Err(End::Lost),
            Err(error) => {
                if let Some(times) = self.webhooks.metrics.unread.times() {
                    tracing::warn!(%error, times, "the log could not be read for a webhook; trying again");
                }
                return self.wait_until(Instant::now() + RETRY_AFTER).await;
            }
        };
        for event in page.events() {
            if self.gets(event) {
                // Its time begins when it can be asked.
                self.unless_stopped(channel.ready()).await?;
            }
            if *self.stopping.borrow() {
                return Err(End::Stopped);
            }
            if !page.is_current() {
                return Ok(());
            }
            if self.gets(event) {
                self.send(channel, event).await?;
            }
            self.row.progress.position = event.sequence;
            self.listener.passed(event.sequence);
            self.note_due.get_or_insert_with(|| Instant::now() + NOTE_WITHIN);
            if self.next_note() <= Instant::now() {
                self.note(true).await?;
            }
        }
        Ok(())
    }

    /// Whether the endpoint gets events of that kind.
    fn gets(&self, event: &Event) -> bool {
        self.row.kinds.is_empty() || self.row.kinds.iter().any(|kind| **kind == *event.kind())
    }

    /// Sends an event. It has come to the endpoint when this returns without an error; otherwise it may have.
    async fn send(&mut self, channel: &mut dyn Channel, event: &Event) -> Result<(), End> {
        let webhooks = Arc::clone(&self.webhooks);
        let (id, body) = (Message::id_of(&self.row, event), (webhooks.written)(event));
        let posted = match Message::signed(&self.row, id, body, webhooks.installation.now()) {
            Ok(message) => {
                let begun = Instant::now();
                let posting = timeout(webhooks.settings.attempt_timeout, channel.post(&message));
                let posted = self.meanwhile(posting).await?.unwrap_or(Err(PostError::TooSlow));
                let is_delivered = posted.is_ok_and(|status| refusal(status).is_none());
                webhooks.metrics.count(is_delivered, begun.elapsed());
                posted.map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        let (status, problem) = match posted {
            Ok(status) => (Some(status), refusal(status)),
            Err(error) => (None, Some(error)),
        };
        let now = webhooks.installation.now();
        let progress = &mut self.row.progress;
        progress.last_attempt_at = Some(now);
        progress.last_status = status;
        progress.last_problem = problem.map(Into::into);
        if progress.last_problem.is_some() {
            self.fail(now);
            return Err(End::Failed);
        }
        if progress.failures > 0 {
            let (workspace, webhook) = (self.row.workspace, &self.row.id);
            tracing::info!(%workspace, %webhook, failures = progress.failures, "a webhook's endpoint takes events again");
        }
        progress.failures = 0;
        progress.failing_since = None;
        progress.next_attempt_at = None;
        Ok(())
    }

    /// What came of an attempt that failed.
    fn fail(&mut self, now: Timestamp) {
        let (workspace, webhook) = (self.row.workspace, &self.row.id);
        let progress = &mut self.row.progress;
        progress.failures = progress.failures.saturating_add(1);
        let since = *progress.failing_since.get_or_insert(now);
        let (status, failures) = (progress.last_status, progress.failures);
        let problem = progress.last_problem.as_deref().unwrap_or_default();
        let is_gone = status == Some(410);
        if is_gone || now >= after(since, self.webhooks.settings.parked_after) {
            progress.is_parked = true;
            progress.next_attempt_at = None;
            tracing::error!(
                %workspace, %webhook, problem, failures,
                "a webhook is parked: nothing is sent to its endpoint until it is replayed"
            );
            return;
        }
        // Without randomness, the whole time is waited.
        let random = getrandom::u32().unwrap_or(u32::MAX);
        progress.next_attempt_at = Some(after(now, back_off(failures, random)));
        if failures == 1 {
            tracing::warn!(%workspace, %webhook, problem, "a webhook's endpoint fails; it is tried again");
        } else {
            tracing::debug!(%workspace, %webhook, problem, failures, "a webhook's endpoint fails again");
        }
    }

    /// Waits for the work, and goes on noting.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> Result<T, End> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                () = sleep_until(self.next_note()) => self.note(true).await?,
            }
        }
    }

    async fn wait_for_more(&mut self) -> Result<(), End> {
        let next_note = self.next_note();
        tokio::select! {
            biased;
            _ = self.stopping.wait_for(|stopping| *stopping) => return Err(End::Stopped),
            () = self.listener.grown() => return Ok(()),
            () = sleep_until(next_note) => {}
        }
        self.note(true).await
    }

    async fn wait_until(&mut self, moment: Instant) -> Result<(), End> {
        self.unless_stopped(sleep_until(moment)).await
    }

    /// Waits for something that is to be waited for no longer once the server ends, and goes on noting.
    async fn unless_stopped(&mut self, waiting: impl Future<Output = ()>) -> Result<(), End> {
        let mut stopping = self.stopping.clone();
        self.meanwhile(async move {
            tokio::select! {
                biased;
                _ = stopping.wait_for(|stopping| *stopping) => Err(End::Stopped),
                () = waiting => Ok(()),
            }
        })
        .await?
    }

    fn next_note(&self) -> Instant {
        // Where nobody else writes, nobody has to be told.
        let is_alone = !self.webhooks.installation.is_written_elsewhere();
        let hold_every = if is_alone { Duration::from_secs(24 * 60 * 60) } else { HOLD_EVERY };
        let hold = self.noted_at + hold_every;
        self.note_due.map_or(hold, |due| due.min(hold))
    }

    /// Notes how far the endpoint has come, and that this replica goes on, or doesn't.
    async fn note(&mut self, is_held: bool) -> Result<(), End> {
        let note = WebhookNote {
            workspace: self.row.workspace,
            id: self.row.id.clone(),
            revision: self.row.revision,
            holder: self.row.holder.clone(),
            is_held,
            progress: self.row.progress.clone(),
        };
        let noting = self.webhooks.installation.store().note_webhook(note);
        let problem = match timeout(NOTE_TIMEOUT, noting).await {
            Ok(Ok(true)) => {
                self.row.revision += 1;
                self.noted_at = Instant::now();
                self.note_due = None;
                return Ok(());
            }
            Ok(Ok(false)) => return Err(End::Lost),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the store did not answer in time".to_owned(),
        };
        if let Some(times) = self.webhooks.metrics.unnoted.times() {
            tracing::warn!(
                problem,
                times,
                "how far a webhook has come could not be noted; after a crash it is sent again"
            );
        }
        let others = self.webhooks.installation.is_written_elsewhere();
        if others && self.noted_at.elapsed() > GIVE_UP_AFTER {
            return Err(End::Lost);
        }
        self.note_due = Some(Instant::now() + RETRY_AFTER);
        Ok(())
    }
}

//! The log as it grows: a stream of events that goes on where it broke.

use std::fmt;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::{sleep, timeout};

use crate::client::Client;
use crate::error::Error;
use crate::event::Event;
use crate::server_sent_events::ServerSentEvents;
use crate::transport::{EVENT_STREAM, Request};
use crate::words::Sequence;

/// A server says something every 15 seconds. One that says nothing for so long is gone, whatever the network says.
const SILENCE_MAX: Duration = Duration::from_secs(45);

/// The events of a workspace, in order, each once: those that are there, and those to come. Made by [`Client::follow`].
///
/// A stream that breaks or ends is opened again, behind the last event that was given out, after a wait that grows up to that of the client's
/// [`Retries`](crate::Retries). That goes on for ever, unless [`give_up_after`](Self::give_up_after) sets a bound.
///
/// ```no_run
/// # async fn example(client: selfsame_client::Client, stored: selfsame_client::Sequence) -> Result<(), selfsame_client::Error> {
/// let mut feed = client.follow(stored);
/// loop {
///     let event = feed.next().await?;
///     // Store what you make of it together with `event.sequence`, and begin there the next time.
///     println!("{} {}", event.sequence, event.kind);
/// }
/// # }
/// ```
pub struct Feed {
    client: Client,
    after: Sequence,
    open: Option<Open>,
    /// Since something last came.
    failures: u32,
    failures_max: u32,
}

struct Open {
    body: Incoming,
    events: ServerSentEvents,
}

impl Feed {
    pub(crate) fn new(client: Client, after: Sequence) -> Self {
        Self { client, after, open: None, failures: 0, failures_max: u32::MAX }
    }

    /// Gives up when it has failed so often without anything coming in between: [`next`](Self::next) then says why. Asked again, it
    /// tries once more.
    #[must_use]
    pub fn give_up_after(self, failures: u32) -> Self {
        Self { failures_max: failures, ..self }
    }

    /// The last event that was given out, or where it began.
    pub fn after(&self) -> Sequence {
        self.after
    }

    /// The next event, when it comes. A call that is dropped loses none.
    ///
    /// # Errors
    ///
    /// What a further attempt would not mend: a key that is revoked, a workspace that is erased, an event that can't be read.
    pub async fn next(&mut self) -> Result<Event, Error> {
        loop {
            if let Some(event) = self.next_read()? {
                return Ok(event);
            }
            let came = match &mut self.open {
                None => self.reopen().await,
                Some(open) => open.more().await.inspect(|()| self.failures = 0),
            };
            match came {
                Ok(()) => {}
                Err(error) => {
                    self.open = None;
                    self.failures = self.failures.saturating_add(1);
                    if !error.is_temporary() || self.failures >= self.failures_max {
                        return Err(error);
                    }
                    let wanted = error.problem().and_then(|problem| problem.retry_after).unwrap_or_default();
                    sleep(self.client.retries.back_off(self.failures).max(wanted)).await;
                }
            }
        }
    }

    /// The next event of what has come.
    fn next_read(&mut self) -> Result<Option<Event>, Error> {
        let Some(open) = &mut self.open else { return Ok(None) };
        while let Some(data) = open.events.next_data() {
            let event: Event = match serde_json::from_slice(&data) {
                Ok(event) => event,
                Err(error) => {
                    // It is read again, not passed over, if it is asked for again.
                    self.open = None;
                    return Err(Error::unreadable(&error));
                }
            };
            if event.sequence > self.after {
                self.after = event.sequence;
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    async fn reopen(&mut self) -> Result<(), Error> {
        self.client.fit()?;
        let path = format!("/v1/events?after={}", self.after);
        let mut request = Request { accept: EVENT_STREAM, ..Request::get(path) };
        request.last_event_id = Some(self.after.0);
        let answer = self.client.transport.begin(&request).await?;
        self.open = Some(Open { body: answer.into_body(), events: ServerSentEvents::default() });
        Ok(())
    }
}

impl Open {
    async fn more(&mut self) -> Result<(), Error> {
        let frame = timeout(SILENCE_MAX, self.body.frame()).await;
        let frame = frame.map_err(|_| Error::TimedOut(SILENCE_MAX))?;
        let frame = frame.ok_or_else(|| Error::Broken("the server has ended the stream".into()))?;
        let frame = frame.map_err(|error| Error::Broken(error.into()))?;
        self.events.push(&frame.into_data().unwrap_or_default());
        Ok(())
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client, after, failures, .. } = self;
        let mut shown = formatter.debug_struct("Feed");
        shown
            .field("client", client)
            .field("after", after)
            .field("failures", failures)
            .finish_non_exhaustive()
    }
}

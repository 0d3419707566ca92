//! `GET /v1/events` as server-sent events: the log as it grows, from behind any event, for as long as the client stays.
//!
//! Written here and not by axum's `Sse`: a page of the log is one piece of the body, and a stream asks the door again and
//! ends with the server, which a keep-alive laid around a stream couldn't do for it. Nothing is held for a client: the next
//! page is asked for when it has taken the last, so a slow one costs one page, and one that takes nothing for the send
//! timeout is cut off like any other.

use std::convert::Infallible;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use selfsame_rules::{Event, Sequence};
use selfsame_service::{AccessChanges, Listener, Seldom};
use selfsame_store::StoreError;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use crate::door::{Caller, Reads};
use crate::event_body::EventBody;
use crate::problem::Problem;
use crate::query::invalid;
use crate::router::ApiState;

/// The type of server-sent events.
const EVENT_STREAM: &str = "text/event-stream";

/// The last event that a client has, which it sends when it comes back.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Tells nginx to pass on what comes.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// How often something is sent where nothing happens: whatever stands between must not take the stream for dead.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(15);

/// How long to wait after the log could not be read.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// One that says nothing.
const HEARTBEAT: &str = ":\n\n";

/// Whether whoever asks wants the log as it grows: he names the type, and doesn't refuse it.
pub(crate) fn is_asked(headers: &HeaderMap) -> bool {
    let ranges = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    ranges.flat_map(|value| value.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_it = parts.next().is_some_and(|own| own.eq_ignore_ascii_case(EVENT_STREAM));
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        is_it && weight.is_none_or(|weight| weight.parse().is_ok_and(|weight: f32| weight > 0.0))
    })
}

/// The number of an event, or 0: where a stream or a page begins.
pub(crate) fn sequence(text: &str, name: &str) -> Result<Sequence, Problem> {
    let number = text.parse().ok().filter(|number| *number >= 0).map(Sequence);
    number.ok_or_else(|| invalid(format!("`{name}` must be the number of an event, or 0.")))
}

/// The event after which a client that comes back goes on, if it says so.
pub(crate) fn last_event_id(headers: &HeaderMap) -> Result<Option<Sequence>, Problem> {
    let mut values = headers.get_all(LAST_EVENT_ID).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = if values.next().is_none() { value.to_str().unwrap_or_default() } else { "" };
    sequence(text, "Last-Event-ID").map(Some)
}

/// A stream on its way.
struct Following {
    /// Under way until the stream ends: it is one request of its key.
    caller: Arc<Caller<Reads>>,
    state: Arc<ApiState>,
    listener: Listener,
    access: AccessChanges,
    ending: watch::Receiver<bool>,
    /// When something is to be sent, come what may.
    heartbeat: Instant,
    unread: Seldom,
}

/// The log from behind that event, as it grows.
pub(crate) fn stream_events(caller: Caller<Reads>, state: Arc<ApiState>, after: Sequence) -> Response {
    let caller = Arc::new(caller);
    let following = Following {
        listener: caller.engine().listen(after),
        access: state.installation.access_changes(),
        ending: state.ending.subscribe(),
        heartbeat: Instant::now(),
        unread: Seldom::default(),
        caller: Arc::clone(&caller),
        state,
    };
    let body = Body::from_stream(stream::unfold(following, async |mut following| {
        let sent = following.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(sent)), following))
    }));
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM)),
        (ACCEL_BUFFERING, HeaderValue::from_static("no")),
    ];
    caller.answer(Ok((headers, body).into_response()))
}

/// What a stream woke up for.
enum Woken {
    /// The log may have grown, or can be asked again.
    Read,
    /// Keys and workspaces were read anew.
    AskTheDoor,
    /// Nothing happened for long.
    Heartbeat,
    /// The server ends.
    End,
}

impl Following {
    /// What is sent next: events, or a heartbeat, one at once, so that a client knows that it is let in. Nothing where
    /// the stream ends.
    async fn next(&mut self) -> Option<String> {
        let mut woken = Woken::AskTheDoor;
        let mut reads = true;
        loop {
            if matches!(woken, Woken::End) || *self.ending.borrow() {
                return None;
            }
            if matches!(woken, Woken::AskTheDoor) && self.caller.still_welcome(&self.state).await.is_err() {
                return None;
            }
            if matches!(woken, Woken::Read) || reads {
                let read = self.listener.read().await;
                reads = read.is_err();
                match read {
                    Ok(None) => {}
                    Ok(Some(page)) => {
                        page.events().last().into_iter().for_each(|last| self.listener.passed(last.sequence));
                        return Some(self.beat(text_of(page.events())));
                    }
                    Err(StoreError::NoWorkspace(_)) => return None,
                    Err(error) => {
                        if let Some(times) = self.unread.times() {
                            tracing::warn!(%error, times, "the log could not be read for a stream of events; trying again");
                        }
                    }
                }
            }
            if matches!(woken, Woken::Heartbeat) || self.heartbeat <= Instant::now() {
                return Some(self.beat(HEARTBEAT.to_owned()));
            }
            woken = self.wait(reads).await;
        }
    }

    async fn wait(&mut self, failed: bool) -> Woken {
        let grown = async { if failed { sleep(RETRY_AFTER).await } else { self.listener.grown().await } };
        tokio::select! {
            biased;
            _ = self.ending.wait_for(|ending| *ending) => Woken::End,
            () = self.access.read_anew() => Woken::AskTheDoor,
            () = grown => Woken::Read,
            () = sleep_until(self.heartbeat) => Woken::Heartbeat,
        }
    }

    /// Something is sent, and the next heartbeat is so much later.
    fn beat(&mut self, sent: String) -> String {
        self.heartbeat = Instant::now() + HEARTBEAT_EVERY;
        sent
    }
}

/// Events as they are sent. Their JSON is one line: a line break in it is escaped.
fn text_of(events: &[Event]) -> String {
    let mut text = String::new();
    for event in events {
        let json = serde_json::to_string(&EventBody::of(event)).expect("an event is JSON");
        let (id, kind) = (event.sequence, event.kind());
        write!(text, "id: {id}\nevent: {kind}\ndata: {json}\n\n").expect("a text takes any text");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &HeaderName, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_stream_is_asked_for_by_its_name_alone() {
        for (accept, want) in [
            (&[][..], false),
            (&["*/*"], false),
            (&["text/*"], false),
            (&["application/json"], false),
            (&["text/event-stream"], true),
            (&["Text/Event-Stream"], true),
            (&["application/json, text/event-stream; q=0.5"], true),
            (&["text/event-stream;q=0"], false),
            (&["application/json", "text/event-stream"], true),
        ] {
            assert_eq!(is_asked(&headers(&ACCEPT, accept)), want, "{accept:?}");
        }
    }

    #[test]
    fn a_last_event_that_is_no_number_is_refused() {
        for (values, want) in [
            (&[][..], Some(None)),
            (&["7"], Some(Some(Sequence(7)))),
            (&["0"], Some(Some(Sequence(0)))),
            (&["-1"], None),
            (&["x"], None),
            (&[""], None),
            (&["7", "8"], None),
        ] {
            let read = last_event_id(&headers(&LAST_EVENT_ID, values)).ok();
            assert_eq!(read, want, "{values:?}");
        }
    }
}

//! `POST /v1/import/events`: the log that `GET /v1/export?what=events` wrote, into a workspace that has none.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use memchr::memchr;
use selfsame_bulk::EventLine;
use selfsame_rules::Event;
use selfsame_service::{RestoreError, Restoring};
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::batch::LinesShape;
use crate::body::{LINES_TYPES, check_encoding, is_utf8_of, next_data, too_slow};
use crate::change::refuse_key;
use crate::door::{Administers, Caller};
use crate::problem::{Problem, ProblemBody};
use crate::router::ApiState;
use crate::target::no_query;

/// An event that concerns hundreds of thousands of contacts is as long as that.
const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How much is judged and written together.
const BATCH_EVENTS_MAX: usize = 1_000;
const BATCH_BYTES_MAX: usize = 1024 * 1024;

/// What came of an import.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EventsImported)]
pub(crate) struct EventsImportedBody {
    /// How many events the workspace has now: those of the body.
    events: i64,
    /// How many of them are new; the others were there before.
    imported: u64,
}

/// Make a workspace of the events that an export wrote.
///
/// The workspace's log must be empty, or the beginning of what is sent: sent again, an import that broke off goes on.
#[utoipa::path(
    post, path = "/v1/import/events", tag = "files",
    params(("Selfsame-Workspace" = Option<String>, Header, description = "The workspace, for a key to every one")),
    request_body(content = inline(LinesShape), content_type = "application/x-ndjson", description = "All events of a log, from the first"),
    responses((status = 200, description = "The workspace has these events", body = EventsImportedBody),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn import_events(
    caller: Caller<Administers>,
    State(state): State<Arc<ApiState>>,
    request: Request,
) -> Response {
    let import = async {
        let (parts, body) = request.into_parts();
        no_query(&parts.uri)?;
        refuse_key(&parts.headers)?;
        check_encoding(&parts.headers)?;
        let content_type = parts.headers.get(CONTENT_TYPE);
        if !content_type
            .is_some_and(|content_type| is_utf8_of(content_type, |own| LINES_TYPES.contains(&own)))
        {
            let detail =
                "The body must be lines of JSON in UTF-8; send it with `Content-Type: application/x-ndjson`.";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail));
        }
        let mut lines = Lines::of(body, state.settings.body_timeout);
        let mut restoring = caller.engine().restore();
        let imported = take(&mut lines, &mut restoring).await;
        let imported = match imported {
            Ok(()) => restoring.end().await.map_err(|error| refused(error, &lines, None)),
            Err(problem) => Err(problem),
        };
        // From here on this replica knows the keys and the policy of that log; the others do within seconds.
        if let Err(error) = state.installation.read().await {
            tracing::warn!(%error, "events were imported, and what they say of keys and the policy is known in a moment");
        }
        let imported = imported?;
        Ok(Json(EventsImportedBody { events: imported.last.0, imported: imported.written }))
    };
    caller.answer(import.await)
}

/// Takes all lines, batch by batch.
async fn take(lines: &mut Lines, restoring: &mut Restoring) -> Result<(), Problem> {
    loop {
        let batch = match lines.batch().await {
            Ok(batch) => batch,
            Err(problem) => return Err(problem.with_stored(restoring).await),
        };
        if batch.is_empty() {
            break;
        }
        if let Err(error) = restoring.take(batch).await {
            let stored = restoring.head().await.ok().map(|head| head.0);
            return Err(refused(error, lines, stored));
        }
    }
    if lines.number == 0 {
        return Err(Problem::bad_request("empty_body", "The body is empty; send the events of an export."));
    }
    Ok(())
}

/// A problem of a line, before it is known what of the body is stored.
struct LineProblem(Problem);

impl LineProblem {
    async fn with_stored(self, restoring: &Restoring) -> Problem {
        let Self(problem) = self;
        let Ok(head) = restoring.head().await else { return problem };
        Problem { detail: format!("{} {}", problem.detail, stored(head.0)), ..problem }
    }
}

/// How far it came, and what to do.
fn stored(head: i64) -> String {
    if head == 0 {
        "Nothing was stored.".to_owned()
    } else {
        format!("The events up to {head} are stored; send the whole of it again, and it goes on behind them.")
    }
}

/// Why events were not taken. Where all is in order, an event's number is that of its line.
fn refused(error: RestoreError, lines: &Lines, head: Option<i64>) -> Problem {
    let stored = head.map(stored).unwrap_or_default();
    let line = |number: i64, why: &dyn std::fmt::Display| {
        Problem::bad_request("invalid_event", format!("Line {number}: {why}. {stored}").trim_end())
    };
    match error {
        RestoreError::Gap { last, .. } => line(last.0 + 1, &error),
        RestoreError::RunsBack(sequence) | RestoreError::Impossible(sequence, _) => line(sequence.0, &error),
        RestoreError::Differs(sequence) => {
            let head = head.map_or_else(String::new, |head| format!(" of {head} events"));
            let detail = format!(
                "The workspace's log{head} is not empty, nor the beginning of this one: its event {sequence} is another. Import \
                 into a database of its own, before anything, a key too, is made there."
            );
            Problem::new(StatusCode::CONFLICT, "log_differs", detail)
        }
        RestoreError::Longer { head, .. } => {
            let detail = format!(
                "The workspace's log has {head} events, and these are its first {}: there is nothing to import.",
                lines.number
            );
            Problem::new(StatusCode::CONFLICT, "log_differs", detail)
        }
        RestoreError::Store(error) => error.into(),
    }
}

/// The lines of a body, on their way in.
struct Lines {
    body: Body,
    patience: Duration,
    /// What has come in and was not looked at.
    unread: Bytes,
    /// A line of which the end has not come.
    begun: Vec<u8>,
    /// How many lines have been read to their end.
    number: u64,
    ended: bool,
}

impl Lines {
    /// `patience`: how long the next part of the body may take to come.
    fn of(body: Body, patience: Duration) -> Self {
        Self { body, patience, unread: Bytes::new(), begun: Vec::new(), number: 0, ended: false }
    }

    /// The next events; none at the end.
    async fn batch(&mut self) -> Result<Vec<Event>, LineProblem> {
        let (mut events, mut length_bytes) = (Vec::new(), 0);
        while events.len() < BATCH_EVENTS_MAX && length_bytes < BATCH_BYTES_MAX {
            let Some(line) = self.next().await.map_err(LineProblem)? else { break };
            length_bytes += line.len();
            let why = |why: &dyn std::fmt::Display| {
                LineProblem(Problem::bad_request("invalid_event", format!("Line {}: {why}.", self.number)))
            };
            let text = std::str::from_utf8(&line).map_err(|_| why(&"it is not UTF-8"))?;
            events.push(EventLine::read(text).map_err(|error| why(&error))?);
        }
        Ok(events)
    }

    /// The next line without its line feed; nothing at the end.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, Problem> {
        while !self.ended {
            let end = memchr(b'\n', &self.unread);
            let part = self.unread.split_to(end.unwrap_or(self.unread.len()));
            self.begun.extend_from_slice(&part);
            if self.begun.len() > LINE_BYTES_MAX {
                let number = self.number + 1;
                let detail = format!("Line {number} is longer than {LINE_BYTES_MAX} bytes, as no event is.");
                return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "line_too_long", detail));
            }
            if end.is_some() {
                self.unread = self.unread.slice(1..);
                self.number += 1;
                return Ok(Some(std::mem::take(&mut self.begun)));
            }
            let data = timeout(self.patience, next_data(&mut self.body)).await;
            match data.unwrap_or_else(|_| Err(too_slow()))? {
                Some(data) => self.unread = data,
                None if self.begun.is_empty() => self.ended = true,
                None => {
                    let detail = format!("Line {} breaks off: the body has no end.", self.number + 1);
                    return Err(Problem::bad_request("invalid_event", detail));
                }
            }
        }
        Ok(None)
    }
}

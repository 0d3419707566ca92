//! `GET /v1/export`: everything of a workspace as a file, from one snapshot, as the client takes it.
//!
//! The next piece is made when the client has taken the last, and a client that takes nothing for the send timeout is cut off like
//! any other: with it goes the snapshot. Whatever breaks an export off breaks the connection, so that nobody takes a part of a
//! file for the whole.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Uri};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use selfsame_bulk::export::{Export, ExportError, Format, Subject, read_moment};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::task::JoinSet;
use tracing::{Instrument, Span};

use crate::door::{Caller, Reads};
use crate::problem::{Problem, ProblemBody};
use crate::query::{Query, invalid};
use crate::request_id::RequestId;
use crate::router::ApiState;

/// How many may be under way: each holds a snapshot, and a connection to the database.
pub(crate) const EXPORTS_AT_ONCE_MAX: usize = 4;

/// How long one may take, so that no client holds a snapshot for ever by reading a little now and then.
const EXPORT_WITHIN: Duration = Duration::from_secs(3_600);

/// Why an export broke off.
#[derive(Debug, thiserror::Error)]
enum BrokenOff {
    #[error(transparent)]
    Export(#[from] ExportError),
    #[error("the server shuts down")]
    Ending,
    #[error("it was not taken within {EXPORT_WITHIN:?}")]
    TooSlow,
    #[error("its key is good for nothing any more, or its workspace was erased")]
    Unwelcome,
    #[error("what writes it panicked")]
    Panicked,
}

/// Write all contacts, identities or events, as lines of JSON or as CSV.
///
/// The answer is whole only if it ends as HTTP says: one that breaks off is a part of the file.
#[utoipa::path(
    get, path = "/v1/export", tag = "files",
    params(("what" = Option<String>, Query, description = "`contacts`, if it isn't said, `identities` or `events`"),
        ("format" = Option<String>, Query, description = "`jsonl`, if it isn't said, or `csv`"),
        ("at" = Option<String>, Query, description = "As they were after that event, or at that time (RFC 3339)"),
        ("Selfsame-Workspace" = Option<String>, Header, description = "The workspace, for a key to every one")),
    responses((status = 200, description = "The file",
            content((String = "application/x-ndjson"), (String = "text/csv"))),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn find_export(
    caller: Caller<Reads>,
    State(state): State<Arc<ApiState>>,
    uri: Uri,
) -> Response {
    // The log names the request when it breaks off, too.
    let request_id = RequestId::new();
    // Under way until its last piece is sent.
    let caller = Arc::new(caller);
    let mut response = caller.answer(answer(Arc::clone(&caller), state, &uri, request_id).await);
    response.extensions_mut().insert(request_id);
    response
}

/// The answer, once its first piece is there: as long as nothing was sent, what is wrong can be told.
async fn answer(
    caller: Arc<Caller<Reads>>,
    state: Arc<ApiState>,
    uri: &Uri,
    request_id: RequestId,
) -> Result<Response, Problem> {
    let export = read(uri)?;
    let permit = Arc::clone(&state.exports).try_acquire_owned().map_err(|_| Problem::too_many_exports())?;
    let (sender, pieces) = mpsc::channel(1);
    let mut writing = JoinSet::new();
    writing.spawn(write(export, Arc::clone(&caller), state.ending.subscribe(), sender));
    let mut exporting = Exporting { pieces, writing, caller, state, request_id, _permit: permit };
    let first = exporting.next().await?;
    let content_type = match export.format {
        Format::JsonLines => "application/x-ndjson",
        Format::Csv => "text/csv; charset=utf-8",
    };
    let body = match first {
        None => Body::empty(),
        Some(first) => exporting.stream(first),
    };
    Ok(([(CONTENT_TYPE, HeaderValue::from_static(content_type))], body).into_response())
}

/// What a query asks for.
fn read(uri: &Uri) -> Result<Export, Problem> {
    let mut query = Query::of(uri);
    let subject = word(&mut query, "what", Subject::ALL)?;
    let format = word(&mut query, "format", Format::ALL)?;
    let moment = |text: String| {
        let wanted = "`at` must be the number of an event, or a time as RFC 3339 has it, for example 2030-01-01T00:00:00Z.";
        read_moment(&text).ok_or_else(|| invalid(wanted))
    };
    let at = query.take("at")?.map(moment).transpose()?;
    query.end("`what`, `format` and `at`")?;
    Ok(Export { subject, format, at })
}

/// What a word stands for; the default one if it isn't there.
fn word<T: Default, const COUNT: usize>(
    query: &mut Query,
    name: &'static str,
    words: [(&'static str, T); COUNT],
) -> Result<T, Problem> {
    let Some(text) = query.take(name)? else { return Ok(T::default()) };
    let known: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
    let meant = words.into_iter().find(|(word, _)| *word == text).map(|(_, meant)| meant);
    meant.ok_or_else(|| invalid(format!("`{name}` must be one of {}.", known.join(", "))))
}

/// Writes it, for as long as it may.
async fn write(
    export: Export,
    caller: Arc<Caller<Reads>>,
    mut ending: watch::Receiver<bool>,
    pieces: mpsc::Sender<Vec<u8>>,
) -> Result<(), BrokenOff> {
    let writing = export.write(|what, into| caller.engine().scan(what, into), pieces);
    tokio::select! {
        biased;
        _ = ending.wait_for(|ending| *ending) => Err(BrokenOff::Ending),
        written = tokio::time::timeout(EXPORT_WITHIN, writing) => {
            written.map_err(|_| BrokenOff::TooSlow)?.map_err(BrokenOff::Export)
        }
    }
}

/// An export on its way. Dropped, it reads no more.
struct Exporting {
    pieces: mpsc::Receiver<Vec<u8>>,
    writing: JoinSet<Result<(), BrokenOff>>,
    caller: Arc<Caller<Reads>>,
    state: Arc<ApiState>,
    request_id: RequestId,
    _permit: OwnedSemaphorePermit,
}

impl Exporting {
    /// The next piece; nothing at the end.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, BrokenOff> {
        if let Some(piece) = self.pieces.recv().await {
            return Ok(Some(piece));
        }
        match self.writing.join_next().await {
            Some(Ok(written)) => written.map(|()| None),
            Some(Err(_)) => Err(BrokenOff::Panicked),
            None => Ok(None),
        }
    }

    /// The next piece for whoever may still have it.
    async fn next_if_welcome(&mut self) -> Result<Option<Vec<u8>>, BrokenOff> {
        self.caller.still_welcome(&self.state).await.map_err(|_| BrokenOff::Unwelcome)?;
        self.next().await
    }

    /// The first piece, and those after it as the client takes them.
    fn stream(self, first: Vec<u8>) -> Body {
        // The request goes on for as long as its answer is taken.
        let span = Span::current();
        let rest = stream::unfold((Some(first), Some(self)), move |(first, exporting)| {
            let next = async move {
                let mut exporting = exporting?;
                if let Some(first) = first {
                    return Some((Ok(Bytes::from(first)), (None, Some(exporting))));
                }
                match exporting.next_if_welcome().await {
                    Ok(piece) => piece.map(|piece| (Ok(Bytes::from(piece)), (None, Some(exporting)))),
                    Err(broken_off) => {
                        broken_off.log(exporting.request_id);
                        // The connection is closed without the end of the body.
                        Some((Err(broken_off), (None, None)))
                    }
                }
            };
            next.instrument(span.clone())
        });
        Body::from_stream(rest)
    }
}

impl BrokenOff {
    fn log(&self, request_id: RequestId) {
        let cause = self.to_string();
        match self {
            Self::Export(_) | Self::Panicked => {
                tracing::error!(request.id = %request_id, cause, "an export broke off, and so did its connection");
            }
            Self::Ending | Self::TooSlow | Self::Unwelcome => {
                tracing::warn!(request.id = %request_id, cause, "an export broke off, and so did its connection");
            }
        }
    }
}

impl From<BrokenOff> for Problem {
    fn from(broken_off: BrokenOff) -> Self {
        match broken_off {
            BrokenOff::Export(ExportError::Store(error)) => error.into(),
            BrokenOff::Ending => selfsame_store::StoreError::NotWritable.into(),
            other @ (BrokenOff::Export(_)
            | BrokenOff::TooSlow
            | BrokenOff::Unwelcome
            | BrokenOff::Panicked) => Self::internal().caused_by(&other),
        }
    }
}

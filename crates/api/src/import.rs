//! `POST /v1/import`: a file of customers in, what came of it out, a line at a time.
//!
//! A file is read, decided and stored batch by batch, and each batch is told when it is durable. The next is read when the client
//! has taken what was told of the last, so that neither a file nor its answer is ever held as a whole.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use selfsame_bulk::{
    ColumnMap, DateOrder, Format, Import as File, ImportStopped, OpenError, Opened, SOURCE_CHARACTERS_MAX,
    Told,
};
use selfsame_rules::{Actor, Policy};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tracing::{Instrument, Span};

use crate::batch::LinesShape;
use crate::body::{LINES_TYPES, is_utf8_of};
use crate::body_reader::{BodyReader, interrupted};
use crate::change::refuse_key;
use crate::door::{Caller, Identifies};
use crate::import_lines::{columns_line, rejected_line, standing_line, summary_line};
use crate::problem::{Problem, ProblemBody};
use crate::query::{Query, invalid};
use crate::request_id::RequestId;
use crate::router::ApiState;
use selfsame_service::international;

/// The name that events get as their cause.
const ACTOR: &str = "POST /v1/import";

/// What a file may be called besides; it is looked at all the same.
const FILE_TYPES: [&str; 6] = [
    "text/csv",
    "text/tab-separated-values",
    "application/gzip",
    "application/x-gzip",
    "application/zstd",
    "application/octet-stream",
];

/// How many lines wait for the client.
const LINES_WAITING: usize = 4;

/// Import a file of customers: CSV, TSV or lines of JSON in, lines of JSON out.
///
/// The body is the file as it is, also as gzip or zstd. The answer tells what its columns mean, each row that can't be used, each
/// batch that is stored, and a summary. Sent again after it was interrupted, it goes on where it was.
#[utoipa::path(
    post, path = "/v1/import", tag = "files",
    params(("map" = Option<String>, Query, description = "What columns mean, as `email=E-Mail,phone=Telefon`; guessed if it isn't said"),
        ("format" = Option<String>, Query, description = "`csv`, `tsv` or `jsonl`; known by the file if it isn't said"),
        ("header" = Option<bool>, Query, description = "`false`: the first row is no header, and columns are named by their numbers"),
        ("dateOrder" = Option<String>, Query, description = "`day-first` or `month-first`, for dates as 1/2/2026"),
        ("times" = Option<bool>, Query, description = "`false`: no column is taken for the time at which rows were seen"),
        ("source" = Option<String>, Query, description = "Where the rows were seen, for those that don't say it"),
        ("name" = Option<String>, Query, description = "The name of the file, which may tell its format"),
        ("again" = Option<bool>, Query, description = "Decide rows once more that were imported before"),
        ("dryRun" = Option<bool>, Query, description = "Tell what would come of it, and store nothing"),
        ("Selfsame-Workspace" = Option<String>, Header, description = "The workspace, for a key to every one")),
    request_body(content = inline(LinesShape), content_type = "application/octet-stream", description = "The file"),
    responses((status = 200, description = "What came of it, a line each", body = inline(LinesShape), content_type = "application/x-ndjson"),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn create_import(
    caller: Caller<Identifies>,
    State(state): State<Arc<ApiState>>,
    request: Request,
) -> Response {
    // A line that tells of a problem bears it.
    let request_id = RequestId::new();
    // Under way until its last line is sent.
    let caller = Arc::new(caller);
    let answered = answer(Arc::clone(&caller), state, request, request_id).await;
    let answered = answered.map_err(|problem| spoken(problem, caller.is_command()));
    let mut response = caller.answer(answered);
    response.extensions_mut().insert(request_id);
    response
}

async fn answer(
    caller: Arc<Caller<Identifies>>,
    state: Arc<ApiState>,
    request: Request,
    request_id: RequestId,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    refuse_key(&parts.headers)?;
    check_type(&parts.headers)?;
    let policy = Arc::clone(&caller.workspace().policy);
    let (file, dry_run) = asked(&parts.uri, policy, caller.actor(&Actor::named(ACTOR)))?;
    let (reader, pumping) = BodyReader::of(body, state.settings.body_timeout);
    tokio::spawn(pumping);
    let opened = spawn_blocking(move || file.open(reader)).await.map_err(|_| Problem::internal())?;
    let opened = opened.map_err(|error| not_opened(&error))?;
    let (sender, lines) = mpsc::channel(LINES_WAITING);
    let first = columns_line(&opened);
    let import = Import { caller, state, request_id, dry_run, lines: sender };
    tokio::spawn(import.run(opened, first).instrument(Span::current()));
    let body = Body::from_stream(stream::unfold(lines, async |mut lines| {
        let line: Vec<u8> = lines.recv().await?;
        Some((Ok::<_, Infallible>(Bytes::from(line)), lines))
    }));
    Ok(([(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"))], body).into_response())
}

/// An import on its way, for one client.
struct Import {
    caller: Arc<Caller<Identifies>>,
    state: Arc<ApiState>,
    request_id: RequestId,
    dry_run: bool,
    lines: mpsc::Sender<Vec<u8>>,
}

impl Import {
    /// Tells all that happens, and at last what came of it. Whoever asked may go any time; then it ends.
    async fn run(self, opened: Opened, first: Vec<u8>) {
        if self.lines.send(first).await.is_err() {
            return;
        }
        let last = match self.tell(opened).await {
            Ok(Some(last)) => last,
            Ok(None) => return,
            Err(problem) => {
                let problem = spoken(problem, self.caller.is_command());
                problem.log(self.request_id);
                let mut line = Vec::new();
                problem.write(self.request_id, None, &mut line);
                line.push(b'\n');
                line
            }
        };
        let _ = self.lines.send(last).await;
    }

    /// The last line; nothing if nobody is there to be told.
    async fn tell(&self, opened: Opened) -> Result<Option<Vec<u8>>, Problem> {
        let engine = self.caller.engine();
        let started = if self.dry_run { opened.rehearse(engine).await } else { opened.start(engine).await };
        let mut running = started.map_err(not_finished)?;
        // The first row was paid for at the door.
        let mut rows_paid = 1;
        while let Some(told) = running.next().await.map_err(not_finished)? {
            let lines = match told {
                Told::Rejected(rows) => {
                    self.state.metrics.refused.increment(rows.len() as u64);
                    rows.iter().flat_map(rejected_line).collect()
                }
                Told::Stored(standing) => {
                    let rows = usize::try_from(standing.rows - standing.rows_before).unwrap_or_default();
                    self.caller.pay(rows.saturating_sub(rows_paid)).await;
                    rows_paid = rows.max(rows_paid);
                    standing_line(&standing)
                }
            };
            if self.lines.send(lines).await.is_err() {
                return Ok(None);
            }
            if *self.state.ending.borrow() {
                return Err(Problem::shutting_down());
            }
            self.caller.still_welcome(&self.state).await?;
        }
        Ok(Some(summary_line(running.standing(), self.dry_run)))
    }
}

/// What the query asks for, and whether nothing is to be stored.
fn asked(uri: &Uri, policy: Arc<Policy>, actor: Actor) -> Result<(File, bool), Problem> {
    let mut query = Query::of(uri);
    let map = query.take("map")?;
    let format = query.take("format")?;
    let header = query.take("header")?;
    let date_order = query.take("dateOrder")?;
    let times = query.take("times")?;
    let source = query.take("source")?.filter(|source| !source.trim().is_empty());
    let file_name = query.take("name")?;
    let again = query.take_flag("again")?;
    let dry_run = query.take_flag("dryRun")?;
    query.end("`map`, `format`, `header`, `dateOrder`, `times`, `source`, `name`, `again` and `dryRun`")?;
    if source.as_ref().is_some_and(|source| source.chars().count() > SOURCE_CHARACTERS_MAX) {
        return Err(invalid(format!(
            "`source` may have {SOURCE_CHARACTERS_MAX} characters; send a shorter one."
        )));
    }
    let columns = map.map(|map| ColumnMap::parse(&map, &policy)).transpose();
    let columns = columns.map_err(|wrong| invalid(sentence(&wrong.to_string())))?;
    let has_header = unless_false(header.as_deref(), "header")?;
    let guesses_times = unless_false(times.as_deref(), "times")?;
    if !guesses_times && date_order.is_some() {
        return Err(invalid("`times=false` and `dateOrder` contradict each other; leave one of them out."));
    }
    let format = known(format, "format", Format::from_name, "`csv`, `tsv` or `jsonl`")?;
    let date_order = known(date_order, "dateOrder", DateOrder::from_name, "`day-first` or `month-first`")?;
    let file = File {
        policy,
        international,
        actor,
        file_name,
        format,
        columns,
        has_header,
        date_order,
        guesses_times,
        source,
        again,
    };
    Ok((file, dry_run))
}

/// Whether that is so, which it is unless it is said not to be.
fn unless_false(word: Option<&str>, name: &str) -> Result<bool, Problem> {
    match word {
        None | Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(_) => Err(invalid(format!("`{name}` must be `true` or `false`."))),
    }
}

/// What a word means, if it was said.
fn known<T>(
    word: Option<String>,
    name: &str,
    meaning: impl Fn(&str) -> Option<T>,
    words: &str,
) -> Result<Option<T>, Problem> {
    word.map(|word| meaning(&word).ok_or_else(|| invalid(format!("`{name}` must be {words}.")))).transpose()
}

fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let known = |value: &HeaderValue| {
        is_utf8_of(value, |own| LINES_TYPES.contains(&own) || FILE_TYPES.contains(&own))
    };
    if !headers.get(CONTENT_TYPE).is_none_or(known) {
        let detail = "The body must be the file itself, not a form; send it with `Content-Type: text/csv`, `application/x-ndjson`, \
                      `application/gzip` or `application/octet-stream` (`curl -X POST -T FILE` sends none, which will do).";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail));
    }
    // What it is compressed with is seen in the file.
    let known = |value: &HeaderValue| {
        ["identity", "gzip", "x-gzip", "zstd"]
            .iter()
            .any(|own| value.as_bytes().eq_ignore_ascii_case(own.as_bytes()))
    };
    if !headers.get(CONTENT_ENCODING).is_none_or(known) {
        let detail = "The body may be compressed with gzip or zstd; send it so, or as it is.";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding", detail));
    }
    Ok(())
}

fn not_opened(error: &OpenError) -> Problem {
    match error {
        OpenError::Read(read) if let Some(problem) = interrupted(read) => problem,
        OpenError::Empty => Problem::bad_request(
            "empty_body",
            "The body is empty; send a file that has a header and a row at least.",
        ),
        OpenError::Read(_)
        | OpenError::Foreign(_)
        | OpenError::Header { .. }
        | OpenError::NoObject
        | OpenError::UnknownColumn(_)
        | OpenError::NoColumns(_) => Problem::bad_request("invalid_file", sentence(&error.to_string())),
    }
}

fn not_finished(stopped: ImportStopped) -> Problem {
    match stopped {
        ImportStopped::Read(error) => interrupted(&error)
            .unwrap_or_else(|| Problem::bad_request("invalid_file", sentence(&error.to_string()))),
        ImportStopped::Changed { .. } => {
            let detail = format!(
                "{} Send it with `again=true` to have all its rows decided once more.",
                sentence(&stopped.to_string())
            );
            Problem::new(StatusCode::CONFLICT, "file_changed", detail)
        }
        ImportStopped::UnreadTimes { .. } => Problem::bad_request(
            "invalid_file",
            format!("{} Nothing was stored.", sentence(&stopped.to_string())),
        ),
        ImportStopped::NotEmpty => {
            let detail =
                format!("{} Nothing was imported; send the file again.", sentence(&stopped.to_string()));
            Problem::new(StatusCode::CONFLICT, "not_empty_any_more", detail)
        }
        ImportStopped::Store(error) => error.into(),
        ImportStopped::Spool(_) | ImportStopped::Panicked => Problem::internal().caused_by(&stopped),
    }
}

/// What the command has for each parameter.
const FLAGS: [(&str, &str); 9] = [
    ("`--no-header --map ", "`header=false&map="),
    ("`--map ", "`map="),
    ("`--format ", "`format="),
    ("`--date-order ", "`dateOrder="),
    ("`--no-times`", "`times=false`"),
    ("`--again`", "`again=true`"),
    ("`--format`", "`format`"),
    ("`--date-order`", "`dateOrder`"),
    ("`--source`", "`source`"),
];

/// The problem in the words of whoever asks: a command has flags, a request parameters.
fn spoken(problem: Problem, is_command: bool) -> Problem {
    let mut detail = problem.detail.clone();
    for (flag, parameter) in FLAGS {
        let (from, to) = if is_command { (parameter, flag) } else { (flag, parameter) };
        detail = detail.replace(from, to);
    }
    Problem { detail, ..problem }
}

/// A message and its hint as sentences.
fn sentence(message: &str) -> String {
    let mut sentences = String::with_capacity(message.len() + 2);
    for (place, line) in message.lines().enumerate() {
        let line = line.trim().trim_start_matches("hint: ");
        let mut characters = line.chars();
        if place > 0 {
            sentences.push(' ');
        }
        sentences.extend(characters.next().into_iter().flat_map(char::to_uppercase));
        sentences.push_str(characters.as_str());
        if !line.ends_with(['.', '?', '!']) {
            sentences.push('.');
        }
    }
    sentences
}

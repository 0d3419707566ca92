//! `GET /v1/events`: the log, in pages or as it grows.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use selfsame_rules::Sequence;

use crate::door::{Caller, Reads};
use crate::event_body::EventBody;
use crate::event_stream::{is_asked, last_event_id, sequence, stream_events};
use crate::identities::EventsBody;
use crate::page::{Page, PageQuery};
use crate::problem::{Problem, ProblemBody};
use crate::query::Query;
use crate::router::ApiState;

/// List the events of the workspace's log.
///
/// With `Accept: text/event-stream` they are sent as server-sent events, and so are those to come.
#[utoipa::path(
    get, path = "/v1/events", tag = "events",
    params(PageQuery, ("after" = Option<i64>, Query, description = "Those after that number; from the first if it isn't said"),
        ("Last-Event-ID" = Option<String>, Header, description = "Of a stream: `after`, and before that one"),
        ("Selfsame-Workspace" = Option<String>, Header, description = "The workspace, for a key to every one")),
    responses((status = 200, description = "A page of them; or the stream, which has neither `limit` nor `cursor`",
            content((EventsBody = "application/json"), (String = "text/event-stream"))),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn list_events(
    caller: Caller<Reads>,
    State(state): State<Arc<ApiState>>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    if !is_asked(&headers) {
        return caller.answer(list(&caller, &uri).await);
    }
    match stream_after(&headers, &uri) {
        Ok(after) => stream_events(caller, state, after),
        Err(problem) => caller.answer(Err::<Response, _>(problem)),
    }
}

async fn list(caller: &Caller<Reads>, uri: &Uri) -> Result<Json<EventsBody>, Problem> {
    let mut query = Query::of(uri);
    let page = Page::take(&mut query, "events")?;
    let after = after(&mut query)?;
    query.end("`after`, `limit` and `cursor`")?;
    // A cursor leads on from where the page before ended.
    let after = Sequence(page.after()).max(after);
    let mut events = caller.engine().events(after, page.limit() + 1).await?;
    let more = events.len() > page.limit();
    events.truncate(page.limit());
    let next_cursor = events.last().filter(|_| more).map(|last| page.cursor_after(last.sequence.0));
    Ok(Json(EventsBody { events: events.iter().map(EventBody::of).collect(), next_cursor }))
}

/// Where a stream begins: what the client has seen last, or what its query says.
fn stream_after(headers: &HeaderMap, uri: &Uri) -> Result<Sequence, Problem> {
    let mut query = Query::of(uri);
    let after = after(&mut query)?;
    query.end("`after`, as a stream has no pages")?;
    Ok(last_event_id(headers)?.unwrap_or(after))
}

fn after(query: &mut Query) -> Result<Sequence, Problem> {
    query.take("after")?.map_or(Ok(Sequence(0)), |text| sequence(&text, "after"))
}

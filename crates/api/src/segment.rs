//! Segment's HTTP Tracking API, for its own clients: `POST /v1/identify`, `/v1/alias`, `/v1/track`, `/v1/page`, `/v1/screen`,
//! `/v1/group` and `/v1/batch`. (`POST /identify`, without `/v1`, is the original service's.)

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use selfsame_rules::Actor;

use crate::door::{Caller, Tracks};
use crate::gzip::read_json_or_gzip;
use crate::observation::LENGTH_BYTES_MAX;
use crate::problem::{Problem, ProblemBody};
use crate::router::ApiState;
use crate::segment_body::{BatchBody, Call, MessageBody, Reading};
use crate::sources::{TakenBody, carry_out};
use crate::target::no_query;

/// Twice what Segment takes, 500 KB.
const BATCH_BYTES_MAX: usize = 1024 * 1024;

/// The caller, as every route of these takes them.
type Tracker = Caller<Tracks>;

/// Segment's `identify`: who somebody is.
#[utoipa::path(
    post, path = "/v1/identify", tag = "observations", request_body = MessageBody<'static>,
    params(("Selfsame-Workspace" = Option<String>, Header, description = "The workspace, for a key to every one")),
    responses((status = 200, description = "It was taken", body = TakenBody),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn create_segment_identify(
    caller: Tracker,
    State(state): State<Arc<ApiState>>,
    request: Request,
) -> Response {
    caller.answer(one(&caller, &state, Call::Identify, "POST /v1/identify", request).await)
}

/// Segment's `alias`: an anonymous visitor is a user.
#[utoipa::path(
    post, path = "/v1/alias", tag = "observations", request_body = MessageBody<'static>,
    params(("Selfsame-Workspace" = Option<String>, Header, description = "The workspace, for a key to every one")),
    responses((status = 200, description = "It was taken", body = TakenBody),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn create_segment_alias(
    caller: Tracker,
    State(state): State<Arc<ApiState>>,
    request: Request,
) -> Response {
    caller.answer(one(&caller, &state, Call::Alias, "POST /v1/alias", request).await)
}

/// Segment's `track`: somebody did something.
#[utoipa::path(
    post, path = "/v1/track", tag = "observations", request_body = MessageBody<'static>,
    params(("Selfsame-Workspace" = Option<String>, Header, description = "The workspace, for a key to every one")),
    responses((status = 200, description = "It was taken", body = TakenBody),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn create_segment_track(
    caller: Tracker,
    State(state): State<Arc<ApiState>>,
    request: Request,
) -> Response {
    caller.answer(one(&caller, &state, Call::Other, "POST /v1/track", request).await)
}

/// Segment's `page`: somebody saw a page.
#[utoipa::path(
    post, path = "/v1/page", tag = "observations", request_body = MessageBody<'static>,
    params(("Selfsame-Workspace" = Option<String>, Header, description = "The workspace, for a key to every one")),
    responses((status = 200, description = "It was taken", body = TakenBody),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn create_segment_page(
    caller: Tracker,
    State(state): State<Arc<ApiState>>,
    request: Request,
) -> Response {
    caller.answer(one(&caller, &state, Call::Other, "POST /v1/page", request).await)
}

/// Segment's `screen`: somebody saw a screen of an app.
#[utoipa::path(
    post, path = "/v1/screen", tag = "observations", request_body = MessageBody<'static>,
    params(("Selfsame-Workspace" = Option<String>, Header, description = "The workspace, for a key to every one")),
    responses((status = 200, description = "It was taken", body = TakenBody),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn create_segment_screen(
    caller: Tracker,
    State(state): State<Arc<ApiState>>,
    request: Request,
) -> Response {
    caller.answer(one(&caller, &state, Call::Other, "POST /v1/screen", request).await)
}

/// Segment's `group`: somebody belongs to a company.
#[utoipa::path(
    post, path = "/v1/group", tag = "observations", request_body = MessageBody<'static>,
    params(("Selfsame-Workspace" = Option<String>, Header, description = "The workspace, for a key to every one")),
    responses((status = 200, description = "It was taken", body = TakenBody),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn create_segment_group(
    caller: Tracker,
    State(state): State<Arc<ApiState>>,
    request: Request,
) -> Response {
    caller.answer(one(&caller, &state, Call::Other, "POST /v1/group", request).await)
}

/// Segment's `batch`: many of its messages, in their order.
#[utoipa::path(
    post, path = "/v1/batch", tag = "observations", request_body = BatchBody<'static>,
    params(("Selfsame-Workspace" = Option<String>, Header, description = "The workspace, for a key to every one")),
    responses((status = 200, description = "They were taken", body = TakenBody),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn create_segment_batch(
    caller: Tracker,
    State(state): State<Arc<ApiState>>,
    request: Request,
) -> Response {
    caller.answer(many(&caller, &state, request).await)
}

async fn one(
    caller: &Tracker,
    state: &ApiState,
    call: Call,
    route: &str,
    request: Request,
) -> Result<Response, Problem> {
    no_query(request.uri())?;
    let wanted = "a JSON object, a message of Segment's";
    let body = read_json_or_gzip(request, LENGTH_BYTES_MAX, state.settings.body_timeout, wanted).await?;
    let message = reading(caller, state, route)
        .message(call, &body)
        .inspect_err(|_| state.metrics.refused.increment(1))?;
    carry_out(caller, message.into_iter().collect()).await
}

async fn many(caller: &Tracker, state: &ApiState, request: Request) -> Result<Response, Problem> {
    no_query(request.uri())?;
    let wanted = "a JSON object, a batch of Segment's";
    let body = read_json_or_gzip(request, BATCH_BYTES_MAX, state.settings.body_timeout, wanted).await?;
    let messages = reading(caller, state, "POST /v1/batch")
        .batch(&body)
        .inspect_err(|_| state.metrics.refused.increment(1))?;
    let count = messages.len();
    let answer = carry_out(caller, messages).await?;
    // Their clients wait some seconds, and send all of it again if there is no answer by then: so it is taken now, and made up for
    // before the next. The first was paid for at the door; what was not stored costs no more than that.
    caller.owe(count.saturating_sub(1));
    Ok(answer)
}

fn reading<'caller>(caller: &'caller Tracker, state: &'caller ApiState, route: &str) -> Reading<'caller> {
    let workspace = caller.workspace();
    Reading {
        workspace: workspace.key,
        policy: &workspace.policy,
        actor: caller.actor(&Actor::named(route)),
        left_out: &state.metrics.left_out,
        now: state.installation.now(),
    }
}

//! `POST /identify`: the original service's request and response.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use selfsame_rules::IdentityView;

use crate::body::read_json;
use crate::contact_body::{ResponseSpelling, write_contact};
use crate::door::{Caller, Identifies};
use crate::observation::{LENGTH_BYTES_MAX, Place, parse};
use crate::openapi::{AnswerShape, ObservationShape};
use crate::problem::{Problem, ProblemBody};
use crate::router::ApiState;

/// Room for the answer of a customer with a few contacts.
const ANSWER_BYTES: usize = 256;

/// What an empty body is told.
const WANTED: &str = "a JSON object with `email`, `phoneNumber` or both";

/// Identify a customer: the request and response of the service that this one replaces.
#[utoipa::path(
    post, path = "/identify", tag = "observations", request_body = ObservationShape,
    params(("Selfsame-Workspace" = Option<String>, Header, description = "The workspace, for a key to every one")),
    responses((status = 200, description = "The customer", body = AnswerShape),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn create_identify(
    caller: Caller<Identifies>,
    State(state): State<Arc<ApiState>>,
    request: Request,
) -> Response {
    caller.answer(identify(&caller, &state, request).await)
}

async fn identify(
    caller: &Caller<Identifies>,
    state: &ApiState,
    request: Request,
) -> Result<Response, Problem> {
    let body = read_json(request, LENGTH_BYTES_MAX, state.settings.body_timeout, WANTED).await?;
    let policy = &caller.workspace().policy;
    let observation = parse(&body, Place::Body, policy, &caller.actor(&state.settings.actor))
        .inspect_err(|_| state.metrics.refused.increment(1))?;
    let answered = caller.engine().identify(observation).await?;
    let view = answered.identity.ok_or_else(Problem::nothing_links)?;
    Ok(answer(&view, state.settings.response_spelling))
}

fn answer(view: &IdentityView, spelling: ResponseSpelling) -> Response {
    let mut json = Vec::with_capacity(ANSWER_BYTES);
    write_contact(view, spelling, &mut json);
    // Express, which the original runs on, names the character set; clients compare the header as a whole.
    let json_type = HeaderValue::from_static("application/json; charset=utf-8");
    ([(CONTENT_TYPE, json_type)], Bytes::from(json)).into_response()
}

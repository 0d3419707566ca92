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
use crate::observation::{LENGTH_BYTES_MAX, Place, parse};
use crate::problem::Problem;
use crate::router::ApiState;

/// Room for the answer of a customer with a few contacts.
const ANSWER_BYTES: usize = 256;

pub(crate) async fn create_identify(
    State(state): State<Arc<ApiState>>,
    request: Request,
) -> Result<Response, Problem> {
    let body = read_json(request, LENGTH_BYTES_MAX, state.settings.body_timeout).await?;
    let observation = parse(&body, Place::Body, &state.settings.actor)
        .inspect_err(|_| state.metrics.refused.increment(1))?;
    let view = state.engine.identify(observation).await?;
    Ok(answer(&view, state.settings.response_spelling))
}

fn answer(view: &IdentityView, spelling: ResponseSpelling) -> Response {
    let mut json = Vec::with_capacity(ANSWER_BYTES);
    write_contact(view, spelling, &mut json);
    // Express, which the original runs on, names the character set; clients compare the header as a whole.
    let json_type = HeaderValue::from_static("application/json; charset=utf-8");
    ([(CONTENT_TYPE, json_type)], Bytes::from(json)).into_response()
}

//! `POST /identify`: the original service's request and response, and its name for each fault of a request.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use selfsame_rules::{Actor, IdentifierKind, IdentityView, Observation, SeenIdentifier};
use serde::{Deserialize, Serialize};
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::body::read_json;
use crate::problem::Problem;
use crate::router::ApiState;

/// The most bytes that a body may have.
const LENGTH_BYTES_MAX: usize = 64 * 1024;

/// How the answer spells the key of the primary's id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResponseSpelling {
    /// `primaryContactId`, as the original service.
    #[default]
    Original,
    /// `primaryContatctId`, as the text of the task.
    Task,
    /// Both keys.
    Both,
}

/// `{"email"?: string|null, "phoneNumber"?: string|integer|null}`; other members are ignored.
///
/// The values stay raw: a phone number may be an integer of any length, which no number type would keep.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IdentifyRequest<'body> {
    #[serde(borrow, default)]
    email: Option<&'body RawValue>,
    #[serde(borrow, default)]
    phone_number: Option<&'body RawValue>,
}

#[derive(Serialize)]
struct IdentifyResponse<'view> {
    contact: ContactBody<'view>,
}

/// The members in the original's order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ContactBody<'view> {
    #[serde(skip_serializing_if = "Option::is_none")]
    primary_contact_id: Option<i64>,
    #[serde(rename = "primaryContatctId", skip_serializing_if = "Option::is_none")]
    primary_contatct_id: Option<i64>,
    emails: Vec<&'view str>,
    phone_numbers: Vec<&'view str>,
    secondary_contact_ids: Vec<i64>,
}

pub(crate) async fn create_identify(
    State(state): State<Arc<ApiState>>,
    request: Request,
) -> Result<Response, Problem> {
    let text = read_json(request, LENGTH_BYTES_MAX, state.settings.body_timeout).await?;
    let observation = parse(&text, &state.settings.actor)?;
    let view = state.engine.identify(observation).await?;
    Ok(answer(&view, state.settings.response_spelling))
}

/// The observation that a body holds.
fn parse(text: &str, actor: &Actor) -> Result<Observation, Problem> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // Serde would also read the members from an array, in their order.
    if !text.trim_start().starts_with('{') {
        return Err(match serde_json::from_str::<&RawValue>(text) {
            Ok(_) => Problem::bad_request(
                "not_an_object",
                "The body must be a JSON object with `email`, `phoneNumber` or both.",
            ),
            Err(_) => malformed(),
        });
    }
    let request: IdentifyRequest<'_> =
        serde_json::from_str(text).map_err(|error| match error.classify() {
            Category::Data => Problem::bad_request(
                "repeated_member",
                "`email` and `phoneNumber` may each stand in the body once; send one value for each.",
            ),
            Category::Syntax | Category::Eof | Category::Io => malformed(),
        })?;
    let seen = [email(request.email)?, phone(request.phone_number)?];
    Observation::new(actor.clone(), seen.into_iter().flatten()).map_err(|_| {
        Problem::bad_request(
            "nothing_to_identify",
            "There is no `email` and no `phoneNumber` that isn't blank; send at least one of them.",
        )
    })
}

fn malformed() -> Problem {
    Problem::bad_request("malformed_json", "The body is not valid JSON; send a JSON object.")
}

fn email(value: Option<&RawValue>) -> Result<Option<SeenIdentifier>, Problem> {
    let Some(value) = value else { return Ok(None) };
    if !value.get().starts_with('"') {
        return Err(Problem::bad_request("wrong_type", "`email` must be a string or null."));
    }
    let text: String = serde_json::from_str(value.get()).map_err(|_| malformed())?;
    SeenIdentifier::parse(&IdentifierKind::Email, &text).map_err(|rule| {
        let detail = format!("`email` is not an e-mail address: {rule}; correct it, or leave it out.");
        Problem::bad_request("invalid_email", detail)
    })
}

fn phone(value: Option<&RawValue>) -> Result<Option<SeenIdentifier>, Problem> {
    let Some(value) = value else { return Ok(None) };
    let raw = value.get();
    let text: String = if raw.starts_with('"') {
        serde_json::from_str(raw).map_err(|_| malformed())?
    } else if raw.bytes().all(|byte| byte.is_ascii_digit()) {
        raw.to_owned()
    } else {
        let detail = "`phoneNumber` must be a string, a whole number without sign or exponent, or null.";
        return Err(Problem::bad_request("wrong_type", detail));
    };
    SeenIdentifier::parse(&IdentifierKind::Phone, &text).map_err(|rule| {
        let detail = format!("`phoneNumber` is not a phone number: {rule}; correct it, or leave it out.");
        Problem::bad_request("invalid_phone_number", detail)
    })
}

fn answer(view: &IdentityView, spelling: ResponseSpelling) -> Response {
    let primary = view.primary.0;
    let contact = ContactBody {
        primary_contact_id: (spelling != ResponseSpelling::Task).then_some(primary),
        primary_contatct_id: (spelling != ResponseSpelling::Original).then_some(primary),
        emails: view.values(&IdentifierKind::Email).collect(),
        phone_numbers: view.values(&IdentifierKind::Phone).collect(),
        secondary_contact_ids: view.secondaries.iter().map(|secondary| secondary.0).collect(),
    };
    let json =
        serde_json::to_vec(&IdentifyResponse { contact }).expect("strings and numbers always make JSON");
    // Express, which the original runs on, names the character set; clients compare the header as a whole.
    let json_type = HeaderValue::from_static("application/json; charset=utf-8");
    ([(CONTENT_TYPE, json_type)], Bytes::from(json)).into_response()
}

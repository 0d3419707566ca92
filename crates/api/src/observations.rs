//! `POST /v1/observations`: identifiers of any kind that is known, and what came of them.

use std::borrow::Cow;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use selfsame_bulk::SOURCE_CHARACTERS_MAX;
use selfsame_rules::{
    Actor, Answer, Event, IdentifierKind, Observation, Origin, Outcome, Policy, SeenIdentifier, Sequence,
};
use selfsame_service::{AskError, Order, Ordered, Person, Whom, international};
use selfsame_store::StoreError;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};

use crate::change::Change;
use crate::door::{Caller, Identifies};
use crate::event_body::RuleBody;
use crate::identity_body::{CONTACTS, IdentityBody};
use crate::observation::LENGTH_BYTES_MAX;
use crate::page::Page;
use crate::problem::{Problem, ProblemBody};
use crate::query::Query;
use crate::router::ApiState;
use crate::times;
use crate::words::ObservedWord;
use crate::write_body::parse_object;

/// What was seen.
#[derive(Deserialize, ToSchema)]
#[serde(expecting = "an object", rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewObservation)]
pub(crate) struct NewObservationBody<'text> {
    /// One of a kind at most; at least one.
    #[serde(borrow)]
    #[schema(min_items = 1)]
    identifiers: Vec<NewIdentifierBody<'text>>,
    /// When it was seen, if that isn't now: RFC 3339, of the years 0000 to 9999 in UTC. It is kept, and decides nothing.
    #[schema(format = DateTime)]
    observed_at: Option<String>,
    /// Where it was seen: up to 200 characters.
    #[schema(max_length = 200)]
    source: Option<String>,
}

/// An identifier that was seen.
#[derive(Deserialize, ToSchema)]
#[serde(expecting = "an object", deny_unknown_fields)]
#[schema(as = NewIdentifier)]
pub(crate) struct NewIdentifierBody<'text> {
    /// `email`, `phone`, or a kind that the policy declares.
    kind: String,
    /// A text, or, of a phone number, a whole number.
    #[serde(borrow)]
    #[schema(schema_with = text_or_number)]
    value: &'text RawValue,
    /// Whether the person was shown to hold it.
    #[serde(default)]
    verified: bool,
}

/// A text, or a whole number of any length.
fn text_or_number() -> Schema {
    let either = [Type::String, Type::Integer].into_iter().collect();
    let described = ObjectBuilder::new().schema_type(SchemaType::Array(either));
    described.description(Some("A text, or, of a phone number, a whole number.")).minimum(Some(0)).into()
}

/// What came of an observation.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Observed)]
pub(crate) struct ObservedBody {
    #[schema(value_type = ObservedWord)]
    outcome: &'static str,
    /// The rule that kept it from joining identities, or from giving one all that it brought.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    rule: Option<RuleBody>,
    /// The event that it caused, or the one that recorded its refusal before; null where nothing changed.
    #[schema(required = true)]
    sequence: Option<i64>,
    /// Whether nothing was stored because the request asked so.
    dry_run: bool,
    /// The person that it belongs to, with the first of their contacts. In a dry run, as they are; null for somebody who is
    /// new, or who was erased this moment.
    #[schema(required = true)]
    identity: Option<IdentityBody>,
}

/// Store what was seen, and answer whose it is.
#[utoipa::path(
    post, path = "/v1/observations", tag = "observations", request_body = NewObservationBody<'static>,
    params(("dryRun" = Option<bool>, Query, description = "Tell what would come of it, and store nothing"),
        ("Selfsame-Workspace" = Option<String>, Header, description = "The workspace, for a key to every one")),
    responses((status = 200, description = "What came of it", body = ObservedBody),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn create_observation(
    caller: Caller<Identifies>,
    State(state): State<Arc<ApiState>>,
    request: Request,
) -> Response {
    caller.answer(create(&caller, &state, request).await)
}

async fn create(
    caller: &Caller<Identifies>,
    state: &ApiState,
    request: Request,
) -> Result<Response, Problem> {
    let change =
        Change::read(caller, state, "POST /v1/observations", request, Some(LENGTH_BYTES_MAX)).await?;
    if let Some(before) = change.before()? {
        return Ok(before);
    }
    let mut query = Query::of(&change.uri);
    let dry_run = query.take_flag("dryRun")?;
    query.end("`dryRun`")?;
    let actor = caller.actor(&change.actor());
    let observation = observation(parse_object(&change.body)?, &caller.workspace().policy, actor)
        .inspect_err(|_| state.metrics.refused.increment(1))?;
    if change.once().is_some() {
        return change.order(caller, Order::Observe(observation.into()), None, false, observed).await;
    }
    let engine = caller.engine();
    let (answer, event) = if dry_run {
        engine.would_identify(observation).await?
    } else {
        let answer = engine.identify(observation).await?;
        let event = match answer.event {
            None => None,
            Some(Sequence(number)) => {
                engine.events(Sequence(number - 1), 1).await.map_err(stored_all_the_same)?.pop()
            }
        };
        (answer, event)
    };
    let view = answer.identity.as_ref().ok_or_else(Problem::nothing_links)?;
    let page = Page::first(CONTACTS);
    let identity = match engine.page(&Whom::Contact(view.primary), None, None, page.limit()).await {
        Ok(found) => Some(IdentityBody::of(&found, &page)),
        // A dry run of somebody new, or of a person who was erased this moment.
        Err(AskError::NoContact(_) | AskError::Gone(_) | AskError::Nobody) => None,
        Err(AskError::Store(error)) if dry_run => return Err(error.into()),
        Err(AskError::Store(error)) => return Err(stored_all_the_same(error).into()),
    };
    Ok(Json(ObservedBody::of(&answer, event.as_ref(), dry_run, identity)).into_response())
}

/// What is told of one that was carried out by itself.
fn observed(ordered: &Ordered) -> Result<ObservedBody, Problem> {
    let observed = ordered.observed.as_ref().ok_or_else(Problem::internal)?;
    let Person { primary, register } = observed.person.as_ref().ok_or_else(Problem::nothing_links)?;
    let identity = IdentityBody::first_of(register, *primary);
    Ok(ObservedBody::of(&observed.answer, ordered.event.as_ref(), false, identity))
}

impl ObservedBody {
    fn of(answer: &Answer, event: Option<&Event>, dry_run: bool, identity: Option<IdentityBody>) -> Self {
        Self {
            outcome: if answer.refused.is_some() { "refused" } else { word(event) },
            rule: answer.refused.as_ref().map(RuleBody::of),
            sequence: answer.event.map(|sequence| sequence.0),
            dry_run,
            identity,
        }
    }
}

/// What is read after a commit can fail; nobody is to take that for a refusal of what was stored.
fn stored_all_the_same(error: StoreError) -> StoreError {
    StoreError::OutcomeUnknown(Arc::new(error))
}

fn word(event: Option<&Event>) -> &'static str {
    match event.map(|event| &event.outcome) {
        Some(Outcome::Created { .. }) => "created",
        Some(Outcome::Attached { .. }) => "attached",
        Some(Outcome::Merged { .. }) => "merged",
        _ => "unchanged",
    }
}

/// The observation that a body describes, read as the policy spells values.
fn observation(body: NewObservationBody<'_>, policy: &Policy, actor: Actor) -> Result<Observation, Problem> {
    let mut seen = Vec::with_capacity(body.identifiers.len());
    for one in &body.identifiers {
        let known = IdentifierKind::from_name(&one.kind).ok().filter(|kind| policy.knows(kind));
        let known = known.ok_or_else(|| {
            let detail = "`kind` must be `email`, `phone`, or a kind that the workspace's policy declares.";
            Problem::bad_request("unknown_kind", detail)
        })?;
        let read = seen_as(policy, &known, &text(&known, one.value)?)?;
        seen.extend(read.map(|read| if one.verified { read.verified() } else { read }));
    }
    let observed_at = body.observed_at.as_deref().map(|text| {
        times::read(text).ok_or_else(|| {
            let detail = "`observedAt` must be a time as RFC 3339 has it, of the years 0000 to 9999 in UTC, for example \
                          2026-01-31T12:00:00Z.";
            Problem::bad_request("invalid_time", detail)
        })
    });
    let source = body.source.filter(|source| !source.trim().is_empty());
    if source.as_deref().is_some_and(|source| source.chars().count() > SOURCE_CHARACTERS_MAX) {
        let detail = format!("`source` may have up to {SOURCE_CHARACTERS_MAX} characters.");
        return Err(Problem::bad_request("invalid_source", detail));
    }
    let origin =
        Origin { observed_at: observed_at.transpose()?, source: source.map(Into::into), imported: false };
    let observation = Observation::new(actor, seen).map_err(|_| {
        let detail =
            "`identifiers` must hold at least one value that isn't blank, and one of a kind at most.";
        Problem::bad_request("nothing_to_identify", detail)
    })?;
    Ok(observation.with_origin(origin).read_by(policy.spelling(international)))
}

/// The text of a value: a JSON string, or the digits of a whole number where a phone number is wanted.
fn text<'value>(kind: &IdentifierKind, value: &'value RawValue) -> Result<Cow<'value, str>, Problem> {
    let raw = value.get();
    if *kind == IdentifierKind::Phone && raw.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(Cow::Borrowed(raw));
    }
    serde_json::from_str(raw).map(Cow::Owned).map_err(|_| {
        let detail = "`value` must be a text; that of a phone number may also be a whole number.";
        Problem::bad_request("wrong_type", detail)
    })
}

/// Reads a text as an identifier; nothing if it is blank.
pub(crate) fn seen_as(
    policy: &Policy,
    kind: &IdentifierKind,
    text: &str,
) -> Result<Option<SeenIdentifier>, Problem> {
    policy.parse(kind, text, international).map_err(|rule| {
        let detail =
            format!("The value of `{}` can't be used: {rule}; correct it, or leave it out.", kind.name());
        Problem::bad_request("invalid_identifier", detail)
    })
}

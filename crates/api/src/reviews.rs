//! `/v1/reviews`: what a rule refused, for a person to decide.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::Uri;
use axum::response::Response;
use selfsame_rules::{Event, Judgement, Outcome, Register, Sequence};
use selfsame_service::Order;
use selfsame_store::Recalled;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::change::Change;
use crate::corrections::{CorrectedBody, correct, reason, sequence};
use crate::door::{Caller, Reads, Writes};
use crate::event_body::{EventBody, RuleBody};
use crate::page::{Page, PageQuery};
use crate::problem::ProblemBody;
use crate::router::ApiState;
use crate::target::Named;

/// The longest body of a decision.
const LENGTH_BYTES_MAX: usize = 16 * 1024;

/// An observation that a rule refused, and that nobody has decided.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Review)]
pub(crate) struct ReviewBody {
    /// The number by which it is decided: that of its event.
    sequence: i64,
    rule: RuleBody,
    /// Whom it concerns, as they are now: the primary of each identity.
    primary_contact_ids: Vec<i64>,
    event: EventBody,
}

/// A page of reviews, oldest first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReviewPage)]
pub(crate) struct ReviewsBody {
    reviews: Vec<ReviewBody>,
    /// Leads to the next page; null after the last.
    #[schema(required = true)]
    next_cursor: Option<String>,
}

/// What a reviewer decides.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Decision)]
pub(crate) enum DecisionBody {
    /// They are the same person.
    Merge,
    /// They are not, whatever is observed from now on.
    KeepApart,
}

/// A review's decision.
#[derive(Deserialize, ToSchema)]
#[serde(expecting = "an object", deny_unknown_fields)]
#[schema(as = ReviewDecision)]
pub(crate) struct ReviewDecisionBody {
    decision: DecisionBody,
    /// Why: up to 1000 characters.
    #[schema(max_length = 1000)]
    reason: Option<String>,
}

/// List what waits for a review.
#[utoipa::path(
    get, path = "/v1/reviews", tag = "reviews",
    params(PageQuery, ("Selfsame-Workspace" = Option<String>, Header, description = "The workspace, for a key to every one")),
    responses((status = 200, description = "A page of them", body = ReviewsBody),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn list_reviews(caller: Caller<Reads>, uri: Uri) -> Response {
    let list = async {
        let page = Page::asked(&uri, "reviews")?;
        let Recalled { register, events, .. } =
            caller.engine().open_reviews(Sequence(page.after()), page.limit() + 1).await?;
        let more = events.len() > page.limit();
        let reviews: Vec<ReviewBody> =
            events.iter().take(page.limit()).filter_map(|event| review(event, &register)).collect();
        let last = reviews.last().filter(|_| more).map(|last| page.cursor_after(last.sequence));
        Ok(Json(ReviewsBody { reviews, next_cursor: last }))
    };
    caller.answer(list.await)
}

fn review(event: &Event, register: &Register) -> Option<ReviewBody> {
    let Outcome::Refused { rule, identities, .. } = &event.outcome else { return None };
    let mut primaries: Vec<i64> =
        identities.iter().filter_map(|contact| register.resolve(*contact)).map(|primary| primary.0).collect();
    primaries.dedup();
    Some(ReviewBody {
        sequence: event.sequence.0,
        rule: RuleBody::of(rule),
        primary_contact_ids: primaries,
        event: EventBody::of(event),
    })
}

/// Decide a review.
#[utoipa::path(
    post, path = "/v1/reviews/{sequence}", tag = "reviews", request_body = ReviewDecisionBody,
    params(("sequence" = i64, Path, description = "The review's number"),
        ("dryRun" = Option<bool>, Query, description = "Tell what would change, and change nothing"),
        ("Selfsame-Workspace" = Option<String>, Header, description = "The workspace, for a key to every one")),
    responses((status = 200, description = "What changed", body = CorrectedBody),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn decide_review(
    caller: Caller<Writes>,
    State(state): State<Arc<ApiState>>,
    path: Named,
    request: Request,
) -> Response {
    let decide = async {
        let most = Some(LENGTH_BYTES_MAX);
        let change = Change::read(&caller, &state, "POST /v1/reviews/{sequence}", request, most).await?;
        if let Some(before) = change.before()? {
            return Ok(before);
        }
        let (number, body): (_, ReviewDecisionBody) = (sequence(&path)?, change.object()?);
        let judgement = match body.decision {
            DecisionBody::Merge => Judgement::Merge,
            DecisionBody::KeepApart => Judgement::KeepApart,
        };
        let order = Order::Review(number, judgement);
        correct(&caller, &change, order, reason(body.reason)?).await
    };
    caller.answer(decide.await)
}

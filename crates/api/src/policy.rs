//! `/v1/policy`: what links in the workspace, changed with its effect seen beforehand.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::Uri;
use axum::response::Response;
use selfsame_rules::{ContactId, Outcome, Refolding, Rule, Sequence};
use selfsame_service::{Order, Ordered, international};
use serde::Serialize;
use utoipa::ToSchema;

use crate::change::Change;
use crate::door::{Administers, Caller, Reads};
use crate::event_body::{EventBody, RuleBody, ids};
use crate::policy_body::PolicyBody;
use crate::problem::{Problem, ProblemBody};
use crate::query::Query;
use crate::router::ApiState;
use crate::target::no_query;

/// The longest policy.
const LENGTH_BYTES_MAX: usize = 2 * 1024 * 1024;

/// A policy that was set, or would be.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PolicySet)]
pub(crate) struct PolicySetBody {
    /// The policy that holds now, or would.
    policy: PolicyBody,
    /// The event; null where the policy held already.
    #[schema(required = true)]
    event: Option<EventBody>,
    /// What a refold decides otherwise; null without one.
    #[schema(required = true)]
    refolding: Option<RefoldingBody>,
}

/// What a refold decides otherwise.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Refolding)]
pub(crate) struct RefoldingBody {
    /// Merges that the policy refuses.
    refused: Vec<RefoldedMergeBody>,
    /// Observations of which it refuses something else than a merge: a value, or their contact's place.
    refused_otherwise: Vec<RefoldedMergeBody>,
    /// Merges that were refused, and that it allows.
    allowed: Vec<RefoldedMergeBody>,
    /// Merges by hand that it forbids: their events.
    joins_forbidden: Vec<i64>,
    /// Contacts whose values it spells otherwise than they were spelt before.
    respelt_contacts: Vec<i64>,
}

/// A merge, or another observation, that a refold decides otherwise.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RefoldedMerge)]
pub(crate) struct RefoldedMergeBody {
    /// The event that observed it.
    sequence: i64,
    /// The rule that it breaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    rule: Option<RuleBody>,
    /// Contacts that stand for the people concerned.
    contact_ids: Vec<i64>,
}

/// Tell the policy that holds.
#[utoipa::path(
    get, path = "/v1/policy", tag = "policy",
    params(("Selfsame-Workspace" = Option<String>, Header, description = "The workspace, for a key to every one")),
    responses((status = 200, description = "The policy", body = PolicyBody),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn find_policy(caller: Caller<Reads>, uri: Uri) -> Response {
    let find = async {
        no_query(&uri)?;
        Ok(Json(PolicyBody::of(&caller.engine().policy().await?)))
    };
    caller.answer(find.await)
}

/// Set the policy: the whole of it.
///
/// It holds for what comes after. With `refold`, what was recorded is decided again under it, as the preview tells.
#[utoipa::path(
    put, path = "/v1/policy", tag = "policy", request_body = PolicyBody,
    params(("refold" = Option<bool>, Query, description = "Decide the recorded observations again"),
        ("Selfsame-Workspace" = Option<String>, Header, description = "The workspace, for a key to every one")),
    responses((status = 200, description = "It holds", body = PolicySetBody),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn set_policy(
    caller: Caller<Administers>,
    State(state): State<Arc<ApiState>>,
    request: Request,
) -> Response {
    let set = async {
        let change = Change::read(&caller, &state, "PUT /v1/policy", request, Some(LENGTH_BYTES_MAX)).await?;
        if let Some(before) = change.before()? {
            return Ok(before);
        }
        let mut query = Query::of(&change.uri);
        let refold = query.take_flag("refold")?;
        query.end("`refold`")?;
        let set = order(&caller, &change, refold, false).await?;
        // From here on this replica reads values as it says; the others do within seconds.
        if let Err(error) = state.installation.read().await {
            tracing::warn!(%error, "a policy is stored, and values will be read as it says in a moment");
        }
        Ok(set)
    };
    caller.answer(set.await)
}

/// Tell what setting the policy with a refold would do.
#[utoipa::path(
    post, path = "/v1/policy/preview", tag = "policy", request_body = PolicyBody,
    params(("Selfsame-Workspace" = Option<String>, Header, description = "The workspace, for a key to every one")),
    responses((status = 200, description = "What would come of it", body = PolicySetBody),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn preview_policy(
    caller: Caller<Administers>,
    State(state): State<Arc<ApiState>>,
    request: Request,
) -> Response {
    let preview = async {
        no_query(request.uri())?;
        let change = Change::read_trial(&state, "POST /v1/policy/preview", request, LENGTH_BYTES_MAX).await?;
        order(&caller, &change, true, true).await
    };
    caller.answer(preview.await)
}

async fn order(
    caller: &Caller<Administers>,
    change: &Change,
    refold: bool,
    dry_run: bool,
) -> Result<Response, Problem> {
    let policy = change.object::<PolicyBody>()?.read()?;
    let order =
        if refold { Order::Refold(policy.clone(), international) } else { Order::Govern(policy.clone()) };
    let body = move |Ordered { event, refolding, .. }: &Ordered| {
        Ok(PolicySetBody {
            policy: PolicyBody::of(&policy),
            event: event.as_ref().map(EventBody::of),
            refolding: refolding.as_ref().map(refolding_body),
        })
    };
    change.order(caller, order, None, dry_run, body).await
}

fn refolding_body(refolding: &Refolding) -> RefoldingBody {
    let merge = |sequence: &Sequence, rule: Option<&Rule>, contacts: &[ContactId]| RefoldedMergeBody {
        sequence: sequence.0,
        rule: rule.map(RuleBody::of),
        contact_ids: ids(contacts),
    };
    let respelt =
        if let Outcome::Refolded { respelt, .. } = &refolding.event.outcome { &respelt[..] } else { &[] };
    let mut respelt: Vec<ContactId> = respelt.iter().filter_map(|one| one.contact).collect();
    respelt.sort_unstable();
    let refused = refolding.refused.iter();
    let otherwise = refolding.refused_otherwise.iter();
    let allowed = refolding.allowed.iter();
    RefoldingBody {
        refused: refused.map(|(sequence, rule, contacts)| merge(sequence, Some(rule), contacts)).collect(),
        refused_otherwise: otherwise
            .map(|(sequence, rule, contacts)| merge(sequence, Some(rule), contacts))
            .collect(),
        allowed: allowed.map(|(sequence, contacts)| merge(sequence, None, contacts)).collect(),
        joins_forbidden: refolding.joins_forbidden.iter().map(|sequence| sequence.0).collect(),
        respelt_contacts: ids(&respelt),
    }
}

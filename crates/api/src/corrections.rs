//! What people correct: splitting, joining, undoing, deleting and erasing. Each is one event, and can be tried first.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use selfsame_rules::{ContactId, Correcting, Sequence};
use selfsame_service::{CorrectError, Erased, Order, Ordered, Repeatable};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::change::{Change, Made};
use crate::door::{Administers, Caller, Writes};
use crate::erasure_body::VerifiedBody;
use crate::event_body::{EventBody, ids};
use crate::identities::contact;
use crate::problem::{Problem, ProblemBody};
use crate::query::Query;
use crate::router::ApiState;
use crate::target::Named;

/// The longest body of a correction: the numbers of some hundred thousand contacts.
const LENGTH_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The longest reason.
const REASON_CHARACTERS_MAX: usize = 1_000;

/// Contacts that are somebody else.
#[derive(Deserialize, ToSchema)]
#[serde(expecting = "an object", rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = Split)]
pub(crate) struct SplitBody {
    /// Contacts of the identity, not all of them.
    #[schema(min_items = 1)]
    contact_ids: Vec<i64>,
    /// Why: up to 1000 characters.
    #[schema(max_length = 1000)]
    reason: Option<String>,
}

/// A person who is the same.
#[derive(Deserialize, ToSchema)]
#[serde(expecting = "an object", rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = Merge)]
pub(crate) struct MergeBody {
    /// A contact of the other identity.
    with_contact_id: i64,
    /// Why: up to 1000 characters, not blank.
    #[schema(min_length = 1, max_length = 1000)]
    reason: String,
}

/// Why something is undone.
#[derive(Default, Deserialize, ToSchema)]
#[serde(expecting = "an object", deny_unknown_fields)]
#[schema(as = Undo)]
pub(crate) struct UndoBody {
    /// Why: up to 1000 characters.
    #[schema(max_length = 1000)]
    reason: Option<String>,
}

/// A correction that was made, or would be.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Corrected)]
pub(crate) struct CorrectedBody {
    /// Whether nothing was changed because the request asked so.
    dry_run: bool,
    /// The event: what changed, or would.
    #[schema(required = true)]
    event: Option<EventBody>,
}

/// A person who was erased, or would be.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ErasureReceipt)]
pub(crate) struct ReceiptBody {
    dry_run: bool,
    #[schema(required = true)]
    event: Option<EventBody>,
    /// The contacts that are tombstones from now on.
    contact_ids: Vec<i64>,
    /// How many values are gone.
    values: usize,
    /// How many events were rewritten without them.
    events_rewritten: usize,
    /// Values that a living contact of somebody else bears too, and that stay with that one.
    borne_by_others: Vec<BorneBody>,
    /// Whether the store's files are free of it, and what is left in what people wrote; null of a dry run.
    #[schema(required = true)]
    verified: Option<VerifiedBody>,
}

/// A value that stays with somebody else.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = BorneByOther)]
pub(crate) struct BorneBody {
    contact_id: i64,
    kind: String,
}

/// Split contacts off an identity.
///
/// They form an identity of their own, and are kept apart from the rest.
#[utoipa::path(
    post, path = "/v1/identities/{id}/split", tag = "corrections", request_body = SplitBody,
    params(("id" = i64, Path, description = "A contact's number"),
        ("dryRun" = Option<bool>, Query, description = "Tell what would change, and change nothing"),
        ("Selfsame-Workspace" = Option<String>, Header, description = "The workspace, for a key to every one")),
    responses((status = 200, description = "What changed", body = CorrectedBody),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn split_identity(
    caller: Caller<Writes>,
    State(state): State<Arc<ApiState>>,
    path: Named,
    request: Request,
) -> Response {
    let split = async {
        let change =
            Change::read(&caller, &state, "POST /v1/identities/{id}/split", request, Some(LENGTH_BYTES_MAX))
                .await?;
        if let Some(before) = change.before()? {
            return Ok(before);
        }
        let (of, body): (_, SplitBody) = (contact(&path)?, change.object()?);
        let contacts: Vec<ContactId> = body.contact_ids.into_iter().map(ContactId).collect();
        correct(&caller, &change, Order::Split(of, contacts), reason(body.reason)?).await
    };
    caller.answer(split.await)
}

/// Merge two identities by hand.
///
/// What kept them apart is lifted. Limits and unique kinds of the policy bind people too.
#[utoipa::path(
    post, path = "/v1/identities/{id}/merge", tag = "corrections", request_body = MergeBody,
    params(("id" = i64, Path, description = "A contact's number"),
        ("dryRun" = Option<bool>, Query, description = "Tell what would change, and change nothing"),
        ("Selfsame-Workspace" = Option<String>, Header, description = "The workspace, for a key to every one")),
    responses((status = 200, description = "What changed", body = CorrectedBody),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn merge_identities(
    caller: Caller<Writes>,
    State(state): State<Arc<ApiState>>,
    path: Named,
    request: Request,
) -> Response {
    let merge = async {
        let change =
            Change::read(&caller, &state, "POST /v1/identities/{id}/merge", request, Some(LENGTH_BYTES_MAX))
                .await?;
        if let Some(before) = change.before()? {
            return Ok(before);
        }
        let (one, body): (_, MergeBody) = (contact(&path)?, change.object()?);
        let order = Order::Join(vec![one, ContactId(body.with_contact_id)]);
        let reason = reason(Some(body.reason))?.ok_or_else(|| {
            Problem::bad_request("invalid_reason", "`reason` is blank; say why they are the same person.")
        })?;
        correct(&caller, &change, order, Some(reason)).await
    };
    caller.answer(merge.await)
}

/// Undo a merge or an attachment.
///
/// The identity becomes what the log's other observations make of it, and the sides are kept apart.
#[utoipa::path(
    post, path = "/v1/events/{sequence}/undo", tag = "corrections", request_body = UndoBody,
    params(("sequence" = i64, Path, description = "The event's number"),
        ("dryRun" = Option<bool>, Query, description = "Tell what would change, and change nothing"),
        ("Selfsame-Workspace" = Option<String>, Header, description = "The workspace, for a key to every one")),
    responses((status = 200, description = "What changed", body = CorrectedBody),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn undo_event(
    caller: Caller<Writes>,
    State(state): State<Arc<ApiState>>,
    path: Named,
    request: Request,
) -> Response {
    let undo = async {
        let change =
            Change::read(&caller, &state, "POST /v1/events/{sequence}/undo", request, Some(LENGTH_BYTES_MAX))
                .await?;
        if let Some(before) = change.before()? {
            return Ok(before);
        }
        let (event, body): (_, UndoBody) = (sequence(&path)?, change.object()?);
        correct(&caller, &change, Order::Undo(event), reason(body.reason)?).await
    };
    caller.answer(undo.await)
}

/// Delete a contact.
///
/// It matches nothing from now on, and is shown nowhere but in history. To remove what it holds, erase the identity.
#[utoipa::path(
    delete, path = "/v1/contacts/{id}", tag = "corrections",
    params(("id" = i64, Path, description = "The contact's number"),
        ("dryRun" = Option<bool>, Query, description = "Tell what would change, and change nothing"),
        ("Selfsame-Workspace" = Option<String>, Header, description = "The workspace, for a key to every one")),
    responses((status = 200, description = "What changed", body = CorrectedBody),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn delete_contact(
    caller: Caller<Writes>,
    State(state): State<Arc<ApiState>>,
    path: Named,
    request: Request,
) -> Response {
    let delete = async {
        let change = Change::read(&caller, &state, "DELETE /v1/contacts/{id}", request, None).await?;
        if let Some(before) = change.before()? {
            return Ok(before);
        }
        correct(&caller, &change, Order::Delete(contact(&path)?), None).await
    };
    caller.answer(delete.await)
}

/// Erase a person.
///
/// What they held goes from contacts and from the log, for good. `docs/OPERATIONS.md` tells what lies outside.
#[utoipa::path(
    delete, path = "/v1/identities/{id}", tag = "corrections",
    params(("id" = i64, Path, description = "A contact's number"),
        ("dryRun" = Option<bool>, Query, description = "Tell what would go, and erase nothing"),
        ("Selfsame-Workspace" = Option<String>, Header, description = "The workspace, for a key to every one")),
    responses((status = 200, description = "The receipt", body = ReceiptBody),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn erase_identity(
    caller: Caller<Administers>,
    State(state): State<Arc<ApiState>>,
    path: Named,
    request: Request,
) -> Response {
    let erase = async {
        let change = Change::read(&caller, &state, "DELETE /v1/identities/{id}", request, None).await?;
        if let Some(before) = change.before()? {
            return Ok(before);
        }
        let (of, dry_run) = (contact(&path)?, dry_run(&change.uri)?);
        let tell = move |erased: &Result<Erased, CorrectError>| match erased {
            Ok(erased) => Ok(Made::ok(ReceiptBody::of(erased, dry_run))),
            Err(error) => Err(error.clone().into()),
        };
        let (engine, actor) = (caller.engine(), caller.actor(&change.actor()));
        let erased = match change.once() {
            None => engine.erase(of, actor, dry_run).await.map(Repeatable::Now),
            Some(once) => engine.erase_once(of, actor, once.clone(), change.keep(tell)).await,
        };
        change.finish(erased, tell)
    };
    caller.answer(erase.await)
}

impl ReceiptBody {
    fn of(erased: &Erased, dry_run: bool) -> Self {
        let Erased { event, receipt, verified } = erased;
        let borne = receipt.borne_by_others.iter();
        Self {
            dry_run,
            event: event.as_ref().map(EventBody::of),
            contact_ids: ids(&receipt.contacts),
            values: receipt.values,
            events_rewritten: receipt.events,
            borne_by_others: borne
                .map(|one| BorneBody { contact_id: one.contact.0, kind: one.kind.name().to_owned() })
                .collect(),
            verified: verified.as_ref().map(VerifiedBody::of),
        }
    }
}

/// Carries an order out, or tries it.
pub(crate) async fn correct<N>(
    caller: &Caller<N>,
    change: &Change,
    order: Order,
    reason: Option<Box<str>>,
) -> Result<Response, Problem> {
    let dry_run = dry_run(&change.uri)?;
    let body = move |ordered: &Ordered| {
        Ok(CorrectedBody { dry_run, event: ordered.event.as_ref().map(EventBody::of) })
    };
    change.order(caller, order, reason, dry_run, body).await
}

/// Whether a request only asks what would happen; its query may hold nothing else.
fn dry_run(uri: &Uri) -> Result<bool, Problem> {
    let mut query = Query::of(uri);
    let dry_run = query.take_flag("dryRun")?;
    query.end("`dryRun`")?;
    Ok(dry_run)
}

/// The event that a path names.
pub(crate) fn sequence(path: &Named) -> Result<Sequence, Problem> {
    let absent =
        || Problem::new(StatusCode::NOT_FOUND, "event_not_found", "There is no event of that number.");
    path.text()?.parse().map(Sequence).map_err(|_| absent())
}

/// A reason that fits into an event.
pub(crate) fn reason(text: Option<String>) -> Result<Option<Box<str>>, Problem> {
    let text = text.filter(|text| !text.trim().is_empty());
    if text.as_deref().is_some_and(|text| text.chars().count() > REASON_CHARACTERS_MAX) {
        let detail = format!("`reason` may have up to {REASON_CHARACTERS_MAX} characters.");
        return Err(Problem::bad_request("invalid_reason", detail));
    }
    Ok(text.map(Into::into))
}

impl From<CorrectError> for Problem {
    fn from(error: CorrectError) -> Self {
        match error {
            CorrectError::Refused(refused) => refused.into(),
            CorrectError::NoRandomness(why) => Self {
                cause: Some(why.as_ref().into()),
                ..Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "internal_error",
                    "The server has a fault of its own; nothing was changed.",
                )
            },
            CorrectError::Store(error) => error.into(),
        }
    }
}

impl From<Correcting> for Problem {
    fn from(refused: Correcting) -> Self {
        let conflict = |code, detail: String| Self::new(StatusCode::CONFLICT, code, detail);
        let sentence = |refused: &Correcting| {
            let text = refused.to_string();
            let mut letters = text.chars();
            let first = letters.next().map(char::to_uppercase);
            first.into_iter().flatten().chain(letters).chain(['.']).collect::<String>()
        };
        let told = sentence(&refused);
        match refused {
            Correcting::NoContact(_) => Self::no_contact(),
            Correcting::Gone(_) => Self::new(StatusCode::GONE, "contact_gone", told),
            Correcting::OfAnother(_) => Self::bad_request("other_identity", told),
            Correcting::NothingLeft => Self::bad_request("nothing_left", told),
            Correcting::NotUndoable(_) => conflict("not_undoable", told),
            Correcting::TogetherAlready => conflict("together_already", told),
            Correcting::ApartAlready(_) => conflict("apart_already", told),
            Correcting::Forbidden(_) => conflict("forbidden_by_policy", told),
            Correcting::HeldTogether { .. } => conflict("held_together", told),
            Correcting::NotOpen(_) => conflict("not_open", told),
            Correcting::SpeltOtherwise => conflict("spelt_otherwise", told),
            Correcting::Incoherent(error) => selfsame_store::StoreError::from(error).into(),
        }
    }
}

//! `/v1/webhooks`: where a workspace's events are sent to.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use selfsame_service::{Installation, NewSecret, WEBHOOKS_MAX, WebhookError, WebhookSettings, Webhooks};
use selfsame_store::WebhookRow;

use crate::body::refuse_body;
use crate::change::{Change, Made};
use crate::door::{Administers, Caller};
use crate::page::{Page, PageQuery};
use crate::problem::{Problem, ProblemBody};
use crate::router::ApiState;
use crate::target::{Target, no_query};
use crate::webhook_body::{
    NewWebhookBody, ReplayBody, TestedBody, WebhookBody, WebhookWithSecretBody, WebhooksBody, event_text,
    test_text,
};
use crate::webhook_transport::WebhookTransport;

/// The longest body.
const LENGTH_BYTES_MAX: usize = 16 * 1024;

/// What became of a change.
type Done = Result<WebhookRow, WebhookError>;

/// The webhooks of an installation, whose messages are what `GET /v1/events` answers. `serve` delivers them; requests change
/// them.
pub fn webhooks(installation: &Installation, settings: WebhookSettings) -> Webhooks {
    let transport = Box::new(WebhookTransport::new(settings));
    Webhooks::new(installation.clone(), transport, event_text, settings)
}

/// Add a webhook: an endpoint that the workspace's events are posted to, in order, each signed as Standard Webhooks says.
#[utoipa::path(
    post, path = "/v1/webhooks", tag = "webhooks", request_body = NewWebhookBody,
    params(("Selfsame-Workspace" = Option<String>, Header, description = "The workspace, for a key to every one")),
    responses((status = 201, description = "It is added, and its secret is shown once", body = WebhookWithSecretBody),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn create_webhook(
    caller: Caller<Administers>,
    State(state): State<Arc<ApiState>>,
    request: Request,
) -> Response {
    let create = async {
        no_query(request.uri())?;
        let most = Some(LENGTH_BYTES_MAX);
        let change = Change::read(&caller, &state, "POST /v1/webhooks", request, most).await?.secret()?;
        if let Some(before) = change.before()? {
            return Ok(before);
        }
        let new = change.object::<NewWebhookBody>()?.read(state.settings.webhooks.allow_private)?;
        let secret = Arc::new(NewSecret::new()?);
        let shown = Arc::clone(&secret);
        let tell = move |done: &Done| {
            let row = done.as_ref().map_err(told)?;
            let location = Some(format!("/v1/webhooks/{}", row.id));
            Ok(Made { status: StatusCode::CREATED, location, body: with_secret(row, &shown) })
        };
        let keeping = change.keeping(tell.clone());
        let row = state.webhooks.add(caller.workspace().key, new, &secret, keeping).await;
        change.finish(row, tell)
    };
    caller.answer(create.await)
}

/// List webhooks, without their secrets.
#[utoipa::path(
    get, path = "/v1/webhooks", tag = "webhooks",
    params(PageQuery, ("Selfsame-Workspace" = Option<String>, Header, description = "The workspace, for a key to every one")),
    responses((status = 200, description = "A page of them", body = WebhooksBody),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn list_webhooks(
    caller: Caller<Administers>,
    State(state): State<Arc<ApiState>>,
    uri: Uri,
) -> Response {
    let list = async {
        let page = Page::asked(&uri, "webhooks")?;
        let rows = state.webhooks.list(caller.workspace().key).await?;
        let place = |row: &WebhookRow| (row.created_at.as_milliseconds(), row.id.to_string());
        let (rows, next_cursor) = page.of(rows, place);
        Ok(Json(WebhooksBody { webhooks: rows.iter().map(WebhookBody::of).collect(), next_cursor }))
    };
    caller.answer(list.await)
}

/// Tell of a webhook: how far it has come, and how it fares.
#[utoipa::path(
    get, path = "/v1/webhooks/{id}", tag = "webhooks",
    params(("id" = String, Path, description = "The webhook's `id`"),
        ("Selfsame-Workspace" = Option<String>, Header, description = "The workspace, for a key to every one")),
    responses((status = 200, description = "The webhook, without its secret", body = WebhookBody),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn find_webhook(
    caller: Caller<Administers>,
    State(state): State<Arc<ApiState>>,
    target: Target,
) -> Response {
    let find = async {
        let row = state.webhooks.find(caller.workspace().key, &target.alone()?).await?;
        Ok(Json(WebhookBody::of(&row)))
    };
    caller.answer(find.await)
}

/// Send a signed message to a webhook now, and tell what came of it.
///
/// It is no event: its body is `{"kind":"test","at":…}`. It is sent to one that is parked, too.
#[utoipa::path(
    post, path = "/v1/webhooks/{id}/test", tag = "webhooks",
    params(("id" = String, Path, description = "The webhook's `id`"),
        ("Selfsame-Workspace" = Option<String>, Header, description = "The workspace, for a key to every one")),
    responses((status = 200, description = "What came of it", body = TestedBody),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn test_webhook(
    caller: Caller<Administers>,
    State(state): State<Arc<ApiState>>,
    target: Target,
    request: Request,
) -> Response {
    let test = async {
        refuse_body(request, state.settings.body_timeout).await?;
        let body = test_text(state.installation.now());
        let tested = state.webhooks.test(caller.workspace().key, &target.alone()?, body).await?;
        Ok(Json(TestedBody::of(tested)))
    };
    caller.answer(test.await)
}

/// Give a webhook a new secret.
///
/// Messages are signed with it from now on, and for a day also with the one before.
#[utoipa::path(
    post, path = "/v1/webhooks/{id}/rotate", tag = "webhooks",
    params(("id" = String, Path, description = "The webhook's `id`"),
        ("Selfsame-Workspace" = Option<String>, Header, description = "The workspace, for a key to every one")),
    responses((status = 200, description = "It has a new secret, which is shown once", body = WebhookWithSecretBody),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn rotate_webhook(
    caller: Caller<Administers>,
    State(state): State<Arc<ApiState>>,
    target: Target,
    request: Request,
) -> Response {
    let rotate = async {
        let id = target.alone()?;
        let route = "POST /v1/webhooks/{id}/rotate";
        let change = Change::read(&caller, &state, route, request, None).await?.secret()?;
        if let Some(before) = change.before()? {
            return Ok(before);
        }
        let secret = Arc::new(NewSecret::new()?);
        let shown = Arc::clone(&secret);
        let tell =
            move |done: &Done| done.as_ref().map(|row| Made::ok(with_secret(row, &shown))).map_err(told);
        let keeping = change.keeping(tell.clone());
        let row = state.webhooks.rotate(caller.workspace().key, &id, &secret, keeping).await;
        change.finish(row, tell)
    };
    caller.answer(rotate.await)
}

/// Let a webhook deliver from behind an event on, at once, also one that is parked.
///
/// What was delivered before comes again with the same `webhook-id`.
#[utoipa::path(
    post, path = "/v1/webhooks/{id}/replay", tag = "webhooks", request_body = ReplayBody,
    params(("id" = String, Path, description = "The webhook's `id`"),
        ("Selfsame-Workspace" = Option<String>, Header, description = "The workspace, for a key to every one")),
    responses((status = 200, description = "It delivers from there", body = WebhookBody),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn replay_webhook(
    caller: Caller<Administers>,
    State(state): State<Arc<ApiState>>,
    target: Target,
    request: Request,
) -> Response {
    let replay = async {
        let (id, most) = (target.alone()?, Some(LENGTH_BYTES_MAX));
        let change = Change::read(&caller, &state, "POST /v1/webhooks/{id}/replay", request, most).await?;
        if let Some(before) = change.before()? {
            return Ok(before);
        }
        let from = change.object::<ReplayBody>()?.read()?;
        let keeping = change.keeping(tell);
        let row = state.webhooks.replay(caller.workspace().key, &id, from, keeping).await;
        change.finish(row, tell)
    };
    caller.answer(replay.await)
}

/// Remove a webhook: nothing more is sent to it.
#[utoipa::path(
    delete, path = "/v1/webhooks/{id}", tag = "webhooks",
    params(("id" = String, Path, description = "The webhook's `id`"),
        ("Selfsame-Workspace" = Option<String>, Header, description = "The workspace, for a key to every one")),
    responses((status = 200, description = "It is removed; this is what it was", body = WebhookBody),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn remove_webhook(
    caller: Caller<Administers>,
    State(state): State<Arc<ApiState>>,
    target: Target,
    request: Request,
) -> Response {
    let remove = async {
        let id = target.alone()?;
        let change = Change::read(&caller, &state, "DELETE /v1/webhooks/{id}", request, None).await?;
        if let Some(before) = change.before()? {
            return Ok(before);
        }
        let row = state.webhooks.remove(caller.workspace().key, &id, change.keeping(tell)).await;
        change.finish(row, tell)
    };
    caller.answer(remove.await)
}

fn tell(done: &Done) -> Result<Made<WebhookBody>, Problem> {
    done.as_ref().map(|row| Made::ok(WebhookBody::of(row))).map_err(told)
}

fn told(error: &WebhookError) -> Problem {
    error.clone().into()
}

fn with_secret(row: &WebhookRow, secret: &NewSecret) -> WebhookWithSecretBody {
    WebhookWithSecretBody { secret: secret.reveal().to_owned(), about: WebhookBody::of(row) }
}

impl From<WebhookError> for Problem {
    fn from(error: WebhookError) -> Self {
        match error {
            WebhookError::NotFound => {
                let detail = "The workspace has no webhook of that id; `GET /v1/webhooks` lists them.";
                Self::new(StatusCode::NOT_FOUND, "webhook_not_found", detail)
            }
            WebhookError::TooMany => {
                let detail = format!(
                    "The workspace has {WEBHOOKS_MAX} webhooks, and may have no more; remove one first."
                );
                Self::new(StatusCode::CONFLICT, "too_many_webhooks", detail)
            }
            WebhookError::NoEvent(_) => {
                let detail = "`after` is no event that the log has; 0 is its beginning.";
                Self::new(StatusCode::NOT_FOUND, "event_not_found", detail)
            }
            WebhookError::NoRandomness(_) => Self::internal().caused_by(&error),
            WebhookError::Store(error) => error.into(),
        }
    }
}

//! `/v1/keys`: making, listing and revoking keys.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use selfsame_rules::{KeyLimits, Name, Scope, Scopes, Timestamp};
use selfsame_service::{ActError, KeyText, NewKey};
use selfsame_store::{Access, KeyRow, WorkspaceKey};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::change::{Change, Made};
use crate::door::{Administers, Asks, Caller};
use crate::page::{Page, PageQuery};
use crate::problem::{Problem, ProblemBody};
use crate::router::ApiState;
use crate::target::{Target, no_query};
use crate::times;
use crate::words::ScopeWord;

/// The longest body that makes a key.
const LENGTH_BYTES_MAX: usize = 16 * 1024;

/// The most that a limit may be.
const LIMIT_MAX: u32 = 1_000_000;

/// From the year 9999 on there are times that RFC 3339 can't spell.
const END_OF_TIMES: Timestamp = Timestamp::from_milliseconds(253_370_764_800_000);

/// A key that is to be made.
#[derive(Deserialize, ToSchema)]
#[serde(expecting = "an object", rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewKey)]
pub(crate) struct NewKeyBody {
    /// What it is called; events name it as their cause. 1 to 64 of a-z, 0-9, `-`, `_`, `.`.
    #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,63}$")]
    name: String,
    /// What it is good for: `identify`, `read`, `write`, `admin`; at least one.
    #[schema(min_items = 1, value_type = Vec<ScopeWord>)]
    scopes: Vec<String>,
    /// Whether it opens every workspace, instead of the one that the request is about.
    #[serde(default)]
    every_workspace: bool,
    /// Requests, and lines of batches, a second, on each replica; as many as come if it isn't said.
    #[schema(minimum = 1, maximum = 1_000_000)]
    requests_per_second: Option<u32>,
    /// Requests under way at once, on each replica; as many as come if it isn't said.
    #[schema(minimum = 1, maximum = 1_000_000)]
    requests_at_once_max: Option<u32>,
    /// From when on it is good for nothing: RFC 3339, a time to come.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

/// A key, without the key.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Key)]
pub(crate) struct KeyBody {
    id: String,
    name: String,
    #[schema(value_type = Vec<ScopeWord>)]
    scopes: Vec<&'static str>,
    /// The workspace that it opens; null for one that opens every workspace.
    #[schema(required = true)]
    workspace: Option<String>,
    #[schema(required = true)]
    requests_per_second: Option<u32>,
    #[schema(required = true)]
    requests_at_once_max: Option<u32>,
    /// RFC 3339, UTC.
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime, required = true)]
    expires_at: Option<String>,
    #[schema(format = DateTime, required = true)]
    revoked_at: Option<String>,
}

/// A key that was just made.
#[derive(Serialize, ToSchema)]
#[schema(as = MadeKey)]
pub(crate) struct MadeKeyBody {
    /// The key itself. It is shown here and never again.
    key: String,
    #[serde(flatten)]
    about: KeyBody,
}

/// A page of keys, oldest first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = KeyPage)]
pub(crate) struct KeysBody {
    keys: Vec<KeyBody>,
    /// Leads to the next page; null after the last.
    #[schema(required = true)]
    next_cursor: Option<String>,
}

/// Make a key.
///
/// It opens the workspace that the request is about, or every one if asked to, which only a key to every workspace may.
#[utoipa::path(
    post, path = "/v1/keys", tag = "keys", request_body = NewKeyBody,
    params(("Selfsame-Workspace" = Option<String>, Header, description = "The workspace, for a key to every one")),
    responses((status = 201, description = "It is made, and shown once", body = MadeKeyBody),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn create_key(
    caller: Caller<Administers>,
    State(state): State<Arc<ApiState>>,
    request: Request,
) -> Response {
    caller.answer(create(&caller, &state, request).await)
}

async fn create(
    caller: &Caller<Administers>,
    state: &ApiState,
    request: Request,
) -> Result<Response, Problem> {
    no_query(request.uri())?;
    let change =
        Change::read(caller, state, "POST /v1/keys", request, Some(LENGTH_BYTES_MAX)).await?.secret()?;
    if let Some(before) = change.before()? {
        return Ok(before);
    }
    let body: NewKeyBody = change.object()?;
    if body.every_workspace {
        caller.needs_everything()?;
    }
    let new = body.read(caller.workspace().key, state.installation.now())?;
    let (text, snapshot) = (Arc::new(KeyText::new()?), caller.snapshot());
    let shown = Arc::clone(&text);
    let tell = move |made: &Result<KeyRow, ActError>| match made {
        Ok(row) => Ok(Made {
            status: StatusCode::CREATED,
            location: Some(format!("/v1/keys/{}", row.facts.id)),
            body: MadeKeyBody { key: shown.reveal().to_owned(), about: key_body(row, snapshot.access()) },
        }),
        Err(error) => Err(error.clone().into()),
    };
    let actor = caller.actor(&change.actor());
    let row = state.installation.create_key(new, &text, actor, change.keeping(tell.clone())).await;
    change.finish(row, tell)
}

impl NewKeyBody {
    fn read(&self, workspace: WorkspaceKey, now: Timestamp) -> Result<NewKey, Problem> {
        let invalid = |code, detail: String| Problem::bad_request(code, detail);
        let name = Name::parse(&self.name)
            .map_err(|rule| invalid("invalid_name", format!("`name` can't be used: {rule}.")))?;
        let scopes = self.scopes.iter().map(|word| Scope::from_word(word)).collect::<Option<Scopes>>();
        let scopes = scopes.filter(|scopes| !scopes.is_empty()).ok_or_else(|| {
            let detail = "`scopes` must be a list of one or more of `identify`, `read`, `write` and `admin`.";
            invalid("invalid_scopes", detail.to_owned())
        })?;
        let limit = |name: &str, limit: Option<u32>| match limit {
            Some(limit) if !(1..=LIMIT_MAX).contains(&limit) => {
                let detail = format!("`{name}` must be from 1 to {LIMIT_MAX}, or be left out for no limit.");
                Err(invalid("invalid_limit", detail))
            }
            limit => Ok(limit),
        };
        let expires_at = self.expires_at.as_deref().map(|text| {
            let time = times::read(text).filter(|time| *time > now && *time < END_OF_TIMES);
            time.ok_or_else(|| {
                let detail = "`expiresAt` must be a time to come, before the end of the year 9998, as RFC 3339 has it, for example \
                              2030-01-01T00:00:00Z.";
                invalid("invalid_time", detail.to_owned())
            })
        });
        Ok(NewKey {
            name,
            workspace: (!self.every_workspace).then_some(workspace),
            scopes,
            limits: KeyLimits {
                requests_per_second: limit("requestsPerSecond", self.requests_per_second)?,
                requests_at_once_max: limit("requestsAtOnceMax", self.requests_at_once_max)?,
            },
            expires_at: expires_at.transpose()?,
        })
    }
}

/// List keys.
///
/// Those of the key's workspace; for a key to every workspace those of all, or, where the request names a workspace, of that
/// one beside the keys to every one. Revoked and expired ones too.
#[utoipa::path(
    get, path = "/v1/keys", tag = "keys",
    params(PageQuery, ("Selfsame-Workspace" = Option<String>, Header, description = "The workspace, for a key to every one")),
    responses((status = 200, description = "A page of them", body = KeysBody),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn list_keys(
    caller: Caller<Administers>,
    State(state): State<Arc<ApiState>>,
    uri: Uri,
) -> Response {
    let list = async {
        let page = Page::asked(&uri, "keys")?;
        let now = state.installation.read().await?;
        let keys = now.access().keys.iter().filter(|key| caller.reach().covers(key));
        let keys = keys.filter(|key| {
            key.facts.every_workspace || caller.named().is_none_or(|named| key.workspace == named)
        });
        let place = |key: &&KeyRow| (key.facts.created_at.as_milliseconds(), key.facts.id.to_string());
        let (keys, next_cursor) = page.of(keys, place);
        let keys = keys.into_iter().map(|key| key_body(key, now.access())).collect();
        Ok(Json(KeysBody { keys, next_cursor }))
    };
    caller.answer(list.await)
}

/// Tell of the key that the request is sent with.
#[utoipa::path(
    get, path = "/v1/keys/current", tag = "keys",
    responses((status = 200, description = "The key, without the key", body = KeyBody),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn find_current_key(caller: Caller<Asks>, uri: Uri) -> Response {
    let id = caller.key().map(|key| &key.facts.id);
    let snapshot = caller.snapshot();
    let access = snapshot.access();
    let row = access.keys.iter().find(|key| Some(&key.facts.id) == id);
    let current = row.map(|row| Json(key_body(row, access)));
    let without = "The request came without a key, which this server allows.";
    let current = current.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "no_key", without));
    caller.answer(no_query(&uri).and(current))
}

/// Tell of a key.
#[utoipa::path(
    get, path = "/v1/keys/{id}", tag = "keys",
    params(("id" = String, Path, description = "The key's `id`")),
    responses((status = 200, description = "The key, without the key", body = KeyBody),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn find_key(
    caller: Caller<Administers>,
    State(state): State<Arc<ApiState>>,
    target: Target,
) -> Response {
    let find = async {
        let id = target.alone()?;
        let now = state.installation.read().await?;
        let mut keys = now.access().keys.iter();
        let found = keys.find(|key| *key.facts.id == *id && caller.reach().covers(key));
        found.map(|key| Json(key_body(key, now.access()))).ok_or_else(|| ActError::NoKey.into())
    };
    caller.answer(find.await)
}

/// Revoke a key.
///
/// It is good for nothing within five seconds, on every replica. A key that is revoked stays so.
#[utoipa::path(
    delete, path = "/v1/keys/{id}", tag = "keys",
    params(("id" = String, Path, description = "The key's `id`")),
    responses((status = 200, description = "It is revoked", body = KeyBody),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn revoke_key(
    caller: Caller<Administers>,
    State(state): State<Arc<ApiState>>,
    target: Target,
    request: Request,
) -> Response {
    let revoke = async {
        let id = target.alone()?;
        let change = Change::read(&caller, &state, "DELETE /v1/keys/{id}", request, None).await?;
        if let Some(before) = change.before()? {
            return Ok(before);
        }
        let snapshot = caller.snapshot();
        let tell = move |revoked: &Result<KeyRow, ActError>| match revoked {
            Ok(row) => Ok(Made::ok(key_body(row, snapshot.access()))),
            Err(error) => Err(error.clone().into()),
        };
        let (reach, actor) = (caller.reach(), caller.actor(&change.actor()));
        let row = state.installation.revoke_key(&id, reach, actor, change.keeping(tell.clone())).await;
        change.finish(row, tell)
    };
    caller.answer(revoke.await)
}

fn key_body(KeyRow { workspace, facts, .. }: &KeyRow, access: &Access) -> KeyBody {
    let name = access.workspace(*workspace).map(|row| row.facts.name.to_string());
    KeyBody {
        id: facts.id.to_string(),
        name: facts.name.to_string(),
        scopes: facts.scopes.iter().map(Scope::word).collect(),
        workspace: name.filter(|_| !facts.every_workspace),
        requests_per_second: facts.limits.requests_per_second,
        requests_at_once_max: facts.limits.requests_at_once_max,
        created_at: times::write(facts.created_at),
        expires_at: facts.expires_at.map(times::write),
        revoked_at: facts.revoked_at.map(times::write),
    }
}

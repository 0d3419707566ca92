//! `/v1/workspaces`: making, listing, renaming and erasing workspaces.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use selfsame_rules::Name;
use selfsame_service::{ActError, Reach};
use selfsame_store::{WorkspaceKey, WorkspaceRow};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::change::{Change, Made};
use crate::door::{Administers, Caller};
use crate::page::{Page, PageQuery};
use crate::problem::{Problem, ProblemBody};
use crate::router::ApiState;
use crate::target::{Target, no_query};
use crate::times;

/// The longest body that names a workspace.
const LENGTH_BYTES_MAX: usize = 4 * 1024;

/// The name of a workspace.
#[derive(Deserialize, ToSchema)]
#[serde(expecting = "an object", deny_unknown_fields)]
#[schema(as = WorkspaceName)]
pub(crate) struct NameBody {
    /// 1 to 64 of a-z, 0-9, `-`, `_`, `.`.
    #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,63}$")]
    name: String,
}

/// A workspace: one shop's or brand's closed set of customers.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Workspace)]
pub(crate) struct WorkspaceBody {
    name: String,
    /// Contacts that aren't deleted.
    contacts: i64,
    /// Customers.
    identities: i64,
    /// How many events its log has.
    events: i64,
    /// RFC 3339, UTC; null for `default`, which is always there.
    #[schema(format = DateTime, required = true)]
    created_at: Option<String>,
    /// In the answer to its erasure alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, nullable = false)]
    erased_at: Option<String>,
}

/// A page of workspaces, oldest first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = WorkspacePage)]
pub(crate) struct WorkspacesBody {
    workspaces: Vec<WorkspaceBody>,
    /// Leads to the next page; null after the last.
    #[schema(required = true)]
    next_cursor: Option<String>,
}

/// Make a workspace.
#[utoipa::path(
    post, path = "/v1/workspaces", tag = "workspaces", request_body = NameBody,
    responses((status = 201, description = "It is made", body = WorkspaceBody),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn create_workspace(
    caller: Caller<Administers>,
    State(state): State<Arc<ApiState>>,
    request: Request,
) -> Response {
    let create = async {
        caller.needs_everything()?;
        no_query(request.uri())?;
        let change =
            Change::read(&caller, &state, "POST /v1/workspaces", request, Some(LENGTH_BYTES_MAX)).await?;
        if let Some(before) = change.before()? {
            return Ok(before);
        }
        let made = |row: &WorkspaceRow| Made {
            status: StatusCode::CREATED,
            location: Some(format!("/v1/workspaces/{}", row.facts.name)),
            body: workspace_body(row),
        };
        let tell = move |done: &Result<WorkspaceRow, ActError>| done.as_ref().map(made).map_err(told);
        let (name, actor) = (name(&change)?, caller.actor(&change.actor()));
        let row = state.installation.create_workspace(name, actor, change.keeping(tell)).await;
        change.finish(row, tell)
    };
    caller.answer(create.await)
}

/// List workspaces: those that the key opens.
#[utoipa::path(
    get, path = "/v1/workspaces", tag = "workspaces", params(PageQuery),
    responses((status = 200, description = "A page of them", body = WorkspacesBody),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn list_workspaces(
    caller: Caller<Administers>,
    State(state): State<Arc<ApiState>>,
    uri: Uri,
) -> Response {
    let list = async {
        let page = Page::asked(&uri, "workspaces")?;
        let now = state.installation.read().await?;
        let live = now.access().workspaces.iter().filter(|row| row.facts.erased_at.is_none());
        let live = live.filter(|row| covers(caller.reach(), row.key));
        let (rows, next_cursor) = page.of(live, |row| (row.key.0, String::new()));
        Ok(Json(WorkspacesBody { workspaces: rows.into_iter().map(workspace_body).collect(), next_cursor }))
    };
    caller.answer(list.await)
}

/// Tell of a workspace.
#[utoipa::path(
    get, path = "/v1/workspaces/{name}", tag = "workspaces",
    params(("name" = String, Path, description = "What it is called")),
    responses((status = 200, description = "The workspace", body = WorkspaceBody),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn find_workspace(
    caller: Caller<Administers>,
    State(state): State<Arc<ApiState>>,
    target: Target,
) -> Response {
    let find = async {
        let name = target.alone()?;
        let now = state.installation.read().await?;
        let found = now.workspace_named(&name).filter(|found| covers(caller.reach(), found.key));
        let row = found.and_then(|found| now.access().workspace(found.key));
        row.map(|row| Json(workspace_body(row))).ok_or_else(Problem::no_workspace)
    };
    caller.answer(find.await)
}

/// Rename a workspace. Keys open it as before; whoever names it in `Selfsame-Workspace` uses the new name.
#[utoipa::path(
    patch, path = "/v1/workspaces/{name}", tag = "workspaces", request_body = NameBody,
    params(("name" = String, Path, description = "What it is called")),
    responses((status = 200, description = "It has the new name", body = WorkspaceBody),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn rename_workspace(
    caller: Caller<Administers>,
    State(state): State<Arc<ApiState>>,
    target: Target,
    request: Request,
) -> Response {
    let rename = async {
        caller.needs_everything()?;
        let former = target.alone()?;
        let most = Some(LENGTH_BYTES_MAX);
        let change = Change::read(&caller, &state, "PATCH /v1/workspaces/{name}", request, most).await?;
        if let Some(before) = change.before()? {
            return Ok(before);
        }
        let (name, actor) = (name(&change)?, caller.actor(&change.actor()));
        let workspace = named(&state, &former).await?;
        let row = state.installation.rename_workspace(workspace, name, actor, change.keeping(tell)).await;
        change.finish(row, tell)
    };
    caller.answer(rename.await)
}

/// Erase a workspace, for good.
///
/// From the answer on nothing in it is shown or stored, and its keys are revoked; its rows are deleted in the background.
/// `confirm` must repeat its name.
#[utoipa::path(
    delete, path = "/v1/workspaces/{name}", tag = "workspaces",
    params(("name" = String, Path, description = "What it is called"),
        ("confirm" = String, Query, description = "The same name again")),
    responses((status = 200, description = "It is erased", body = WorkspaceBody),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn erase_workspace(
    caller: Caller<Administers>,
    State(state): State<Arc<ApiState>>,
    target: Target,
    request: Request,
) -> Response {
    let erase = async {
        caller.needs_everything()?;
        let change = Change::read(&caller, &state, "DELETE /v1/workspaces/{name}", request, None).await?;
        if let Some(before) = change.before()? {
            return Ok(before);
        }
        let (name, mut query) = target.with_query()?;
        let confirmed = query.take("confirm")?.is_some_and(|confirm| confirm == name);
        query.end("`confirm`")?;
        let workspace = named(&state, &name).await?;
        if !confirmed {
            let detail =
                format!("Erasing can't be undone: repeat the name to confirm it, as `?confirm={name}`.");
            return Err(Problem::bad_request("not_confirmed", detail));
        }
        let actor = caller.actor(&change.actor());
        let row = state.installation.erase_workspace(workspace, actor, change.keeping(tell)).await;
        change.finish(row, tell)
    };
    caller.answer(erase.await)
}

/// What is told of a workspace that was changed.
fn tell(done: &Result<WorkspaceRow, ActError>) -> Result<Made<WorkspaceBody>, Problem> {
    done.as_ref().map(|row| Made::ok(workspace_body(row))).map_err(told)
}

fn told(error: &ActError) -> Problem {
    error.clone().into()
}

fn name(change: &Change) -> Result<Name, Problem> {
    let body: NameBody = change.object()?;
    Name::parse(&body.name)
        .map_err(|rule| Problem::bad_request("invalid_name", format!("`name` can't be used: {rule}.")))
}

/// The workspace of that name now: another replica may have made it a moment ago.
async fn named(state: &ApiState, name: &str) -> Result<WorkspaceKey, Problem> {
    let now = state.installation.read().await?;
    now.workspace_named(name).map(|found| found.key).ok_or_else(Problem::no_workspace)
}

fn covers(reach: Reach, workspace: WorkspaceKey) -> bool {
    match reach {
        Reach::Everything => true,
        Reach::Workspace(own) => own == workspace,
    }
}

fn workspace_body(row: &WorkspaceRow) -> WorkspaceBody {
    let always_there = row.key == WorkspaceKey::DEFAULT;
    WorkspaceBody {
        name: row.facts.name.to_string(),
        contacts: row.counts.contacts,
        identities: row.counts.identities,
        events: row.head.last_sequence.0,
        created_at: (!always_there).then(|| times::write(row.facts.created_at)),
        erased_at: row.facts.erased_at.map(times::write),
    }
}

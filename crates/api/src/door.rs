//! The door: who sends a request, what he may do, and in which workspace. No handler gets to an engine by another way.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use data_encoding::BASE64;
use selfsame_rules::{Actor, Scope};
use selfsame_service::{
    Admission, Engine, KnownKey, Presented, RateLeft, Reach, Snapshot, TooMuch, UnderWay, Workspace,
};
use selfsame_store::WorkspaceKey;

use crate::foreign_pages::refuse_foreign_pages;
use crate::problem::Problem;
use crate::rate_headers;
use crate::router::ApiState;

/// Names the workspace that a request is about, where its key leaves that open.
const WORKSPACE: HeaderName = HeaderName::from_static("selfsame-workspace");

/// Names the command that sends a request, on the socket for commands.
const COMMAND: HeaderName = HeaderName::from_static("selfsame-command");

/// No command of ours is longer.
const COMMAND_BYTES_MAX: usize = 32;

/// What a handler asks its caller to have.
pub(crate) trait Needs: Send {
    /// The scope; `None` if any key will do.
    const SCOPE: Option<Scope>;
    /// Whether its clients can't do without a key, so that any will do as long as there is none.
    const BRINGS_ANY_KEY: bool = false;
}

/// Sending observations.
pub(crate) struct Identifies;
/// The same, for clients of another system's.
pub(crate) struct Tracks;
/// Reading what is stored.
pub(crate) struct Reads;
/// Correcting what is stored.
pub(crate) struct Writes;
/// Keys, workspaces and policies, and erasing.
pub(crate) struct Administers;
/// Nothing but a key that is known.
pub(crate) struct Asks;

impl Needs for Identifies {
    const SCOPE: Option<Scope> = Some(Scope::Identify);
}

impl Needs for Tracks {
    const SCOPE: Option<Scope> = Some(Scope::Identify);
    const BRINGS_ANY_KEY: bool = true;
}

impl Needs for Reads {
    const SCOPE: Option<Scope> = Some(Scope::Read);
}

impl Needs for Writes {
    const SCOPE: Option<Scope> = Some(Scope::Write);
}

impl Needs for Administers {
    const SCOPE: Option<Scope> = Some(Scope::Admin);
}

impl Needs for Asks {
    const SCOPE: Option<Scope> = None;
}

/// Who sends a request, let in: the only way to a workspace.
pub(crate) struct Caller<N> {
    snapshot: Arc<Snapshot>,
    workspace: WorkspaceKey,
    is_named: bool,
    key: Option<Arc<KnownKey>>,
    command: Option<Actor>,
    left: Option<RateLeft>,
    _under_way: UnderWay,
    needs: PhantomData<N>,
}

impl<N: Needs> FromRequestParts<Arc<ApiState>> for Caller<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<ApiState>) -> Result<Self, Problem> {
        let admission = state.settings.admission;
        let presented = presented(&parts.headers);
        let name = parts.headers.get(WORKSPACE).map(|name| name.to_str().unwrap_or_default());
        let known = state.installation.recognise(admission, &presented, name, N::BRINGS_ANY_KEY).await;
        let known = known.map_err(|unwelcome| state.strangers.refuse_unwelcome(unwelcome))?;
        if known.key.is_none() {
            refuse_strange_pages::<N>(parts, state)?;
        }
        let key = known.key.clone();
        let (under_way, left) = match &key {
            None => (UnderWay::default(), None),
            Some(key) => key
                .begin()
                .map_err(|too_much| Problem { key: Some(Arc::clone(key)), ..Problem::too_much(too_much) })?,
        };
        // A refusal, too, is one of the key's requests.
        let refused = |problem: Problem| Problem {
            key: key.clone(),
            headers: left.map_or_else(Box::default, |left| rate_headers::of(left).into()),
            ..problem
        };
        let unwelcome = |unwelcome| refused(state.strangers.refuse_unwelcome(unwelcome));
        if let Some(scope) = N::SCOPE {
            known.needs(scope).map_err(unwelcome)?;
        }
        if parts.headers.get_all(WORKSPACE).iter().nth(1).is_some() {
            return Err(refused(Problem::several_workspaces()));
        }
        let workspace = known.workspace(name).map_err(unwelcome)?;
        let command = (admission == Admission::Commands).then(|| command(&parts.headers)).flatten();
        let is_named = parts.headers.contains_key(WORKSPACE);
        Ok(Self {
            snapshot: known.snapshot,
            workspace,
            is_named,
            key,
            command,
            left,
            _under_way: under_way,
            needs: PhantomData,
        })
    }
}

impl Caller<Identifies> {
    /// Lets a request in that was signed with a secret of the workspace of that name.
    pub(crate) async fn signed(state: &ApiState, workspace: &str) -> Result<Self, Problem> {
        let came = Instant::now();
        let mut snapshot = state.installation.current().await?;
        if snapshot.workspace_named(workspace).is_none() {
            snapshot = state.installation.since(came).await?;
        }
        let workspace = snapshot.workspace_named(workspace).ok_or_else(Problem::no_workspace)?.key;
        Ok(Self {
            snapshot,
            workspace,
            is_named: true,
            key: None,
            command: None,
            left: None,
            _under_way: UnderWay::default(),
            needs: PhantomData,
        })
    }
}

impl<N> Caller<N> {
    /// The workspace that the request is about.
    pub(crate) fn workspace(&self) -> &Workspace {
        self.snapshot.workspace(self.workspace).expect("it was found in this snapshot")
    }

    /// The workspace, if the request names it.
    pub(crate) fn named(&self) -> Option<WorkspaceKey> {
        self.is_named.then_some(self.workspace)
    }

    /// What answers for that workspace.
    pub(crate) fn engine(&self) -> &Engine {
        &self.workspace().engine
    }

    /// What it is let in by.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot)
    }

    /// The key that was presented.
    pub(crate) fn key(&self) -> Option<&KnownKey> {
        self.key.as_deref()
    }

    /// Whom events name as their cause: the key, the command, or `route`.
    pub(crate) fn actor(&self, route: &Actor) -> Actor {
        let key = self.key.as_ref().map(|key| &key.actor);
        key.or(self.command.as_ref()).unwrap_or(route).clone()
    }

    /// Whether a command of ours asks, not a request from elsewhere.
    pub(crate) fn is_command(&self) -> bool {
        self.command.is_some()
    }

    /// Which workspaces and keys the caller may know of.
    pub(crate) fn reach(&self) -> Reach {
        match &self.key {
            Some(key) if !key.facts.every_workspace => Reach::Workspace(key.workspace),
            _ => Reach::Everything,
        }
    }

    /// Refuses a caller who may know of one workspace only.
    pub(crate) fn needs_everything(&self) -> Result<(), Problem> {
        match self.reach() {
            Reach::Everything => Ok(()),
            Reach::Workspace(_) => Err(Problem::needs_every_workspace()),
        }
    }

    /// Waits until so many requests more are within the key's rate.
    pub(crate) async fn pay(&self, count: usize) {
        if let Some(key) = &self.key {
            key.pay(u32::try_from(count).unwrap_or(u32::MAX)).await;
        }
    }

    /// Counts so many requests more of the key, also where they are more than its rate: its next ones are refused until that is made up
    /// for.
    pub(crate) fn owe(&self, count: usize) {
        if let Some(key) = &self.key {
            key.owe(u32::try_from(count).unwrap_or(u32::MAX));
        }
    }

    /// Asks the door again, some time after: the key may have been revoked, or the workspace erased.
    pub(crate) async fn still_welcome(&self, state: &ApiState) -> Result<(), Problem> {
        let now = state.installation.current().await?;
        let key = match &self.key {
            Some(key) => now.is_usable(key, state.installation.now()),
            None => state.settings.admission.lets_in(&now),
        };
        if !key {
            return Err(state.strangers.unknown_key());
        }
        now.workspace(self.workspace).map(|_| ()).ok_or_else(Problem::no_workspace)
    }

    /// The answer, with what the caller's key has left; a problem, with its name for the log.
    pub(crate) fn answer(&self, result: Result<impl IntoResponse, Problem>) -> Response {
        let mut response = match result {
            Ok(answer) => answer.into_response(),
            Err(problem) => Problem { key: self.key.clone(), ..problem }.into_response(),
        };
        if let Some(left) = self.left {
            // What the request itself was charged besides counts, what has come back meanwhile doesn't.
            let now =
                self.key.as_ref().and_then(|key| key.left()).map_or(left.remaining, |now| now.remaining);
            let left = RateLeft { remaining: left.remaining.min(now), ..left };
            response.headers_mut().extend(rate_headers::of(left));
        }
        response
    }
}

/// The key in a request's `Authorization`: a bearer's, or the user of Basic, whose password says nothing.
fn presented(headers: &HeaderMap) -> Presented {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Presented::Nothing };
    let one = values.next().is_none().then(|| value.to_str().ok()).flatten();
    let Some((scheme, rest)) = one.and_then(|text| text.split_once(' ')) else {
        return Presented::Unreadable;
    };
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Presented::Key(rest.to_owned());
    }
    let basic = scheme.eq_ignore_ascii_case("basic").then(|| BASE64.decode(rest.as_bytes()).ok()).flatten();
    let basic = basic.and_then(|decoded| String::from_utf8(decoded).ok());
    match basic.as_deref().and_then(|both| both.split_once(':')) {
        Some((user, _)) => Presented::Key(user.to_owned()),
        None => Presented::Unreadable,
    }
}

/// Refuses web pages of other machines, where nobody is asked for a key because nobody but this machine's users can come.
fn refuse_strange_pages<N: Needs>(parts: &Parts, state: &ApiState) -> Result<(), Problem> {
    if state.settings.admission != Admission::KeysOnceMade {
        return Ok(());
    }
    let reads = N::SCOPE != Some(Scope::Identify);
    refuse_foreign_pages(parts, state.settings.cors.as_ref(), reads)
}

/// The command that a request says it is.
fn command(headers: &HeaderMap) -> Option<Actor> {
    let text = headers.get(COMMAND)?.to_str().ok()?;
    let words = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b' ');
    (words && text.len() <= COMMAND_BYTES_MAX).then(|| Actor::named(&format!("selfsame {text}")))
}

/// The refusal of a request that is one too many for its key.
pub(crate) fn too_much_headers(too_much: TooMuch) -> Box<[(HeaderName, HeaderValue)]> {
    match too_much {
        TooMuch::Rate(left) => rate_headers::of(left).into(),
        TooMuch::AtOnce(_) => Box::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presented_by(values: &[&'static str]) -> Option<Option<String>> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_static(value));
        }
        match presented(&headers) {
            Presented::Nothing => None,
            Presented::Key(key) => Some(Some(key)),
            Presented::Unreadable => Some(None),
        }
    }

    #[test]
    fn a_key_is_read_from_either_scheme() {
        for (values, want) in [
            (&[][..], None),
            (&["Bearer k1"], Some(Some("k1"))),
            (&["bearer  k1 "], Some(Some("k1"))),
            (&["Basic azE6"], Some(Some("k1"))),
            (&["basic azE6c2VjcmV0"], Some(Some("k1"))),
            (&["Basic azE="], Some(None)),
            (&["Basic ?"], Some(None)),
            (&["Digest k1"], Some(None)),
            (&["k1"], Some(None)),
            (&["Bearer k1", "Bearer k1"], Some(None)),
        ] {
            let got = presented_by(values);
            assert_eq!(got, want.map(|key| key.map(str::to_owned)), "{values:?}");
        }
    }
}

//! The door: who sends a request, what he may do, and in which workspace. No handler gets to an engine by another way.

use std::marker::PhantomData;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use axum::response::{IntoResponse, Response};
use data_encoding::BASE64;
use selfsame_rules::{Actor, Scope};
use selfsame_service::{Engine, KnownKey, RateLeft, Reach, Snapshot, TooMuch, UnderWay, Workspace};
use selfsame_store::WorkspaceKey;

use crate::problem::Problem;
use crate::rate_headers;
use crate::router::{ApiSettings, ApiState};

/// Names the workspace that a request is about, where its key leaves that open.
const WORKSPACE: HeaderName = HeaderName::from_static("selfsame-workspace");

/// Names the command that sends a request, on the socket for commands.
const COMMAND: HeaderName = HeaderName::from_static("selfsame-command");

/// No command of ours is longer.
const COMMAND_BYTES_MAX: usize = 32;

/// Whose requests are let in without a key. One that is presented is always looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Nobody's.
    Keys,
    /// Everybody's, until a key was made.
    KeysOnceMade,
    /// Everybody's.
    Everybody,
    /// Everybody's: whoever can use the socket can use the database. Each names the command that it is.
    Commands,
}

/// What a handler asks its caller to have.
pub(crate) trait Needs: Send {
    /// The scope; `None` if any key will do.
    const SCOPE: Option<Scope>;
}

/// Sending observations.
pub(crate) struct Identifies;
/// Reading what is stored.
pub(crate) struct Reads;
/// Keys and workspaces.
pub(crate) struct Administers;
/// Nothing but a key that is known.
pub(crate) struct Asks;

impl Needs for Identifies {
    const SCOPE: Option<Scope> = Some(Scope::Identify);
}

impl Needs for Reads {
    const SCOPE: Option<Scope> = Some(Scope::Read);
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
    key: Option<Arc<KnownKey>>,
    command: Option<Actor>,
    left: Option<RateLeft>,
    _under_way: UnderWay,
    needs: PhantomData<N>,
}

impl<N: Needs> FromRequestParts<Arc<ApiState>> for Caller<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<ApiState>) -> Result<Self, Problem> {
        let snapshot = state.installation.current().await?;
        let admission = state.settings.admission;
        let key = match presented(&parts.headers) {
            Presented::Key(text) => Some(known(&snapshot, &text, state)?),
            Presented::Unreadable => return Err(state.strangers.unknown_key()),
            Presented::Nothing if lets_in(admission, &snapshot) => {
                refuse_foreign_pages(&parts.headers, &state.settings)?;
                None
            }
            Presented::Nothing => return Err(state.strangers.no_key()),
        };
        let named = key.as_ref().map(|key| &key.facts.name);
        let problem = |problem: Problem| Problem { key: named.cloned(), ..problem };
        if let (Some(key), Some(scope)) = (&key, N::SCOPE)
            && !key.facts.scopes.allow(scope)
        {
            return Err(problem(Problem::wrong_scope(scope)));
        }
        let workspace = chosen(&parts.headers, &snapshot, key.as_deref()).map_err(problem)?;
        let (under_way, left) = match &key {
            None => (UnderWay::default(), None),
            Some(key) => key.begin().map_err(|too_much| problem(Problem::too_much(too_much)))?,
        };
        let command = (admission == Admission::Commands).then(|| command(&parts.headers)).flatten();
        Ok(Self { snapshot, workspace, key, command, left, _under_way: under_way, needs: PhantomData })
    }
}

impl<N> Caller<N> {
    /// The workspace that the request is about.
    pub(crate) fn workspace(&self) -> &Workspace {
        self.snapshot.workspace(self.workspace).expect("it was found in this snapshot")
    }

    /// What answers for that workspace.
    pub(crate) fn engine(&self) -> &Engine {
        &self.workspace().engine
    }

    /// What it is let in by.
    pub(crate) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
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

    /// Asks the door again, some time after: the key may have been revoked, or the workspace erased.
    pub(crate) async fn still_welcome(&self, state: &ApiState) -> Result<(), Problem> {
        let now = state.installation.current().await?;
        let key = match &self.key {
            Some(key) => now.is_usable(key, state.installation.now()),
            None => lets_in(state.settings.admission, &now),
        };
        if !key {
            return Err(state.strangers.unknown_key());
        }
        now.workspace(self.workspace).map(|_| ()).ok_or_else(Problem::no_workspace)
    }

    /// The answer, with what the caller's key has left; a problem, with its name for the log.
    pub(crate) fn answer(&self, result: Result<impl IntoResponse, Problem>) -> Response {
        let key = || self.key.as_ref().map(|key| key.facts.name.clone());
        let mut response = match result {
            Ok(answer) => answer.into_response(),
            Err(problem) => Problem { key: key(), ..problem }.into_response(),
        };
        if let Some(left) = self.left {
            response.headers_mut().extend(rate_headers::of(left));
        }
        response
    }
}

/// What a request presents.
enum Presented {
    Nothing,
    Key(String),
    /// Something that is no key.
    Unreadable,
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

fn known(snapshot: &Snapshot, text: &str, state: &ApiState) -> Result<Arc<KnownKey>, Problem> {
    let key = snapshot.key(text, state.installation.now());
    key.cloned().ok_or_else(|| state.strangers.unknown_key())
}

fn lets_in(admission: Admission, snapshot: &Snapshot) -> bool {
    match admission {
        Admission::Keys => false,
        Admission::KeysOnceMade => !snapshot.a_key_was_made(),
        Admission::Everybody | Admission::Commands => true,
    }
}

/// Refuses a web page from elsewhere, which a browser on this machine may have open: where nobody is asked for a key because
/// nobody but this machine's users can come, it would come as one of them. Pages that CORS names may.
fn refuse_foreign_pages(headers: &HeaderMap, settings: &ApiSettings) -> Result<(), Problem> {
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    let foreign = settings.admission == Admission::KeysOnceMade && !settings.pages_may_come;
    if foreign && !is_of_this_machine(origin) { Err(Problem::foreign_page()) } else { Ok(()) }
}

fn is_of_this_machine(origin: &HeaderValue) -> bool {
    let host = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok()).and_then(|origin| {
        origin.host().map(|host| host.trim_start_matches('[').trim_end_matches(']').to_owned())
    });
    host.is_some_and(|host| {
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    })
}

/// The workspace that the key opens, or that the header names for one that opens all.
fn chosen(headers: &HeaderMap, snapshot: &Snapshot, key: Option<&KnownKey>) -> Result<WorkspaceKey, Problem> {
    let mut values = headers.get_all(WORKSPACE).iter();
    let named = values.next().map(|value| value.to_str().unwrap_or_default());
    if values.next().is_some() {
        return Err(Problem::several_workspaces());
    }
    let own = key.filter(|key| !key.facts.every_workspace).map(|key| key.workspace);
    match (own, named) {
        (Some(own), None) => Ok(own),
        // Whether there is another of that name is nobody's business who can't open it.
        (Some(own), Some(name)) => {
            let same = snapshot.workspace(own).is_some_and(|workspace| workspace.name.as_str() == name);
            if same { Ok(own) } else { Err(Problem::other_workspace()) }
        }
        (None, None) => Ok(WorkspaceKey::DEFAULT),
        (None, Some(name)) => {
            snapshot.workspace_named(name).map(|found| found.key).ok_or_else(Problem::no_workspace)
        }
    }
}

/// The command that a request says it is.
fn command(headers: &HeaderMap) -> Option<Actor> {
    let text = headers.get(COMMAND)?.to_str().ok()?;
    let words = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b' ');
    (words && text.len() <= COMMAND_BYTES_MAX).then(|| Actor::named(&format!("selfsame {text}")))
}

/// The refusal of a request that is one too many for its key.
pub(crate) fn too_much_headers(too_much: TooMuch) -> Vec<(HeaderName, HeaderValue)> {
    match too_much {
        TooMuch::Rate(left) => rate_headers::of(left).into(),
        TooMuch::AtOnce(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_this_machine_are_told_from_others() {
        for (origin, own) in [
            ("http://localhost:3000", true),
            ("http://127.0.0.1:3000", true),
            ("http://[::1]:8080", true),
            ("https://localhost", true),
            ("http://localhost.evil.example", false),
            ("http://evil.example:3000", false),
            ("http://192.168.1.5", false),
            ("null", false),
            ("", false),
        ] {
            assert_eq!(is_of_this_machine(&HeaderValue::from_static(origin)), own, "{origin}");
        }
    }

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

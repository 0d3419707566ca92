//! The console's door: who opens a page, what they may do, and in which workspace. The judgement is the API's
//! ([`Installation::recognise`](selfsame_service::Installation::recognise)); only the key comes another way, in a cookie.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::COOKIE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;
use selfsame_rules::Scope;
use selfsame_service::{Engine, Known, KnownKey, Presented, UnderWay, Workspace};
use selfsame_store::WorkspaceKey;

use crate::ask::Parameters;
use crate::failure::Failure;
use crate::form::refuse_foreign;
use crate::frame::{Choice, Frame};
use crate::router::ConsoleState;

/// The cookie that holds the key. No replica keeps a session, and a key that is revoked opens nothing from then on.
pub(crate) const COOKIE_NAME: &str = "selfsame_key";

/// What a page asks its visitor to have.
pub(crate) trait Needs: Send {
    /// The scope of the key.
    const SCOPE: Scope;
}

/// Reading what is stored.
pub(crate) struct Reads;

impl Needs for Reads {
    const SCOPE: Scope = Scope::Read;
}

/// Who opens a page, let in: the only way to a workspace. A visitor who posts a form comes from a page of ours.
pub(crate) struct Visitor<N> {
    known: Known,
    workspace: WorkspaceKey,
    /// The workspace's name, if the address has it: links of the page then have it, too.
    named: Option<String>,
    pub(crate) parameters: Parameters,
    _under_way: UnderWay,
    needs: PhantomData<N>,
}

impl<N: Needs> FromRequestParts<Arc<ConsoleState>> for Visitor<N> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<ConsoleState>) -> Result<Self, Failure> {
        if parts.method != Method::GET && parts.method != Method::HEAD {
            refuse_foreign(&parts.headers)?;
        }
        let parameters = Parameters::of(&parts.uri);
        let named = parameters.get("workspace").map(str::to_owned);
        let presented = presented(&parts.headers);
        let admission = state.settings.admission;
        let known = state.installation.recognise(admission, &presented, named.as_deref(), false).await;
        let known = known.map_err(|unwelcome| Failure::unwelcome(unwelcome, &parts.uri))?;
        let under_way = match &known.key {
            None => UnderWay::default(),
            Some(key) => key.begin().map_err(|too_much| Failure::too_much(too_much).of(key))?.0,
        };
        let refused = |unwelcome| {
            let failure = Failure::unwelcome(unwelcome, &parts.uri);
            known.key.as_ref().map_or(failure.clone(), |key| failure.of(key))
        };
        known.needs(N::SCOPE).map_err(refused)?;
        let workspace = known.workspace(named.as_deref()).map_err(refused)?;
        Ok(Self { known, workspace, named, parameters, _under_way: under_way, needs: PhantomData })
    }
}

impl<N> Visitor<N> {
    /// The workspace that the page is about.
    pub(crate) fn workspace(&self) -> &Workspace {
        self.known.snapshot.workspace(self.workspace).expect("it was found in this snapshot")
    }

    /// What answers for that workspace.
    pub(crate) fn engine(&self) -> &Engine {
        &self.workspace().engine
    }

    /// The visitor's key.
    pub(crate) fn key(&self) -> Option<&KnownKey> {
        self.known.key.as_deref()
    }

    /// A path of ours, in the workspace that this page is in.
    pub(crate) fn link<'value>(
        &'value self,
        path: &str,
        parameters: impl IntoIterator<Item = (&'value str, Option<&'value str>)>,
    ) -> String {
        let workspace = [("workspace", self.named.as_deref())];
        crate::ask::address(path, parameters.into_iter().chain(workspace))
    }

    /// What stands around the page.
    pub(crate) fn frame(&self, title: impl Into<String>) -> Frame {
        let every = self.key().is_none_or(|key| key.facts.every_workspace);
        let chosen = self.workspace().name.as_str();
        let choices = self.known.snapshot.workspaces().filter(|_| every);
        let choices =
            choices.map(|one| Choice { name: one.name.to_string(), chosen: one.name.as_str() == chosen });
        Frame {
            workspace: self.named.clone(),
            workspaces: choices.collect(),
            signed_in_as: self.key().map(|key| key.facts.name.to_string()),
            ..Frame::plain(title)
        }
    }
}

/// The key in a request's cookie.
pub(crate) fn presented(headers: &HeaderMap) -> Presented {
    let lines = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut cookies = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    match cookies.find(|(name, _)| *name == COOKIE_NAME) {
        Some((_, value)) if !value.is_empty() => {
            let key = percent_decode_str(value).decode_utf8();
            key.map_or(Presented::Unreadable, |key| Presented::Key(key.into_owned()))
        }
        _ => Presented::Nothing,
    }
}

//! `/console/sign-in` and `/console/sign-out`: a key, kept by the browser in a cookie that no script can read.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Request, State};
use axum::http::header::{LOCATION, ORIGIN, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use selfsame_service::{Presented, Refused, Unwelcome};

use crate::ask::{Parameters, encoded};
use crate::failure::Failure;
use crate::form::{read, refuse_foreign};
use crate::frame::{Frame, page};
use crate::router::{ConsoleState, HOME};
use crate::visitor::COOKIE_NAME;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage<'page> {
    frame: Frame,
    /// Where the visitor wanted to go.
    to: &'page str,
    /// Why they see this again.
    trouble: Option<&'page str>,
}

/// The page that asks for a key.
pub(crate) async fn show_sign_in(uri: Uri) -> Result<Response, Failure> {
    let parameters = Parameters::of(&uri);
    let trouble = (parameters.get("why") == Some("ended"))
        .then_some("Your key is not valid any more: it was revoked, or has expired. Sign in with another.");
    let to = own_page(parameters.get("to"));
    page(StatusCode::OK, &SignInPage { frame: Frame::plain("Sign in"), to, trouble })
}

/// Takes the key.
pub(crate) async fn sign_in(
    State(state): State<Arc<ConsoleState>>,
    request: Request,
) -> Result<Response, Failure> {
    refuse_foreign(request.headers())?;
    let secure = came_by_tls(request.headers());
    let form = read(request, state.settings.body_timeout).await?;
    let to = own_page(form.get("to"));
    let key = form.get("key").unwrap_or_default().to_owned();
    let presented = Presented::Key(key.clone());
    match state.installation.recognise(state.settings.admission, &presented, None, false).await {
        Ok(_) => leave_for(to, &cookie(&key, secure, "")),
        Err(Unwelcome::UnknownKey) => {
            let trouble = "That is no key of this server, or no longer one: it is unknown, revoked or expired. Look whether all \
                           of it was pasted, or ask whoever runs the server for another.";
            let again = SignInPage { frame: Frame::plain("Sign in"), to, trouble: Some(trouble) };
            let mut response = page(StatusCode::UNAUTHORIZED, &again)?;
            response.extensions_mut().insert(Refused { code: "invalid_key", key: None, cause: None });
            Ok(response)
        }
        Err(unwelcome) => Err(Failure::unwelcome(unwelcome, &Uri::from_static(HOME))),
    }
}

/// Forgets the key.
pub(crate) async fn sign_out(request: Request) -> Result<Response, Failure> {
    refuse_foreign(request.headers())?;
    leave_for("/console/sign-in", &cookie("", came_by_tls(request.headers()), "; Max-Age=0"))
}

fn cookie(key: &str, secure: bool, more: &str) -> String {
    let secure = if secure { "; Secure" } else { "" };
    let key = encoded(key);
    format!("{COOKIE_NAME}={key}; Path=/console; HttpOnly; SameSite=Strict{secure}{more}")
}

fn leave_for(to: &str, cookie: &str) -> Result<Response, Failure> {
    let header = |text: &str| HeaderValue::from_str(text).map_err(|error| Failure::internal(&error));
    Ok((StatusCode::SEE_OTHER, [(LOCATION, header(to)?), (SET_COOKIE, header(cookie)?)]).into_response())
}

/// Whether the form was sent by TLS, to this server or to a proxy before it: the browser says by which scheme its page came.
fn came_by_tls(headers: &HeaderMap) -> bool {
    headers.get(ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https://"))
}

/// The page of ours that is named, so that an address made by somebody else leads nowhere else.
fn own_page(to: Option<&str>) -> &str {
    let is_ours = |to: &&str| {
        let rest = to.strip_prefix(HOME);
        let plain = to.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        plain && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || rest.starts_with('?'))
    };
    to.filter(is_ours).unwrap_or(HOME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_in_leads_to_pages_of_ours_alone() {
        for (to, want) in [
            (None, "/console"),
            (Some("/console?q=1"), "/console?q=1"),
            (Some("/console/customers/1"), "/console/customers/1"),
            (Some("/consoles"), "/console"),
            (Some("//evil.example"), "/console"),
            (Some("https://evil.example/console"), "/console"),
            (Some("/console\r\nx: y"), "/console"),
        ] {
            assert_eq!(own_page(to), want, "{to:?}");
        }
    }
}

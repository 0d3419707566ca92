//! Pages for people beside the interface for programs: another crate's routes, which get the same request ids, limits, log
//! lines and numbers as ours.
//!
//! A page that is refused says so itself. What the log and the numbers hear of it comes with it, as [`Refused`].

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, LOCATION};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use selfsame_service::{Admission, Refused};

use crate::finish::REQUEST_ID;
use crate::foreign_pages::refuse_foreign_pages;
use crate::problem::Problem;
use crate::request_id::RequestId;
use crate::router::ApiState;

/// Routes of pages.
#[derive(Clone, Debug)]
pub struct Pages {
    /// What answers. It finds the request's id in `X-Request-Id`, and tells of what it refuses by [`Refused`] among the
    /// extensions of its answer.
    pub router: Router,
    /// The templates of its paths, by which requests are measured.
    pub templates: &'static [&'static str],
    /// The path of the first page, where browsers that ask for `/` are sent.
    pub home: &'static str,
}

/// The routes, with what each of our own gets.
pub(crate) fn beside(pages: Pages, state: &Arc<ApiState>) -> Router {
    pages.router.layer(from_fn_with_state(Arc::clone(state), page))
}

async fn page(State(state): State<Arc<ApiState>>, mut request: Request, next: Next) -> Response {
    let request_id = RequestId::new();
    request.headers_mut().insert(REQUEST_ID, request_id.header_value());
    if let Err(problem) = refuse_strange(&state, &mut request).await {
        return problem.into_response();
    }
    let mut response = next.run(request).await;
    let extensions = response.extensions_mut();
    extensions.insert(request_id);
    if let Some(Refused { code, key, cause }) = extensions.remove::<Refused>() {
        state.strangers.count(code);
        let problem = Problem { key, cause, ..Problem::new(response.status(), code, String::new()) };
        response.extensions_mut().insert(Shown(problem));
    }
    response
}

/// A problem that its page shows by itself.
#[derive(Clone)]
pub(crate) struct Shown(pub(crate) Problem);

/// Where nobody is asked for a key, refuses a page that comes by a name which may be a stranger's.
async fn refuse_strange(state: &ApiState, request: &mut Request) -> Result<(), Problem> {
    let snapshot = state.installation.current().await?;
    if state.settings.admission != Admission::KeysOnceMade || snapshot.a_key_was_made() {
        return Ok(());
    }
    let (parts, body) = std::mem::take(request).into_parts();
    let welcome = refuse_foreign_pages(&parts, state.settings.cors.as_ref(), true);
    *request = Request::from_parts(parts, body);
    welcome
}

/// Where a browser that opens `/` is sent; programs stay.
pub(crate) fn home(state: &ApiState, headers: &HeaderMap) -> Option<Response> {
    let home = state.settings.pages.as_ref()?.home;
    wants_page(headers)
        .then(|| (StatusCode::SEE_OTHER, [(LOCATION, HeaderValue::from_static(home))]).into_response())
}

/// Whether whoever asks would rather have HTML than JSON: he names it, and nothing that he wants more.
fn wants_page(headers: &HeaderMap) -> bool {
    let (mut html, mut others) = (0.0, 0.0);
    let ranges = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    for range in ranges.flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let weight: f32 = weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0));
        let most = if name.eq_ignore_ascii_case("text/html") { &mut html } else { &mut others };
        *most = weight.max(*most);
    }
    html > 0.0 && html >= others
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_told_from_a_program() {
        for (accept, want) in [
            (&[][..], false),
            (&["*/*"], false),
            (&["application/json"], false),
            (&["application/json, text/plain, */*"], false),
            (&["text/html"], true),
            (&["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"], true),
            (&["application/json, text/html;q=0.5"], false),
            (&["text/html;q=0"], false),
            (&["text/html;q=x"], false),
        ] {
            let mut headers = HeaderMap::new();
            for value in accept {
                headers.append(ACCEPT, HeaderValue::from_static(value));
            }
            assert_eq!(wants_page(&headers), want, "{accept:?}");
        }
    }
}

//! What stands around every page: the head, the box to find customers with, the workspace, who is signed in.

use askama::Template;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, VARY};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::assets::{SCRIPT, STYLE};
use crate::failure::Failure;

/// A page's scripts, styles and pictures are this server's, and its forms lead to this server.
pub(crate) const PAGE_CONTENT: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
     form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
);

/// Browsers tell the origin of a form only where they may tell it at all.
const OWN_REFERRER: HeaderValue = HeaderValue::from_static("same-origin");

/// On every page.
static PAGE_HEADERS: [(HeaderName, HeaderValue); 4] = [
    (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
    (CONTENT_SECURITY_POLICY, PAGE_CONTENT),
    (REFERRER_POLICY, OWN_REFERRER),
    (VARY, HeaderValue::from_static("Cookie")),
];

/// What every template needs besides its own: `frame` of each page.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// What the page is about, for the browser's tab.
    pub(crate) title: String,
    /// What stands in the box to find customers with.
    pub(crate) sought: String,
    /// The workspace that the address names.
    pub(crate) workspace: Option<String>,
    /// The workspaces that the visitor may choose from.
    pub(crate) workspaces: Vec<Choice>,
    /// The name of the visitor's key.
    pub(crate) signed_in_as: Option<String>,
}

/// A workspace to choose.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    pub(crate) name: String,
    pub(crate) chosen: bool,
}

impl Frame {
    /// Of a page that no visitor was let in for.
    pub(crate) fn plain(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            sought: String::new(),
            workspace: None,
            workspaces: Vec::new(),
            signed_in_as: None,
        }
    }

    /// The path of the styles.
    pub(crate) fn style(&self) -> &'static str {
        STYLE.path()
    }

    /// The path of the script.
    pub(crate) fn script(&self) -> &'static str {
        SCRIPT.path()
    }

    /// A path of ours, in the workspace that this page is in.
    pub(crate) fn link(&self, path: &str) -> String {
        crate::ask::address(path, [("workspace", self.workspace.as_deref())])
    }

    /// Whether there is more than one workspace to choose from.
    pub(crate) fn has_choice(&self) -> bool {
        self.workspaces.len() > 1
    }
}

/// The page that a template makes.
pub(crate) fn page(status: StatusCode, template: &impl Template) -> Result<Response, Failure> {
    let html = template.render().map_err(|error| Failure::internal(&error))?;
    let mut response = (status, html).into_response();
    for (name, value) in &PAGE_HEADERS {
        response.headers_mut().insert(name, value.clone());
    }
    Ok(response)
}

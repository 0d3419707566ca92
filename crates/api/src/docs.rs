//! `GET /docs`: the description of the interface as a page to browse and try, from this binary alone.

use std::sync::{Arc, LazyLock};

use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use utoipa_swagger_ui::{Config, serve};

use crate::problem::Problem;
use crate::target::Target;

/// The page's scripts and pictures are this server's. It writes styles into its elements itself.
static PAGE_CONTENT: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// No key is kept by the browser, and no other server is asked whether the description is valid.
static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    let config = Config::new(["/openapi.json"]);
    Arc::new(config.try_it_out_enabled(true).persist_authorization(false).validator_url("none"))
});

/// The page's files name each other relatively, so it has to stand in their folder.
pub(crate) async fn find_docs() -> Response {
    let page = HeaderValue::from_static("/docs/index.html");
    (StatusCode::PERMANENT_REDIRECT, [(LOCATION, page)]).into_response()
}

pub(crate) async fn find_docs_file(target: Target) -> Result<Response, Problem> {
    let (file, _) = target.with_query()?;
    let served = serve(&file, Arc::clone(&CONFIG))
        .map_err(|error| Problem { cause: Some(error.to_string().into()), ..Problem::internal() })?;
    let file = served.ok_or_else(Problem::not_found)?;
    let content_type = HeaderValue::from_str(&file.content_type)
        .map_err(|error| Problem { cause: Some(error.to_string().into()), ..Problem::internal() })?;
    let headers = [(CONTENT_TYPE, content_type), (CONTENT_SECURITY_POLICY, PAGE_CONTENT.clone())];
    Ok((headers, file.bytes.into_owned()).into_response())
}

//! What the path of a request under `/v1` names, and what stands in its query.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, Path};
use axum::http::Uri;
use axum::http::request::Parts;

use crate::problem::Problem;
use crate::query::Query;

/// The last part of a path, decoded, and the query. Whoever isn't let in hears nothing of either.
pub(crate) struct Target {
    /// Nothing where it isn't UTF-8.
    named: Option<String>,
    query: Query,
}

impl<S: Send + Sync> FromRequestParts<S> for Target {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let named = Path::<String>::from_request_parts(parts, state).await;
        Ok(Self { named: named.ok().map(|Path(named)| named), query: Query::of(&parts.uri) })
    }
}

impl Target {
    /// What the path names, where nothing else is asked.
    pub(crate) fn alone(self) -> Result<String, Problem> {
        let (named, query) = self.with_query()?;
        query.end("none")?;
        Ok(named)
    }

    /// What the path names, and the query.
    pub(crate) fn with_query(self) -> Result<(String, Query), Problem> {
        let invalid =
            || Problem::bad_request("invalid_path", "The last part of the path, decoded, must be UTF-8.");
        Ok((self.named.ok_or_else(invalid)?, self.query))
    }
}

/// Refuses any query.
pub(crate) fn no_query(uri: &Uri) -> Result<(), Problem> {
    Query::of(uri).end("none")
}

//! What the path of a request under `/v1` names, and what stands in its query.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, Path};
use axum::http::Uri;
use axum::http::request::Parts;

use crate::problem::Problem;
use crate::query::Query;

/// What a path names, decoded; nothing where it isn't UTF-8. Whoever isn't let in hears nothing of it.
pub(crate) struct Named(Option<String>);

/// What a path names, and the query.
pub(crate) struct Target {
    named: Named,
    query: Query,
}

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let named = Path::<String>::from_request_parts(parts, state).await;
        Ok(Self(named.ok().map(|Path(named)| named)))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Target {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let Ok(named) = Named::from_request_parts(parts, state).await;
        Ok(Self { named, query: Query::of(&parts.uri) })
    }
}

impl Named {
    /// It.
    pub(crate) fn text(&self) -> Result<&str, Problem> {
        let invalid =
            || Problem::bad_request("invalid_path", "The named part of the path, decoded, must be UTF-8.");
        self.0.as_deref().ok_or_else(invalid)
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
        Ok((self.named.text()?.to_owned(), self.query))
    }
}

/// Refuses any query.
pub(crate) fn no_query(uri: &Uri) -> Result<(), Problem> {
    Query::of(uri).end("none")
}

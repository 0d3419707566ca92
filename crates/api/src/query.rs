//! The query of a request: each parameter once, and none that nobody knows.

use axum::http::Uri;

use crate::problem::Problem;

/// The parameters that were not looked at yet.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn of(uri: &Uri) -> Self {
        let query = uri.query().unwrap_or_default();
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// Takes the parameter out.
    pub(crate) fn take(&mut self, name: &'static str) -> Result<Option<String>, Problem> {
        let (own, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.0).into_iter().partition(|pair| pair.0 == name);
        self.0 = others;
        let mut values = own.into_iter().map(|(_, value)| value);
        let value = values.next();
        if values.next().is_some() {
            return Err(invalid(format!("`{name}` may stand in the query once.")));
        }
        Ok(value)
    }

    /// Takes out the first that is left, whatever it is called.
    pub(crate) fn take_other(&mut self) -> Option<(String, String)> {
        (!self.0.is_empty()).then(|| self.0.remove(0))
    }

    /// Whether the parameter says `true`; it may also say `false`, or not be there.
    pub(crate) fn take_flag(&mut self, name: &'static str) -> Result<bool, Problem> {
        match self.take(name)?.as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(invalid(format!("`{name}` must be `true` or `false`."))),
        }
    }

    /// Refuses what is left: a misspelt parameter would be taken for one that isn't there.
    pub(crate) fn end(self, known: &str) -> Result<(), Problem> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => {
                let name: String = name.chars().take(64).collect();
                Err(invalid(format!(
                    "The query has a parameter `{name}` that this path doesn't know; it takes {known}."
                )))
            }
        }
    }
}

pub(crate) fn invalid(detail: impl Into<String>) -> Problem {
    Problem::bad_request("invalid_query", detail)
}

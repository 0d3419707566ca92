//! What is a person's own, or was written by people: it is there to use, and isn't printed.

use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Serialize};

/// A value that may tell of a person. `Debug` shows that it is there, never what it is, so that no log has it by accident; it
/// derefs to the value, and has no `Display`.
///
/// ```
/// use selfsame_client::Personal;
///
/// let address: Personal<String> = "doc@hill.edu".into();
/// assert_eq!(format!("{address:?}"), "(personal)");
/// assert_eq!(address.as_str(), "doc@hill.edu");
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Personal<T>(
    /// The value itself.
    pub T,
);

impl<T> fmt::Debug for Personal<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(personal)")
    }
}

impl<T> Deref for Personal<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl From<&str> for Personal<String> {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Personal<String> {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl PartialEq<str> for Personal<String> {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for Personal<String> {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

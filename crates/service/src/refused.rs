//! What is told of a request that was refused, to whoever counts and logs those.

use std::sync::Arc;

use crate::KnownKey;

/// A page that was refused or failed: what the log and the numbers hear of it. What its reader sees is the page itself.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The code of the problem: one that the API has.
    pub code: &'static str,
    /// The key that the request came with.
    pub key: Option<Arc<KnownKey>>,
    /// For the log, never for the reader.
    pub cause: Option<Box<str>>,
}

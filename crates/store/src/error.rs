//! Why a store could not do what was asked: a variant for each thing that a caller could do differently.

use std::error::Error;
use std::sync::Arc;

use selfsame_rules::Incoherent;

/// Why a load, a write or a scan failed. The message is for the log: it never holds a value of anybody.
///
/// Cloned, because a write that fails is the failure of every observation in it.
///
/// ```
/// let error = selfsame_store::StoreError::failed("the engine said no");
/// assert_eq!(error.to_string(), "the store failed: the engine said no");
/// ```
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// No space is left for a write. Reads go on; writes work again when there is space.
    #[error("no space is left on the device that holds the database")]
    NoSpace,
    /// The engine can't be reached or is busy; the same call may work a moment later. Nothing was written.
    #[error("the store can't answer now: {0}")]
    Unavailable(Arc<dyn Error + Send + Sync>),
    /// The write may or may not have happened.
    #[error("the store failed while it committed: {0}")]
    OutcomeUnknown(Arc<dyn Error + Send + Sync>),
    /// The store was opened for reading only, or is closed.
    #[error("the store takes no writes: it is closed or was opened for reading")]
    NotWritable,
    /// A later version has brought the database to a schema that this one doesn't know.
    #[error(
        "the database has schema {found}, and this version knows {known}; restart with the version that brought it there"
    )]
    NewerSchema {
        /// The schema that it has.
        found: i32,
        /// The schema that this version knows.
        known: i32,
    },
    /// There is no such workspace, or it was erased.
    #[error("there is no workspace {0}")]
    NoWorkspace(crate::WorkspaceKey),
    /// Rows that no sequence of events could have made.
    #[error("the database is damaged: {0}; run `selfsame check`")]
    Incoherent(#[from] Incoherent),
    /// Anything else that the engine said: a fault of ours or of the machine.
    #[error("the store failed: {0}")]
    Failed(Arc<dyn Error + Send + Sync>),
}

impl StoreError {
    /// A fault that is worth no variant of its own.
    pub fn failed(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Failed(Arc::from(source.into()))
    }
}

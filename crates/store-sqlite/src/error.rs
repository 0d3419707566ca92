//! SQLite's errors as the store's: what a caller could do about them.

use std::sync::Arc;

use rusqlite::ErrorCode;
use selfsame_store::StoreError;

/// The error of a statement: what it belonged to is rolled back.
pub(crate) fn store_error(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::NoSpace,
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::OutOfMemory
            | ErrorCode::ReadOnly,
        ) => StoreError::Unavailable(Arc::new(error)),
        _ => StoreError::failed(error),
    }
}

/// The error of a COMMIT: after a failed write or sync, frames of it may be found again by a recovery.
pub(crate) fn commit_error(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::SystemIoFailure) => StoreError::OutcomeUnknown(Arc::new(error)),
        _ => store_error(error),
    }
}

//! SQLite's errors as the store's: what a caller could do about them.

use std::sync::Arc;

use rusqlite::ErrorCode;
use selfsame_store::StoreError;

/// The error of a statement: what it belonged to is rolled back.
pub(crate) fn store_error(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::NoSpace,
        Some(ErrorCode::SystemIoFailure) if is_shared_memory_without_room(&error) => StoreError::NoSpace,
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

/// A full disk has a name of its own where the file is one that processes share as memory.
pub(crate) fn is_shared_memory_without_room(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE)
}

/// The error of a COMMIT: after a failed write or sync, frames of it may be found again by a recovery.
pub(crate) fn commit_error(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::SystemIoFailure) => StoreError::OutcomeUnknown(Arc::new(error)),
        _ => store_error(error),
    }
}

use std::sync::Arc;

use rusqlite::ErrorCode;
use rusqlite::ffi;

use crate::error::StoreError;

/// Wraps an error of SQLite with what was being done.
pub(super) fn unavailable(doing: &'static str) -> impl Fn(rusqlite::Error) -> StoreError {
    move |source| StoreError::Unavailable {
        doing,
        source: Arc::new(source),
    }
}

/// Wraps an error of an insert: a row that is there already is the caller's fault.
pub(super) fn inserting(
    doing: &'static str,
    what: &'static str,
    id: impl ToString,
) -> impl FnOnce(rusqlite::Error) -> StoreError {
    move |error| {
        if is_duplicate(&error) {
            return StoreError::AlreadyExists {
                what,
                id: id.to_string(),
            };
        }
        unavailable(doing)(error)
    }
}

/// Whether an insert failed because the row that it points at is not there: a foreign key, or a
/// number that was looked up in the same statement.
pub(super) fn is_missing_parent(error: &rusqlite::Error) -> bool {
    let code = extended_code(error);
    code == Some(ffi::SQLITE_CONSTRAINT_FOREIGNKEY) || code == Some(ffi::SQLITE_CONSTRAINT_NOTNULL)
}

fn is_duplicate(error: &rusqlite::Error) -> bool {
    let code = extended_code(error);
    code == Some(ffi::SQLITE_CONSTRAINT_PRIMARYKEY) || code == Some(ffi::SQLITE_CONSTRAINT_UNIQUE)
}

fn extended_code(error: &rusqlite::Error) -> Option<i32> {
    error
        .sqlite_error()
        .filter(|e| e.code == ErrorCode::ConstraintViolation)
        .map(|e| e.extended_code)
}

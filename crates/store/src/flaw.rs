//! One set of checks for what is written and for what is read.

use quorate_types::UnixMillis;
use serde_json::Value;

use crate::error::StoreError;
use crate::limits::{MAX_JSON_BYTES, MAX_NAME_BYTES, MAX_TIME_MILLIS};

/// What is wrong with a row: the caller's fault when it is written, damage when it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flaw {
    pub(crate) column: &'static str,
    pub(crate) why: &'static str,
}

pub(crate) const NOT_AN_OBJECT: &str = "not a JSON object";

impl Flaw {
    pub(crate) fn unless(
        condition: bool,
        column: &'static str,
        why: &'static str,
    ) -> Result<(), Self> {
        if condition {
            Ok(())
        } else {
            Err(Self { column, why })
        }
    }

    /// The flaw of a row that a caller wants written.
    pub(crate) const fn invalid(self, table: &'static str) -> StoreError {
        StoreError::Invalid {
            table,
            column: self.column,
            why: self.why,
        }
    }
}

pub(crate) fn check_time(column: &'static str, time: UnixMillis) -> Result<(), Flaw> {
    Flaw::unless(
        time.0 <= MAX_TIME_MILLIS,
        column,
        "a time after the year 9999",
    )
}

pub(crate) fn check_length(column: &'static str, length: usize, limit: usize) -> Result<(), Flaw> {
    Flaw::unless(length <= limit, column, "longer than its limit")
}

/// 1 to [`MAX_NAME_BYTES`] bytes without control characters.
pub(crate) fn check_name(column: &'static str, text: &str) -> Result<(), Flaw> {
    Flaw::unless(!text.is_empty(), column, "empty")?;
    check_length(column, text.len(), MAX_NAME_BYTES)?;
    Flaw::unless(
        !text.chars().any(char::is_control),
        column,
        "has a control character",
    )
}

pub(crate) fn check_object(column: &'static str, value: &Value) -> Result<(), Flaw> {
    Flaw::unless(value.is_object(), column, NOT_AN_OBJECT)?;
    check_length(column, value.to_string().len(), MAX_JSON_BYTES)
}

//! Reading of rows that somebody may have changed: every value is checked before it is believed.

use std::str::FromStr;

use quorate_types::UnixMillis;
use rusqlite::Row;
use rusqlite::types::ValueRef;
use serde::de::DeserializeOwned;

use crate::error::StoreError;
use crate::flaw::Flaw;
use crate::limits::{MAX_NAME_BYTES, MAX_TIME_MILLIS};

/// Longest id of a row in an error, in characters.
const MAX_SHOWN_KEY: usize = 80;

/// A row whose columns are read by name and checked.
pub(super) struct CheckedRow<'r, 's> {
    row: &'r Row<'s>,
    table: &'static str,
    key_column: &'static str,
}

impl<'r, 's> CheckedRow<'r, 's> {
    pub(super) const fn new(
        row: &'r Row<'s>,
        table: &'static str,
        key_column: &'static str,
    ) -> Self {
        Self {
            row,
            table,
            key_column,
        }
    }

    /// The error for a bad column of this row.
    pub(super) fn corrupt(&self, column: &'static str, why: &'static str) -> StoreError {
        StoreError::Corrupt {
            table: self.table,
            key: self.shown_key(),
            column,
            why,
        }
    }

    /// The error for a row that breaks a rule.
    pub(super) fn flawed(&self, flaw: Flaw) -> StoreError {
        self.corrupt(flaw.column, flaw.why)
    }

    pub(super) fn text(&self, column: &'static str, limit: usize) -> Result<&'r str, StoreError> {
        let ValueRef::Text(bytes) = self.value(column)? else {
            return Err(self.corrupt(column, "not text"));
        };
        if bytes.len() > limit {
            return Err(self.corrupt(column, "longer than its limit"));
        }
        std::str::from_utf8(bytes).map_err(|_| self.corrupt(column, "not UTF-8"))
    }

    pub(super) fn owned_text(
        &self,
        column: &'static str,
        limit: usize,
    ) -> Result<String, StoreError> {
        self.text(column, limit).map(str::to_owned)
    }

    pub(super) fn blob(&self, column: &'static str, limit: usize) -> Result<Vec<u8>, StoreError> {
        let ValueRef::Blob(bytes) = self.value(column)? else {
            return Err(self.corrupt(column, "not bytes"));
        };
        if bytes.len() > limit {
            return Err(self.corrupt(column, "longer than its limit"));
        }
        Ok(bytes.to_vec())
    }

    pub(super) fn array<const N: usize>(
        &self,
        column: &'static str,
    ) -> Result<[u8; N], StoreError> {
        let ValueRef::Blob(bytes) = self.value(column)? else {
            return Err(self.corrupt(column, "not bytes"));
        };
        bytes
            .try_into()
            .map_err(|_| self.corrupt(column, "not of its fixed length"))
    }

    /// A non-negative integer that fits `T`.
    pub(super) fn integer<T: TryFrom<i64>>(&self, column: &'static str) -> Result<T, StoreError> {
        let ValueRef::Integer(number) = self.value(column)? else {
            return Err(self.corrupt(column, "not an integer"));
        };
        T::try_from(number).map_err(|_| self.corrupt(column, "out of range"))
    }

    pub(super) fn time(&self, column: &'static str) -> Result<UnixMillis, StoreError> {
        let millis = self.integer::<u64>(column)?;
        if millis > MAX_TIME_MILLIS {
            return Err(self.corrupt(column, "a time after the year 9999"));
        }
        Ok(UnixMillis(millis))
    }

    /// An id or a name of a fixed list.
    pub(super) fn parse<T: FromStr>(&self, column: &'static str) -> Result<T, StoreError> {
        self.text(column, MAX_NAME_BYTES)?
            .parse()
            .map_err(|_| self.corrupt(column, "not a known or valid value"))
    }

    pub(super) fn json<T: DeserializeOwned>(
        &self,
        column: &'static str,
        limit: usize,
    ) -> Result<T, StoreError> {
        serde_json::from_str(self.text(column, limit)?)
            .map_err(|_| self.corrupt(column, "not the JSON that belongs there"))
    }

    /// `None` for NULL, otherwise what `read` makes of the column.
    pub(super) fn optional<T>(
        &self,
        column: &'static str,
        read: impl FnOnce(&'static str) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        match self.value(column)? {
            ValueRef::Null => Ok(None),
            _ => read(column).map(Some),
        }
    }

    fn value(&self, column: &'static str) -> Result<ValueRef<'r>, StoreError> {
        self.row
            .get_ref(column)
            .map_err(|_| self.corrupt(column, "missing"))
    }

    /// The id of the row, cut and cleaned: it is hostile too, and goes to logs.
    fn shown_key(&self) -> String {
        let clean = |bytes: &[u8]| {
            String::from_utf8_lossy(bytes)
                .chars()
                .take(MAX_SHOWN_KEY)
                .map(|c| if c.is_ascii_graphic() { c } else { '?' })
                .collect()
        };
        match self.row.get_ref(self.key_column) {
            Ok(ValueRef::Text(bytes)) => clean(bytes),
            Ok(ValueRef::Blob(bytes)) => {
                bytes.iter().take(32).map(|b| format!("{b:02x}")).collect()
            }
            Ok(ValueRef::Integer(number)) => number.to_string(),
            _ => "?".to_owned(),
        }
    }
}

//! Rows by id and lists with filters and cursors.

use quorate_types::UnixMillis;
use rusqlite::types::Value;
use rusqlite::{Connection, Params, Row, params_from_iter};

use super::failure::unavailable;
use crate::error::StoreError;
use crate::page::{Cursor, List, Page, PageRequest};

/// How the rows of one list are ordered, read and pointed at.
pub(super) struct Shape<T> {
    pub(super) list: List,
    pub(super) table: &'static str,
    /// First column of the order.
    pub(super) time: &'static str,
    /// Second column of the order, unique.
    pub(super) id: &'static str,
    pub(super) oldest_first: bool,
    /// The id in a cursor, as the column holds it.
    pub(super) id_value: fn(&str) -> Option<Value>,
    pub(super) read: fn(&Row<'_>) -> Result<T, StoreError>,
    /// Time and id of a row, for a cursor.
    pub(super) place: fn(&T) -> (UnixMillis, String),
}

/// A list with its filters. Column names and conditions are ours, values are always bound.
pub(super) struct ListQuery<T: 'static> {
    shape: &'static Shape<T>,
    sql: String,
    values: Vec<Value>,
}

impl<T> ListQuery<T> {
    pub(super) fn new(shape: &'static Shape<T>) -> Self {
        Self {
            shape,
            sql: format!("SELECT * FROM {} WHERE 1", shape.table),
            values: Vec::new(),
        }
    }

    /// Keeps only rows for which `condition` holds, spelled as in a partial index.
    pub(super) fn always(mut self, condition: &str) -> Self {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
        self
    }

    /// Keeps only rows for which `condition`, with one `?` for the value, holds.
    pub(super) fn only(mut self, condition: &str, value: Option<impl Into<Value>>) -> Self {
        if let Some(value) = value {
            self.sql.push_str(" AND ");
            self.sql.push_str(condition);
            self.values.push(value.into());
        }
        self
    }

    pub(super) fn read(
        mut self,
        connection: &Connection,
        page: &PageRequest,
    ) -> Result<Page<T>, StoreError> {
        let Shape { time, id, .. } = self.shape;
        let (direction, beyond) = if self.shape.oldest_first {
            ("ASC", ">")
        } else {
            ("DESC", "<")
        };
        if let Some(cursor) = page.cursor() {
            let (at, after) = cursor.position(self.shape.list)?;
            let after = (self.shape.id_value)(after).ok_or(StoreError::InvalidCursor)?;
            self.sql
                .push_str(&format!(" AND ({time}, {id}) {beyond} (?, ?)"));
            self.values.push(Value::Integer(millis(at)));
            self.values.push(after);
        }
        self.sql.push_str(&format!(
            " ORDER BY {time} {direction}, {id} {direction} LIMIT ?"
        ));
        // One more than asked for tells whether there is a next page.
        self.values.push(Value::Integer(i64::from(page.rows()) + 1));
        let rows = read_all(
            connection,
            &self.sql,
            params_from_iter(self.values),
            self.shape.read,
        )?;
        Ok(Page::cut(rows, page.rows(), |row| {
            let (time, id) = (self.shape.place)(row);
            Cursor::new(self.shape.list, time, id)
        }))
    }
}

/// All rows of a query, each checked; the first damaged one is the error.
pub(super) fn read_all<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    mut read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let doing = unavailable("reading rows");
    let mut statement = connection.prepare_cached(sql).map_err(&doing)?;
    let mut rows = statement.query(params).map_err(&doing)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(&doing)? {
        found.push(read(row)?);
    }
    Ok(found)
}

/// The one row of a query, checked.
pub(super) fn read_one<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    Ok(read_all(connection, sql, params, read)?.into_iter().next())
}

/// A time as the database holds it. Times are checked before they are written.
pub(super) fn millis(time: UnixMillis) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX)
}

/// An id that is text in the database and in the cursor.
pub(super) fn text_id(id: &str) -> Option<Value> {
    Some(Value::Text(id.to_owned()))
}

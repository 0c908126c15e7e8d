use std::fmt;
use std::str::FromStr;

use quorate_types::UnixMillis;

use crate::error::StoreError;
use crate::limits::{DEFAULT_PAGE_ROWS, MAX_CURSOR_CHARS, MAX_PAGE_ROWS, MAX_TIME_MILLIS};

/// Which list a cursor belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum List {
    Keys,
    Sessions,
    Audit,
    OpenIntents,
    OpenSessions,
}

impl List {
    const ALL: [(Self, u8); 5] = [
        (Self::Keys, b'k'),
        (Self::Sessions, b's'),
        (Self::Audit, b'a'),
        (Self::OpenIntents, b'i'),
        (Self::OpenSessions, b'o'),
    ];

    fn letter(self) -> u8 {
        Self::ALL
            .into_iter()
            .find_map(|(list, letter)| (list == self).then_some(letter))
            .expect("every list is in the table")
    }
}

/// A place in a list: the time and the id of the last row seen. Opaque to callers.
///
/// # Security
/// Not authenticated: it only says where to go on. Filters are applied again on every page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    list: List,
    time: UnixMillis,
    id: String,
}

impl Cursor {
    pub(crate) fn new(list: List, time: UnixMillis, id: String) -> Self {
        Self { list, time, id }
    }

    /// Time and id to go on after.
    ///
    /// # Errors
    /// [`StoreError::InvalidCursor`] if it comes from another list.
    pub(crate) fn position(&self, list: List) -> Result<(UnixMillis, &str), StoreError> {
        if self.list == list {
            Ok((self.time, &self.id))
        } else {
            Err(StoreError::InvalidCursor)
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![self.list.letter()];
        bytes.extend_from_slice(&self.time.0.to_be_bytes());
        bytes.extend_from_slice(self.id.as_bytes());
        f.write_str(&hex::encode(bytes))
    }
}

impl FromStr for Cursor {
    type Err = StoreError;
    fn from_str(text: &str) -> Result<Self, StoreError> {
        if text.len() > MAX_CURSOR_CHARS {
            return Err(StoreError::InvalidCursor);
        }
        let bytes = hex::decode(text).map_err(|_| StoreError::InvalidCursor)?;
        let (&letter, rest) = bytes.split_first().ok_or(StoreError::InvalidCursor)?;
        let (time, id) = rest
            .split_first_chunk::<8>()
            .ok_or(StoreError::InvalidCursor)?;
        let list = List::ALL
            .into_iter()
            .find_map(|(list, known)| (known == letter).then_some(list))
            .ok_or(StoreError::InvalidCursor)?;
        let time = UnixMillis(u64::from_be_bytes(*time));
        let id = std::str::from_utf8(id).map_err(|_| StoreError::InvalidCursor)?;
        if time.0 > MAX_TIME_MILLIS {
            return Err(StoreError::InvalidCursor);
        }
        Ok(Self::new(list, time, id.to_owned()))
    }
}

/// Which part of a list: newest first, at most [`MAX_PAGE_ROWS`] rows, after a cursor.
#[derive(Debug, Clone)]
pub struct PageRequest {
    rows: u16,
    after: Option<Cursor>,
}

impl PageRequest {
    /// Asks for `rows` rows from the start of the list; 0 and more than [`MAX_PAGE_ROWS`] are
    /// brought into range.
    #[must_use]
    pub fn first(rows: u16) -> Self {
        Self {
            rows: rows.clamp(1, MAX_PAGE_ROWS),
            after: None,
        }
    }

    /// Asks to go on after a cursor.
    #[must_use]
    pub fn after(mut self, cursor: Cursor) -> Self {
        self.after = Some(cursor);
        self
    }

    /// Rows asked for.
    #[must_use]
    pub const fn rows(&self) -> u16 {
        self.rows
    }

    /// Cursor to go on after.
    #[must_use]
    pub const fn cursor(&self) -> Option<&Cursor> {
        self.after.as_ref()
    }
}

impl Default for PageRequest {
    fn default() -> Self {
        Self::first(DEFAULT_PAGE_ROWS)
    }
}

/// Part of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// Rows in the order of the list.
    pub rows: Vec<T>,
    /// Where the next page starts; `None` if this was the last.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// Makes a page of at most `limit` rows from `limit + 1` rows read.
    pub(crate) fn cut(mut rows: Vec<T>, limit: u16, cursor: impl Fn(&T) -> Cursor) -> Self {
        let limit = usize::from(limit);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(cursor);
        Self { rows, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursor__should_round_trip_and_stay_with_its_list() {
        let cursor = Cursor::new(List::Keys, UnixMillis(77), "key_1".into());
        let parsed: Cursor = cursor.to_string().parse().unwrap();
        assert_eq!(
            parsed.position(List::Keys).unwrap(),
            (UnixMillis(77), "key_1")
        );
        assert!(matches!(
            parsed.position(List::Sessions),
            Err(StoreError::InvalidCursor)
        ));
    }

    #[test]
    fn cursor__must_refuse_foreign_text() {
        let too_late = format!("6b{}", "ff".repeat(8));
        for bad in [
            "",
            "zz",
            "6b",
            "7a0000000000000000",
            &too_late,
            &"6b".repeat(200),
        ] {
            assert!(bad.parse::<Cursor>().is_err(), "{bad}");
        }
    }
}

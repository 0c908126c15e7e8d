//! The canonical encoding: one byte string per value, and one value per byte string.
//!
//! Fixed-width big-endian integers, and byte strings with a 4-byte big-endian length. There are no
//! optional spellings, so `encode(decode(x)) == x` holds for every `x` that decodes
//! ([`Canonical::from_bytes`] checks it again). Whatever is signed, hashed or authenticated in
//! Quorate is encoded with it: four SDKs can write it in a few lines.
//!
//! Specification: `docs/protocols/canonical-encoding.md`.

use thiserror::Error;

/// Why bytes are not the canonical encoding of a value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end inside a field.
    #[error("truncated: field `{field}` needs {needed} more bytes")]
    Truncated {
        /// Field being read.
        field: &'static str,
        /// Missing bytes.
        needed: usize,
    },
    /// Bytes follow the last field.
    #[error("{count} bytes follow the last field")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
    /// A length or count exceeds its limit.
    #[error("field `{field}` has length {length}, more than the limit of {limit}")]
    TooLong {
        /// Field being read.
        field: &'static str,
        /// Length found.
        length: usize,
        /// Limit.
        limit: usize,
    },
    /// A field holds a value that the type does not allow.
    #[error("field `{field}` is invalid: {why}")]
    Invalid {
        /// Field being read.
        field: &'static str,
        /// What is wrong, without the value itself.
        why: &'static str,
    },
    /// The leading magic or version is not known here.
    #[error("unknown {what}")]
    Unknown {
        /// What is unknown.
        what: &'static str,
    },
    /// The value re-encodes to other bytes.
    #[error("not in canonical form")]
    NotCanonical,
}

/// A value with exactly one canonical encoding.
pub trait Canonical: Sized {
    /// Appends the encoding of `self`.
    fn write(&self, out: &mut Writer);

    /// Reads one value.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes do not start with a valid encoding.
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError>;

    /// The encoding of `self`.
    fn to_bytes(&self) -> Vec<u8> {
        // Most values are shorter: they are written without growing.
        let mut out = Writer::with_capacity(256);
        self.write(&mut out);
        out.finish()
    }

    /// Decodes a whole byte string, and checks that it re-encodes to itself.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are not exactly one canonical encoding.
    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut input = Reader::new(bytes);
        let value = Self::read(&mut input)?;
        input.finish()?;
        let mut again = Writer::comparing(bytes);
        value.write(&mut again);
        if again.has_matched() {
            Ok(value)
        } else {
            Err(DecodeError::NotCanonical)
        }
    }
}

/// Builds a canonical encoding, or compares one with bytes that are there.
#[derive(Default)]
pub struct Writer<'a> {
    bytes: Vec<u8>,
    /// What is still expected; `None` after a difference. A writer that builds has no such thing.
    expected: Option<Option<&'a [u8]>>,
}

impl Writer<'static> {
    /// An empty writer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty writer that holds `bytes` without growing: growing leaves copies behind, which
    /// matters for secrets.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes),
            expected: None,
        }
    }
}

impl<'a> Writer<'a> {
    /// A writer that keeps nothing, and only compares: no copy of a secret, and no memory for
    /// messages of many kilobytes.
    fn comparing(expected: &'a [u8]) -> Self {
        Self {
            bytes: Vec::new(),
            expected: Some(Some(expected)),
        }
    }

    /// Whether exactly the expected bytes were written.
    fn has_matched(&self) -> bool {
        matches!(self.expected, Some(Some([])))
    }

    /// Appends raw bytes of a length that the reader knows.
    pub fn fixed(&mut self, bytes: &[u8]) -> &mut Self {
        match &mut self.expected {
            None => self.bytes.extend_from_slice(bytes),
            Some(rest) => *rest = rest.and_then(|rest| rest.strip_prefix(bytes)),
        }
        self
    }

    /// Appends a 4-byte length and the bytes.
    ///
    /// # Panics
    /// If `bytes` is 4 GiB or longer, which no limit of the product allows.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        let length = u32::try_from(bytes.len()).expect("fields are limited far below 4 GiB");
        self.u32(length).fixed(bytes)
    }

    /// Appends a string as its UTF-8 bytes with a length.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    /// Appends one byte.
    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.fixed(&[value])
    }

    /// Appends a 2-byte integer.
    pub fn u16(&mut self, value: u16) -> &mut Self {
        self.fixed(&value.to_be_bytes())
    }

    /// Appends a 4-byte integer.
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.fixed(&value.to_be_bytes())
    }

    /// Appends an 8-byte integer.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.fixed(&value.to_be_bytes())
    }

    /// Appends a nested value.
    pub fn value(&mut self, value: &impl Canonical) -> &mut Self {
        value.write(self);
        self
    }

    /// Appends a 4-byte count and each value.
    ///
    /// # Panics
    /// If there are 2³² values or more.
    pub fn list<'v, T: Canonical + 'v>(
        &mut self,
        values: impl ExactSizeIterator<Item = &'v T>,
    ) -> &mut Self {
        self.u32(u32::try_from(values.len()).expect("lists are limited far below 2^32 items"));
        for value in values {
            value.write(self);
        }
        self
    }

    /// The bytes written.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Reads a canonical encoding; never panics and never allocates more than the input holds.
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader over `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Bytes not read yet.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Takes `length` raw bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn take(&mut self, field: &'static str, length: usize) -> Result<&'a [u8], DecodeError> {
        let Some((head, tail)) = self.rest.split_at_checked(length) else {
            let needed = length - self.rest.len();
            return Err(DecodeError::Truncated { field, needed });
        };
        self.rest = tail;
        Ok(head)
    }

    /// Takes an array of `N` raw bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(field, N)?);
        Ok(array)
    }

    /// Takes a length-prefixed byte string of at most `limit` bytes.
    ///
    /// # Errors
    /// [`DecodeError::TooLong`] or [`DecodeError::Truncated`].
    pub fn bytes(&mut self, field: &'static str, limit: usize) -> Result<&'a [u8], DecodeError> {
        let length = self.count(field, limit)?;
        self.take(field, length)
    }

    /// Takes a length-prefixed UTF-8 string of at most `limit` bytes.
    ///
    /// # Errors
    /// As [`Self::bytes`], and [`DecodeError::Invalid`] for bytes that are not UTF-8.
    pub fn text(&mut self, field: &'static str, limit: usize) -> Result<&'a str, DecodeError> {
        std::str::from_utf8(self.bytes(field, limit)?).map_err(|_| DecodeError::Invalid {
            field,
            why: "not UTF-8",
        })
    }

    /// Takes one byte.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        Ok(u8::from_be_bytes(self.array(field)?))
    }

    /// Takes a 2-byte integer.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn u16(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        Ok(u16::from_be_bytes(self.array(field)?))
    }

    /// Takes a 4-byte integer.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.array(field)?))
    }

    /// Takes an 8-byte integer.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn u64(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        Ok(u64::from_be_bytes(self.array(field)?))
    }

    /// Takes a list of at most `limit` values.
    ///
    /// # Errors
    /// [`DecodeError::TooLong`], or that of the first value that does not decode.
    pub fn list<T: Canonical>(
        &mut self,
        field: &'static str,
        limit: usize,
    ) -> Result<Vec<T>, DecodeError> {
        let count = self.count(field, limit)?;
        (0..count).map(|_| T::read(self)).collect()
    }

    /// Checks that everything was read.
    ///
    /// # Errors
    /// [`DecodeError::TrailingBytes`].
    pub fn finish(&self) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            count => Err(DecodeError::TrailingBytes { count }),
        }
    }

    fn count(&mut self, field: &'static str, limit: usize) -> Result<usize, DecodeError> {
        let length = usize::try_from(self.u32(field)?).map_err(|_| DecodeError::Invalid {
            field,
            why: "length does not fit",
        })?;
        if length > limit {
            return Err(DecodeError::TooLong {
                field,
                length,
                limit,
            });
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reader__must_refuse_truncated_and_trailing_bytes() {
        let mut out = Writer::new();
        out.u8(1).text("abc").u64(7);
        let bytes = out.finish();
        for cut in 0..bytes.len() {
            let mut input = Reader::new(&bytes[..cut]);
            let read = input
                .u8("a")
                .and_then(|_| input.text("b", 10).map(drop))
                .and_then(|()| input.u64("c").map(drop));
            assert!(
                matches!(read, Err(DecodeError::Truncated { .. })),
                "cut at {cut}"
            );
        }
        let mut input = Reader::new(&bytes);
        input.u8("a").unwrap();
        assert_eq!(
            input.finish(),
            Err(DecodeError::TrailingBytes { count: 15 })
        );
    }

    /// A value that reads what it does not write.
    struct Sloppy(Vec<u8>);

    impl Canonical for Sloppy {
        fn write(&self, out: &mut Writer) {
            out.fixed(&self.0);
        }

        fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
            let read = input.take("all", input.remaining())?;
            Ok(Self(match read {
                b"longer" => b"longer!".to_vec(),
                b"shorter" => b"short".to_vec(),
                b"other" => b"othex".to_vec(),
                same => same.to_vec(),
            }))
        }
    }

    #[test]
    fn from_bytes__must_refuse_what_re_encodes_to_other_bytes() {
        for bytes in [&b"longer"[..], b"shorter", b"other"] {
            let refused = Sloppy::from_bytes(bytes).map(|_| ());
            assert_eq!(refused, Err(DecodeError::NotCanonical));
        }
        assert!(Sloppy::from_bytes(b"same").is_ok());
        assert!(Sloppy::from_bytes(b"").is_ok());
    }

    #[test]
    fn reader__must_refuse_lengths_over_the_limit_before_allocating() {
        let bytes = [0xff, 0xff, 0xff, 0xff];
        let refused = Reader::new(&bytes).bytes("payload", 64);
        assert_eq!(
            refused,
            Err(DecodeError::TooLong {
                field: "payload",
                length: 0xffff_ffff,
                limit: 64
            })
        );
    }
}

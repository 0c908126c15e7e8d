//! Walks hostile bytes without allocating.

use crate::{EncodingFault, Refusal};

/// Bytes that were not read yet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads `bytes` from their start.
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What was not read yet.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `count` bytes.
    pub(crate) fn take(&mut self, field: &'static str, count: usize) -> Result<&'a [u8], Refusal> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or(Refusal::malformed(field, EncodingFault::Truncated))?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next `N` bytes.
    pub(crate) fn array<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<[u8; N], Refusal> {
        let taken = self.take(field, N)?;
        Ok(taken.try_into().expect("exactly N bytes were taken"))
    }

    /// The next byte.
    pub(crate) fn byte(&mut self, field: &'static str) -> Result<u8, Refusal> {
        self.array::<1>(field).map(|[byte]| byte)
    }

    /// Checks that nothing is left.
    pub(crate) const fn finish(self, last_field: &'static str) -> Result<(), Refusal> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(Refusal::malformed(last_field, EncodingFault::TrailingBytes))
    }
}

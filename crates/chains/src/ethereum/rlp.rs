//! Recursive length prefixes, in their one canonical spelling only.
//!
//! A reader that walks the input without allocating, and never deeper than its caller asks.
//! Source: yellow paper, appendix B.

use crate::{EncodingFault, Refusal, Uint256};

/// First byte of an empty string.
const STRING: u8 = 0x80;
/// First byte of an empty list.
const LIST: u8 = 0xc0;
/// Longest content whose length fits into the first byte.
const SHORT: u8 = 55;

/// The items of one list, read in order.
#[derive(Clone, Copy)]
pub(super) struct Items<'a> {
    rest: &'a [u8],
}

impl<'a> Items<'a> {
    /// The items of a list that is all of `bytes`.
    pub(super) fn of(field: &'static str, bytes: &'a [u8]) -> Result<Self, Refusal> {
        let mut whole = Items { rest: bytes };
        let items = whole.list(field)?;
        if whole.is_empty() {
            return Ok(items);
        }
        Err(malformed(field, EncodingFault::TrailingBytes))
    }

    /// Whether all items were read.
    pub(super) const fn is_empty(self) -> bool {
        self.rest.is_empty()
    }

    /// The next item, which must be a byte string.
    pub(super) fn string(&mut self, field: &'static str) -> Result<&'a [u8], Refusal> {
        match self.next(field)? {
            (Kind::String, content) => Ok(content),
            (Kind::List, _) => Err(malformed(field, EncodingFault::NotAString)),
        }
    }

    /// The next item, which must be a list.
    pub(super) fn list(&mut self, field: &'static str) -> Result<Items<'a>, Refusal> {
        match self.next(field)? {
            (Kind::List, content) => Ok(Items { rest: content }),
            (Kind::String, _) => Err(malformed(field, EncodingFault::NotAList)),
        }
    }

    /// The next item, which must be a string of `N` bytes.
    pub(super) fn array<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<[u8; N], Refusal> {
        self.string(field)?
            .try_into()
            .map_err(|_| malformed(field, EncodingFault::WrongLength))
    }

    /// The next item, which must be a number of at most 256 bits without leading zeros.
    pub(super) fn u256(&mut self, field: &'static str) -> Result<Uint256, Refusal> {
        let digits = self.string(field)?;
        if digits.first() == Some(&0) {
            return Err(malformed(field, EncodingFault::LeadingZero));
        }
        Uint256::from_be_slice(digits).ok_or(malformed(field, EncodingFault::TooLarge))
    }

    /// The next item, which must be a number of at most 128 bits without leading zeros.
    pub(super) fn u128(&mut self, field: &'static str) -> Result<u128, Refusal> {
        let number = self.u256(field)?;
        match number.as_be_bytes().split_first_chunk::<16>() {
            Some(([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], low)) => Ok(low
                .iter()
                .fold(0, |sum, digit| sum << 8 | u128::from(*digit))),
            _ => Err(malformed(field, EncodingFault::TooLarge)),
        }
    }

    /// The next item, which must be a number of at most 64 bits without leading zeros.
    pub(super) fn u64(&mut self, field: &'static str) -> Result<u64, Refusal> {
        u64::try_from(self.u128(field)?).map_err(|_| malformed(field, EncodingFault::TooLarge))
    }

    /// Checks that no item is left.
    pub(super) fn finish(self, last_field: &'static str) -> Result<(), Refusal> {
        if self.is_empty() {
            return Ok(());
        }
        Err(malformed(last_field, EncodingFault::ExtraFields))
    }

    fn next(&mut self, field: &'static str) -> Result<(Kind, &'a [u8]), Refusal> {
        let (kind, content, rest) = split(self.rest).map_err(|fault| malformed(field, fault))?;
        self.rest = rest;
        Ok((kind, content))
    }
}

/// Appends a byte string.
pub(super) fn write_string(out: &mut Vec<u8>, content: &[u8]) {
    match content {
        [byte] if *byte < STRING => out.push(*byte),
        _ => write_item(out, STRING, content),
    }
}

/// Appends a number without leading zeros.
pub(super) fn write_uint(out: &mut Vec<u8>, number: impl Into<Uint256>) {
    write_string(out, number.into().minimal_be_bytes());
}

/// Appends a list whose items are encoded already.
pub(super) fn write_list(out: &mut Vec<u8>, items: &[u8]) {
    write_item(out, LIST, items);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    String,
    List,
}

/// Splits the first item off: its kind, its content, and what follows.
fn split(bytes: &[u8]) -> Result<(Kind, &[u8], &[u8]), EncodingFault> {
    let (first, after_first) = bytes.split_first().ok_or(EncodingFault::Missing)?;
    if *first < STRING {
        let (content, rest) = bytes.split_at(1);
        return Ok((Kind::String, content, rest));
    }
    let (kind, base) = match *first {
        byte if byte < LIST => (Kind::String, STRING),
        _ => (Kind::List, LIST),
    };
    let (length, body) = match first - base {
        short @ ..=SHORT => (usize::from(short), after_first),
        long => read_length(after_first, usize::from(long - SHORT))?,
    };
    let (content, rest) = body
        .split_at_checked(length)
        .ok_or(EncodingFault::Truncated)?;
    match (kind, content) {
        (Kind::String, [byte]) if *byte < STRING => Err(EncodingFault::NotMinimal),
        _ => Ok((kind, content, rest)),
    }
}

/// Reads a length of `size` (1 to 8) bytes, which must need them and be above [`SHORT`].
fn read_length(bytes: &[u8], size: usize) -> Result<(usize, &[u8]), EncodingFault> {
    let (digits, body) = bytes
        .split_at_checked(size)
        .ok_or(EncodingFault::Truncated)?;
    let length = digits
        .iter()
        .fold(0u64, |sum, digit| sum << 8 | u64::from(*digit));
    if digits.first() == Some(&0) || length <= u64::from(SHORT) {
        return Err(EncodingFault::NotMinimal);
    }
    let length = usize::try_from(length).map_err(|_| EncodingFault::Truncated)?;
    Ok((length, body))
}

fn write_item(out: &mut Vec<u8>, base: u8, content: &[u8]) {
    match u8::try_from(content.len()) {
        Ok(short @ ..=SHORT) => out.push(base + short),
        _ => {
            let length = Uint256::from(content.len() as u64);
            let digits = length.minimal_be_bytes();
            let size = u8::try_from(digits.len()).expect("a length has at most 8 bytes");
            out.push(base + SHORT + size);
            out.extend_from_slice(digits);
        }
    }
    out.extend_from_slice(content);
}

pub(super) const fn malformed(field: &'static str, fault: EncodingFault) -> Refusal {
    Refusal::Malformed { field, fault }
}

#[cfg(test)]
mod tests;

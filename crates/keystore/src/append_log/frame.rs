//! Layout of a log file: a header, then batches. `docs/protocols/share-files.md` §7.

use std::io::{self, Read};

use quorate_types::Digest32;

use super::error::TornTail;

/// Length of the file header.
pub(super) const FILE_HEADER: usize = 48;
/// Length of a batch header.
const BATCH_HEADER: usize = 28;
/// Length of the checksum that ends a batch.
const TRAILER: usize = 16;
/// What a disk writes whole or not at all.
const SECTOR: usize = 512;
/// Most bytes of records in one batch.
pub(super) const MAX_BATCH_BYTES: usize = 16 << 20;

const FILE_MAGIC: &[u8; 8] = b"QUORLOG1";
const BATCH_MAGIC: &[u8; 4] = b"QBAT";

/// What a log holds; part of its header, so that files cannot be exchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogKind([u8; 16]);

impl LogKind {
    /// A kind named by at most 16 bytes.
    ///
    /// # Panics
    /// If the name is longer, which a constant shows when it is compiled.
    #[must_use]
    #[allow(
        clippy::indexing_slicing,
        reason = "evaluated when constants are compiled"
    )]
    pub const fn new(name: &str) -> Self {
        let name = name.as_bytes();
        let mut padded = [0; 16];
        let mut i = 0;
        while i < name.len() {
            padded[i] = name[i];
            i += 1;
        }
        Self(padded)
    }
}

/// Random value of one file, so that batches of another file or generation do not fit.
pub(super) type Salt = [u8; 16];

pub(super) fn file_header(kind: LogKind, salt: &Salt) -> Vec<u8> {
    let mut header = Vec::with_capacity(FILE_HEADER);
    header.extend_from_slice(FILE_MAGIC);
    header.extend_from_slice(&kind.0);
    header.extend_from_slice(salt);
    let check: [u8; 8] = checksum(b"quorate log file v1", &[&header]);
    header.extend_from_slice(&check);
    header
}

/// One batch: the records of one sync, from sequence number `first` of the file.
pub(super) fn batch(salt: &Salt, first: u64, records: &[Vec<u8>]) -> Vec<u8> {
    let body: usize = records.iter().map(|record| 4 + record.len()).sum();
    let mut out = Vec::with_capacity(BATCH_HEADER + body + TRAILER);
    out.extend_from_slice(BATCH_MAGIC);
    out.extend_from_slice(&length(body).to_be_bytes());
    out.extend_from_slice(&length(records.len()).to_be_bytes());
    out.extend_from_slice(&first.to_be_bytes());
    let check: [u8; 8] = checksum(b"quorate log head v1", &[salt, &out]);
    out.extend_from_slice(&check);
    for record in records {
        out.extend_from_slice(&length(record.len()).to_be_bytes());
        out.extend_from_slice(record);
    }
    let check: [u8; TRAILER] = checksum(b"quorate log batch v1", &[salt, &out]);
    out.extend_from_slice(&check);
    out
}

fn length(length: usize) -> u32 {
    u32::try_from(length).expect("batches are limited to 16 MiB")
}

fn checksum<const N: usize>(tag: &[u8], parts: &[&[u8]]) -> [u8; N] {
    let digest = Digest32::of(tag, parts);
    *digest
        .as_bytes()
        .first_chunk()
        .expect("checksums are shorter than a digest")
}

/// What reading the next piece of a log found.
pub(super) enum Next {
    /// The records of a whole batch.
    Batch(Vec<Vec<u8>>),
    /// The end, at a batch boundary.
    End,
    /// A batch whose write was interrupted.
    Torn(TornTail),
    /// Bytes that no interrupted write leaves.
    Corrupt(&'static str),
}

/// Reads a log file piece by piece.
pub(super) struct FrameReader<R> {
    input: R,
    salt: Salt,
    offset: u64,
    next: u64,
}

impl<R: Read> FrameReader<R> {
    /// Reads the header; `None` if it is not that of a log of this kind.
    pub(super) fn open(mut input: R, kind: LogKind) -> io::Result<Option<Self>> {
        let mut header = Vec::new();
        fill(&mut input, &mut header, FILE_HEADER)?;
        let salt = header
            .get(24..40)
            .and_then(|salt| Salt::try_from(salt).ok());
        let Some(salt) = salt.filter(|salt| file_header(kind, salt) == header) else {
            return Ok(None);
        };
        Ok(Some(Self {
            input,
            salt,
            offset: FILE_HEADER as u64,
            next: 1,
        }))
    }

    pub(super) const fn salt(&self) -> Salt {
        self.salt
    }

    /// Offset of the next batch.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    /// Sequence number of the next record.
    pub(super) const fn sequence(&self) -> u64 {
        self.next
    }

    /// Reads the next batch. A torn one is told from a corrupt one by whole sectors of zeros, so that
    /// no single changed byte of a batch that was once whole can make it look torn (§7.3).
    pub(super) fn next(&mut self) -> io::Result<Next> {
        let mut bytes = Vec::new();
        fill(&mut self.input, &mut bytes, BATCH_HEADER)?;
        if bytes.is_empty() {
            return Ok(Next::End);
        }
        // 7.3.1 The file ends inside the header.
        if bytes.len() < BATCH_HEADER {
            return Ok(self.torn(bytes.len() as u64));
        }
        let Some((body, count)) = self.header(&bytes, |first| first == self.next) else {
            return self.without_header(bytes);
        };
        // 7.3.3 The header is right, so its length is: the file ends before it.
        fill(&mut self.input, &mut bytes, BATCH_HEADER + body + TRAILER)?;
        if bytes.len() < BATCH_HEADER + body + TRAILER {
            return Ok(self.torn(bytes.len() as u64));
        }
        let (content, trailer) = bytes.split_at(BATCH_HEADER + body);
        let expected: [u8; TRAILER] = checksum(b"quorate log batch v1", &[&self.salt, content]);
        if trailer != expected {
            // 7.3.4 Only the last batch was never acknowledged.
            let unwritten =
                self.lacks_sectors(&bytes) || self.lacks_its_end(&bytes, trailer, &expected);
            return Ok(match self.zeros_to_the_end()? {
                Some(more) if unwritten => self.torn(bytes.len() as u64 + more),
                _ => Next::Corrupt("a batch fails its checksum"),
            });
        }
        let Some(records) = split(content.get(BATCH_HEADER..).unwrap_or_default(), count) else {
            return Ok(Next::Corrupt(
                "a batch does not hold the records it announces",
            ));
        };
        self.offset += bytes.len() as u64;
        self.next += u64::from(count);
        Ok(Next::Batch(records))
    }

    fn header(&self, bytes: &[u8], stands: impl Fn(u64) -> bool) -> Option<(usize, u32)> {
        let (header, _) = bytes.split_at_checked(BATCH_HEADER)?;
        let (fields, check) = header.split_at_checked(BATCH_HEADER - 8)?;
        if !fields.starts_with(BATCH_MAGIC) {
            return None;
        }
        let expected: [u8; 8] = checksum(b"quorate log head v1", &[&self.salt, fields]);
        let field = |from: usize| {
            let bytes = fields.get(from..from + 4)?;
            Some(u32::from_be_bytes(bytes.try_into().ok()?))
        };
        let body = usize::try_from(field(4)?).ok()?;
        let first = u64::from_be_bytes(fields.get(12..20)?.try_into().ok()?);
        let right = check == expected && stands(first) && body <= MAX_BATCH_BYTES;
        right.then_some((body, field(8)?))
    }

    fn torn(&self, bytes: u64) -> Next {
        Next::Torn(TornTail {
            offset: self.offset,
            bytes,
        })
    }

    /// 7.3.2 No header is right here: its sectors were never written, or something was changed.
    fn without_header(&mut self, mut bytes: Vec<u8>) -> io::Result<Next> {
        let largest = BATCH_HEADER + MAX_BATCH_BYTES + TRAILER;
        fill(&mut self.input, &mut bytes, largest + 1)?;
        if is_zero(&bytes) {
            return Ok(match self.zeros_to_the_end()? {
                Some(more) => self.torn(bytes.len() as u64 + more),
                None => Next::Corrupt("zero bytes stand before later content"),
            });
        }
        let (first, rest) = bytes.split_at(self.to_the_boundary().min(bytes.len()));
        let (second, _) = rest.split_at(SECTOR.min(rest.len()));
        let first_missing = first.len() > 1 && is_zero(first);
        let second_missing = first.len() < BATCH_HEADER
            && is_zero(second)
            && (is_zero(first) || first.iter().zip(BATCH_MAGIC).all(|(a, b)| a == b));
        let unwritten = first_missing || second_missing;
        if unwritten && bytes.len() <= largest && !self.is_followed(&bytes) {
            return Ok(self.torn(bytes.len() as u64));
        }
        Ok(Next::Corrupt("a batch header fails its checksum"))
    }

    /// Whether a later batch of this file begins in these bytes.
    fn is_followed(&self, bytes: &[u8]) -> bool {
        let mut places = 1..bytes.len();
        places.any(|place| {
            let from = bytes.get(place..).unwrap_or_default();
            self.header(from, |first| first > self.next).is_some()
        })
    }

    /// Bytes from here to the next boundary of a sector.
    fn to_the_boundary(&self) -> usize {
        let sector = SECTOR as u64;
        usize::try_from(sector - self.offset % sector).unwrap_or(SECTOR)
    }

    /// Whether a sector of the batch was never written. Parts of sectors that are shorter than a checksum
    /// prove nothing.
    fn lacks_sectors(&self, batch: &[u8]) -> bool {
        let (first, rest) = batch.split_at(self.to_the_boundary().min(batch.len()));
        let mut parts = std::iter::once(first).chain(rest.chunks(SECTOR));
        let end = batch.last_chunk::<TRAILER>();
        parts.any(|part| part.len() >= TRAILER && is_zero(part))
            || end.is_some_and(|end| is_zero(end))
    }

    /// Whether only the sector with the end of the checksum was never written: the rest of it is right,
    /// and more than one byte is missing.
    fn lacks_its_end(&self, batch: &[u8], trailer: &[u8], expected: &[u8]) -> bool {
        let end = self.offset + batch.len() as u64;
        let lost = usize::try_from(end % SECTOR as u64).unwrap_or(TRAILER);
        let Some(kept) = TRAILER.checked_sub(lost) else {
            return false; // a part of a sector that long is looked at above
        };
        let (right, missing) = trailer.split_at(kept);
        let expected_end = expected.get(kept..).unwrap_or_default();
        let differ = expected_end.iter().filter(|byte| **byte != 0).count();
        expected.starts_with(right) && is_zero(missing) && differ > 1
    }

    /// How many zero bytes follow, if nothing else does.
    fn zeros_to_the_end(&mut self) -> io::Result<Option<u64>> {
        let (mut seen, mut piece) = (0, [0; 4096]);
        loop {
            match self.input.read(&mut piece)? {
                0 => return Ok(Some(seen)),
                n if piece.get(..n).is_some_and(is_zero) => seen += n as u64,
                _ => return Ok(None),
            }
        }
    }
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

fn split(mut body: &[u8], count: u32) -> Option<Vec<Vec<u8>>> {
    let mut records = Vec::new();
    for _ in 0..count {
        let (length, rest) = body.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (record, rest) = rest.split_at_checked(length)?;
        records.push(record.to_vec());
        body = rest;
    }
    body.is_empty().then_some(records)
}

/// Reads until `bytes` has `length` bytes or the input ends.
fn fill(input: &mut impl Read, bytes: &mut Vec<u8>, length: usize) -> io::Result<()> {
    let missing = length.saturating_sub(bytes.len()) as u64;
    input.take(missing).read_to_end(bytes).map(drop)
}

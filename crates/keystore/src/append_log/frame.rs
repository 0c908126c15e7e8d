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

    /// Reads the next batch. A torn one is told from a corrupt one so that no single changed byte
    /// of a batch that was once whole can make it look torn (§7.3).
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
        // 7.3.2 The file was made longer, but its new blocks were never written.
        if bytes.iter().all(|byte| *byte == 0) {
            return self.zeros_to_the_end(bytes.len() as u64);
        }
        let Some((body, count)) = self.header(&bytes) else {
            return Ok(Next::Corrupt("a batch header fails its checksum"));
        };
        // 7.3.3 The header is right, so its length is: the file ends before it.
        fill(&mut self.input, &mut bytes, BATCH_HEADER + body + TRAILER)?;
        if bytes.len() < BATCH_HEADER + body + TRAILER {
            return Ok(self.torn(bytes.len() as u64));
        }
        let (content, trailer) = bytes.split_at(BATCH_HEADER + body);
        let expected: [u8; TRAILER] = checksum(b"quorate log batch v1", &[&self.salt, content]);
        if trailer != expected {
            // 7.3.4 As 7.3.2, for the last blocks of the batch.
            if trailer.iter().all(|byte| *byte == 0) {
                return self.zeros_to_the_end(bytes.len() as u64);
            }
            return Ok(Next::Corrupt("a batch fails its checksum"));
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

    fn header(&self, bytes: &[u8]) -> Option<(usize, u32)> {
        let (fields, check) = bytes.split_at_checked(BATCH_HEADER - 8)?;
        let expected: [u8; 8] = checksum(b"quorate log head v1", &[&self.salt, fields]);
        let field = |from: usize| {
            let bytes = fields.get(from..from + 4)?;
            Some(u32::from_be_bytes(bytes.try_into().ok()?))
        };
        let body = usize::try_from(field(4)?).ok()?;
        let first = fields.get(12..20)?;
        let right = check == expected
            && fields.starts_with(BATCH_MAGIC)
            && first == self.next.to_be_bytes()
            && body <= MAX_BATCH_BYTES;
        right.then_some((body, field(8)?))
    }

    fn torn(&self, bytes: u64) -> Next {
        Next::Torn(TornTail {
            offset: self.offset,
            bytes,
        })
    }

    fn zeros_to_the_end(&mut self, mut seen: u64) -> io::Result<Next> {
        let mut piece = [0; 4096];
        loop {
            match self.input.read(&mut piece)? {
                0 => return Ok(self.torn(seen)),
                n if piece.iter().take(n).all(|byte| *byte == 0) => seen += n as u64,
                _ => return Ok(Next::Corrupt("zero bytes stand before later content")),
            }
        }
    }
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

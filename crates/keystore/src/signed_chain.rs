//! A log of records that are each chained to the one before and signed by the node, so that adding
//! one costs one record and not the whole list. The index of shares and that of pair states are such
//! logs: `docs/protocols/share-files.md` §5.

use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use quorate_types::{DecodeError, Digest32, Reader, Writer};

use crate::append_log::{AppendLog, LogError, LogKind, Ticket, TornTail};
use crate::damage::Check;
use crate::limits::Limits;
use crate::signer::NodeSigner;
use crate::storage::Storage;

/// What a chain is a list of.
pub(crate) trait ChainEntry: Sized {
    /// Kind of the log.
    const KIND: LogKind;
    /// First field of each record.
    const TAG: &'static str;
    /// Domain of what the first record continues.
    const GENESIS: &'static [u8];
    /// Domain of the link from one record to the next.
    const LINK: &'static [u8];

    /// Writes the entry's own fields.
    fn write(&self, out: &mut Writer);

    /// Reads what [`Self::write`] wrote.
    ///
    /// # Errors
    /// [`DecodeError`].
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError>;
}

/// Where the next record goes.
struct Place {
    sequence: u64,
    previous: Digest32,
}

impl Place {
    fn first<E: ChainEntry>(signer: &NodeSigner) -> Self {
        let node = signer.node().as_str().as_bytes();
        Self {
            sequence: 0,
            previous: Digest32::of(E::GENESIS, &[node]),
        }
    }

    /// What the node signs in the next record.
    fn statement<E: ChainEntry>(&self, entry: &E) -> Vec<u8> {
        let mut out = Writer::new();
        out.text(E::TAG)
            .u64(self.sequence + 1)
            .value(&self.previous);
        entry.write(&mut out);
        out.finish()
    }

    /// The place behind a record.
    fn behind<E: ChainEntry>(&self, record: &[u8]) -> Self {
        Self {
            sequence: self.sequence + 1,
            previous: Digest32::of(E::LINK, &[record]),
        }
    }

    /// Bytes of the next record, and the place behind it.
    fn record<E: ChainEntry>(&self, entry: &E, signer: &NodeSigner) -> (Vec<u8>, Self) {
        let mut record = self.statement(entry);
        let signature = signer.sign(&record);
        record.extend_from_slice(&signature);
        let next = self.behind::<E>(&record);
        (record, next)
    }

    /// Checks form, place and link of a stored record; its signature is checked by the caller, or by
    /// the link of a later record, which covers it.
    fn replay<E: ChainEntry>(&mut self, record: &[u8]) -> Result<E, BadEntry> {
        let entry: E = parse(record).map_err(|_| BadEntry)?;
        let expected = self.statement(&entry);
        let (statement, _) = record.split_last_chunk::<64>().ok_or(BadEntry)?;
        if expected != statement {
            return Err(BadEntry);
        }
        *self = self.behind::<E>(record);
        Ok(entry)
    }
}

/// Whether a record ends in the node's signature over the rest of it.
fn is_signed(record: &[u8], signer: &NodeSigner) -> bool {
    record
        .split_last_chunk::<64>()
        .is_some_and(|(statement, signature)| signer.signed(statement, signature))
}

/// An entry that this node did not write in this place.
#[derive(Debug, thiserror::Error)]
#[error(
    "check `{}` failed: not an entry that this node signed for this place",
    Check::Index
)]
struct BadEntry;

fn parse<E: ChainEntry>(record: &[u8]) -> Result<E, DecodeError> {
    let mut input = Reader::new(record);
    input.text("tag", 64)?;
    input.u64("sequence")?;
    input.take("previous", 32)?;
    E::read(&mut input)
}

/// The open chain.
pub(crate) struct SignedChain<E> {
    log: AppendLog,
    place: Mutex<Place>,
    entries: PhantomData<fn(E)>,
}

impl<E: ChainEntry> SignedChain<E> {
    /// Opens the log, checks every record, and shows every entry to `visit`, in order.
    ///
    /// Each record holds the digest of the whole record before it, signature included. So the
    /// signature of the newest one covers all: whoever could exchange an older record could also make
    /// two with one digest.
    ///
    /// # Errors
    /// [`LogError`] naming the file, the offset and the check.
    pub(crate) fn open(
        storage: Arc<dyn Storage>,
        path: &Path,
        signer: &NodeSigner,
        limits: &Limits,
        visit: &mut dyn FnMut(E),
    ) -> Result<(Self, Option<TornTail>), LogError> {
        let mut place = Place::first::<E>(signer);
        let mut newest = Vec::new();
        let mut check = |record: &[u8]| {
            visit(place.replay(record)?);
            newest.clear();
            newest.extend_from_slice(record);
            Ok(())
        };
        let (log, torn) = AppendLog::open(storage, path, E::KIND, limits.queued_bytes, &mut check)?;
        if !newest.is_empty() && !is_signed(&newest, signer) {
            return Err(LogError::End {
                path: path.to_owned(),
                why: Arc::new(BadEntry),
            });
        }
        let chain = Self {
            log,
            place: Mutex::new(place),
            entries: PhantomData,
        };
        Ok((chain, torn))
    }

    pub(crate) fn failure(&self) -> Option<LogError> {
        self.log.failure()
    }

    /// How many records there are.
    pub(crate) fn length(&self) -> u64 {
        self.place.lock().sequence
    }

    /// Replaces all records by those of a chain of these entries, from its beginning: a crash leaves
    /// the old log or the new one. The caller keeps others from appending until the ticket says that
    /// the new one is durable.
    ///
    /// # Errors
    /// [`LogError`].
    pub(crate) fn replace(&self, entries: &[E], signer: &NodeSigner) -> Result<Ticket, LogError> {
        let mut place = self.place.lock();
        let mut next = Place::first::<E>(signer);
        let mut records = Vec::with_capacity(entries.len());
        for entry in entries {
            let (record, behind) = next.record(entry, signer);
            records.push(record);
            next = behind;
        }
        let ticket = self.log.replace(records)?;
        *place = next;
        Ok(ticket)
    }

    /// Puts an entry at the end; durable when the ticket says so.
    ///
    /// # Errors
    /// [`LogError`].
    pub(crate) fn append(&self, entry: &E, signer: &NodeSigner) -> Result<Ticket, LogError> {
        let mut place = self.place.lock();
        let (record, next) = place.record(entry, signer);
        let ticket = self.log.append(record)?;
        *place = next;
        Ok(ticket)
    }
}

//! What the index of pair states says: one record for each change. `docs/protocols/share-files.md`
//! §11.

use std::collections::BTreeMap;

use quorate_types::{Canonical as _, DecodeError, Digest32, NodeId, Reader, Writer};

use crate::append_log::LogKind;
use crate::signed_chain::ChainEntry;

/// One change of what this node shares with a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PairRecord {
    pub(super) peer: NodeId,
    pub(super) generation: Digest32,
    pub(super) event: PairEvent,
}

/// What happened to a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PairEvent {
    /// Its file is durable; the digest is that of the file.
    Stored(Digest32),
    /// It is the one to use from now on. The one before is superseded.
    Current,
    /// It is never used again, and its file goes.
    Destroyed,
    /// An owner's intent, with this digest, lifted the ban of it: it may be replaced.
    Lifted(Digest32),
}

impl ChainEntry for PairRecord {
    const KIND: LogKind = LogKind::new("pair states");
    const TAG: &'static str = "quorate pair index v1";
    const GENESIS: &'static [u8] = b"quorate pair index genesis v1";
    const LINK: &'static [u8] = b"quorate pair index link v1";

    fn write(&self, out: &mut Writer) {
        out.value(&self.peer).value(&self.generation);
        match &self.event {
            PairEvent::Stored(file) => out.u8(1).value(file),
            PairEvent::Current => out.u8(2),
            PairEvent::Destroyed => out.u8(3),
            PairEvent::Lifted(intent) => out.u8(4).value(intent),
        };
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            peer: NodeId::read(input)?,
            generation: Digest32::read(input)?,
            event: match input.u8("event")? {
                1 => PairEvent::Stored(Digest32::read(input)?),
                2 => PairEvent::Current,
                3 => PairEvent::Destroyed,
                4 => PairEvent::Lifted(Digest32::read(input)?),
                _ => return Err(DecodeError::Unknown { what: "pair event" }),
            },
        })
    }
}

/// State of one generation of a pair's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PairStateStatus {
    /// Stored; not in use before the peer has it too.
    Stored,
    /// The one to sign with.
    Current,
    /// A newer one took its place; sessions that began with it may end.
    Superseded,
    /// Never used again.
    Destroyed,
}

/// One generation as the index knows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Generation {
    pub(super) status: PairStateStatus,
    pub(super) file: Digest32,
    /// Which of the pair's changes gave it this status: the higher, the later.
    pub(super) changed: u64,
}

/// All that the index says about one peer.
#[derive(Clone, Default)]
pub(super) struct Pair {
    pub(super) generations: BTreeMap<Digest32, Generation>,
    pub(super) current: Option<Digest32>,
    /// The newest that is stored and not yet in use.
    pub(super) stored: Option<Digest32>,
    /// Lifted bans: the generation, and the intent that lifted it.
    pub(super) lifted: BTreeMap<Digest32, Digest32>,
    changes: u64,
}

impl Pair {
    pub(super) fn status(&self, generation: Digest32) -> Option<PairStateStatus> {
        Some(self.generations.get(&generation)?.status)
    }

    fn set(&mut self, generation: Digest32, status: PairStateStatus) {
        self.changes += 1;
        if let Some(known) = self.generations.get_mut(&generation) {
            known.status = status;
            known.changed = self.changes;
        }
    }

    /// Takes in a change that is durable.
    pub(super) fn advance(&mut self, generation: Digest32, event: PairEvent) {
        match event {
            PairEvent::Stored(file) => {
                self.changes += 1;
                let stored = Generation {
                    status: PairStateStatus::Stored,
                    file,
                    changed: self.changes,
                };
                self.generations.insert(generation, stored);
                self.stored = Some(generation);
            }
            PairEvent::Current => {
                if let Some(before) = self.current.replace(generation) {
                    self.set(before, PairStateStatus::Superseded);
                }
                self.set(generation, PairStateStatus::Current);
                self.stored = self.stored.filter(|stored| *stored != generation);
            }
            PairEvent::Destroyed => {
                self.set(generation, PairStateStatus::Destroyed);
                self.stored = self.stored.filter(|stored| *stored != generation);
            }
            PairEvent::Lifted(intent) => drop(self.lifted.insert(generation, intent)),
        }
    }
}

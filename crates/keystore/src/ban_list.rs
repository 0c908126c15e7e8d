//! Peers that failed a check which could leak key bits: banned durably, for one generation of the
//! pair's seeds (architecture invariant 6, row C12).
//!
//! A ban is signed by the node that detected the failure, and is spread: each node keeps those of
//! the others, so that a node whose files were restored from a backup learns its own bans again.
//! Nothing here removes a ban: new seeds have another generation.
//!
//! Specification: `docs/protocols/share-files.md` §10.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use ed25519_dalek::VerifyingKey;
use parking_lot::Mutex;
use quorate_audit::Head;
use quorate_types::{Canonical, DecodeError, Digest32, KeyId, NodeId, Reader, UnixSeconds, Writer};
use thiserror::Error;

use crate::append_log::{AppendLog, LogError, LogKind, TornTail};
use crate::damage::Check;
use crate::error::KeystoreError;
use crate::limits::Limits;
use crate::signed_head::SignedHead;
use crate::signer::{NodeSigner, verifies};
use crate::storage::Storage;

pub(crate) const KIND: LogKind = LogKind::new("bans");
pub(crate) const HEAD_TAG: &str = "quorate ban list head v1";

/// Most bytes of a ban's reason.
const MAX_REASON_BYTES: usize = 256;
const MAGIC: &[u8; 8] = b"QBAN0001";

/// What a ban says: `reported_by` will never again use `generation` with `peer`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ban {
    /// The node that failed the check.
    pub peer: NodeId,
    /// The generation of the pair's seeds.
    pub generation: Digest32,
    /// The key that was being used, if one was.
    pub key_id: Option<KeyId>,
    /// Which check failed, as a name from the code; no secrets.
    pub reason: String,
    /// Digest of the evidence, which is in the audit log.
    pub evidence: Digest32,
    /// When.
    pub at: UnixSeconds,
    /// The node that detected it, and signs this.
    pub reported_by: NodeId,
}

/// A ban with the signature of the node that reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedBan {
    /// The ban.
    pub ban: Ban,
    /// Ed25519 signature of `ban.reported_by`.
    pub signature: [u8; 64],
}

/// What a merge did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merged {
    /// The ban is new here, and durable now.
    New,
    /// It was known.
    Known,
}

/// Why a ban is refused, or the list cannot be used.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum BanError {
    /// A ban notice does not carry the signature of the node that it says reported it.
    #[error("a ban notice in the name of `{reported_by}` is not signed by it")]
    InvalidSignature {
        /// Who is named.
        reported_by: NodeId,
    },
    /// A node cannot ban itself, and signs only its own reports.
    #[error("`{reported_by}` cannot report a ban of `{peer}`")]
    InvalidParties {
        /// Who is named as the reporter.
        reported_by: NodeId,
        /// Who is banned.
        peer: NodeId,
    },
    /// The reason is too long.
    #[error("a reason has at most {MAX_REASON_BYTES} bytes")]
    InvalidReason,
    /// The list is full.
    #[error("the ban list holds its limit of {limit}")]
    Overloaded {
        /// The limit.
        limit: usize,
    },
    /// The disk failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The ban is in the log, but its signed head could not be written.
    #[error("the head of the ban list could not be written; check free space and the disk")]
    Head,
}

impl Canonical for Ban {
    fn write(&self, out: &mut Writer) {
        out.fixed(MAGIC).value(&self.peer).value(&self.generation);
        out.list(self.key_id.as_slice().iter());
        out.text(&self.reason).value(&self.evidence).value(&self.at);
        out.value(&self.reported_by);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if &input.array::<8>("magic")? != MAGIC {
            return Err(DecodeError::Unknown {
                what: "ban version",
            });
        }
        Ok(Self {
            peer: NodeId::read(input)?,
            generation: Digest32::read(input)?,
            key_id: input.list("key", 1)?.into_iter().next(),
            reason: input.text("reason", MAX_REASON_BYTES)?.to_owned(),
            evidence: Digest32::read(input)?,
            at: UnixSeconds::read(input)?,
            reported_by: NodeId::read(input)?,
        })
    }
}

impl Canonical for SignedBan {
    fn write(&self, out: &mut Writer) {
        out.value(&self.ban).fixed(&self.signature);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            ban: Ban::read(input)?,
            signature: input.array("signature")?,
        })
    }
}

impl SignedBan {
    /// Whether `key`, which the manifest gives for `ban.reported_by`, signed this.
    #[must_use]
    pub fn is_signed_by(&self, key: &VerifyingKey) -> bool {
        verifies(key, &self.ban.to_bytes(), &self.signature)
    }
}

/// Identity of a ban: a second report of the same failure changes nothing.
type BanKey = (Digest32, NodeId, NodeId);

fn key_of(ban: &Ban) -> BanKey {
    (ban.generation, ban.peer.clone(), ban.reported_by.clone())
}

struct Inner {
    bans: BTreeMap<BanKey, SignedBan>,
    head: Head,
}

impl Inner {
    fn advance(&mut self, record: &[u8], signed: SignedBan) {
        self.head = Head {
            sequence: self.head.sequence + 1,
            hash: link(self.head.hash, record),
        };
        self.bans.insert(key_of(&signed.ban), signed);
    }
}

fn link(previous: Digest32, record: &[u8]) -> Digest32 {
    Digest32::of(b"quorate ban list link v1", &[previous.as_bytes(), record])
}

pub(crate) fn genesis(node: &NodeId) -> Head {
    Head {
        sequence: 0,
        hash: Digest32::of(b"quorate ban list genesis v1", &[node.as_str().as_bytes()]),
    }
}

/// The durable bans of a node.
pub struct BanList {
    log: AppendLog,
    head: SignedHead,
    inner: Mutex<Inner>,
    signer: Arc<NodeSigner>,
    limit: usize,
}

impl BanList {
    /// Opens the list; `head` is the signed file that says how long it must be at least.
    ///
    /// # Errors
    /// [`KeystoreError`]: a list that is shorter than its head says, or another one, is not
    /// opened. Fail closed: an empty list would let a banned peer go on guessing.
    pub(crate) fn open(
        storage: Arc<dyn Storage>,
        path: &Path,
        head: SignedHead,
        signer: Arc<NodeSigner>,
        limits: &Limits,
    ) -> Result<(Self, Option<TornTail>), KeystoreError> {
        let known = head.read()?;
        let start = genesis(signer.node());
        let mut inner = Inner {
            bans: BTreeMap::new(),
            head: start,
        };
        let mut reached = known == start;
        let own = signer.verifying_key();
        let mut visit = |record: &[u8]| {
            let signed = SignedBan::from_bytes(record)?;
            if signed.ban.reported_by == *signer.node() && !signed.is_signed_by(&own) {
                let reported_by = signed.ban.reported_by;
                return Err(BanError::InvalidSignature { reported_by }.into());
            }
            inner.advance(record, signed);
            reached |= inner.head == known;
            Ok(())
        };
        let (log, torn) = AppendLog::open(storage, path, KIND, limits.queued_bytes, &mut visit)?;
        if !reached {
            return Err(KeystoreError::damaged(None, path, Check::HeadReached));
        }
        if inner.head != known {
            // A crash came between a ban and its head: the ban stays.
            head.write(inner.head)?;
        }
        let inner = Mutex::new(inner);
        let limit = limits.bans;
        let list = Self {
            log,
            head,
            inner,
            signer,
            limit,
        };
        Ok((list, torn))
    }

    /// Bans a peer; durable when this returns. Returns the notice to send to all other nodes.
    ///
    /// - `ban.reported_by` must be this node.
    ///
    /// # Errors
    /// [`BanError`]. On any error the caller must treat the peer as banned, and stop using the
    /// generation.
    pub fn ban(&self, ban: Ban) -> Result<SignedBan, BanError> {
        let (peer, reported_by) = (ban.peer.clone(), ban.reported_by.clone());
        if reported_by != *self.signer.node() {
            return Err(BanError::InvalidParties { reported_by, peer });
        }
        let signature = self.signer.sign(&ban.to_bytes());
        let signed = SignedBan { ban, signature };
        self.add(&signed)?;
        Ok(signed)
    }

    /// Takes a notice from a peer. `reporter` is the key that the manifest gives for
    /// `notice.ban.reported_by`. Notices of this node itself are how a restored node relearns.
    ///
    /// # Errors
    /// [`BanError::InvalidSignature`], blaming whoever sent the notice; others.
    pub fn merge(&self, notice: &SignedBan, reporter: &VerifyingKey) -> Result<Merged, BanError> {
        let own = notice.ban.reported_by == *self.signer.node();
        let key = if own {
            self.signer.verifying_key()
        } else {
            *reporter
        };
        if !notice.is_signed_by(&key) {
            let reported_by = notice.ban.reported_by.clone();
            return Err(BanError::InvalidSignature { reported_by });
        }
        self.add(notice)
    }

    /// Whether this node may not use `generation` with `peer`: one of the two reported the other.
    ///
    /// Reports of third nodes are kept and passed on, but do not bind this pair: a dishonest node
    /// could otherwise separate honest ones.
    #[must_use]
    pub fn is_banned(&self, peer: &NodeId, generation: Digest32) -> bool {
        let inner = self.inner.lock();
        let me = self.signer.node();
        let between = |of: &NodeId, by: &NodeId| {
            let key = (generation, of.clone(), by.clone());
            inner.bans.contains_key(&key)
        };
        between(peer, me) || between(me, peer)
    }

    /// All bans, those of other pairs too, in a fixed order.
    #[must_use]
    pub fn all(&self) -> Vec<SignedBan> {
        self.inner.lock().bans.values().cloned().collect()
    }

    /// Number of bans and hash of the list; nodes compare them to see who must relearn.
    #[must_use]
    pub fn head(&self) -> Head {
        self.inner.lock().head
    }

    /// The failure that closed the list, if one did.
    #[must_use]
    pub fn failure(&self) -> Option<LogError> {
        self.log.failure()
    }

    fn add(&self, signed: &SignedBan) -> Result<Merged, BanError> {
        let ban = &signed.ban;
        if ban.reason.len() > MAX_REASON_BYTES {
            return Err(BanError::InvalidReason);
        }
        if ban.peer == ban.reported_by {
            return Err(BanError::InvalidParties {
                reported_by: ban.reported_by.clone(),
                peer: ban.peer.clone(),
            });
        }
        // Bans are rare: the lock is held until both files are durable, so heads never go back.
        let mut inner = self.inner.lock();
        if inner.bans.contains_key(&key_of(ban)) {
            return Ok(Merged::Known);
        }
        if inner.bans.len() >= self.limit {
            return Err(BanError::Overloaded { limit: self.limit });
        }
        let record = signed.to_bytes();
        let appended = self.log.append(record.clone());
        // In force at once, whatever the disk says.
        inner.advance(&record, signed.clone());
        appended?.wait()?;
        self.head.write(inner.head).map_err(|_| BanError::Head)?;
        Ok(Merged::New)
    }
}

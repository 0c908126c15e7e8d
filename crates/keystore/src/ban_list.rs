//! Peers that failed a check which could leak key bits: banned durably, for one generation of the
//! pair's seeds (architecture invariant 6, row C12).
//!
//! A ban is signed by the node that detected the failure, and is spread: each node keeps those of
//! the others, so that a node whose files were restored from a backup learns its own bans again.
//! Nothing here removes a ban: new seeds have another generation.
//!
//! Any node can sign notices without end about generations that do not exist. So a node keeps only
//! so many reports of one other node about one peer. Its own reports have no limit: each comes from
//! a check that failed here, and one that is not recorded would let the peer guess again.
//!
//! Specification: `docs/protocols/share-files.md` §10.

mod known;
mod notice;

use std::path::Path;
use std::sync::Arc;

use ed25519_dalek::VerifyingKey;
use parking_lot::{Mutex, RwLock};
use quorate_audit::Head;
use quorate_types::{Canonical as _, Digest32, NodeId};
use thiserror::Error;

pub use notice::{Ban, SignedBan};

use crate::append_log::{AppendLog, LogError, LogKind, TornTail};
use crate::damage::Check;
use crate::error::KeystoreError;
use crate::limits::Limits;
use crate::signed_head::SignedHead;
use crate::signer::NodeSigner;
use crate::storage::Storage;
use known::Known;
use notice::MAX_REASON_BYTES;

pub(crate) const KIND: LogKind = LogKind::new("bans");
pub(crate) const HEAD_TAG: &str = "quorate ban list head v1";

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
    /// Another node reported this peer too often; its further reports are not kept.
    #[error("`{reported_by}` reported {limit} bans of `{peer}`; no more of them are kept")]
    TooManyReports {
        /// Who reported them.
        reported_by: NodeId,
        /// Whom.
        peer: NodeId,
        /// The limit, [`Limits::reported_bans`].
        limit: usize,
    },
    /// The disk failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The ban is in the log, but its signed head could not be written.
    #[error("the head of the ban list could not be written; check free space and the disk")]
    Head,
}

pub(crate) fn genesis(node: &NodeId) -> Head {
    Head {
        sequence: 0,
        hash: Digest32::of(b"quorate ban list genesis v1", &[node.as_str().as_bytes()]),
    }
}

/// The state that only a writer needs.
#[derive(Default)]
struct Writing {
    /// The log is ahead of the signed head: an earlier write of the head failed.
    head_is_due: bool,
}

/// The durable bans of a node.
pub struct BanList {
    log: AppendLog,
    head: SignedHead,
    /// What readers see. Never locked while the disk is at work.
    known: RwLock<Known>,
    /// One writer at a time, until both files are durable, so that heads never go back.
    writing: Mutex<Writing>,
    signer: Arc<NodeSigner>,
    reported_limit: usize,
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
        let mut bans = Known::new(start);
        let mut reached = known == start;
        let own = signer.verifying_key();
        let mut visit = |record: &[u8]| {
            let signed = SignedBan::from_bytes(record)?;
            if signed.ban.reported_by == *signer.node() && !signed.is_signed_by(&own) {
                let reported_by = signed.ban.reported_by;
                return Err(BanError::InvalidSignature { reported_by }.into());
            }
            bans.advance(record, &signed);
            reached |= bans.head() == known;
            Ok(())
        };
        let (log, torn) = AppendLog::open(storage, path, KIND, limits.queued_bytes, &mut visit)?;
        if !reached {
            return Err(KeystoreError::damaged(None, path, Check::HeadReached));
        }
        if bans.head() != known {
            // A crash came between a ban and its head: the ban stays.
            head.write(bans.head())?;
        }
        let list = Self {
            log,
            head,
            known: RwLock::new(bans),
            writing: Mutex::default(),
            signer,
            reported_limit: limits.reported_bans,
        };
        Ok((list, torn))
    }

    /// Bans a peer; in force at once, durable when this returns. Returns the notice to send to all
    /// other nodes. No number of bans, of whichever node, is a reason to refuse it.
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
        check_form(&signed.ban)?;
        // Before waiting for anything: sessions that run beside this one see it now.
        self.known.write().put(&signed);
        self.store(&signed)?;
        Ok(signed)
    }

    /// Takes a notice from a peer. `reporter` is the key that the manifest gives for
    /// `notice.ban.reported_by`. Notices of this node itself are how a restored node relearns, and
    /// are always taken. The caller makes sure that both nodes are in the manifest: with the limit
    /// for each pair, that bounds the list.
    ///
    /// # Errors
    /// [`BanError::InvalidSignature`], blaming whoever sent the notice;
    /// [`BanError::TooManyReports`], blaming nobody, for it may be a defect; others.
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
        check_form(&notice.ban)?;
        if self.known.read().is_in_log(&notice.ban) {
            return Ok(Merged::Known);
        }
        self.store(notice)
    }

    /// Whether this node may not use `generation` with `peer`: one of the two reported the other.
    ///
    /// Reports of third nodes are kept and passed on, but do not bind this pair: a dishonest node
    /// could otherwise separate honest ones.
    #[must_use]
    pub fn is_banned(&self, peer: &NodeId, generation: Digest32) -> bool {
        let known = self.known.read();
        let me = self.signer.node();
        known.holds(generation, peer, me) || known.holds(generation, me, peer)
    }

    /// Every banned generation of the pair of this node and `peer`, whichever of the two reported it.
    #[must_use]
    pub fn of_pair(&self, peer: &NodeId) -> Vec<Digest32> {
        self.known.read().of_pair(self.signer.node(), peer)
    }

    /// All durable bans, those of other pairs too, in a fixed order.
    #[must_use]
    pub fn all(&self) -> Vec<SignedBan> {
        self.known.read().all()
    }

    /// At most `limit` of the durable bans that `rank` gives a rank: the lowest rank first, and in
    /// one rank those that this node learned last. The times that reporters claim play no part.
    ///
    /// `rank` runs under the list's lock: it must not ask the list, nor wait for anything. A second
    /// reader behind a waiting writer would stop this node for good.
    #[must_use]
    pub fn ranked<R: Ord>(&self, limit: usize, rank: impl Fn(&Ban) -> Option<R>) -> Vec<SignedBan> {
        self.known.read().ranked(limit, rank)
    }

    /// Number of bans and hash of the list; nodes compare them to see who must relearn.
    #[must_use]
    pub fn head(&self) -> Head {
        self.known.read().head()
    }

    /// The failure that closed the list, if one did.
    #[must_use]
    pub fn failure(&self) -> Option<LogError> {
        self.log.failure()
    }

    /// Writes a ban to the log and the head, unless both hold it.
    fn store(&self, signed: &SignedBan) -> Result<Merged, BanError> {
        let ban = &signed.ban;
        let mut writing = self.writing.lock();
        let merged = if self.known.read().is_in_log(ban) {
            Merged::Known
        } else {
            self.admit(signed)?;
            let record = signed.to_bytes();
            self.log.append(record.clone())?.wait()?;
            self.known.write().advance(&record, signed);
            writing.head_is_due = true;
            Merged::New
        };
        if writing.head_is_due {
            let head = self.head();
            self.head.write(head).map_err(|_| BanError::Head)?;
            writing.head_is_due = false;
        }
        Ok(merged)
    }

    /// Checks the reporter's limit. Puts what binds this node in force, whatever the disk will say.
    fn admit(&self, signed: &SignedBan) -> Result<(), BanError> {
        let (ban, me) = (&signed.ban, self.signer.node());
        let mut known = self.known.write();
        let counts = ban.reported_by != *me && !known.is_in_force(ban);
        if counts && known.reports(&ban.reported_by, &ban.peer) >= self.reported_limit {
            return Err(BanError::TooManyReports {
                reported_by: ban.reported_by.clone(),
                peer: ban.peer.clone(),
                limit: self.reported_limit,
            });
        }
        if ban.reported_by == *me || ban.peer == *me {
            known.put(signed);
        }
        Ok(())
    }
}

fn check_form(ban: &Ban) -> Result<(), BanError> {
    if ban.reason.len() > MAX_REASON_BYTES {
        return Err(BanError::InvalidReason);
    }
    if ban.peer == ban.reported_by {
        return Err(BanError::InvalidParties {
            reported_by: ban.reported_by.clone(),
            peer: ban.peer.clone(),
        });
    }
    Ok(())
}

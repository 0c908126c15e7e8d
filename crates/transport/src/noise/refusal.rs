//! Handshakes that came to nothing: why, how often, and a log line for the first of each kind.

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::Mutex;
use quorate_types::NodeId;
use thiserror::Error;

/// Why a handshake was given up, by either side. Carries nothing that a stranger chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The first message does not decrypt: another cluster, another key of ours, or noise.
    #[error("handshake does not decrypt: another cluster, an outdated key, or not a peer")]
    Undecryptable,
    /// The payload is not canonical.
    #[error("malformed handshake payload")]
    Malformed,
    /// A handshake message longer than the limit.
    #[error("handshake message too long")]
    TooLong,
    /// The claimed node is not in the manifest.
    #[error("node is not in the manifest")]
    UnknownNode,
    /// The key is not the one that the manifest gives to the claimed node (row D12).
    #[error("static key is not that of the claimed node")]
    WrongKey,
    /// The node with the larger id dialled.
    #[error("the node with the larger id must not dial")]
    WrongDirection,
    /// Both sides are honest and speak no common version.
    #[error("no common wire version")]
    NoCommonVersion,
    /// The responder chose a lower version than both know.
    #[error("version downgraded by the peer")]
    Downgraded,
    /// The responder answered under another name.
    #[error("responder is another node")]
    WrongResponder,
    /// The initiator did not prove that it holds the session keys: a replay.
    #[error("initiator did not confirm the session: replayed first message")]
    Unconfirmed,
    /// Not finished in time.
    #[error("handshake timed out")]
    TimedOut,
    /// Cut off to make room for newer handshakes.
    #[error("handshake cut off: too many at a time")]
    Evicted,
    /// Nothing listens at the peer's address.
    #[error("connection refused: nothing listens at the peer's address")]
    Refused,
    /// No TCP connection.
    #[error("peer cannot be reached")]
    Unreachable,
    /// The connection was closed during the handshake. A peer that refuses a stranger says nothing.
    #[error("connection closed during the handshake: refused by the peer, or cut")]
    Closed,
    /// A coordinator brought the handshake under another node's name.
    #[error("relayed under the name of another node")]
    Misrouted,
    /// No coordinator is there to relay.
    #[error("no coordinator is there to relay")]
    NoRelay,
    /// The local Noise library failed (randomness, configuration).
    #[error("local cryptographic failure")]
    Local,
}

impl Refusal {
    /// Value of the metric label `reason`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Undecryptable => "undecryptable",
            Self::Malformed => "malformed",
            Self::TooLong => "too_long",
            Self::UnknownNode => "unknown_node",
            Self::WrongKey => "wrong_key",
            Self::WrongDirection => "wrong_direction",
            Self::NoCommonVersion => "no_common_version",
            Self::Downgraded => "downgraded",
            Self::WrongResponder => "wrong_responder",
            Self::Unconfirmed => "unconfirmed",
            Self::TimedOut => "timed_out",
            Self::Evicted => "evicted",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Closed => "closed",
            Self::Misrouted => "misrouted",
            Self::NoRelay => "no_relay",
            Self::Local => "local",
        }
    }
}

/// How many handshakes came to nothing, by reason.
pub type RefusalCounts = BTreeMap<Refusal, u64>;

/// Counts refusals and logs each kind once per claimed peer, so that nobody can flood the log.
#[derive(Default)]
pub(super) struct RefusalLog {
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    counts: RefusalCounts,
    logged: BTreeSet<(Refusal, Option<NodeId>)>,
}

impl RefusalLog {
    /// Counts one refusal. `claimed` must be a node of the manifest, so that the set is bounded.
    pub(super) fn note(&self, why: Refusal, claimed: Option<&NodeId>) {
        metrics::counter!("quorate_link_handshake_failures_total", "reason" => why.label())
            .increment(1);
        let mut seen = self.seen.lock();
        *seen.counts.entry(why).or_default() += 1;
        let first = seen.logged.insert((why, claimed.cloned()));
        drop(seen);
        if first {
            let peer = claimed.map_or("unknown", NodeId::as_str);
            tracing::warn!(peer, reason = %why, "link handshake refused; repeats are only counted");
        }
    }

    /// Forgets what was logged about a peer: its next failure is news again.
    pub(super) fn recovered(&self, peer: &NodeId) {
        self.seen
            .lock()
            .logged
            .retain(|(_, claimed)| claimed.as_ref() != Some(peer));
    }

    /// All counts.
    pub(super) fn counts(&self) -> RefusalCounts {
        self.seen.lock().counts.clone()
    }
}

//! Where messages of peers wait for the session that they belong to.
//!
//! Peers may be ahead of us: their first messages can arrive before the coordinator has told us of
//! the session. Such messages wait here, within limits for each peer, and vanish if nobody comes.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use quorate_protocol::{Envelope, Slot};
use quorate_types::{Canonical as _, NodeId, SessionId};
use zeroize::Zeroizing;

/// Something for a running session.
pub(crate) enum Letter {
    /// A round message of an authenticated peer.
    Round {
        from: NodeId,
        envelope: Zeroizing<Vec<u8>>,
    },
    /// Messages of this peer may have been lost.
    LinkLost(NodeId),
    /// This peer gave up an earlier part of the session, after we had finished it.
    PeerAborted(NodeId),
    /// Somebody who may do so wants the session to end.
    Cancel,
}

/// Limits of waiting messages.
#[derive(Clone, Copy)]
pub(crate) struct MailboxLimits {
    pub(crate) session_queue: usize,
    pub(crate) early_bytes_per_peer: usize,
    pub(crate) early_ttl: Duration,
}

/// Ended sessions whose late messages are dropped at once instead of waiting.
const REMEMBERED_ENDS: usize = 4_096;

/// A mailbox as its session sees it; closing is dropping.
pub(crate) struct Mailbox {
    pub(crate) letters: Receiver<Letter>,
}

struct Open {
    owner: SessionId,
    letters: SyncSender<Letter>,
}

struct Early {
    from: NodeId,
    envelope: Zeroizing<Vec<u8>>,
    since: Instant,
}

#[derive(Default)]
struct Inner {
    open: HashMap<SessionId, Open>,
    early: HashMap<SessionId, Vec<Early>>,
    early_bytes: HashMap<NodeId, usize>,
    cancelled: HashSet<SessionId>,
    /// Who gave up an earlier part of a session.
    aborted: HashMap<SessionId, NodeId>,
    /// Ended parts, and the sessions that they belonged to.
    ended: HashMap<SessionId, SessionId>,
    ended_order: VecDeque<SessionId>,
}

/// All mailboxes of a node.
pub(crate) struct Mailboxes {
    inner: Mutex<Inner>,
    limits: MailboxLimits,
}

impl Mailboxes {
    pub(crate) fn new(limits: MailboxLimits) -> Self {
        Self {
            inner: Mutex::new(Inner::default()),
            limits,
        }
    }

    /// Opens the mailbox of one part of a session; what came early is in it.
    pub(crate) fn open(&self, owner: SessionId, part: SessionId) -> Mailbox {
        let (sender, letters) = sync_channel(self.limits.session_queue);
        let mut inner = self.inner.lock();
        if inner.cancelled.contains(&owner) {
            // The receiver sees it first.
            let _ = sender.try_send(Letter::Cancel);
        }
        if let Some(peer) = inner.aborted.get(&owner) {
            let _ = sender.try_send(Letter::PeerAborted(peer.clone()));
        }
        for early in inner.early.remove(&part).unwrap_or_default() {
            inner.release(&early);
            let Early { from, envelope, .. } = early;
            // More than the queue holds cannot be honest: a round has one message of each kind.
            let _ = sender.try_send(Letter::Round { from, envelope });
        }
        inner.open.insert(
            part,
            Open {
                owner,
                letters: sender,
            },
        );
        Mailbox { letters }
    }

    /// Closes one part; its late messages are dropped.
    pub(crate) fn close(&self, part: SessionId) {
        let mut inner = self.inner.lock();
        let Some(Open { owner, .. }) = inner.open.remove(&part) else {
            return;
        };
        if inner.ended.insert(part, owner).is_none() {
            inner.ended_order.push_back(part);
        }
        if inner.ended_order.len() > REMEMBERED_ENDS
            && let Some(oldest) = inner.ended_order.pop_front()
        {
            inner.ended.remove(&oldest);
        }
    }

    /// Forgets that a session was cancelled, once it has ended.
    pub(crate) fn forget(&self, owner: SessionId) {
        let mut inner = self.inner.lock();
        inner.cancelled.remove(&owner);
        inner.aborted.remove(&owner);
        // Late messages of its parts are still dropped, but concern no session any more.
        let parts = inner.ended.iter_mut().filter(|(_, of)| **of == owner);
        parts.for_each(|(part, of)| *of = *part);
    }

    /// Who gave up a part of a running session that we had finished.
    pub(crate) fn aborted_by(&self, owner: SessionId) -> Option<NodeId> {
        self.inner.lock().aborted.get(&owner).cloned()
    }

    /// Brings a message to its session, or keeps it for a while. Returns whether it was kept.
    pub(crate) fn deliver(
        &self,
        from: NodeId,
        session: SessionId,
        envelope: Zeroizing<Vec<u8>>,
    ) -> bool {
        let mut inner = self.inner.lock();
        if let Some(open) = inner.open.get(&session) {
            let sent = open.letters.try_send(Letter::Round { from, envelope });
            return !matches!(sent, Err(TrySendError::Full(_)));
        }
        if let Some(owner) = inner.ended.get(&session).copied() {
            // A peer may fail in a part that we finished: without it the session cannot go on.
            let gone = owner != session
                && Envelope::from_bytes(&envelope).is_ok_and(|message| message.slot == Slot::Abort);
            if gone && !inner.aborted.contains_key(&owner) {
                inner.aborted.insert(owner, from.clone());
                for open in inner.open.values().filter(|open| open.owner == owner) {
                    let _ = open.letters.try_send(Letter::PeerAborted(from.clone()));
                }
            }
            return true;
        }
        inner.expire(self.limits.early_ttl);
        let used = inner.early_bytes.get(&from).copied().unwrap_or(0);
        if used + envelope.len() > self.limits.early_bytes_per_peer {
            return false;
        }
        *inner.early_bytes.entry(from.clone()).or_default() += envelope.len();
        let since = Instant::now();
        inner.early.entry(session).or_default().push(Early {
            from,
            envelope,
            since,
        });
        true
    }

    /// Ends all parts of a session, now and later.
    pub(crate) fn cancel(&self, owner: SessionId) {
        let mut inner = self.inner.lock();
        inner.cancelled.insert(owner);
        for open in inner.open.values().filter(|open| open.owner == owner) {
            let _ = open.letters.try_send(Letter::Cancel);
        }
    }

    /// Tells every open session that the link to a peer was lost.
    pub(crate) fn link_lost(&self, peer: &NodeId) {
        for open in self.inner.lock().open.values() {
            let _ = open.letters.try_send(Letter::LinkLost(peer.clone()));
        }
    }
}

impl Inner {
    fn release(&mut self, early: &Early) {
        if let Some(used) = self.early_bytes.get_mut(&early.from) {
            *used = used.saturating_sub(early.envelope.len());
        }
    }

    fn expire(&mut self, ttl: Duration) {
        let (now, mut early) = (Instant::now(), std::mem::take(&mut self.early));
        early.retain(|_, messages| {
            messages.retain(|message| {
                let fresh = now.duration_since(message.since) < ttl;
                if !fresh {
                    self.release(message);
                }
                fresh
            });
            !messages.is_empty()
        });
        self.early = early;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str) -> NodeId {
        NodeId::new(name).unwrap()
    }

    fn mailboxes(early_ttl: Duration) -> Mailboxes {
        Mailboxes::new(MailboxLimits {
            session_queue: 4,
            early_bytes_per_peer: 100,
            early_ttl,
        })
    }

    fn session(n: u8) -> SessionId {
        SessionId::from_array([n; 16])
    }

    #[test]
    fn early_messages__should_wait_for_their_session_within_the_limit_of_their_sender() {
        let boxes = mailboxes(Duration::from_secs(60));
        let body = |n: usize| Zeroizing::new(vec![0; n]);
        assert!(boxes.deliver(node("a"), session(1), body(60)));
        assert!(
            !boxes.deliver(node("a"), session(2), body(60)),
            "over the limit of `a`"
        );
        assert!(
            boxes.deliver(node("b"), session(2), body(60)),
            "`b` has its own"
        );
        let mailbox = boxes.open(session(1), session(1));
        assert!(matches!(
            mailbox.letters.try_recv(),
            Ok(Letter::Round { .. })
        ));
        assert!(
            boxes.deliver(node("a"), session(3), body(60)),
            "given back when it was taken"
        );
    }

    #[test]
    fn early_messages__should_vanish_after_their_time() {
        let boxes = mailboxes(Duration::ZERO);
        for n in 0..50 {
            assert!(boxes.deliver(node("a"), session(n), Zeroizing::new(vec![0; 60])));
        }
    }

    #[test]
    fn a_cancelled_session__should_see_it_in_parts_that_open_later() {
        let boxes = mailboxes(Duration::from_secs(60));
        let first = boxes.open(session(1), session(11));
        boxes.cancel(session(1));
        assert!(matches!(first.letters.try_recv(), Ok(Letter::Cancel)));
        let second = boxes.open(session(1), session(12));
        assert!(matches!(second.letters.try_recv(), Ok(Letter::Cancel)));
        let other = boxes.open(session(2), session(21));
        assert!(other.letters.try_recv().is_err());
    }

    #[test]
    fn late_messages__should_be_dropped_without_cost() {
        let boxes = mailboxes(Duration::from_secs(60));
        drop(boxes.open(session(1), session(1)));
        boxes.close(session(1));
        for _ in 0..50 {
            assert!(boxes.deliver(node("a"), session(1), Zeroizing::new(vec![0; 60])));
        }
    }

    #[test]
    fn an_abort_of_an_earlier_part__should_end_the_later_one_and_only_while_the_session_runs() {
        let boxes = mailboxes(Duration::from_secs(60));
        let (owner, first, second) = (session(1), session(2), session(3));
        let party = |n| quorate_types::PartyIndex::new(n).unwrap();
        let abort = Envelope {
            session: first,
            round: 3,
            slot: Slot::Abort,
            from: party(2),
            to: party(1),
            body: Vec::new(),
            signature: None,
        };
        let abort = Zeroizing::new(abort.to_bytes());
        drop(boxes.open(owner, first));
        boxes.close(first);
        assert!(boxes.deliver(node("b"), first, abort.clone()));
        assert_eq!(boxes.aborted_by(owner), Some(node("b")));
        let mailbox = boxes.open(owner, second);
        let letter = mailbox.letters.try_recv();
        assert!(matches!(letter, Ok(Letter::PeerAborted(peer)) if peer == node("b")));
        boxes.close(second);
        boxes.forget(owner);
        assert!(boxes.deliver(node("b"), first, abort));
        assert_eq!(boxes.aborted_by(owner), None);
    }
}

//! Where messages of peers wait for the session that they belong to.
//!
//! Peers may be ahead of us: their first messages can arrive before the coordinator has told us of
//! the session. Such messages wait here, within limits for each peer, and vanish if nobody comes.
//!
//! What waits is bounded in bytes for each peer, so that a flood costs nobody but its sender: early
//! messages by `early_bytes_per_peer`, those in queues of running sessions by
//! `queued_bytes_per_peer`. In one session a peer may send what the rounds of the protocol have
//! ([`Allowance`]); whoever sends more ends the session and is named for it.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use quorate_protocol::{Allowance, Envelope, MAX_ENVELOPE, Slot};
use quorate_types::{Canonical as _, NodeId, SecretBytes, SessionId};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Something for a running session.
pub(crate) enum Letter {
    /// A round message of an authenticated peer.
    Round {
        from: NodeId,
        envelope: SecretBytes,
        room: Room,
    },
    /// This peer sent more than the protocol lets it.
    Flooded(NodeId),
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
    pub(crate) queued_bytes_per_peer: usize,
    pub(crate) early_bytes_per_peer: usize,
    pub(crate) early_ttl: Duration,
}

/// Ended sessions whose late messages are dropped at once instead of waiting.
const REMEMBERED_ENDS: usize = 4_096;

/// Sessions whose cancellation is remembered: far more than run at a time.
const REMEMBERED_CANCELS: usize = 4_096;

/// What a message that waits costs beside its bytes: its place in the tables, rounded up. Without
/// it a peer could fill the memory with messages of a few bytes each.
const OVERHEAD: usize = 512;

/// A body of the largest size that any protocol has, and what is around it.
const LONGEST_ENVELOPE: usize = MAX_ENVELOPE + 256;

/// Old messages are looked for at most so often.
const EXPIRE_INTERVAL: Duration = Duration::from_secs(1);

/// A mailbox as its session sees it; closing is dropping, also where a session panics.
pub(crate) struct Mailbox<'a> {
    pub(crate) letters: Receiver<Letter>,
    /// Whether somebody who may do so wants the session to end. [`Letter::Cancel`] only wakes the
    /// session up: it gets lost where the queue is full, and this does not.
    pub(crate) cancelled: Arc<AtomicBool>,
    boxes: &'a Mailboxes,
    part: SessionId,
}

impl Mailbox<'_> {
    /// All letters that are here now.
    pub(crate) fn take_waiting(&mut self) -> impl Iterator<Item = Letter> {
        std::iter::from_fn(|| self.letters.try_recv().ok())
    }
}

impl Drop for Mailbox<'_> {
    fn drop(&mut self) {
        self.boxes.close(self.part);
    }
}

struct Open {
    owner: SessionId,
    members: Arc<BTreeSet<NodeId>>,
    cancelled: Arc<AtomicBool>,
    letters: Sender<Letter>,
    /// What each member may send from now on.
    left: HashMap<NodeId, Allowance>,
    flooders: BTreeSet<NodeId>,
}

impl Open {
    /// Takes a message from what its sender may send. The first that is too much is reported.
    fn allows(&mut self, from: &NodeId, length: usize) -> bool {
        let Some(left) = self.left.get_mut(from) else {
            return false; // no member
        };
        let after = (left.messages.checked_sub(1), left.bytes.checked_sub(length));
        if let (Some(messages), Some(bytes)) = after {
            *left = Allowance { messages, bytes };
            return true;
        }
        if self.flooders.insert(from.clone()) {
            metrics::counter!("quorate_session_floods_total", "peer" => from.to_string())
                .increment(1);
            let _ = self.letters.try_send(Letter::Flooded(from.clone()));
        }
        false
    }

    fn put(&self, from: NodeId, envelope: SecretBytes, room: Room) -> bool {
        let letter = Letter::Round {
            from,
            envelope,
            room,
        };
        !matches!(self.letters.try_send(letter), Err(TrySendError::Full(_)))
    }
}

/// The room that a waiting message takes of its sender's; given back when it is dropped.
pub(crate) struct Room {
    used: Arc<AtomicUsize>,
    cost: usize,
}

impl Room {
    fn take(used: &Arc<AtomicUsize>, length: usize, limit: usize) -> Option<Self> {
        let cost = length + OVERHEAD;
        let room = Self {
            used: Arc::clone(used),
            cost,
        };
        let before = used.fetch_add(cost, Ordering::Relaxed);
        // If it does not fit, dropping it gives it back.
        (before + cost <= limit).then_some(room)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.used.fetch_sub(self.cost, Ordering::Relaxed);
    }
}

struct Ended {
    owner: SessionId,
    members: Arc<BTreeSet<NodeId>>,
}

struct Early {
    from: NodeId,
    envelope: SecretBytes,
    since: Instant,
}

impl Early {
    fn cost(&self) -> usize {
        self.envelope.len() + OVERHEAD
    }
}

#[derive(Default)]
struct Inner {
    open: HashMap<SessionId, Open>,
    early: HashMap<SessionId, Vec<Early>>,
    early_bytes: HashMap<NodeId, usize>,
    /// Bytes of each peer that wait in the queues of running sessions.
    queued_bytes: HashMap<NodeId, Arc<AtomicUsize>>,
    expired_at: Option<Instant>,
    /// Whether a session is cancelled; shared with its open parts.
    cancelled: HashMap<SessionId, Arc<AtomicBool>>,
    cancelled_order: VecDeque<SessionId>,
    /// Who gave up an earlier part of a session.
    aborted: HashMap<SessionId, NodeId>,
    /// Ended parts, and the sessions that they belonged to.
    ended: HashMap<SessionId, Ended>,
    /// Ended parts of sessions that still run.
    ended_parts: HashMap<SessionId, Vec<SessionId>>,
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

    /// Opens the mailbox of one part of a session; what came early is in it. Only `members` may put
    /// messages into it, and each no more than `allowance`.
    pub(crate) fn open(
        &self,
        owner: SessionId,
        part: SessionId,
        members: impl IntoIterator<Item = NodeId>,
        allowance: Allowance,
    ) -> Mailbox<'_> {
        let members = Arc::new(members.into_iter().collect::<BTreeSet<_>>());
        // Room for everything that may come: all messages, and one letter more of each other kind.
        let (sender, letters) = channel(members.len() * (allowance.messages + 3) + 1);
        let mut inner = self.inner.lock();
        let cancelled = inner.cancellation(owner);
        if cancelled.load(Ordering::SeqCst) {
            // The receiver sees it first.
            let _ = sender.try_send(Letter::Cancel);
        }
        if let Some(peer) = inner.aborted.get(&owner) {
            let _ = sender.try_send(Letter::PeerAborted(peer.clone()));
        }
        let left = members.iter().map(|member| (member.clone(), allowance));
        let mut open = Open {
            owner,
            left: left.collect(),
            members,
            cancelled: Arc::clone(&cancelled),
            letters: sender,
            flooders: BTreeSet::new(),
        };
        for early in inner.early.remove(&part).unwrap_or_default() {
            inner.release(&early);
            let Early { from, envelope, .. } = early;
            if open.allows(&from, envelope.len())
                && let Some(room) = self.room(&mut inner, &from, envelope.len())
            {
                open.put(from, envelope, room);
            }
        }
        inner.open.insert(part, open);
        Mailbox {
            letters,
            cancelled,
            boxes: self,
            part,
        }
    }

    /// Whether somebody has sent messages for a part that is not open yet.
    pub(crate) fn has_early(&self, part: SessionId) -> bool {
        self.inner.lock().early.contains_key(&part)
    }

    /// Closes one part; its late messages are dropped. Once more changes nothing.
    pub(crate) fn close(&self, part: SessionId) {
        let mut inner = self.inner.lock();
        let Some(open) = inner.open.remove(&part) else {
            return;
        };
        let Open { owner, members, .. } = open;
        if inner.ended.insert(part, Ended { owner, members }).is_none() {
            inner.ended_order.push_back(part);
        }
        inner.ended_parts.entry(owner).or_default().push(part);
        if inner.ended_order.len() > REMEMBERED_ENDS
            && let Some(oldest) = inner.ended_order.pop_front()
            && let Some(Ended { owner, .. }) = inner.ended.remove(&oldest)
            && let Entry::Occupied(mut parts) = inner.ended_parts.entry(owner)
        {
            parts.get_mut().retain(|part| *part != oldest);
            if parts.get().is_empty() {
                parts.remove();
            }
        }
        inner.expire(self.limits.early_ttl);
    }

    /// Forgets that a session was cancelled, once it has ended.
    pub(crate) fn forget(&self, owner: SessionId) {
        let mut inner = self.inner.lock();
        inner.cancelled.remove(&owner);
        inner.aborted.remove(&owner);
        // Late messages of its parts are still dropped, but concern no session any more.
        for part in inner.ended_parts.remove(&owner).unwrap_or_default() {
            if let Some(ended) = inner.ended.get_mut(&part) {
                *ended = Ended {
                    owner: part,
                    members: Arc::default(),
                };
            }
        }
    }

    /// Who gave up a part of a running session that we had finished.
    pub(crate) fn aborted_by(&self, owner: SessionId) -> Option<NodeId> {
        self.inner.lock().aborted.get(&owner).cloned()
    }

    /// Brings a message to its session, or keeps it for a while. Returns whether it was kept.
    pub(crate) fn deliver(&self, from: NodeId, session: SessionId, envelope: SecretBytes) -> bool {
        if envelope.len() > LONGEST_ENVELOPE {
            return false;
        }
        let mut inner = self.inner.lock();
        let length = envelope.len();
        if let Some(open) = inner.open.get_mut(&session) {
            if !open.allows(&from, length) {
                return false;
            }
            let Some(room) = self.room(&mut inner, &from, length) else {
                return false;
            };
            let open = inner.open.get(&session);
            return open.is_some_and(|open| open.put(from, envelope, room));
        }
        if let Some(ended) = inner.ended.get(&session) {
            // A peer may fail in a part that we finished: without it the session cannot go on.
            let owner = ended.owner;
            let gone = owner != session
                && ended.members.contains(&from)
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
        let cost = length + OVERHEAD;
        let used = inner.early_bytes.get(&from).copied().unwrap_or(0);
        if used + cost > self.limits.early_bytes_per_peer {
            return false;
        }
        inner.early_bytes.insert(from.clone(), used + cost);
        let since = Instant::now();
        inner.early.entry(session).or_default().push(Early {
            from,
            envelope,
            since,
        });
        true
    }

    /// Room for one more message of a peer in the queues of running sessions, if there is any.
    fn room(&self, inner: &mut Inner, from: &NodeId, length: usize) -> Option<Room> {
        let limit = self.limits.queued_bytes_per_peer;
        let used = match inner.queued_bytes.get(from) {
            Some(used) => used,
            None => inner.queued_bytes.entry(from.clone()).or_default(),
        };
        let room = Room::take(used, length, limit);
        if room.is_none() {
            metrics::counter!("quorate_queue_refusals_total", "peer" => from.to_string())
                .increment(1);
        }
        room
    }

    /// Whether a session was cancelled.
    pub(crate) fn is_cancelled(&self, owner: SessionId) -> bool {
        let inner = self.inner.lock();
        let cancelled = inner.cancelled.get(&owner);
        cancelled.is_some_and(|cancelled| cancelled.load(Ordering::SeqCst))
    }

    /// Ends all parts of a session, now and later.
    pub(crate) fn cancel(&self, owner: SessionId) {
        let mut inner = self.inner.lock();
        inner.cancellation(owner).store(true, Ordering::SeqCst);
        for open in inner.open.values().filter(|open| open.owner == owner) {
            // The same flag, unless it was pushed out by thousands of others.
            open.cancelled.store(true, Ordering::SeqCst);
            let _ = open.letters.try_send(Letter::Cancel);
        }
    }

    /// Tells every open session that the link to a peer was lost.
    pub(crate) fn link_lost(&self, peer: &NodeId) {
        let inner = self.inner.lock();
        let concerned = |open: &&Open| open.members.contains(peer);
        for open in inner.open.values().filter(concerned) {
            let _ = open.letters.try_send(Letter::LinkLost(peer.clone()));
        }
    }
}

impl Inner {
    /// Whether a session is cancelled, as its parts share it. A session may end while it is being
    /// cancelled, so that nobody forgets the note; therefore the oldest make room.
    fn cancellation(&mut self, owner: SessionId) -> Arc<AtomicBool> {
        if let Some(known) = self.cancelled.get(&owner) {
            return Arc::clone(known);
        }
        let cancelled = Arc::<AtomicBool>::default();
        self.cancelled.insert(owner, Arc::clone(&cancelled));
        self.cancelled_order.push_back(owner);
        if self.cancelled_order.len() > REMEMBERED_CANCELS
            && let Some(oldest) = self.cancelled_order.pop_front()
        {
            self.cancelled.remove(&oldest);
        }
        cancelled
    }

    fn release(&mut self, early: &Early) {
        if let Some(used) = self.early_bytes.get_mut(&early.from) {
            *used = used.saturating_sub(early.cost());
        }
    }

    /// Drops messages that waited too long, unless it did so a moment ago.
    fn expire(&mut self, ttl: Duration) {
        let now = Instant::now();
        let interval = EXPIRE_INTERVAL.min(ttl);
        if self
            .expired_at
            .is_some_and(|at| now.duration_since(at) < interval)
        {
            return;
        }
        self.expired_at = Some(now);
        let mut early = std::mem::take(&mut self.early);
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
mod tests;

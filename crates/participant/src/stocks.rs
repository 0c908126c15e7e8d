//! FROST nonces that this node and its peers have committed to ahead of any message: in memory only, of
//! one link session each. `docs/protocols/frost.md` §7.

mod message;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use quorate_frost::{
    Ahead, Announcement, Batch, CheckedShare, EntryName, HeldStocks, LinkSession,
    MAX_STOCK_ENTRIES, OwnStocks, SigningSet, StockId, StockLimits, StockedNonces, TakeNonces,
    Untaken,
};
use quorate_intent::KeyStatement;
use quorate_protocol::Reason;
use quorate_types::{NodeId, PartyIndex, SignerSet};

use crate::config::SessionLimits;
use crate::held_key::{Engine, HeldKey};
use crate::link_message;
use crate::node::Node;
use crate::randomness::SystemRandomness;
pub(crate) use message::StockMessage;

/// Bytes of entries that one peer may have here, and of all peers, on each side.
const BYTES_PER_PEER: usize = 8 << 20;
const BYTES: usize = 32 << 20;

/// How long an entry is good for.
const LIFETIME: Duration = Duration::from_secs(300);

/// How much longer than a round may take a leader keeps away from the end of an entry's life.
const MARGIN: Duration = Duration::from_secs(30);

/// Entries of the first stock of a set. Each further one has twice as many, so that a key that signs
/// once costs little.
const FIRST_STOCK: u16 = 4;

/// A leader that uses nothing of a stock for so long, though it signs, does not have it.
const IDLE: Duration = Duration::from_secs(5);

/// How long a leader goes without stock after a stocked attempt failed. Who has one fail on purpose
/// gains one attempt without culprit in this time.
const PAUSE: Duration = Duration::from_secs(30);

/// Sets whose demand, or pause, is remembered.
const REMEMBERED_SETS: usize = 4_096;

struct State {
    own: OwnStocks,
    held: HeldStocks,
    /// The link session that stands with each peer.
    links: HashMap<NodeId, LinkSession>,
    /// Link sessions over which a peer announced what no honest node does.
    distrusted: HashSet<LinkSession>,
    /// Sets that a stock is being made for.
    filling: HashSet<SigningSet>,
    /// How large the next stock of a set is, and when it was decided.
    demand: HashMap<SigningSet, (u16, Duration)>,
    /// Sets that go without stock for a while, and until when.
    paused: HashMap<SigningSet, Duration>,
}

/// All stocks of a node.
pub(crate) struct Stocks {
    state: Mutex<State>,
    started: Instant,
    entries_per_set: usize,
}

/// Gives the nonces of one set to one attempt.
struct Taker {
    stocks: Arc<Stocks>,
    set: SigningSet,
}

impl TakeNonces for Taker {
    fn take(&self, name: &EntryName) -> Result<StockedNonces, Untaken> {
        let now = self.stocks.now();
        let mut state = self.stocks.state.lock();
        let taken = state.own.take(name, &self.set, now);
        state.show();
        taken
    }

    fn declined(&self) {
        let now = self.stocks.now();
        let mut state = self.stocks.state.lock();
        let before = now.saturating_sub(IDLE);
        state.own.drop_idle(&self.set, before);
        if state.own.left(&self.set, now) == 0 {
            state.demand.remove(&self.set);
        }
        state.show();
    }
}

impl Stocks {
    pub(crate) fn new(limits: &SessionLimits) -> Self {
        let entries_per_set = limits.stocked_nonces_per_set;
        let limits = StockLimits {
            entries_per_set,
            bytes_per_peer: BYTES_PER_PEER,
            bytes: BYTES,
            lifetime: LIFETIME,
            margin: MARGIN + Duration::from_millis(limits.sign_round_timeout_ms),
        };
        let state = State {
            own: OwnStocks::new(limits),
            held: HeldStocks::new(limits),
            links: HashMap::new(),
            distrusted: HashSet::new(),
            filling: HashSet::new(),
            demand: HashMap::new(),
            paused: HashMap::new(),
        };
        Self {
            state: Mutex::new(state),
            started: Instant::now(),
            entries_per_set,
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// The link to a peer has a new session: what was bound to the one before dies.
    pub(crate) fn link_up(&self, peer: &NodeId, link: LinkSession) {
        let mut state = self.state.lock();
        state.end_link(peer);
        state.links.insert(peer.clone(), link);
    }

    /// The link to a peer is gone, and all that was bound to it.
    pub(crate) fn link_down(&self, peer: &NodeId) {
        self.state.lock().end_link(peer);
    }

    /// What there is for one attempt of a set that this node, `me`, signs in.
    ///
    /// - `spoken`: another signer has already sent a message for this attempt. To a leader this says
    ///   that it had no stock when it began, though its announcement may have come meanwhile: the
    ///   link keeps their order, so that the message is here before the stock is.
    pub(crate) fn ahead(self: &Arc<Self>, set: &SigningSet, me: PartyIndex, spoken: bool) -> Ahead {
        let now = self.now();
        let mut state = self.state.lock();
        if me != set.leader() {
            if state.own.left(set, now) == 0 {
                return Ahead::Nothing;
            }
            let (stocks, set) = (Arc::clone(self), set.clone());
            return Ahead::Follow(Box::new(Taker { stocks, set }));
        }
        let taken = if spoken {
            None
        } else {
            state.held.take(set, now)
        };
        let result = if taken.is_some() { "hit" } else { "miss" };
        metrics::counter!("quorate_stock_signatures_total", "result" => result).increment(1);
        state.show();
        taken.map_or(Ahead::Nothing, Ahead::Lead)
    }

    /// A stocked attempt that this node led failed: the signers may not have what is held of them. That
    /// somebody cancelled it says nothing of them.
    pub(crate) fn failed(&self, set: &SigningSet, reason: &Reason) {
        if *reason == Reason::Cancelled {
            return;
        }
        let now = self.now();
        let mut state = self.state.lock();
        state.held.drop_set(set);
        if state.paused.len() >= REMEMBERED_SETS {
            state.paused.retain(|_, until| *until > now);
        }
        state.paused.insert(set.clone(), now + PAUSE);
        state.show();
    }

    /// Drops what is too old, in memory that nobody signs with any more.
    pub(crate) fn tick(&self) {
        let now = self.now();
        let mut state = self.state.lock();
        state.own.expire(now);
        state.held.expire(now);
        state.paused.retain(|_, until| *until > now);
        state.demand.retain(|_, (_, since)| *since + LIFETIME > now);
        state.show();
    }

    /// How many entries to make for a set that just signed, if there are too few; they are then being
    /// made until [`Self::filled`].
    fn wanted(&self, set: &SigningSet, leader: &NodeId) -> Option<(u16, LinkSession)> {
        let now = self.now();
        let mut state = self.state.lock();
        let link = *state.links.get(leader)?;
        let (size, _) = state.demand.get(set).copied().unwrap_or((FIRST_STOCK, now));
        let left = state.own.left(set, now);
        let too_many = left + usize::from(size) > self.entries_per_set;
        let is_known = state.demand.contains_key(set) || state.demand.len() < REMEMBERED_SETS;
        if left > usize::from(size / 2) || too_many || !is_known {
            return None;
        }
        if !state.filling.insert(set.clone()) {
            return None;
        }
        let next = size.saturating_mul(2).min(MAX_STOCK_ENTRIES);
        state.demand.insert(set.clone(), (next, now));
        Some((size, link))
    }

    /// Keeps a new stock, if the link session is still the one that stands; `true` if it may be
    /// announced.
    fn filled(&self, announcement: &Announcement, leader: &NodeId, batch: Option<Batch>) -> bool {
        let Announcement {
            link, stock, set, ..
        } = announcement;
        let now = self.now();
        let mut state = self.state.lock();
        state.filling.remove(set);
        let stands = state.links.get(leader) == Some(link);
        let kept = batch.filter(|_| stands).is_some_and(|batch| {
            let added = state.own.add(*stock, set, *link, batch, now);
            added.is_ok()
        });
        state.show();
        kept
    }
}

impl State {
    fn end_link(&mut self, peer: &NodeId) {
        if let Some(link) = self.links.remove(peer) {
            self.own.end_link(link);
            self.held.end_link(link);
            self.distrusted.remove(&link);
            self.show();
        }
    }

    fn show(&self) {
        let count = |entries: usize| u32::try_from(entries).unwrap_or(u32::MAX);
        let (own, held) = (count(self.own.entries()), count(self.held.entries()));
        metrics::gauge!("quorate_stock_entries", "side" => "own").set(own);
        metrics::gauge!("quorate_stock_entries", "side" => "held").set(held);
    }
}

/// What a session of this key and these signers may use stocked nonces for.
pub(crate) fn set_of(statement: &KeyStatement, signers: &SignerSet) -> SigningSet {
    SigningSet {
        key: statement.key,
        epoch: statement.epoch,
        signers: signers.clone(),
    }
}

/// After a signature: a signer that does not lead sees that its leader has nonces for the next ones
/// (step 7.1). Returns at once.
pub(crate) fn top_up(node: &Arc<Node>, held: &Arc<HeldKey>, set: &SigningSet) {
    if !matches!(held.engine, Engine::Frost(_)) {
        return;
    }
    let statement = &held.certificate.statement;
    let leader = statement.committee.node(set.leader());
    let Some(leader) = leader.filter(|leader| **leader != node.me) else {
        return;
    };
    let Some((count, link)) = node.stocks.wanted(set, leader) else {
        return;
    };
    let (node, held, set) = (Arc::clone(node), Arc::clone(held), set.clone());
    let leader = leader.clone();
    tokio::task::spawn_blocking(move || {
        if let Engine::Frost(share) = &held.engine {
            fill(&node, share, &leader, (set, link), count);
        }
    });
}

fn fill(
    node: &Node,
    share: &CheckedShare,
    leader: &NodeId,
    (set, link): (SigningSet, LinkSession),
    count: u16,
) {
    let rng = &mut SystemRandomness;
    let mut stock = [0; 16];
    rand_core::Rng::fill_bytes(rng, &mut stock);
    let batch = Batch::draw(share, count, rng).ok();
    let commitments = batch.as_ref().map(|batch| batch.announced().to_vec());
    let announcement = Announcement {
        link,
        stock: StockId::from_array(stock),
        set,
        commitments: commitments.unwrap_or_default(),
    };
    if node.stocks.filled(&announcement, leader, batch) {
        // Lost only with the link, and then so is the stock.
        node.send(leader, link_message::stock(&StockMessage(announcement)));
    }
}

/// A peer announced commitments to us as the leader of a set (step 7.2). The link authenticated `from`.
pub(crate) fn receive(node: &Arc<Node>, from: &NodeId, message: StockMessage) {
    let StockMessage(announcement) = message;
    let refused = |reason: &'static str| {
        metrics::counter!(
            "quorate_stock_announcements_refused_total",
            "peer" => from.to_string(), "reason" => reason
        )
        .increment(1);
    };
    // A key that is not in memory did not sign lately.
    let Some(held) = node.keys.in_memory(announcement.set.key) else {
        return refused("not_wanted");
    };
    let statement = &held.certificate.statement;
    let Some(sender) = place(node, &held, from, &announcement.set) else {
        return refused("not_wanted");
    };
    let (curve, link) = (statement.curve(), announcement.link);
    let entries = announcement.entries(curve);
    let (stocks, set) = (&node.stocks, announcement.set.clone());
    {
        let (now, state) = (stocks.now(), stocks.state.lock());
        let stands = state.links.get(from) == Some(&link);
        let paused = state.paused.get(&set).is_some_and(|until| *until > now);
        let welcome = stands && !paused && !state.distrusted.contains(&link);
        if !welcome || !state.held.has_room(sender, &announcement, entries) {
            return refused("not_wanted");
        }
    }
    // Without the lock: it takes a millisecond or two.
    let checked = announcement.check(curve);
    let now = stocks.now();
    let mut state = stocks.state.lock();
    if state.links.get(from) != Some(&link) {
        return refused("not_wanted"); // the link changed meanwhile
    }
    match checked {
        Ok(checked) => {
            if state.held.add(sender, checked, now).is_err() {
                refused("not_wanted");
            }
        }
        Err(error) => {
            refused("malformed");
            tracing::warn!(peer = %from, %error, "a peer announced what no honest node does; it has \
                no stock here until its link comes up anew");
            state.distrusted.insert(link);
            state.held.end_link(link);
        }
    }
    state.show();
}

/// The sender's index, if the set is one of this key, we lead it and the sender signs in it.
fn place(node: &Node, held: &HeldKey, from: &NodeId, set: &SigningSet) -> Option<PartyIndex> {
    let statement = &held.certificate.statement;
    let (committee, threshold) = (&statement.committee, statement.threshold);
    let sender = committee.members().find(|(_, member)| *member == from);
    let (sender, _) = sender?;
    let is_ours = matches!(held.engine, Engine::Frost(_))
        && set.epoch == statement.epoch
        && set.signers.len() == usize::from(threshold.min_signers())
        && set
            .signers
            .iter()
            .all(|index| committee.node(index).is_some())
        && committee.node(set.leader()) == Some(&node.me);
    (is_ours && set.signers.contains(sender) && sender != set.leader()).then_some(sender)
}

#[cfg(test)]
mod tests;

//! FROST nonces that this node and its peers have committed to ahead of any message: in memory only, of
//! one link session each. `docs/protocols/frost.md` §7.

mod message;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use quorate_frost::{
    Ahead, Announcement, BadAnnouncement, Batch, CheckedAnnouncement, CheckedShare, EntryName,
    HeldStocks, LinkSession, MAX_STOCK_ENTRIES, OwnStocks, SigningSet, StockId, StockLimits,
    StockedNonces, TakeNonces, Untaken,
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
        state.own.declined(&self.set, now);
    }
}

impl Stocks {
    pub(crate) fn new(limits: &SessionLimits) -> Self {
        let entries_per_set = limits.stocked_nonces_per_set;
        let round = Duration::from_millis(limits.sign_round_timeout_ms);
        let limits = StockLimits {
            entries_per_set,
            bytes_per_peer: BYTES_PER_PEER,
            bytes: BYTES,
            lifetime: LIFETIME,
            margin: MARGIN + round,
            round,
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
        let peers = state.links.len();
        state.held.share_among(peers);
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

    /// Whether to make a stock for a set that just signed: there are too few entries, and there is room.
    fn wanted(self: &Arc<Self>, set: &SigningSet, leader: &NodeId) -> Option<Filling> {
        let now = self.now();
        let mut state = self.state.lock();
        let link = *state.links.get(leader)?;
        let demand = state.demand.get(set).map(|(size, _)| *size);
        let most = u16::try_from(self.entries_per_set).unwrap_or(u16::MAX);
        // While the leader seems to have nothing, what it is told is little.
        let reliable = state.own.reliable(set, now);
        let is_lost = reliable == 0 && state.own.left(set, now) > 0;
        let size = demand.filter(|_| !is_lost).unwrap_or(FIRST_STOCK).min(most);
        let is_remembered = demand.is_some() || state.demand.len() < REMEMBERED_SETS;
        let is_filling = state.filling.contains(set);
        let has_enough = reliable > usize::from(size / 2);
        if size == 0 || has_enough || is_filling || !is_remembered {
            return None;
        }
        // Before anything is drawn: nonces that there is no room for cost as much as others.
        if !state.own.reserve(set, link, size, demand.is_none(), now) {
            return None;
        }
        state.filling.insert(set.clone());
        drop(state);
        let (stocks, set, leader) = (Arc::clone(self), set.clone(), leader.clone());
        Some(Filling {
            stocks,
            set,
            leader,
            link,
            count: size,
            is_lost,
            has_room: true,
        })
    }
}

/// A stock that is being made: the only one of its set, with room for it. Over when it is dropped.
struct Filling {
    stocks: Arc<Stocks>,
    set: SigningSet,
    leader: NodeId,
    link: LinkSession,
    count: u16,
    /// It stands for stocks that the leader seems not to have.
    is_lost: bool,
    /// Room is set apart for it.
    has_room: bool,
}

impl Filling {
    /// Keeps the new stock, if the link session is still the one that stands; `true` if it may be
    /// announced. Only then the next one is larger. Until it is dropped no other of the set is made: the
    /// leader hears of stocks in the order in which they are here.
    fn keep(&mut self, stock: StockId, batch: Batch) -> bool {
        let now = self.stocks.now();
        let mut state = self.stocks.state.lock();
        self.has_room = false;
        state.own.release(self.link, self.count);
        if state.links.get(&self.leader) != Some(&self.link) {
            return false;
        }
        let added = state.own.add(stock, &self.set, self.link, batch, now);
        if added.is_ok() && !self.is_lost {
            let next = self.count.saturating_mul(2).min(MAX_STOCK_ENTRIES);
            state.demand.insert(self.set.clone(), (next, now));
        }
        state.show();
        added.is_ok()
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        let mut state = self.stocks.state.lock();
        state.filling.remove(&self.set);
        if self.has_room {
            state.own.release(self.link, self.count);
        }
    }
}

impl State {
    fn end_link(&mut self, peer: &NodeId) {
        if let Some(link) = self.links.remove(peer) {
            self.own.end_link(link);
            self.held.end_link(link);
            self.distrusted.remove(&link);
            self.held.share_among(self.links.len());
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
    let Some(filling) = node.stocks.wanted(set, leader) else {
        return;
    };
    let (maker, held) = (Arc::clone(node), Arc::clone(held));
    let made = node.crypto.spawn(move || {
        if let Engine::Frost(share) = &held.engine {
            fill(&maker, share, filling);
        }
    });
    // Signatures go on without it.
    if let Err(error) = made {
        tracing::debug!(%error, "no stock is made now");
    }
}

fn fill(node: &Node, share: &CheckedShare, mut filling: Filling) {
    let rng = &mut SystemRandomness;
    let mut stock = [0; 16];
    rand_core::Rng::fill_bytes(rng, &mut stock);
    let stock = StockId::from_array(stock);
    let Ok(batch) = Batch::draw(share, filling.count, rng) else {
        return;
    };
    let announcement = Announcement {
        link: filling.link,
        stock,
        set: filling.set.clone(),
        commitments: batch.announced().to_vec(),
    };
    if filling.keep(stock, batch) {
        // Lost only with the link, and then so is the stock.
        node.send(
            &filling.leader,
            link_message::stock(&StockMessage(announcement)),
        );
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
        return refused(NOT_WANTED);
    };
    let statement = &held.certificate.statement;
    let Some(sender) = place(node, &held, from, &announcement.set) else {
        return refused(NOT_WANTED);
    };
    let (curve, link) = (statement.curve(), announcement.link);
    let entries = announcement.entries(curve);
    let stocks = &node.stocks;
    if let Err(unwanted) = stocks.welcomes(from, sender, &announcement, entries) {
        return refused(unwanted);
    }
    let set = announcement.set.clone();
    // Without the lock: it takes a millisecond or two.
    let checked = announcement.check(curve);
    if let Err(unwanted) = stocks.keep(from, sender, (&set, link), checked) {
        refused(unwanted);
    }
}

impl Stocks {
    /// Whether an announcement is worth the check of its points; else why not.
    fn welcomes(
        &self,
        from: &NodeId,
        sender: PartyIndex,
        announcement: &Announcement,
        entries: usize,
    ) -> Result<(), &'static str> {
        let (now, mut state) = (self.now(), self.state.lock());
        let link = announcement.link;
        if !state.is_open(from, link, &announcement.set, now) {
            return Err(NOT_WANTED);
        }
        if state.held.is_repeated(announcement) {
            return Err(state.distrust(from, link, &"a name of a stock that was used before"));
        }
        let has_room = state.held.has_room(sender, announcement, entries, now);
        has_room.then_some(()).ok_or(NOT_WANTED)
    }

    /// Keeps what was checked; else says why not.
    fn keep(
        &self,
        from: &NodeId,
        sender: PartyIndex,
        (set, link): (&SigningSet, LinkSession),
        checked: Result<CheckedAnnouncement, BadAnnouncement>,
    ) -> Result<(), &'static str> {
        let (now, mut state) = (self.now(), self.state.lock());
        // The link may have changed meanwhile, or the set have been paused.
        if !state.is_open(from, link, set, now) {
            return Err(NOT_WANTED);
        }
        let kept = match checked {
            Ok(checked) => {
                let added = state.held.add(sender, checked, now);
                added.map(drop).map_err(|_| NOT_WANTED)
            }
            Err(error) => Err(state.distrust(from, link, &error)),
        };
        state.show();
        kept
    }
}

/// Labels of announcements that are not kept: honest ones, and others.
const NOT_WANTED: &str = "not_wanted";
const MALFORMED: &str = "malformed";

impl State {
    /// Whether anything is kept of this set, from the peer of this link session.
    fn is_open(&self, from: &NodeId, link: LinkSession, set: &SigningSet, now: Duration) -> bool {
        let stands = self.links.get(from) == Some(&link);
        let paused = self.paused.get(set).is_some_and(|until| *until > now);
        stands && !paused && !self.distrusted.contains(&link)
    }

    fn distrust(
        &mut self,
        peer: &NodeId,
        link: LinkSession,
        error: &dyn std::fmt::Display,
    ) -> &'static str {
        tracing::warn!(%peer, %error, "a peer announced what no honest node does; it has no stock here \
            until its link comes up anew");
        self.distrusted.insert(link);
        self.held.end_link(link);
        MALFORMED
    }
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

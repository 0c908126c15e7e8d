//! The DKLs23 state that this node shares with each other node: agreed on when a link comes up, made
//! anew where it is missing, and used by every key of the pair. `docs/protocols/pair-state.md`.

mod agreement;
mod lift;
mod message;
mod pace;
mod setup;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use quorate_api::ErrorCode;
use quorate_api::mpc_v1 as wire;
use quorate_dkls23::PairState;
use quorate_keystore::{Keystore, KeystoreError, PairStateStatus};
use quorate_protocol::registry::ProtocolInfo;
use quorate_types::{Committee, Digest32, NodeId, SessionId};

use crate::link_message;
use crate::node::Node;
use crate::refusal::Refusal;
use agreement::{Holding, Situation, Step};
pub(crate) use lift::lift;
use message::Occasion;
pub(crate) use message::PairMessage;
use pace::Pace;

/// What this node has with every other, in memory.
#[derive(Default)]
pub(crate) struct PairTable {
    peers: Mutex<HashMap<NodeId, Peer>>,
}

/// What this node has with one other.
struct Peer {
    /// The current state, once a session needed it.
    current: Option<Arc<PairState>>,
    /// States before it, which sessions in flight may still use.
    superseded: Vec<Arc<PairState>>,
    /// What the peer said last.
    theirs: Option<Holding>,
    /// The set-up that runs.
    running: Option<SessionId>,
    /// Our proposal that waits for its answer.
    proposal: Option<([u8; 16], Instant)>,
    pace: Pace,
    /// Held by the session that reads the current state: one reads, the others wait for it.
    loading: Arc<tokio::sync::Mutex<()>>,
}

impl Default for Peer {
    fn default() -> Self {
        Self {
            current: None,
            superseded: Vec::new(),
            theirs: None,
            running: None,
            proposal: None,
            pace: Pace::new(Instant::now()),
            loading: Arc::default(),
        }
    }
}

/// Generations of the pair whose ban stands: no owner lifted it, and no newer state took their place.
pub(crate) fn standing_bans(keystore: &Keystore, peer: &NodeId) -> Vec<Digest32> {
    use PairStateStatus::{Destroyed, Superseded};
    let pairs = keystore.pairs();
    let stands = |generation: &Digest32| {
        let is_past = matches!(
            pairs.status(peer, *generation),
            Some(Superseded | Destroyed)
        );
        !is_past && pairs.lifted_by(peer, *generation).is_none()
    };
    let banned = keystore.bans().of_pair(peer);
    banned.into_iter().filter(stands).collect()
}

/// The state to sign with, checked when it is first used. It is read on a thread that may wait for
/// the disk, while nobody else waits.
///
/// # Errors
/// `PAIR_NOT_READY`: there is none yet, or its file is damaged.
pub(crate) async fn current(node: &Arc<Node>, peer: &NodeId) -> Result<Arc<PairState>, Refusal> {
    if let Some(state) = node.pairs.in_memory(peer) {
        return Ok(state);
    }
    let loading = node.pairs.with(peer, |known| Arc::clone(&known.loading));
    let _turn = loading.lock().await;
    loop {
        if let Some(state) = node.pairs.in_memory(peer) {
            return Ok(state);
        }
        let stored = node.keystore.pairs().current(peer);
        let generation = stored.ok_or_else(|| not_ready(&node.me, std::slice::from_ref(peer)))?;
        crate::failpoint::hold("pair.before_load").await;
        let (reader, of) = (Arc::clone(node), peer.clone());
        let read = tokio::task::spawn_blocking(move || load(&reader, &of, generation)).await;
        let read = read.unwrap_or_else(|_| {
            let message = "reading pair state broke off";
            Err(Refusal::retry(ErrorCode::Internal, message))
        });
        // Each turn of the loop is a set-up that ended meanwhile, and those are bounded.
        if let Some(state) = keep(node, peer, generation, read)? {
            return Ok(state);
        }
    }
}

/// Takes in what was read, unless newer state took its place meanwhile: then that is to be read.
fn keep(
    node: &Node,
    peer: &NodeId,
    generation: Digest32,
    read: Result<PairState, Refusal>,
) -> Result<Option<Arc<PairState>>, Refusal> {
    let mut peers = node.pairs.peers.lock();
    // Under the lock: nobody switches to another generation meanwhile.
    if node.keystore.pairs().status(peer, generation) != Some(PairStateStatus::Current) {
        return Ok(None);
    }
    let state = Arc::new(read?);
    let known = peers.entry(peer.clone()).or_default();
    known.current = Some(Arc::clone(&state));
    Ok(Some(state))
}

fn load(node: &Node, peer: &NodeId, generation: Digest32) -> Result<PairState, Refusal> {
    let pairs = node.keystore.pairs();
    let opened = pairs.open_state(peer, generation).and_then(|bytes| {
        let state = PairState::from_secret_bytes(&bytes).ok();
        let state = state.filter(|state| {
            let place = if node.me < *peer { 1 } else { 2 };
            state.generation() == generation && state.me().get() == place
        });
        state.ok_or_else(|| pairs.reject(generation))
    });
    opened.map_err(|error| {
        tracing::error!(%peer, %error, "pair state is unusable");
        let message = format!("{error} (pair of `{}` and `{peer}`)", node.me);
        Refusal::retry(ErrorCode::PairNotReady, message)
    })
}

/// Refuses to make a key that could not be used: a pair of this node has no state yet.
///
/// # Errors
/// `PAIR_NOT_READY`, naming every such pair.
pub(crate) fn require(
    node: &Node,
    protocol: &ProtocolInfo,
    committee: &Committee,
) -> Result<(), Refusal> {
    if !protocol.has_pair_state {
        return Ok(());
    }
    let others = committee.members().map(|(_, member)| member);
    let others = others.filter(|member| **member != node.me);
    let without = others.filter(|member| node.keystore.pairs().current(member).is_none());
    let without: Vec<NodeId> = without.cloned().collect();
    if without.is_empty() {
        return Ok(());
    }
    Err(not_ready(&node.me, &without))
}

fn not_ready(me: &NodeId, peers: &[NodeId]) -> Refusal {
    let pairs = peers.iter().map(|peer| format!("`{me}` and `{peer}`"));
    let message = format!(
        "no pair state yet of {}; they make it by themselves once they are linked",
        pairs.collect::<Vec<_>>().join(", ")
    );
    Refusal::retry(ErrorCode::PairNotReady, message)
}

/// The link to a peer came up: both say what they have.
pub(crate) fn link_up(node: &Arc<Node>, peer: &NodeId) {
    node.pairs.with(peer, |known| {
        known.theirs = None;
        known.proposal = None;
        known.pace.resume(Instant::now());
    });
    tell(node, peer, Occasion::News);
}

/// Handles a peer's message. The link authenticated `from`.
pub(crate) fn receive(node: &Arc<Node>, from: &NodeId, message: PairMessage) {
    let leads = node.me < *from;
    match message {
        PairMessage::Holds { occasion, holding } => {
            node.pairs.with(from, |known| {
                known.theirs = Some(holding);
                if occasion == Occasion::News {
                    known.pace.resume(Instant::now());
                }
            });
            if occasion == Occasion::Question {
                tell(node, from, Occasion::Answer);
            }
            proceed(node, from, occasion == Occasion::Answer);
        }
        PairMessage::Propose { nonce } if !leads => setup::proposed(node, from, nonce),
        PairMessage::Accept { nonce, own } if leads => setup::accepted(node, from, nonce, own),
        PairMessage::Decline { nonce } if leads => setup::declined(node, from, nonce),
        // Counted, not warned of: a dishonest peer could fill the log.
        _ => {
            metrics::counter!("quorate_pair_messages_refused_total", "peer" => from.to_string())
                .increment(1);
            tracing::debug!(peer = %from, "a pair message that is not for us to answer");
        }
    }
}

/// Goes on with every peer that is not agreed with, and destroys states that nobody uses any more.
pub(crate) fn tick(node: &Arc<Node>) {
    for peer in node.peers() {
        drain(node, peer);
        if node.is_linked(peer) {
            proceed(node, peer, false);
        }
    }
}

/// Does the next step with a peer. `answered`: the peer just answered our question.
fn proceed(node: &Arc<Node>, peer: &NodeId, answered: bool) {
    let situation = situation(node, peer);
    match agreement::next(&situation) {
        Step::Wait | Step::Agreed | Step::Blocked => {}
        Step::Switch(generation) => switch(node, peer, generation),
        Step::Drop(generation) => {
            crate::failpoint::here("pair.before_drop");
            if let Err(error) = node.keystore.pairs().destroy(peer, generation) {
                tracing::warn!(%peer, %error, "stored pair state could not be destroyed");
                return;
            }
            crate::failpoint::here("pair.after_drop");
            tell(node, peer, Occasion::News);
        }
        Step::Propose if answered || node.pairs.is_due(peer) => setup::propose(node, peer),
        Step::Ask | Step::Tell | Step::AwaitProposal if node.pairs.is_due(peer) => {
            node.pairs
                .with(peer, |known| known.pace.wait(Instant::now()));
            tell(node, peer, Occasion::Question);
        }
        Step::Propose | Step::Ask | Step::AwaitProposal | Step::Tell => {}
    }
}

/// Whether both use the same unbanned generation, by what the peer said last.
fn is_agreed(node: &Node, peer: &NodeId) -> bool {
    agreement::next(&situation(node, peer)) == Step::Agreed
}

fn situation(node: &Node, peer: &NodeId) -> Situation {
    let ours = holding(node, peer);
    let bans = node.keystore.bans();
    let theirs = node.pairs.with(peer, |known| known.theirs);
    Situation {
        ours,
        theirs,
        is_banned: ours.current.is_some_and(|now| bans.is_banned(peer, now)),
        is_blocked: !standing_bans(&node.keystore, peer).is_empty(),
        leads: node.me < *peer,
    }
}

fn holding(node: &Node, peer: &NodeId) -> Holding {
    // First: if no set-up runs now, what it made is stored by now.
    let is_busy = node.pairs.with(peer, |known| known.is_busy(Instant::now()));
    let pairs = node.keystore.pairs();
    Holding {
        current: pairs.current(peer),
        stored: pairs.stored(peer),
        is_busy,
    }
}

fn tell(node: &Node, peer: &NodeId, occasion: Occasion) {
    let message = PairMessage::Holds {
        occasion,
        holding: holding(node, peer),
    };
    node.send(peer, link_message::pair(&message));
}

/// Both nodes have the generation: it is the one to sign with from now on.
fn switch(node: &Arc<Node>, peer: &NodeId, generation: Digest32) {
    crate::failpoint::here("pair.before_switch");
    let switched = {
        let mut peers = node.pairs.peers.lock();
        // Again, now that no ban can come between: a banned pair gets no newer state by itself.
        if !standing_bans(&node.keystore, peer).is_empty() {
            return;
        }
        let switched = node.keystore.pairs().make_current(peer, generation);
        if switched.is_ok() {
            let known = peers.entry(peer.clone()).or_default();
            let before = known.current.take();
            known.superseded.extend(before);
            known.pace.succeeded(Instant::now());
        }
        switched
    };
    match switched {
        Ok(_) => {
            tracing::info!(%peer, %generation, "new pair state");
            crate::failpoint::here("pair.after_switch");
            metrics::counter!("quorate_pair_states_total", "peer" => peer.to_string()).increment(1);
        }
        Err(error) => tracing::error!(%peer, %error, "new pair state could not be made current"),
    }
    drain(node, peer);
    tell(node, peer, Occasion::News);
}

/// Destroys superseded states that no session uses any more.
fn drain(node: &Node, peer: &NodeId) {
    let in_use: Vec<Digest32> = node.pairs.with(peer, |known| {
        known
            .superseded
            .retain(|state| Arc::strong_count(state) > 1);
        let states = known.superseded.iter();
        states.map(|state| state.generation()).collect()
    });
    for generation in node.keystore.pairs().superseded(peer) {
        let drained = !in_use.contains(&generation);
        if drained && let Err(error) = node.keystore.pairs().destroy(peer, generation) {
            tracing::warn!(%peer, %error, "superseded pair state could not be destroyed");
        }
    }
}

/// What this node shares with every other, for a heartbeat.
pub(crate) fn for_heartbeat(node: &Node) -> Vec<wire::PairState> {
    let state = |peer: &NodeId| {
        let current = node.keystore.pairs().current(peer);
        let bans = node.keystore.bans();
        let standing = standing_bans(&node.keystore, peer);
        let is_banned = current.is_some_and(|now| bans.is_banned(peer, now));
        let state = match current {
            _ if is_banned || !standing.is_empty() => "banned",
            Some(_) => "ready",
            None => "missing",
        };
        let banned = standing.iter().take(MAX_STANDING_SHOWN);
        wire::PairState {
            peer: peer.to_string(),
            state: state.to_owned(),
            generation: current.map(|now| now.to_string()).unwrap_or_default(),
            banned: banned.map(ToString::to_string).collect(),
        }
    };
    node.peers().map(state).collect()
}

/// Most generations of one pair, with standing bans, in a heartbeat.
const MAX_STANDING_SHOWN: usize = 16;

impl Peer {
    /// Whether a set-up runs, or is proposed and may still be accepted.
    fn is_busy(&self, now: Instant) -> bool {
        let waits = self.proposal.as_ref();
        let waits =
            waits.is_some_and(|(_, since)| now.duration_since(*since) < setup::PROPOSAL_TTL);
        self.running.is_some() || waits
    }
}

impl PairTable {
    fn with<T>(&self, peer: &NodeId, act: impl FnOnce(&mut Peer) -> T) -> T {
        let mut peers = self.peers.lock();
        act(peers.entry(peer.clone()).or_default())
    }

    /// Runs `act` while no generation can become current.
    pub(crate) fn without_switches<T>(&self, act: impl FnOnce() -> T) -> T {
        let _peers = self.peers.lock();
        act()
    }

    fn in_memory(&self, peer: &NodeId) -> Option<Arc<PairState>> {
        let peers = self.peers.lock();
        peers.get(peer)?.current.clone()
    }

    fn is_due(&self, peer: &NodeId) -> bool {
        self.with(peer, |known| known.pace.is_due(Instant::now()))
    }
}

impl From<KeystoreError> for setup::NotMade {
    fn from(error: KeystoreError) -> Self {
        Self::NotStored(error)
    }
}

//! One set-up of new state with a peer: who begins it, and its run over the link.
//! `docs/protocols/pair-state.md` §3 and §4.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_dkls23::{PairSetup, PairState};
use quorate_keystore::KeystoreError;
use quorate_protocol::{Abort, Member, Phases as _, Roster};
use quorate_types::{Canonical as _, Digest32, NodeId, PartyIndex, SessionId, Writer};
use rand_core::Rng as _;
use thiserror::Error;
use tracing::Instrument as _;

use super::message::{Occasion, PairMessage};
use super::{is_agreed, proceed, standing_bans, tell};
use crate::course::Course;
use crate::drive::{Port, drive};
use crate::link_message;
use crate::node::Node;
use crate::randomness::SystemRandomness;
use crate::report::Report;

/// How long a proposal may wait for its answer.
pub(super) const PROPOSAL_TTL: Duration = Duration::from_secs(10);

/// Why a set-up came to nothing.
#[derive(Debug, Error)]
pub(super) enum NotMade {
    /// The run ended.
    #[error(transparent)]
    Aborted(#[from] Abort),
    /// A ban came while it ran.
    #[error("the pair was banned meanwhile")]
    Banned,
    /// The manifest does not have both nodes.
    #[error("the pair is not in the manifest")]
    NoPair,
    /// The result was not stored.
    #[error(transparent)]
    NotStored(KeystoreError),
}

/// Proposes a set-up, if the pace allows one.
pub(super) fn propose(node: &Arc<Node>, peer: &NodeId) {
    let (now, nonce) = (Instant::now(), fresh_nonce());
    let proposes = node.pairs.with(peer, |known| {
        if known.is_busy(now) {
            return false;
        }
        known.pace.wait(now);
        let allowed = known.pace.take(now);
        if allowed {
            known.proposal = Some((nonce, now));
        }
        allowed
    });
    if proposes {
        crate::failpoint::here("pair.before_propose");
        node.send(peer, link_message::pair(&PairMessage::Propose { nonce }));
    } else {
        tracing::debug!(%peer, "no new pair state is proposed now");
    }
}

/// The peer proposes one: we begin if we are free to.
pub(super) fn proposed(node: &Arc<Node>, peer: &NodeId, nonce: [u8; 16]) {
    let own = fresh_nonce();
    let session = session_of(node, peer, nonce, own);
    let is_blocked = !standing_bans(&node.keystore, peer).is_empty();
    // Nobody renews what both have: each renewal costs records that stay.
    let begins = !is_blocked
        && !is_agreed(node, peer)
        && node.pairs.with(peer, |known| {
            let free = known.running.is_none() && known.pace.take(Instant::now());
            if free {
                known.running = Some(session);
                known.theirs = None;
            }
            free
        });
    if !begins {
        metrics::counter!("quorate_pair_setups_declined_total", "peer" => peer.to_string())
            .increment(1);
        tracing::debug!(%peer, is_blocked, "new pair state is declined");
        node.send(peer, link_message::pair(&PairMessage::Decline { nonce }));
        return;
    }
    crate::failpoint::here("pair.before_accept");
    node.send(
        peer,
        link_message::pair(&PairMessage::Accept { nonce, own }),
    );
    begin(node, peer, session, (nonce, own));
}

/// The peer accepts our proposal.
pub(super) fn accepted(node: &Arc<Node>, peer: &NodeId, nonce: [u8; 16], own: [u8; 16]) {
    let session = session_of(node, peer, nonce, own);
    let is_blocked = !standing_bans(&node.keystore, peer).is_empty();
    let begins = node.pairs.with(peer, |known| {
        let is_ours = known.proposal.is_some_and(|(ours, _)| ours == nonce);
        let begins = is_ours && known.running.is_none() && !is_blocked;
        if is_ours {
            known.proposal = None;
        }
        if begins {
            known.running = Some(session);
            known.theirs = None;
        }
        begins
    });
    if begins {
        begin(node, peer, session, (nonce, own));
    }
}

/// The peer does not begin now. It says so when something changes; else we ask again later.
pub(super) fn declined(node: &Arc<Node>, peer: &NodeId, nonce: [u8; 16]) {
    node.pairs.with(peer, |known| {
        if known.proposal.is_some_and(|(ours, _)| ours == nonce) {
            known.proposal = None;
        }
    });
}

/// A set-up that runs. Gives the pair free again when it is dropped, also by a panic.
struct Running {
    node: Arc<Node>,
    peer: NodeId,
    session: SessionId,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.node.mailboxes.forget(self.session);
        self.node
            .pairs
            .with(&self.peer, |known| known.running = None);
    }
}

/// Runs it as a task. It computes for milliseconds, in the pool, and ends on a thread that may wait for
/// the disk.
fn begin(node: &Arc<Node>, peer: &NodeId, session: SessionId, nonces: ([u8; 16], [u8; 16])) {
    let running = Running {
        node: Arc::clone(node),
        peer: peer.clone(),
        session,
    };
    let span = tracing::info_span!("pair set-up", node = %node.me, %peer, %session);
    let within = span.clone();
    let attend = async move {
        let made = run(&running, nonces).await;
        let conclude = move || within.in_scope(|| conclude(running, made));
        // If it panicked, the pair is free again, and whoever comes next tries anew.
        let _ = tokio::task::spawn_blocking(conclude).await;
    };
    drop(tokio::spawn(attend.instrument(span)));
}

async fn run(running: &Running, nonces: ([u8; 16], [u8; 16])) -> Result<PairState, NotMade> {
    let Running {
        node,
        peer,
        session,
    } = running;
    let roster = roster(node, peer, *session).ok_or(NotMade::NoPair)?;
    let (roster, context) = roster.part("pair", &purpose(node, nonces));
    let start = {
        let roster = roster.clone();
        move || PairSetup::start(&roster, context, &mut SystemRandomness)
    };
    let started = node.crypto.run(start).await.map_err(Abort::from)?;
    let (phase, outbox) = started?;
    // The peer's time begins when we have done our part.
    let report = Report::silent(*session);
    let course = Course::new(1, PairSetup::ROUNDS, Duration::MAX);
    let port = Port {
        node,
        owner: *session,
        part: "pair",
        report: &report,
        round_timeout: Duration::from_millis(node.limits.pair_round_timeout_ms),
        gate: None,
        course: &course,
        is_long: true,
    };
    Ok(drive(&port, &roster, context, phase, outbox).await?)
}

/// Stores what was made, and goes on with the peer.
fn conclude(running: Running, made: Result<PairState, NotMade>) {
    let (node, peer) = (Arc::clone(&running.node), running.peer.clone());
    let stored = made.and_then(|state| store(&node, &peer, &state));
    // Stored first: a pair that is free has what its last set-up made.
    drop(running);
    match stored {
        Ok(generation) => tracing::info!(%generation, "pair state made and stored"),
        Err(error) => {
            metrics::counter!("quorate_pair_setups_failed_total", "peer" => peer.to_string())
                .increment(1);
            tracing::warn!(%error, "no new pair state");
        }
    }
    tell(&node, &peer, Occasion::News);
    proceed(&node, &peer, false);
}

fn store(node: &Node, peer: &NodeId, state: &PairState) -> Result<Digest32, NotMade> {
    // What was made before a ban is not what an owner allows after it.
    if !standing_bans(&node.keystore, peer).is_empty() {
        return Err(NotMade::Banned);
    }
    let generation = state.generation();
    crate::failpoint::here("pair.before_store");
    let pairs = node.keystore.pairs();
    pairs.store(peer, generation, &state.to_secret_bytes())?;
    crate::failpoint::here("pair.after_store");
    Ok(generation)
}

/// The two nodes, the lower id first, with their keys in the manifest (row D12).
fn roster(node: &Node, peer: &NodeId, session: SessionId) -> Option<Roster> {
    let (low, high) = ordered(&node.me, peer);
    let mut members = BTreeMap::new();
    let mut me = None;
    for (place, id) in [(1, low), (2, high)] {
        let index = PartyIndex::new(place)?;
        let identity = node.manifest.node(id)?.identity;
        let member = Member {
            node: id.clone(),
            identity,
        };
        members.insert(index, member);
        me = if *id == node.me { Some(index) } else { me };
    }
    Roster::new(session, me?, 2, members).ok()
}

fn purpose(node: &Node, (leading, following): ([u8; 16], [u8; 16])) -> Vec<u8> {
    let mut out = Writer::new();
    out.text("quorate pair set-up v1")
        .value(&node.manifest.cluster);
    out.fixed(&leading).fixed(&following);
    out.finish()
}

/// The session of a set-up: fresh if one of the two nodes is honest.
fn session_of(node: &Node, peer: &NodeId, leading: [u8; 16], following: [u8; 16]) -> SessionId {
    let (low, high) = ordered(&node.me, peer);
    let cluster = node.manifest.cluster.to_bytes();
    let (low, high) = (low.to_bytes(), high.to_bytes());
    let digest = Digest32::of(
        b"quorate pair session v1",
        &[&cluster, &low, &high, &leading, &following],
    );
    let (id, _) = digest
        .as_bytes()
        .split_first_chunk()
        .expect("a digest has more than 16 bytes");
    SessionId::from_array(*id)
}

fn ordered<'a>(one: &'a NodeId, other: &'a NodeId) -> (&'a NodeId, &'a NodeId) {
    if one < other {
        (one, other)
    } else {
        (other, one)
    }
}

fn fresh_nonce() -> [u8; 16] {
    let mut nonce = [0; 16];
    SystemRandomness.fill_bytes(&mut nonce);
    nonce
}

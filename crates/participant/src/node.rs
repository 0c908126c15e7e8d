//! The node: its identity, its manifest, its keystore and its links, shared by all sessions.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use quorate_api::ErrorCode;
use quorate_api::mpc_v1 as wire;
use quorate_intent::{Manifest, SignedIntent};
use quorate_keystore::Keystore;
use quorate_protocol::registry::Registry;
use quorate_transport::noise::Links;
use quorate_types::{Digest32, NodeId, PartyIndex, SecretBytes, SessionId};
use tokio::sync::Semaphore;

use crate::config::SessionLimits;
use crate::crypto_pool::CryptoPool;
use crate::gate::Gates;
use crate::identity::Identity;
use crate::key_cache::KeyCache;
use crate::link_watch::LinkWatch;
use crate::mailbox::{MailboxLimits, Mailboxes};
use crate::pairs::PairTable;
use crate::refusal::Refusal;
use crate::session::side_by_side;
use crate::settle::Settlement;
use crate::stocks::Stocks;
use crate::{bans, clock, pairs};

/// What a coordinator proposes. Unchecked but for its form.
pub(crate) struct Proposal {
    pub(crate) session: SessionId,
    pub(crate) signed: SignedIntent,
    pub(crate) signers: Vec<PartyIndex>,
    pub(crate) attempt: u32,
    pub(crate) request_id: String,
    /// Canonical bytes of the key's certificate, as somebody carries it; empty if nobody does.
    pub(crate) certificate: Vec<u8>,
}

impl Proposal {
    /// What is asked, to tell a copy from another proposal. The number of the attempt, the request and
    /// what a proposal carries along are not part of it.
    pub(crate) fn asked(&self) -> Digest32 {
        let signers: Vec<u8> = self.signers.iter().map(|index| index.get()).collect();
        let SignedIntent { bytes, signature } = &self.signed;
        Digest32::of(b"quorate proposal v1", &[bytes, signature, &signers])
    }
}

/// What comes of the wish to run a session.
pub(crate) enum Entrance<'a> {
    /// It has a place.
    Open(Place<'a>),
    /// The very same proposal runs already: nothing to do.
    Copy,
    /// It may not run.
    Refused(Refusal),
}

/// One participant.
pub(crate) struct Node {
    pub(crate) me: NodeId,
    pub(crate) identity: Identity,
    pub(crate) manifest: Manifest,
    pub(crate) registry: Registry,
    pub(crate) keystore: Keystore,
    pub(crate) keys: KeyCache,
    pub(crate) crypto: CryptoPool,
    pub(crate) mailboxes: Mailboxes,
    pub(crate) settlement: Settlement,
    pub(crate) untold_bans: bans::Untold,
    pub(crate) gates: Gates,
    pub(crate) pairs: PairTable,
    pub(crate) stocks: Arc<Stocks>,
    pub(crate) link_watch: LinkWatch,
    /// Parts of sessions that may run beyond the few that each has.
    pub(crate) more_parts: Semaphore,
    pub(crate) limits: SessionLimits,
    links: OnceLock<Links>,
    /// Sessions that run, and what was asked for in each.
    running: Mutex<HashMap<SessionId, Digest32>>,
    pairs_in_use: Mutex<HashMap<SessionId, Vec<(NodeId, Digest32)>>>,
    active: AtomicUsize,
    boot_id: [u8; 16],
    started: Instant,
}

/// What a node is made of.
pub(crate) struct Parts {
    pub(crate) me: NodeId,
    pub(crate) identity: Identity,
    pub(crate) manifest: Manifest,
    pub(crate) registry: Registry,
    pub(crate) keystore: Keystore,
    pub(crate) crypto: CryptoPool,
    pub(crate) limits: SessionLimits,
    pub(crate) boot_id: [u8; 16],
}

impl Node {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts {
            me,
            identity,
            manifest,
            registry,
            keystore,
            crypto,
            limits,
            boot_id,
        } = parts;
        let mailbox_limits = MailboxLimits {
            queued_bytes_per_peer: limits.queued_bytes_per_peer,
            early_bytes_per_peer: limits.early_bytes_per_peer,
            early_ttl: Duration::from_millis(limits.early_ttl_ms),
        };
        Self {
            keys: KeyCache::new(limits.cached_keys),
            mailboxes: Mailboxes::new(mailbox_limits),
            settlement: Settlement::default(),
            untold_bans: bans::Untold::default(),
            gates: Gates::default(),
            pairs: PairTable::default(),
            stocks: Arc::new(Stocks::new(&limits)),
            link_watch: LinkWatch::default(),
            more_parts: Semaphore::new(side_by_side::MORE),
            links: OnceLock::new(),
            running: Mutex::default(),
            pairs_in_use: Mutex::default(),
            active: AtomicUsize::new(0),
            started: Instant::now(),
            me,
            identity,
            manifest,
            registry,
            keystore,
            crypto,
            limits,
            boot_id,
        }
    }

    /// Gives the node its links, once they listen.
    pub(crate) fn attach(&self, links: Links) {
        // A second call would be a defect of `start`, and the first links stay.
        let _ = self.links.set(links);
    }

    /// The links, once they listen.
    pub(crate) fn links(&self) -> Option<&Links> {
        self.links.get()
    }

    /// Whether messages to a peer are accepted now.
    pub(crate) fn is_linked(&self, peer: &NodeId) -> bool {
        self.links().is_some_and(|links| links.connected(peer))
    }

    /// Handshakes of links that came to nothing, by reason.
    pub(crate) fn refused_handshakes(&self) -> Vec<wire::RefusedHandshakes> {
        let counts = self.links.get().map(Links::refusals).unwrap_or_default();
        let refused =
            |(reason, count): (quorate_transport::noise::Refusal, u64)| wire::RefusedHandshakes {
                reason: reason.label().to_owned(),
                count,
            };
        counts.into_iter().map(refused).collect()
    }

    /// Puts a message into the queue to a peer. False if it cannot be reached now.
    pub(crate) fn send(&self, peer: &NodeId, body: impl Into<SecretBytes>) -> bool {
        let Some(links) = self.links.get() else {
            return false;
        };
        let body = body.into();
        #[cfg(feature = "danger_byzantine")]
        let Some(body) = crate::byzantine::on_link(peer, body) else {
            return true;
        };
        match links.send(peer, body) {
            Ok(()) => true,
            Err(error) => {
                tracing::debug!(%peer, %error, "not sent");
                false
            }
        }
    }

    /// All other nodes of the manifest.
    pub(crate) fn peers(&self) -> impl Iterator<Item = &NodeId> {
        self.manifest
            .nodes
            .iter()
            .map(|node| &node.id)
            .filter(|id| **id != self.me)
    }

    /// Takes a place for a session, if there is one. A copy of a proposal that runs changes nothing;
    /// another proposal under the id of a running session is refused.
    pub(crate) fn enter(&self, proposal: &Proposal) -> Entrance<'_> {
        let (session, asked) = (proposal.session, proposal.asked());
        match self.running.lock().entry(session) {
            Entry::Occupied(running) if *running.get() == asked => return Entrance::Copy,
            Entry::Occupied(_) => {
                let message = format!("session {session} runs already, for something else");
                return Entrance::Refused(Refusal::retry(ErrorCode::IntentConflict, message));
            }
            Entry::Vacant(place) => {
                place.insert(asked);
            }
        }
        let place = Place {
            node: self,
            session,
        };
        let limit = self.limits.max_sessions;
        if self.active.fetch_add(1, Ordering::SeqCst) >= limit {
            let message = format!("{limit} sessions run on this node");
            return Entrance::Refused(Refusal::retry(ErrorCode::RateLimited, message));
            // Dropping the place gives it back.
        }
        Entrance::Open(place)
    }

    /// Whether a session runs here now.
    pub(crate) fn is_running(&self, session: SessionId) -> bool {
        self.running.lock().contains_key(&session)
    }

    /// Notes which pairs a session uses, so that a ban ends it.
    pub(crate) fn use_pairs(&self, session: SessionId, pairs: Vec<(NodeId, Digest32)>) {
        self.pairs_in_use.lock().insert(session, pairs);
    }

    /// Ends a session, wherever it stands.
    pub(crate) fn cancel(&self, session: SessionId) {
        self.mailboxes.cancel(session);
        self.link_watch.wake();
    }

    /// Ends every session that uses a pair's generation (row C15).
    pub(crate) fn cancel_users_of(&self, peer: &NodeId, generation: Digest32) {
        let sessions: Vec<SessionId> = {
            let in_use = self.pairs_in_use.lock();
            let uses = |pairs: &Vec<(NodeId, Digest32)>| {
                pairs
                    .iter()
                    .any(|(node, used)| node == peer && *used == generation)
            };
            in_use
                .iter()
                .filter(|(_, pairs)| uses(pairs))
                .map(|(session, _)| *session)
                .collect()
        };
        for session in sessions {
            self.cancel(session);
        }
    }

    /// The answer to a heartbeat.
    pub(crate) fn health(&self) -> wire::HeartbeatResponse {
        let active = self.active.load(Ordering::Relaxed);
        let load = (active * 100 / self.limits.max_sessions.max(1)).min(100);
        let keys = self.keystore.active();
        let head = self.keystore.audit().head();
        wire::HeartbeatResponse {
            node_id: self.me.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            boot_id: self.boot_id.to_vec(),
            uptime_seconds: self.started.elapsed().as_secs(),
            load_factor: u32::try_from(load).unwrap_or(100),
            sessions_active: u32::try_from(active).unwrap_or(u32::MAX),
            keys_active: keys as u64,
            key_problems: self.key_problems(),
            links: self.link_states(),
            manifest_version: self.manifest.version,
            audit_sequence: head.sequence,
            audit_hash: head.hash.as_bytes().to_vec(),
            cpu_seconds: cpu_seconds(),
            bans: bans::for_heartbeat(&self.keystore, &self.me, self.peers()),
            pairs: pairs::for_heartbeat(self),
            protocols: self.protocols(),
            unix_millis: clock::now_millis(),
        }
    }

    fn protocols(&self) -> Vec<String> {
        let enabled = self.registry.iter().filter(|(_, enabled)| *enabled);
        enabled.map(|(info, _)| info.name.to_owned()).collect()
    }

    fn key_problems(&self) -> Vec<wire::KeyProblem> {
        let damaged = self
            .keystore
            .damaged()
            .into_iter()
            .map(|damage| wire::KeyProblem {
                key_id: damage.key.map(|key| key.to_string()).unwrap_or_default(),
                error_code: ErrorCode::ShareDamaged.as_str().to_owned(),
                message: damage.to_string(),
            });
        let log = self
            .keystore
            .failure()
            .into_iter()
            .map(|failure| wire::KeyProblem {
                key_id: String::new(),
                error_code: ErrorCode::NodeUnavailable.as_str().to_owned(),
                message: failure.to_string(),
            });
        damaged.chain(log).collect()
    }

    fn link_states(&self) -> Vec<wire::LinkState> {
        let statuses = self.links.get().map(Links::status).unwrap_or_default();
        let state = |status: quorate_transport::noise::LinkStatus| wire::LinkState {
            peer: status.peer.to_string(),
            state: status.state.as_str().to_owned(),
            rtt_micros: status
                .rtt
                .and_then(|rtt| u64::try_from(rtt.as_micros()).ok())
                .unwrap_or(0),
            last_error: status.last_error.unwrap_or_default(),
            bytes_sent: status.bytes_sent,
            bytes_received: status.bytes_received,
            via: status.via.map_or("", |via| via.as_str()).to_owned(),
            fault: status.fault.map_or("", |fault| fault.label()).to_owned(),
        };
        statuses.into_iter().map(state).collect()
    }
}

/// A session's place among those that run; given back when dropped.
pub(crate) struct Place<'a> {
    node: &'a Node,
    session: SessionId,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.node.running.lock().remove(&self.session);
        self.node.pairs_in_use.lock().remove(&self.session);
        self.node.mailboxes.forget(self.session);
        self.node.active.fetch_sub(1, Ordering::SeqCst);
    }
}

/// User and system time of this process.
fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

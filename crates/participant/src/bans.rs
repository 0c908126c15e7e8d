//! Bans of pairs: durable here, told to every node, and learned again from them (row C12).
//!
//! A dishonest node can sign notices without end. What it can fill with them is bounded: the list
//! (by the keystore's limit for each reporter and peer), a heartbeat, and the queue to a peer.

mod untold;

use std::collections::HashSet;
use std::sync::Arc;

use ed25519_dalek::VerifyingKey;
use quorate_api::mpc_v1 as wire;
use quorate_audit::{AuditEvent, AuditResult};
use quorate_keystore::{Ban, BanError, BanList, Keystore, Merged, SignedBan};
use quorate_protocol::Abort;
use quorate_types::{Digest32, KeyId, NodeId};

use crate::clock;
use crate::link_message;
use crate::node::Node;
use crate::pairs;
pub(crate) use untold::Untold;
use untold::{MAX_UNTOLD, digest_of};

/// Most bans in one heartbeat: with the longest names about 60 KiB of the 4 MiB of a gRPC message.
const MAX_BANS_IN_HEARTBEAT: usize = 256;

/// Most characters of another node's reason that go into an audit record or a heartbeat.
const MAX_REASON_CHARS: usize = 64;

/// Bans a pair after the first failed check, for every key: durable before anybody is told, then every
/// session in flight over it ends.
///
/// Every state that this node still has with the peer is banned with it, the current one first:
/// nobody escapes a ban by renewing before, nor goes on guessing in sessions over older states.
pub(crate) fn impose(
    node: &Arc<Node>,
    peer: &NodeId,
    generation: Digest32,
    key: KeyId,
    abort: &Abort,
) {
    // No newer state becomes current between the look and the bans.
    let notices = node.pairs.without_switches(|| {
        let pairs = node.keystore.pairs();
        let mut generations: Vec<Digest32> = pairs.current(peer).into_iter().collect();
        generations.push(generation);
        generations.extend(pairs.superseded(peer));
        let mut seen = HashSet::new();
        generations.retain(|generation| seen.insert(*generation));
        let banned = generations.into_iter();
        banned
            .map(|generation| ban(node, peer, generation, abort))
            .collect::<Vec<_>>()
    });
    for notice in notices {
        node.cancel_users_of(peer, notice.ban.generation);
        record(node, &notice, Some(key));
        tell_all(node, &notice);
    }
}

fn ban(node: &Arc<Node>, peer: &NodeId, generation: Digest32, abort: &Abort) -> SignedBan {
    let evidence = abort.context.unwrap_or(generation);
    let ban = Ban {
        peer: peer.clone(),
        generation,
        key_id: None,
        reason: abort.reason.name().to_owned(),
        evidence,
        at: clock::now(),
        reported_by: node.me.clone(),
    };
    match node.keystore.bans().ban(ban) {
        Ok(notice) => notice,
        Err(error) => {
            // Without a durable ban this pair must not be used again: stop, fail closed.
            tracing::error!(%peer, %error, "a ban could not be made durable; stopping this node");
            std::process::abort();
        }
    }
}

/// Takes a notice of any node about any pair.
pub(crate) fn receive(node: &Arc<Node>, from: &NodeId, notice: &SignedBan) {
    let reporter = node.manifest.node(&notice.ban.reported_by);
    let key = reporter.and_then(|n| VerifyingKey::from_bytes(&n.identity).ok());
    let known_peer = node.manifest.node(&notice.ban.peer).is_some();
    let Some(key) = key.filter(|_| known_peer) else {
        refused(from, &"it names nodes that are not in the manifest");
        return;
    };
    match node.keystore.bans().merge(notice, &key) {
        Ok(Merged::New) => {
            let ban = &notice.ban;
            if ban.peer == node.me {
                node.cancel_users_of(&ban.reported_by, ban.generation);
            }
            if ban.reported_by == node.me {
                node.cancel_users_of(&ban.peer, ban.generation);
            }
            record(node, notice, notice.ban.key_id);
            tell_all(node, notice);
        }
        Ok(_) => {}
        // Not durable here: it must be told again.
        Err(error @ (BanError::Log(_) | BanError::Head)) => return refused(from, &error),
        Err(error) => refused(from, &error),
    }
    node.send(from, link_message::ban_read(&digest_of(notice)));
}

/// Counts a notice that is neither kept nor passed on. Not audited, no warning: a dishonest node
/// could fill both.
fn refused(from: &NodeId, why: &dyn std::fmt::Display) {
    metrics::counter!("quorate_ban_notices_refused_total", "peer" => from.to_string()).increment(1);
    tracing::debug!(peer = %from, %why, "a ban notice was refused");
}

/// Tells a peer what it may have lost, when its link comes up: after a restored disk it learns its
/// own bans again.
pub(crate) fn tell(node: &Node, peer: &NodeId) {
    for notice in to_tell(node.keystore.bans(), &node.me, peer) {
        let urgency = urgency(&notice.ban, &node.me, peer);
        node.untold_bans.add(peer, urgency, notice);
    }
    retell(node, peer);
}

/// Tells every peer again what it has not said it read.
pub(crate) fn tell_again(node: &Node) {
    for peer in node.peers() {
        retell(node, peer);
    }
}

fn retell(node: &Node, peer: &NodeId) {
    for notice in node.untold_bans.of(peer) {
        if !node.send(peer, link_message::ban(&notice)) {
            return; // it is not linked, or its queue is full
        }
    }
}

/// The newest bans, the most urgent for `peer` first.
fn to_tell(bans: &BanList, me: &NodeId, peer: &NodeId) -> Vec<SignedBan> {
    bans.ranked(MAX_UNTOLD, |ban| Some(urgency(ban, me, peer)))
}

/// What a peer needs most comes first: bans that it signed itself, and those that this node signed
/// about it. No third node can put its own in front of them.
fn urgency(ban: &Ban, me: &NodeId, peer: &NodeId) -> u8 {
    let (by, of) = (&ban.reported_by, &ban.peer);
    match () {
        () if by == peer => 0,
        () if by == me && of == peer => 1,
        () if of == peer => 2,
        () => 3,
    }
}

/// The bans that this node refuses to sign for, or to make new state for: its own reports first, the
/// newest first. A ban of a generation that newer state took the place of is history.
pub(crate) fn for_heartbeat<'a>(
    keystore: &Keystore,
    me: &NodeId,
    peers: impl Iterator<Item = &'a NodeId>,
) -> Vec<wire::BannedPair> {
    let pair = |SignedBan { ban, .. }: SignedBan| wire::BannedPair {
        key_id: ban.key_id.map(|key| key.to_string()).unwrap_or_default(),
        first: ban.reported_by.to_string(),
        second: ban.peer.to_string(),
        reason: short(&ban.reason),
        generation: ban.generation.to_string(),
    };
    // Before the list is asked: it ranks under its own lock, and whoever ranks must take none. Each
    // peer is looked at once, whatever it has signed.
    let in_force: HashSet<(&NodeId, Digest32)> = peers
        .flat_map(|peer| {
            let standing = pairs::standing_bans(keystore, peer);
            let generations = standing.into_iter().chain(keystore.pairs().current(peer));
            generations.map(move |generation| (peer, generation))
        })
        .collect();
    let rank = |ban: &Ban| {
        let rank = binding_rank(ban, me)?;
        let peer = if rank == 0 {
            &ban.peer
        } else {
            &ban.reported_by
        };
        in_force.contains(&(peer, ban.generation)).then_some(rank)
    };
    let binding = keystore.bans().ranked(MAX_BANS_IN_HEARTBEAT, rank);
    binding.into_iter().map(pair).collect()
}

fn binding_rank(ban: &Ban, me: &NodeId) -> Option<u8> {
    match () {
        () if ban.reported_by == *me => Some(0),
        () if ban.peer == *me => Some(1),
        () => None,
    }
}

fn tell_all(node: &Node, notice: &SignedBan) {
    for peer in node.peers() {
        let urgency = urgency(&notice.ban, &node.me, peer);
        node.untold_bans.add(peer, urgency, notice.clone());
        node.send(peer, link_message::ban(notice));
    }
}

/// A reason as it may be shown: another node wrote it.
fn short(reason: &str) -> String {
    let shown = reason.chars().map(|c| match c {
        ' '..='~' => c,
        _ => '?',
    });
    shown.take(MAX_REASON_CHARS).collect()
}

fn record(node: &Node, notice: &SignedBan, key: Option<KeyId>) {
    let ban = &notice.ban;
    // The time of another node's report is its claim; records carry this node's own clock.
    let mut event = AuditEvent::new(clock::now(), "pair.banned", "ban", AuditResult::Succeeded)
        .with("reported_by", ban.reported_by.to_string())
        .with("generation", ban.generation.to_string())
        .with("reported_at", ban.at.to_rfc3339())
        .with("reason", short(&ban.reason));
    event.key_id = key;
    event.node_id = Some(ban.peer.clone());
    if let Err(error) = node.keystore.audit().record(event) {
        tracing::error!(%error, "the audit log failed; this node stops joining");
    }
    tracing::warn!(peer = %ban.peer, reported_by = %ban.reported_by, "pair banned");
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::mpsc;
    use std::time::Duration;

    use ed25519_dalek::SigningKey;
    use quorate_keystore::{DataKey, Disk, Limits, NodeSigner, Storage, WrapError, WrapKey};
    use quorate_types::UnixSeconds;

    use super::*;

    fn node(name: &str) -> NodeId {
        NodeId::new(name).unwrap()
    }

    fn ban(reported_by: &str, peer: &str) -> Ban {
        Ban {
            peer: node(peer),
            generation: Digest32::from_array([1; 32]),
            key_id: None,
            reason: String::new(),
            evidence: Digest32::from_array([2; 32]),
            at: UnixSeconds(0),
            reported_by: node(reported_by),
        }
    }

    #[test]
    fn c12_telling__must_put_a_peers_own_bans_before_those_of_any_third_node() {
        let of = |by: &str, peer: &str| urgency(&ban(by, peer), &node("me"), &node("p2"));
        let in_order = [of("p2", "m"), of("me", "p2"), of("m", "p2"), of("m", "p3")];
        assert_eq!(in_order, [0, 1, 2, 3]);
        assert_eq!(of("p2", "me"), 0);
        assert_eq!(
            of("me", "p3"),
            3,
            "binds the peer no more than a third node's"
        );
    }

    #[test]
    fn c12_heartbeat__must_hold_own_bans_first_and_none_of_other_pairs() {
        let of = |by: &str, peer: &str| binding_rank(&ban(by, peer), &node("me"));
        assert_eq!(of("me", "m"), Some(0));
        assert_eq!(of("m", "me"), Some(1));
        assert_eq!(of("m", "p2"), None);
    }

    /// No share is sealed here.
    struct NoMaster;

    impl WrapKey for NoMaster {
        fn key_id(&self) -> &str {
            "none"
        }
        fn wrap(&self, _: &DataKey, _: &[u8]) -> Result<Vec<u8>, WrapError> {
            Err(WrapError::Refused)
        }
        fn unwrap_key(&self, _: &[u8], _: &[u8]) -> Result<DataKey, WrapError> {
            Err(WrapError::Refused)
        }
    }

    fn keystore(root: &Path) -> Keystore {
        let key = SigningKey::from_bytes(&[1; 32]);
        let signer = Arc::new(NodeSigner::new(node("me"), key));
        let disk: Arc<dyn Storage> = Arc::new(Disk);
        Keystore::create(&disk, root, &signer).unwrap();
        let master = Arc::new(NoMaster);
        let (keystore, _) = Keystore::open(disk, root, master, signer, Limits::default()).unwrap();
        keystore
    }

    #[test]
    fn c12_heartbeats__must_not_stop_the_list_of_bans_that_grows_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let keystore = Arc::new(keystore(folder.path()));
        let (done, ended) = mpsc::channel();
        let banning = Arc::clone(&keystore);
        std::thread::spawn(move || {
            for number in 0..200_u8 {
                let generation = Digest32::from_array([number; 32]);
                let ban = Ban {
                    generation,
                    ..ban("me", "p2")
                };
                banning.bans().ban(ban).unwrap();
            }
            done.send(()).unwrap();
        });
        let looking = Arc::clone(&keystore);
        let (stop, stopped) = mpsc::channel::<()>();
        std::thread::spawn(move || {
            while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
                for_heartbeat(&looking, &node("me"), [node("p2")].iter());
            }
        });
        // Long enough for any disk; a lock that is held for good never ends.
        ended.recv_timeout(Duration::from_secs(120)).unwrap();
        drop(stop);
        let told = for_heartbeat(&keystore, &node("me"), [node("p2")].iter());
        assert_eq!(told.len(), 200);
    }

    #[test]
    fn short__must_cut_what_another_node_wrote() {
        assert_eq!(short("ot_extension"), "ot_extension");
        assert_eq!(short("a\n\u{1b}[2J\u{202e}é"), "a??[2J??");
        assert_eq!(short(&"x".repeat(256)).len(), MAX_REASON_CHARS);
    }
}

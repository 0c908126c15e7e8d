//! Takes what arrives over the Noise links to where it belongs.

mod chores;

use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_frost::LinkSession;
use quorate_keystore::Durable;
use quorate_transport::noise::{LinkEvent, LinkEvents};
use quorate_types::{NodeId, UnixSeconds};

use crate::link_message::{self, LinkMessage};
use crate::node::Node;
use crate::{bans, clock, pairs, settle, stocks};
use chores::{Chore, Chores, Next, Put};

/// How often expired intents are looked for.
const PRUNE_INTERVAL: Duration = Duration::from_secs(600);

/// How often a peer is told the ban notices that it has not said it read.
const RETELL_INTERVAL: Duration = Duration::from_secs(10);

/// How often pairs without agreed state are looked at, and states that nobody uses destroyed.
const PAIRING_INTERVAL: Duration = Duration::from_millis(500);

/// Handles events until the links shut down.
pub(crate) async fn pump(node: Arc<Node>, mut events: LinkEvents) {
    let chores = Arc::<Chores>::default();
    let (keeper, queue) = (Arc::clone(&node), Arc::clone(&chores));
    let housekeeping = tokio::task::spawn_blocking(move || keep_house(&keeper, &queue));
    while let Some(event) = events.recv().await {
        handle(&node, &chores, event);
    }
    chores.close();
    let _ = housekeeping.await;
}

fn handle(node: &Arc<Node>, chores: &Chores, event: LinkEvent) {
    match event {
        LinkEvent::Up { peer, link_id, .. } => {
            tracing::info!(%peer, "link up");
            let session = LinkSession::from_array(*link_id.as_bytes());
            node.stocks.link_up(&peer, session);
            node.link_watch.wake();
            later(chores, &peer, Chore::LinkUp);
        }
        LinkEvent::Down { peer, reason } => {
            tracing::warn!(%peer, %reason, "link down");
            node.stocks.link_down(&peer);
            node.mailboxes.link_lost(&peer);
        }
        LinkEvent::Message { from, body } => match link_message::parse(body) {
            Ok(LinkMessage::Round { session, envelope }) => {
                if !node.mailboxes.deliver(from.clone(), session, envelope) {
                    metrics::counter!("quorate_messages_dropped_total", "peer" => from.to_string())
                        .increment(1);
                }
            }
            Ok(LinkMessage::Ban(notice)) => later(chores, &from, Chore::Ban(notice)),
            Ok(LinkMessage::BanRead(digest)) => later(chores, &from, Chore::BanRead(digest)),
            Ok(LinkMessage::Pair(message)) => later(chores, &from, Chore::Pair(message)),
            Ok(LinkMessage::Stock(message)) => later(chores, &from, Chore::Stock(message)),
            Ok(LinkMessage::Settle(message)) => later(chores, &from, Chore::Settle(message)),
            Err(error) => {
                metrics::counter!("quorate_messages_malformed_total", "peer" => from.to_string())
                    .increment(1);
                tracing::debug!(peer = %from, %error, "malformed message of an authenticated peer");
            }
        },
        _ => {}
    }
}

/// What does not fit the peer's queue is asked for again (settlements), told again (bans), or missed by
/// nobody (stocks).
fn later(chores: &Chores, peer: &NodeId, chore: Chore) {
    let put = chores.put(peer, chore);
    if put == Put::FloodBegins {
        tracing::warn!(%peer, "a peer floods this node; what its queue cannot hold is dropped");
    }
    if put != Put::Queued {
        metrics::counter!("quorate_housekeeping_dropped_total", "peer" => peer.to_string())
            .increment(1);
    }
}

/// Something that is done again and again, however much there is to do besides.
struct Timer {
    interval: Duration,
    due: Instant,
}

impl Timer {
    fn new(interval: Duration) -> Self {
        let due = Instant::now();
        Self { interval, due }
    }

    fn is_due(&mut self) -> bool {
        let now = Instant::now();
        let due = now >= self.due;
        if due {
            self.due = now + self.interval;
        }
        due
    }
}

fn keep_house(node: &Arc<Node>, chores: &Chores) {
    let interval = Duration::from_millis(node.limits.settle_interval_ms);
    let (mut asking, mut telling) = (Timer::new(interval), Timer::new(RETELL_INTERVAL));
    let mut pruning = Timer::new(PRUNE_INTERVAL);
    let mut pairing = Timer::new(PAIRING_INTERVAL);
    loop {
        if pruning.is_due() {
            prune(node);
        }
        if telling.is_due() {
            bans::tell_again(node);
        }
        if asking.is_due() {
            settle::ask_for_all(node);
            #[cfg(feature = "danger_byzantine")]
            flood(node);
        }
        if pairing.is_due() {
            pairs::tick(node);
            node.stocks.tick();
        }
        let due = asking.due.min(pairing.due);
        let patience = due.saturating_duration_since(Instant::now());
        match chores.next(patience) {
            Next::Chore(peer, chore) => carry_out(node, &peer, chore),
            Next::Idle => {}
            Next::Closed => return,
        }
    }
}

fn carry_out(node: &Arc<Node>, peer: &NodeId, chore: Chore) {
    match chore {
        Chore::LinkUp => {
            bans::tell(node, peer);
            // Behind the bans: who lost its own hears of them before it makes new state.
            pairs::link_up(node, peer);
            settle::ask_one(node, peer);
        }
        Chore::Ban(notice) => bans::receive(node, peer, &notice),
        Chore::BanRead(digest) => node.untold_bans.read_by(peer, digest),
        Chore::Pair(message) => pairs::receive(node, peer, message),
        Chore::Stock(message) => stocks::receive(node, peer, message),
        Chore::Settle(message) => settle::receive(node, peer, message),
    }
}

/// More notices than anybody can check, none of them signed, if the script wants.
#[cfg(feature = "danger_byzantine")]
fn flood(node: &Node) {
    use quorate_keystore::{Ban, SignedBan};
    for line in crate::danger::script() {
        let words: Vec<&str> = line.iter().map(String::as_str).collect();
        let ["flood", victim, of] = words.as_slice() else {
            continue;
        };
        let (Ok(victim), Ok(of)) = (NodeId::new(victim), NodeId::new(of)) else {
            continue;
        };
        let forged = SignedBan {
            ban: Ban {
                peer: victim.clone(),
                generation: quorate_types::Digest32::from_array([7; 32]),
                key_id: None,
                reason: String::new(),
                evidence: quorate_types::Digest32::from_array([7; 32]),
                at: clock::now(),
                reported_by: of,
            },
            signature: [7; 64],
        };
        for _ in 0..3_500 {
            node.send(&victim, link_message::ban(&forged));
        }
    }
}

/// Forgets intents that expired long ago, behind a durable mark that refuses them from then on.
fn prune(node: &Node) {
    let kept_since = clock::now()
        .0
        .saturating_sub(node.limits.remember_expired_seconds);
    let forgotten = node.keystore.intents().prune(UnixSeconds(kept_since));
    match forgotten.map(Durable::wait) {
        Ok(Ok(0)) => {}
        Ok(Ok(count)) => tracing::info!(count, "forgot expired intents"),
        Ok(Err(error)) => tracing::error!(%error, "the intent record failed"),
        Err(error) => tracing::error!(%error, "the intent record failed"),
    }
}

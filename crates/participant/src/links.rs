//! Takes what arrives over the Noise links to where it belongs.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use quorate_keystore::{Durable, SignedBan};
use quorate_transport::noise::{LinkEvent, LinkEvents};
use quorate_types::{NodeId, UnixSeconds};

use crate::link_message::{self, LinkMessage, Settle};
use crate::node::Node;
use crate::{bans, clock, settle};

/// Messages that wait for the housekeeping thread.
const HOUSEKEEPING_QUEUE: usize = 1_024;

/// Work that may touch the disk, and so never runs beside the links.
enum Chore {
    LinkUp(NodeId),
    Ban(NodeId, Box<SignedBan>),
    Settle(NodeId, Settle),
}

/// Handles events until the links shut down.
pub(crate) async fn pump(node: Arc<Node>, mut events: LinkEvents) {
    let (chores, queue) = sync_channel(HOUSEKEEPING_QUEUE);
    let keeper = Arc::clone(&node);
    let housekeeping = tokio::task::spawn_blocking(move || keep_house(&keeper, &queue));
    while let Some(event) = events.recv().await {
        handle(&node, &chores, event);
    }
    drop(chores);
    let _ = housekeeping.await;
}

fn handle(node: &Arc<Node>, chores: &SyncSender<Chore>, event: LinkEvent) {
    match event {
        LinkEvent::Up { peer, .. } => {
            tracing::info!(%peer, "link up");
            later(chores, Chore::LinkUp(peer));
        }
        LinkEvent::Down { peer, reason } => {
            tracing::warn!(%peer, %reason, "link down");
            node.mailboxes.link_lost(&peer);
        }
        LinkEvent::Message { from, body } => match link_message::parse(&body) {
            Ok(LinkMessage::Round { session, envelope }) => {
                if !node.mailboxes.deliver(from.clone(), session, envelope) {
                    metrics::counter!("quorate_messages_dropped_total", "peer" => from.to_string())
                        .increment(1);
                }
            }
            Ok(LinkMessage::Ban(notice)) => later(chores, Chore::Ban(from, notice)),
            Ok(LinkMessage::Settle(message)) => later(chores, Chore::Settle(from, message)),
            Err(error) => {
                metrics::counter!("quorate_messages_malformed_total", "peer" => from.to_string())
                    .increment(1);
                tracing::warn!(peer = %from, %error, "malformed message of an authenticated peer");
            }
        },
        _ => {}
    }
}

/// What does not fit the queue is asked for again (settle) or told again (bans) later.
fn later(chores: &SyncSender<Chore>, chore: Chore) {
    if let Err(TrySendError::Full(_)) = chores.try_send(chore) {
        metrics::counter!("quorate_housekeeping_dropped_total").increment(1);
    }
}

/// How often expired intents are looked for.
const PRUNE_INTERVAL: Duration = Duration::from_secs(600);

fn keep_house(node: &Arc<Node>, chores: &Receiver<Chore>) {
    let interval = Duration::from_millis(node.limits.settle_interval_ms);
    prune(node);
    let mut pruned = Instant::now();
    loop {
        if pruned.elapsed() > PRUNE_INTERVAL {
            prune(node);
            pruned = Instant::now();
        }
        match chores.recv_timeout(interval) {
            Ok(Chore::LinkUp(peer)) => {
                bans::tell(node, &peer);
                settle::ask_for_all(node);
            }
            Ok(Chore::Ban(from, notice)) => bans::receive(node, &from, &notice),
            Ok(Chore::Settle(from, message)) => settle::receive(node, &from, message),
            Err(RecvTimeoutError::Timeout) => settle::ask_for_all(node),
            Err(RecvTimeoutError::Disconnected) => return,
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

//! Checks all shares in use in the background, so that damage is known before a share is needed.
//! Whatever it has not come to yet is checked before its use all the same. The first of them stay in
//! memory, as far as there is room for keys.
//! `docs/protocols/share-files.md` §4.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use quorate_keystore::KeystoreError;
use quorate_types::KeyId;

use crate::node::Node;

/// Shares that are checked without a pause.
const AT_ONCE: usize = 32;
/// The pause behind them, in lengths of the time that they took: sessions come first.
const PAUSE: u32 = 3;

/// Starts the one round of checks of this start. It ends with the node.
pub(crate) fn begin(node: &Arc<Node>) {
    let node = Arc::downgrade(node);
    let thread = std::thread::Builder::new()
        .name("quorate-shares".into())
        .spawn(move || check_all(&node));
    if let Err(error) = thread {
        tracing::error!(%error, "shares are not checked ahead of their use");
    }
}

fn check_all(node: &Weak<Node>) {
    let began = Instant::now();
    let (mut last, mut checked, mut damaged) = (None, 0_u64, 0_u64);
    loop {
        let Some(node) = node.upgrade() else {
            return;
        };
        let since = Instant::now();
        for _ in 0..AT_ONCE {
            let Some(key) = node.keystore.next_active(last) else {
                let seconds = began.elapsed().as_secs();
                tracing::info!(checked, damaged, seconds, "all shares are checked");
                return;
            };
            last = Some(key);
            checked += 1;
            let is_damaged = is_damaged(&node, key);
            damaged += u64::from(is_damaged);
            if !is_damaged {
                node.keys.preload(key, &node.keystore, &node.manifest);
            }
        }
        drop(node);
        std::thread::sleep(pause(since.elapsed()));
    }
}

fn is_damaged(node: &Node, key: KeyId) -> bool {
    match node.keystore.check_share(key) {
        Ok(()) => {
            metrics::counter!("quorate_shares_checked_total", "result" => "ok").increment(1);
            false
        }
        Err(KeystoreError::Damaged(damage)) => {
            metrics::counter!("quorate_shares_checked_total", "result" => "damaged").increment(1);
            tracing::error!(%damage, "a share is unusable; other keys are not affected");
            true
        }
        Err(error) => {
            // Known already, or the disk failed: it is checked again before its use.
            tracing::warn!(%key, %error, "a share was not checked");
            false
        }
    }
}

/// At most a second, so that a slow disk does not make it endless.
fn pause(took: Duration) -> Duration {
    (took * PAUSE).min(Duration::from_secs(1))
}

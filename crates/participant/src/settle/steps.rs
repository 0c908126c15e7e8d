//! Who takes the next step of a settlement: the thread that waits for the key, else whoever brought
//! what was missing. `docs/protocols/key-certificate.md` §3.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::MutexGuard;
use quorate_keystore::ShareState;
use quorate_types::KeyId;

use super::gathering::Step;
use super::{Outcome, activate, release};
use crate::node::Node;

/// Waits until a key is certified or dropped, at most for `patience`. The thread that waits takes the
/// steps that become possible meanwhile, so that those of many keys share their syncs.
pub(crate) fn wait_until_settled(node: &Node, key: KeyId, patience: Duration) -> Outcome {
    let deadline = Instant::now() + patience;
    let mut inner = node.settlement.inner.lock();
    let mut failed = false;
    while let Some(gathering) = inner.gathering.get_mut(&key) {
        let step = if failed {
            Step::Wait
        } else {
            gathering.take_step(&node.me)
        };
        match step {
            Step::Release => failed = !MutexGuard::unlocked(&mut inner, || release(node, key)),
            Step::Activate(certificate) => {
                let stored = MutexGuard::unlocked(&mut inner, || activate(node, &certificate));
                if stored {
                    return Outcome::Certified(Some(certificate));
                }
                failed = true;
            }
            Step::Wait => {
                let missing = gathering.missing(&node.me);
                gathering.attendants += 1;
                let changed = Arc::clone(&gathering.changed);
                let timed_out = changed.wait_until(&mut inner, deadline).timed_out();
                failed = false;
                let Some(gathering) = inner.gathering.get_mut(&key) else {
                    break;
                };
                gathering.attendants = gathering.attendants.saturating_sub(1);
                if timed_out {
                    // Whoever brought something at the last moment relied on this thread.
                    MutexGuard::unlocked(&mut inner, || advance(node, key));
                    if inner.gathering.contains_key(&key) {
                        return Outcome::Waiting(missing);
                    }
                }
            }
        }
    }
    drop(inner);
    // A gathering ends when the share is active, or when it is dropped.
    match node.keystore.state(key) {
        Some(ShareState::Active) => Outcome::Certified(None),
        _ => Outcome::Dropped,
    }
}

/// Takes the steps that are possible now; leaves them to the thread that waits for the key, if one
/// does.
pub(super) fn advance(node: &Node, key: KeyId) {
    loop {
        let step = {
            let mut inner = node.settlement.inner.lock();
            let Some(gathering) = inner.gathering.get_mut(&key) else {
                return;
            };
            if gathering.attendants > 0 {
                gathering.changed.notify_one();
                return;
            }
            gathering.take_step(&node.me)
        };
        let done = match step {
            Step::Release => release(node, key),
            Step::Activate(certificate) => activate(node, &certificate),
            Step::Wait => false,
        };
        if !done {
            return;
        }
    }
}

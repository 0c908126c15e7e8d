//! Lets a session wait until its members can be reached, before it binds anything.
//!
//! A node that came back is seen by the coordinator before its links to the other participants are
//! up again. Key generation needs the whole committee, so it would fail at its first message.

use std::time::Instant;

use parking_lot::{Condvar, Mutex};
use quorate_protocol::{Abort, Reason};
use quorate_types::{Committee, NodeId, PartyIndex, SessionId};

use crate::node::Node;

/// Wakes whoever waits for links: when one comes up, and when a session is cancelled.
#[derive(Default)]
pub(crate) struct LinkWatch {
    guard: Mutex<()>,
    changed: Condvar,
}

impl LinkWatch {
    /// Something changed. Call it after the change, and hold no lock that a waiting condition takes.
    pub(crate) fn wake(&self) {
        // Who waits holds the guard while it looks, so that no change falls in between.
        drop(self.guard.lock());
        self.changed.notify_all();
    }

    /// Looks again after each change until something is found, or until `deadline`.
    fn until<T>(&self, deadline: Instant, mut look: impl FnMut() -> Option<T>) -> Option<T> {
        let mut guard = self.guard.lock();
        loop {
            if let Some(found) = look() {
                return Some(found);
            }
            if self.changed.wait_until(&mut guard, deadline).timed_out() {
                return look();
            }
        }
    }
}

/// Waits until this node has a link to every other member of `committee`. `waiting` is told who is
/// missing, at the beginning and whenever that changes.
///
/// # Errors
/// An [`Abort`]: at `deadline`, that names the members without a link; or because `session` was
/// cancelled.
pub(crate) fn wait_for_members(
    node: &Node,
    session: SessionId,
    committee: &Committee,
    deadline: Instant,
    waiting: impl Fn(Vec<PartyIndex>),
) -> Result<(), Abort> {
    let missing = || -> Vec<PartyIndex> {
        let linked = |member: &NodeId| *member == node.me || node.is_linked(member);
        let without = committee.members().filter(|(_, member)| !linked(member));
        without.map(|(index, _)| index).collect()
    };
    let mut told = Vec::new();
    let look = || {
        if node.mailboxes.is_cancelled(session) {
            return Some(Err(Abort::new(Reason::Cancelled, [])));
        }
        let now = missing();
        if now.is_empty() {
            return Some(Ok(()));
        }
        if now != told {
            waiting(now.clone());
            told = now;
        }
        None
    };
    let timed_out = || Err(Abort::new(Reason::TimedOut, missing()));
    node.link_watch
        .until(deadline, look)
        .unwrap_or_else(timed_out)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use super::*;

    #[test]
    fn link_watch__should_see_a_change_of_another_thread_long_before_the_deadline() {
        let watch = Arc::new(LinkWatch::default());
        let (up, looked) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicBool::new(false)),
        );
        let other = {
            let (watch, up, looked) = (Arc::clone(&watch), Arc::clone(&up), Arc::clone(&looked));
            std::thread::spawn(move || {
                while !looked.load(Ordering::SeqCst) {
                    std::thread::yield_now();
                }
                up.store(true, Ordering::SeqCst);
                watch.wake();
            })
        };
        let started = Instant::now();
        let found = watch.until(started + Duration::from_secs(600), || {
            looked.store(true, Ordering::SeqCst);
            up.load(Ordering::SeqCst).then_some(())
        });
        assert_eq!(found, Some(()));
        assert!(started.elapsed() < Duration::from_secs(300));
        other.join().unwrap();
    }

    #[test]
    fn link_watch__must_end_at_its_deadline_and_look_once_more() {
        let mut looks = 0;
        let found = LinkWatch::default().until(Instant::now(), || {
            looks += 1;
            (looks == 2).then_some(())
        });
        assert_eq!(found, Some(()), "what came at the last moment counts");
        let never = LinkWatch::default().until(Instant::now(), || None::<()>);
        assert_eq!(never, None);
    }
}

//! Requests for signatures on their way to an act: let in, and not yet among the acts that run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A request that was let in. It counts as an act that runs until its act does, or until the last
/// copy of this is dropped: between the two a nonce becomes durable, and a whole burst would pass a
/// limit that counts nothing but acts. The default counts nothing.
#[derive(Debug, Clone, Default)]
pub struct Arrival(Option<Arc<Counted>>);

#[derive(Debug)]
struct Counted {
    arriving: Arc<Arriving>,
    is_counted: AtomicBool,
}

/// How many are on their way.
#[derive(Debug, Default)]
pub(super) struct Arriving(AtomicUsize);

impl Arriving {
    pub(super) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    pub(super) fn enter(self: &Arc<Self>) -> Arrival {
        self.0.fetch_add(1, Ordering::SeqCst);
        Arrival(Some(Arc::new(Counted {
            arriving: Arc::clone(self),
            is_counted: AtomicBool::new(true),
        })))
    }
}

impl Counted {
    fn leave(&self) {
        if self.is_counted.swap(false, Ordering::SeqCst) {
            self.arriving.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Arrival {
    /// Its act runs now, and counts in its place.
    pub(crate) fn became_an_act(&self) {
        if let Some(counted) = &self.0 {
            counted.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrival__should_count_until_its_act_runs_or_its_last_copy_is_dropped() {
        let arriving = Arc::new(Arriving::default());
        let (first, second) = (arriving.enter(), arriving.enter());
        let copy = first.clone();
        assert_eq!(arriving.count(), 2);
        first.became_an_act();
        copy.became_an_act();
        assert_eq!(arriving.count(), 1, "an act stands for itself once");
        drop((first, copy));
        assert_eq!(arriving.count(), 1);
        drop(second);
        assert_eq!(arriving.count(), 0);
    }
}

//! Strangers who hold something of ours while nobody knows who they are: half-sent requests, silent
//! connections, open health checks.
//!
//! There is always room for one more. Where it is full, the longest-held place of whoever holds
//! most is taken away: a host that holds many places loses its own, and one that passes quickly
//! loses none.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::source::Source;

/// The strangers of one kind, and how many there may be.
pub(crate) struct Crowd {
    /// In metrics.
    kind: &'static str,
    most: usize,
    most_of_one: usize,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    next: u64,
    count: usize,
    by_source: HashMap<Source, VecDeque<(u64, CancellationToken)>>,
}

impl Held {
    fn of(&self, source: Source) -> usize {
        self.by_source.get(&source).map_or(0, VecDeque::len)
    }

    fn heaviest(&self) -> Option<Source> {
        let heaviest = self.by_source.iter().max_by_key(|(_, held)| held.len());
        heaviest.map(|(source, _)| *source)
    }

    /// Takes the longest-held place of a source away.
    fn push_out(&mut self, source: Source) -> bool {
        let Some(held) = self.by_source.get_mut(&source) else {
            return false;
        };
        let oldest = held.pop_front();
        if held.is_empty() {
            self.by_source.remove(&source);
        }
        let Some((_, token)) = oldest else {
            return false;
        };
        self.count -= 1;
        token.cancel();
        true
    }

    fn leave(&mut self, source: Source, number: u64) {
        let Some(held) = self.by_source.get_mut(&source) else {
            return;
        };
        if let Ok(position) = held.binary_search_by_key(&number, |(number, _)| *number) {
            held.remove(position);
            self.count -= 1;
        }
        if held.is_empty() {
            self.by_source.remove(&source);
        }
    }
}

impl Crowd {
    /// `most` places in all and `most_of_one` for one source; zeros count as one.
    pub(crate) fn new(kind: &'static str, most: usize, most_of_one: usize) -> Arc<Self> {
        Arc::new(Self {
            kind,
            most: most.max(1),
            most_of_one: most_of_one.max(1),
            held: Mutex::default(),
        })
    }

    /// Takes a place; somebody else's, if none is free.
    pub(crate) fn enter(self: &Arc<Self>, source: Source) -> Place {
        let token = CancellationToken::new();
        let mut held = self.held.lock();
        let losing = if held.of(source) >= self.most_of_one {
            Some(source)
        } else if held.count >= self.most {
            held.heaviest()
        } else {
            None
        };
        if let Some(source) = losing {
            self.count(held.push_out(source));
        }
        let number = held.next;
        held.next += 1;
        held.count += 1;
        let places = held.by_source.entry(source).or_default();
        places.push_back((number, token.clone()));
        drop(held);
        Place {
            crowd: Arc::clone(self),
            source,
            number,
            token,
        }
    }

    /// Takes one place away, for the sake of something else that is full. Whether there was one.
    pub(crate) fn make_room(&self) -> bool {
        let mut held = self.held.lock();
        let heaviest = held.heaviest();
        let was_one = heaviest.is_some_and(|source| held.push_out(source));
        self.count(was_one);
        was_one
    }

    fn count(&self, was_one: bool) {
        if was_one {
            metrics::counter!("mpc_strangers_cut_off_total", "kind" => self.kind).increment(1);
        }
    }
}

/// A stranger's place, until it is dropped or taken away.
pub(crate) struct Place {
    crowd: Arc<Crowd>,
    source: Source,
    number: u64,
    token: CancellationToken,
}

impl Place {
    /// Waits until the place is taken away.
    pub(crate) async fn taken_away(&self) {
        self.token.cancelled().await;
    }

    /// Does something as long as the place is there; `None` once it was taken away.
    pub(crate) async fn hold<F: Future>(&self, work: F) -> Option<F::Output> {
        self.token.run_until_cancelled(work).await
    }

    /// It is known who this is: the place cannot be taken away any more. Whether it was in time.
    pub(crate) fn leave(&self) -> bool {
        let mut held = self.crowd.held.lock();
        held.leave(self.source, self.number);
        !self.token.is_cancelled()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(last: u8) -> Source {
        Source::V4([10, 0, 0, last])
    }

    fn is_there(place: &Place) -> bool {
        !place.token.is_cancelled()
    }

    #[test]
    fn full_crowd__must_take_the_oldest_place_of_whoever_holds_most() {
        let crowd = Crowd::new("test", 4, 10);
        let honest = crowd.enter(source(1));
        let hostile: Vec<_> = (0..3).map(|_| crowd.enter(source(2))).collect();
        let newcomer = crowd.enter(source(3));
        assert!(is_there(&honest) && is_there(&newcomer));
        let left: Vec<_> = hostile.iter().map(is_there).collect();
        assert_eq!(left, [false, true, true]);
        // It may come again, and loses another one of its own.
        let again = crowd.enter(source(2));
        assert!(is_there(&honest) && is_there(&newcomer) && is_there(&again));
        assert!(!is_there(&hostile[1]));
    }

    #[test]
    fn source__must_not_hold_more_than_its_share() {
        let crowd = Crowd::new("test", 100, 2);
        let other = crowd.enter(source(1));
        let places: Vec<_> = (0..5).map(|_| crowd.enter(source(2))).collect();
        let left: Vec<_> = places.iter().map(is_there).collect();
        assert_eq!(left, [false, false, false, true, true]);
        assert!(is_there(&other));
    }

    #[test]
    fn places__should_be_free_again_when_they_are_left() {
        let crowd = Crowd::new("test", 1, 1);
        for _ in 0..3 {
            let place = crowd.enter(source(1));
            assert!(is_there(&place));
        }
        let known = crowd.enter(source(1));
        assert!(known.leave());
        let newcomer = crowd.enter(source(1));
        assert!(is_there(&known) && is_there(&newcomer));
        assert!(crowd.make_room());
        assert!(is_there(&known) && !is_there(&newcomer));
        assert!(!newcomer.leave(), "too late");
        assert!(!crowd.make_room(), "nobody is left");
        let held = crowd.held.lock();
        assert!(held.count == 0 && held.by_source.is_empty());
    }
}

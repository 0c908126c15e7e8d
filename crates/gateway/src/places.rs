//! Places that authenticated callers hold: so many in all, so many for one credential.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

/// The places of one kind.
pub(crate) struct Places {
    most: usize,
    most_of_one: usize,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    count: usize,
    by_credential: HashMap<String, usize>,
}

/// Why there is no place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// All are taken.
    ForAll(usize),
    /// The credential has its share.
    ForThis(usize),
}

impl Places {
    pub(crate) fn new(most: usize, most_of_one: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            most_of_one,
            held: Mutex::default(),
        })
    }

    /// Takes a place.
    ///
    /// # Errors
    /// [`Full`] with the limit.
    pub(crate) fn take(self: &Arc<Self>, credential: &str) -> Result<Taken, Full> {
        let mut held = self.held.lock();
        let own = held.by_credential.get(credential).copied().unwrap_or(0);
        if own >= self.most_of_one {
            return Err(Full::ForThis(self.most_of_one));
        }
        if held.count >= self.most {
            return Err(Full::ForAll(self.most));
        }
        held.count += 1;
        held.by_credential.insert(credential.to_owned(), own + 1);
        Ok(Taken {
            places: Arc::clone(self),
            credential: credential.to_owned(),
        })
    }
}

/// A place, until it is dropped.
pub(crate) struct Taken {
    places: Arc<Places>,
    credential: String,
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut held = self.places.held.lock();
        held.count -= 1;
        if let Some(own) = held.by_credential.get_mut(&self.credential) {
            *own -= 1;
            if *own == 0 {
                held.by_credential.remove(&self.credential);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places__must_be_limited_for_one_credential_and_for_all() {
        let places = Places::new(3, 2);
        let first = places.take("a").ok().unwrap();
        let _second = places.take("a").ok().unwrap();
        assert_eq!(places.take("a").err(), Some(Full::ForThis(2)));
        let third = places.take("b").ok().unwrap();
        assert_eq!(places.take("c").err(), Some(Full::ForAll(3)));
        drop(first);
        assert!(places.take("a").is_ok());
        drop(third);
        assert_eq!(places.held.lock().by_credential.len(), 1);
    }
}

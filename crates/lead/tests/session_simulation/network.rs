//! Links between the lead and nodes, and between nodes.

use std::collections::BTreeSet;

use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;

/// Where a message comes from or goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    Lead,
    Node(usize),
}

/// How bad the network is.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    pub drop_percent: u64,
    pub double_percent: u64,
    pub max_delay_ms: u64,
}

impl Weather {
    pub const FAIR: Self = Self {
        drop_percent: 0,
        double_percent: 0,
        max_delay_ms: 20,
    };
}

/// A number below `limit`, which is not 0.
pub fn below(rng: &mut ChaCha20Rng, limit: u64) -> u64 {
    rng.next_u64() % limit
}

pub struct Network {
    pub weather: Weather,
    cuts: BTreeSet<(Place, Place)>,
}

impl Network {
    pub fn new(weather: Weather) -> Self {
        let cuts = BTreeSet::new();
        Self { weather, cuts }
    }

    fn pair(a: Place, b: Place) -> (Place, Place) {
        (a.min(b), a.max(b))
    }

    pub fn cut(&mut self, a: Place, b: Place) {
        self.cuts.insert(Self::pair(a, b));
    }

    pub fn mend(&mut self, a: Place, b: Place) {
        self.cuts.remove(&Self::pair(a, b));
    }

    pub fn heal(&mut self) {
        self.cuts.clear();
        self.weather = Weather::FAIR;
    }

    pub fn is_up(&self, a: Place, b: Place) -> bool {
        !self.cuts.contains(&Self::pair(a, b))
    }

    /// The delays after which copies of a message arrive; different delays reorder messages.
    pub fn copies(&self, from: Place, to: Place, rng: &mut ChaCha20Rng) -> Vec<u64> {
        let Weather {
            drop_percent,
            double_percent,
            max_delay_ms,
        } = self.weather;
        if !self.is_up(from, to) || below(rng, 100) < drop_percent {
            return Vec::new();
        }
        let count = 1 + u64::from(below(rng, 100) < double_percent);
        (0..count).map(|_| 1 + below(rng, max_delay_ms)).collect()
    }
}

//! What happens in one run, from its seed.

use quorate_lead::Limits;
use rand_chacha::ChaCha20Rng;

use crate::disk::Survives;
use crate::network::{Place, Weather, below};

/// Faults end after this; then the network is fair and every node that is not dead is up.
pub const FAULTS_END_MS: u64 = 8_000;
/// Intents of honest runs live this long.
pub const LIFETIME_SECONDS: u64 = 100;

#[derive(Debug, Clone, Copy)]
pub enum Fault {
    Crash {
        node: usize,
        for_ms: u64,
    },
    CutPower {
        node: usize,
        survives: Survives,
    },
    Partition {
        a: Place,
        b: Place,
        for_ms: u64,
    },
    LeadCrash {
        for_ms: u64,
    },
    /// Never comes back.
    Die {
        node: usize,
    },
    /// The node reads intents in another way from now on: only in hostile runs.
    OtherDecoder {
        node: usize,
    },
}

pub struct Plan {
    pub t: usize,
    pub n: usize,
    pub intents: usize,
    pub lifetime_seconds: Vec<u64>,
    /// Which of the intents create a key.
    pub creates: Vec<bool>,
    pub weather: Weather,
    pub faults: Vec<(u64, Fault)>,
    pub liar: Option<usize>,
    pub hostile: bool,
    pub limits: Limits,
}

impl Plan {
    pub fn new(rng: &mut ChaCha20Rng) -> Self {
        let n = 2 + index(rng, 4);
        let t = 2 + index(rng, n - 1);
        let hostile = below(rng, 4) == 0;
        let patient = below(rng, 2) == 0;
        let liar = (patient && n > t && below(rng, 3) == 0).then(|| index(rng, n));
        let intents = 1 + index(rng, 3);
        let mut lifetime_seconds = vec![LIFETIME_SECONDS; intents];
        if hostile {
            lifetime_seconds.push(1 + below(rng, 6));
        }
        let creates = lifetime_seconds
            .iter()
            .map(|_| below(rng, 4) == 0)
            .collect();
        let weather = Weather {
            drop_percent: below(rng, 12),
            double_percent: below(rng, 20),
            max_delay_ms: 1 + below(rng, 800),
        };
        let mut plan = Self {
            t,
            n,
            intents: lifetime_seconds.len(),
            lifetime_seconds,
            creates,
            weather,
            faults: Vec::new(),
            liar,
            hostile,
            limits: limits(patient),
        };
        let count = below(rng, 8);
        plan.faults = (0..count)
            .map(|_| (below(rng, FAULTS_END_MS), plan.fault(rng)))
            .collect();
        plan
    }

    fn fault(&self, rng: &mut ChaCha20Rng) -> Fault {
        let node = index(rng, self.n);
        let for_ms = 1 + below(rng, 3_000);
        match below(rng, 12) {
            0..=2 => Fault::Crash { node, for_ms },
            3..=5 => {
                let survives = [Survives::Nothing, Survives::Half, Survives::Everything];
                let survives = survives[index(rng, 3)];
                Fault::CutPower { node, survives }
            }
            6 | 7 => {
                let (a, b) = (Place::Node(index(rng, self.n)), Place::Node(node));
                Fault::Partition { a, b, for_ms }
            }
            8 => {
                let (a, b) = (Place::Lead, Place::Node(node));
                Fault::Partition { a, b, for_ms }
            }
            9 => Fault::LeadCrash { for_ms },
            10 if self.hostile => Fault::OtherDecoder { node },
            11 => Fault::Die { node },
            _ => Fault::Crash { node, for_ms },
        }
    }

    /// Nodes that are up, honest and reachable once the faults are over.
    pub fn healthy(&self) -> usize {
        let dies = |node: usize| {
            let is_end = |f: &(u64, Fault)| matches!(f.1, Fault::Die { node: n } if n == node);
            self.faults.iter().any(is_end)
        };
        (0..self.n)
            .filter(|node| !dies(*node) && self.liar != Some(*node))
            .count()
    }
}

/// Patient limits ride out all faults; the others are the defaults, and the client asks again.
fn limits(patient: bool) -> Limits {
    if !patient {
        return Limits::default();
    }
    Limits {
        no_nodes_grace_ms: 20_000,
        max_attempts: 200,
        max_create_attempts: 200,
        ..Limits::default()
    }
}

fn index(rng: &mut ChaCha20Rng, limit: usize) -> usize {
    usize::try_from(below(rng, limit as u64)).unwrap()
}

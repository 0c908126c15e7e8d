//! A hostile lead beside the honest one: it may ask any node anything that a client ever signed.

use quorate_types::SessionId;
use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;

use crate::network::below;
use crate::node::{Ask, Intent};

/// How many asks of a hostile lead there are in one run.
pub const ASKS: u64 = 40;

/// What it saw and may replay.
#[derive(Default)]
pub struct HostileLead {
    seen: Vec<(usize, Ask)>,
}

impl HostileLead {
    /// It sees whatever is asked.
    pub fn see(&mut self, node: usize, ask: &Ask) {
        self.seen.push((node, ask.clone()));
    }

    /// Its next ask.
    pub fn ask(&mut self, intents: &[Intent], n: usize, rng: &mut ChaCha20Rng) -> (usize, Ask) {
        let pick = |limit: usize, rng: &mut ChaCha20Rng| {
            usize::try_from(below(rng, limit as u64)).unwrap()
        };
        let (mut node, mut ask) = if self.seen.is_empty() {
            (pick(n, rng), fresh(intents, n, rng))
        } else {
            let known = pick(self.seen.len(), rng);
            self.seen[known].clone()
        };
        match below(rng, 7) {
            // The same again: to a node that joined, refused, finished, or crashed since.
            0 | 1 => {}
            // The same session to another node.
            2 => node = pick(n, rng),
            // The same session for another intent.
            3 => ask.intent = intents[pick(intents.len(), rng)].clone(),
            // The same session with other signers.
            4 => ask.signers = some_signers(n, rng),
            // The same intent in a new session.
            5 => {
                ask.session = session(rng);
                ask.signers = (0..ask.intent.t).collect();
                node = pick(ask.intent.t, rng);
            }
            _ => ask = fresh(intents, n, rng),
        }
        (node, ask)
    }
}

fn fresh(intents: &[Intent], n: usize, rng: &mut ChaCha20Rng) -> Ask {
    let number = usize::try_from(below(rng, intents.len() as u64)).unwrap();
    Ask {
        intent: intents[number].clone(),
        session: session(rng),
        signers: some_signers(n, rng),
    }
}

fn session(rng: &mut ChaCha20Rng) -> SessionId {
    let mut id = [0; 16];
    rng.fill_bytes(&mut id);
    SessionId::from_array(id)
}

/// Any list: too short, too long, with strangers or repetitions.
fn some_signers(n: usize, rng: &mut ChaCha20Rng) -> Vec<usize> {
    let mut signers: Vec<_> = (0..n).filter(|_| below(rng, 2) == 0).collect();
    if below(rng, 8) == 0 {
        signers.push(0);
    }
    signers
}

//! What an all-seeing observer wrote down. Crashes do not touch it.

use std::collections::{BTreeMap, BTreeSet};

use quorate_types::{Digest32, SessionId, UnixMillis};

/// A node joined an attempt.
#[derive(Debug, Clone)]
pub struct Accepted {
    pub node: usize,
    pub session: SessionId,
    pub intent: usize,
    pub digest: Digest32,
    pub signers: Vec<usize>,
    pub t: usize,
    pub at: UnixMillis,
    pub expires_at: UnixMillis,
    /// Whether it already held the intent's signature.
    pub held_signature: bool,
    /// Members of the attempt that it had banned before.
    pub banned: Vec<usize>,
}

/// A lead said how an act ended.
#[derive(Debug, Clone)]
pub struct Ended {
    pub intent: usize,
    /// Which of the client's requests for this intent.
    pub request: u32,
    pub how: How,
}

#[derive(Debug, Clone)]
#[expect(dead_code, reason = "fields are for the report of a violation")]
pub enum How {
    Completed {
        is_valid: bool,
        earlier: bool,
    },
    NotEnough {
        named: Vec<usize>,
        unreachable: Vec<usize>,
        needed: usize,
        available: usize,
    },
    Failed {
        code: String,
    },
    Cancelled,
}

#[derive(Default)]
pub struct History {
    pub accepted: Vec<Accepted>,
    pub nonces: Vec<([u8; 16], usize, SessionId)>,
    pub ended: Vec<Ended>,
    /// Effects that a lead had after its end.
    pub effects_after_end: u64,
    pub signed: BTreeMap<(usize, usize), Vec<u8>>,
    /// (who banned, whom)
    pub bans: BTreeSet<(usize, usize)>,
    pub replays_refused: u64,
    /// Grows with every entry.
    pub version: u64,
}

impl History {
    pub fn accept(&mut self, accepted: Accepted) {
        self.version += 1;
        self.accepted.push(accepted);
    }

    pub fn nonce(&mut self, nonce: [u8; 16], node: usize, session: SessionId) {
        self.version += 1;
        self.nonces.push((nonce, node, session));
    }

    pub fn end(&mut self, ended: Ended) {
        self.version += 1;
        self.ended.push(ended);
    }

    pub fn acted_after_end(&mut self) {
        self.version += 1;
        self.effects_after_end += 1;
    }

    pub fn banned_by(&self, node: usize, members: &[usize]) -> Vec<usize> {
        let banned = |member: &&usize| self.bans.contains(&(node, **member));
        members.iter().filter(banned).copied().collect()
    }

    /// How the latest request for an intent ended.
    pub fn last_end(&self, intent: usize) -> Option<&How> {
        let mut of_intent = self
            .ended
            .iter()
            .rev()
            .filter(|ended| ended.intent == intent);
        Some(&of_intent.next()?.how)
    }
}

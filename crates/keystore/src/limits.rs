//! Limits of what is stored. Defaults are listed in `docs/limits.md`.

/// How much the keystore accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of one share's payload.
    pub payload_bytes: usize,
    /// Most bytes of the state that this node shares with one other, for one generation.
    pub pair_state_bytes: usize,
    /// Records that the index of pair states has at least before it is rewritten.
    pub pair_records: u64,
    /// Destroyed pair states of one peer, the newest ones, that are remembered though nobody banned
    /// them.
    pub past_pair_states: usize,
    /// Most bytes of one epoch certificate.
    pub certificate_bytes: usize,
    /// Most digests that one intent may ask for.
    pub digests_per_intent: usize,
    /// Most attempts of one intent.
    pub attempts_per_intent: usize,
    /// Most bytes of the signatures that complete one intent.
    pub signature_bytes: usize,
    /// Most intents that are not pruned yet.
    pub intents: usize,
    /// Most bans that one other node may report of one peer. Own bans have no limit.
    pub reported_bans: usize,
    /// Most bytes that wait for the disk in one log; beyond, calls fail instead of queueing.
    pub queued_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            payload_bytes: 1 << 20,
            pair_state_bytes: 64 << 10,
            pair_records: 1_024,
            past_pair_states: 64,
            certificate_bytes: 1 << 20,
            digests_per_intent: 1_024,
            attempts_per_intent: 256,
            signature_bytes: 256 << 10,
            intents: 4_000_000,
            reported_bans: 256,
            queued_bytes: 64 << 20,
        }
    }
}

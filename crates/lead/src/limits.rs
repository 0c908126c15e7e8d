//! Every time and count that a lead obeys.

/// Limits of one intent, in milliseconds where the name says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How long a signer may take to say that it joined.
    pub open_timeout_ms: u64,
    /// How long a signing round may make no progress.
    pub round_timeout_ms: u64,
    /// How long one signing attempt may take.
    pub attempt_timeout_ms: u64,
    /// Signing attempts of one intent, those before a restart not counted.
    pub max_attempts: u32,
    /// How long a signature may take, whatever the attempts; the intent's expiry may be earlier.
    pub total_ms: u64,
    /// As `round_timeout_ms`, for key generation.
    pub create_round_timeout_ms: u64,
    /// As `attempt_timeout_ms`, for key generation.
    pub create_attempt_timeout_ms: u64,
    /// Attempts at key generation; each needs the whole committee.
    pub max_create_attempts: u32,
    /// As `total_ms`, for key generation.
    pub create_total_ms: u64,
    /// How long to wait for the other nodes' confirmation once a key certificate is held.
    pub create_settle_ms: u64,
    /// How long too few nodes are waited for before the act fails; 0 fails at once. The default
    /// catches a node that restarts.
    pub no_nodes_grace_ms: u64,
    /// How long to collect the other signers' reports after a first abort, so that whoever is to
    /// blame is known before signers are chosen again.
    pub abort_settle_ms: u64,
    /// Pause before an attempt that must use a suspect again; doubles each time.
    pub retry_delay_ms: u64,
    /// Pause before each further attempt at key generation, which needs the whole committee again;
    /// doubles each time.
    pub create_retry_delay_ms: u64,
    /// Longest pause of either kind.
    pub max_retry_delay_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            open_timeout_ms: 2_000,
            round_timeout_ms: 3_000,
            attempt_timeout_ms: 15_000,
            max_attempts: 6,
            total_ms: 60_000,
            create_round_timeout_ms: 30_000,
            create_attempt_timeout_ms: 120_000,
            max_create_attempts: 2,
            create_total_ms: 300_000,
            create_settle_ms: 2_000,
            no_nodes_grace_ms: 1_500,
            abort_settle_ms: 200,
            retry_delay_ms: 100,
            create_retry_delay_ms: 1_000,
            max_retry_delay_ms: 2_000,
        }
    }
}

/// The limits that differ between acts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) open_timeout_ms: u64,
    pub(crate) round_timeout_ms: u64,
    pub(crate) attempt_timeout_ms: u64,
    pub(crate) max_attempts: u32,
    pub(crate) total_ms: u64,
    pub(crate) retry_delay_ms: u64,
    pub(crate) max_retry_delay_ms: u64,
}

impl Limits {
    pub(crate) const fn signing(&self) -> Pace {
        Pace {
            open_timeout_ms: self.open_timeout_ms,
            round_timeout_ms: self.round_timeout_ms,
            attempt_timeout_ms: self.attempt_timeout_ms,
            max_attempts: self.max_attempts,
            total_ms: self.total_ms,
            retry_delay_ms: self.retry_delay_ms,
            max_retry_delay_ms: self.max_retry_delay_ms,
        }
    }

    pub(crate) const fn creating(&self) -> Pace {
        Pace {
            open_timeout_ms: self.open_timeout_ms,
            round_timeout_ms: self.create_round_timeout_ms,
            attempt_timeout_ms: self.create_attempt_timeout_ms,
            max_attempts: self.max_create_attempts,
            total_ms: self.create_total_ms,
            retry_delay_ms: self.create_retry_delay_ms,
            max_retry_delay_ms: self.max_retry_delay_ms,
        }
    }
}

impl Pace {
    /// Pause before attempt `next`, from 2.
    pub(crate) fn retry_delay(&self, next: u32) -> u64 {
        let doublings = next.saturating_sub(2).min(16);
        (self.retry_delay_ms << doublings).min(self.max_retry_delay_ms)
    }
}

//! What one lead has to bring about.

use quorate_types::{Committee, Digest32, UnixSeconds};

/// Create the key that an intent asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateSpec {
    /// Name of the intent.
    pub intent: Digest32,
    /// The intent's committee: all of it takes part.
    pub committee: Committee,
    /// The intent's expiry.
    pub expires_at: UnixSeconds,
    /// Attempts that were made before this lead was made, so that numbers go on after a restart.
    pub earlier_attempts: u32,
}

/// Make the signature that an intent asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignSpec {
    /// Name of the intent.
    pub intent: Digest32,
    /// Who holds its shares.
    pub committee: Committee,
    /// `t`: how many of them sign. At least 2, at most the committee's size.
    pub min_signers: u8,
    /// The intent's expiry.
    pub expires_at: UnixSeconds,
    /// Attempts that were made before this lead was made, so that numbers go on after a restart.
    pub earlier_attempts: u32,
}

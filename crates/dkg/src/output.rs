use quorate_crypto::KeyShare;
use quorate_types::Digest32;

/// What key generation leaves at one party.
///
/// # Security
/// Provisional: another party may have aborted in round 3. The share must not be used before the
/// certificate, the signatures of all n nodes over [`DkgOutput::transcript`].
pub struct DkgOutput {
    /// Our share of x and k, checked.
    pub key_share: KeyShare,
    /// Digest of everything public in the run; the same at every party that finished.
    pub transcript: Digest32,
}

use quorate_types::{ClusterId, DecodeError, InitiatorId, Tenant, UnixSeconds};
use thiserror::Error;

use crate::act::ActKind;

/// Why an intent is not accepted. The caller must act on all of these.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IntentError {
    /// The bytes are not the canonical encoding of a known intent version and act.
    #[error("the intent is malformed: {0}")]
    Malformed(#[from] DecodeError),
    /// It was made for another cluster.
    #[error("the intent is for cluster `{found}`, this is `{expected}`")]
    WrongCluster {
        /// Cluster in the intent.
        found: ClusterId,
        /// Our cluster.
        expected: ClusterId,
    },
    /// The manifest does not know who signed.
    #[error("initiator `{0}` is not in the manifest")]
    UnknownInitiator(InitiatorId),
    /// The signature is not that of the initiator over these bytes.
    #[error("the initiator's signature does not verify over the intent")]
    BadSignature,
    /// The manifest does not let the initiator act for this tenant.
    #[error("initiator `{initiator}` may not act for tenant `{tenant}`")]
    WrongTenant {
        /// Who signed.
        initiator: InitiatorId,
        /// For whom.
        tenant: Tenant,
    },
    /// The manifest does not let the initiator do this.
    #[error("initiator `{initiator}` may not {act}")]
    ActNotAllowed {
        /// Who signed.
        initiator: InitiatorId,
        /// What it asked for.
        act: ActKind,
    },
    /// Its time is over.
    #[error("the intent expired at {expires_at}")]
    Expired {
        /// When.
        expires_at: UnixSeconds,
    },
    /// It was created in the future: one of the clocks is wrong.
    #[error("the intent was created at {created_at}, which is in the future; check the clocks")]
    FromTheFuture {
        /// When.
        created_at: UnixSeconds,
    },
    /// It expires before it was created, or lives too long.
    #[error("an intent must expire after its creation and within {max_seconds} seconds of it")]
    BadLifetime {
        /// Longest life.
        max_seconds: u64,
    },
}

use quorate_types::{Digest32, UnixMillis};

use crate::flaw::{Flaw, check_length, check_name, check_time};
use crate::limits::MAX_RESPONSE_BYTES;

/// An `Idempotency-Key` of one credential.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey {
    /// Who calls: id of the API key, never its secret.
    pub credential: String,
    /// What the header says.
    pub key: String,
}

/// A request that carries an `Idempotency-Key`.
#[derive(Debug, Clone)]
pub struct IdempotencyRequest {
    /// Credential and key.
    pub key: IdempotencyKey,
    /// Digest of method, path and body.
    pub body_hash: Digest32,
    /// Now; an older record that expired before it counts as absent.
    pub at: UnixMillis,
    /// Until when the answer is kept.
    pub expires_at: UnixMillis,
}

/// The answer that a repeated request gets, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredResponse {
    /// HTTP status, 100 to 599.
    pub status_code: u16,
    /// Body.
    pub body: Vec<u8>,
}

/// What [`crate::Store::begin_idempotency`] found. Of any number of equal requests at one time,
/// exactly one gets `New`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdempotencyStart {
    /// First request: carry it out, then finish or release it.
    New,
    /// The same request is being carried out.
    InProgress,
    /// The same request was carried out; this was its answer.
    Done(StoredResponse),
    /// The key was used with another body.
    Conflict,
}

/// Whether a request nonce was seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NonceUse {
    /// First use; it is now recorded.
    Fresh,
    /// A replay: refuse the request.
    Replayed,
}

/// A request nonce, to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestNonce {
    /// Who calls: id of the API key.
    pub credential: String,
    /// What the header says.
    pub nonce: String,
    /// From then on the request's timestamp does not pass any more.
    pub expires_at: UnixMillis,
}

/// What [`crate::Store::begin_request`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestStart {
    /// A replay: refuse the request. Nothing was written.
    Replayed,
    /// First use of the nonce, and where the request stands if it has an `Idempotency-Key`.
    Fresh(Option<IdempotencyStart>),
}

/// How many expired rows were deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    /// Of `idempotency`.
    pub idempotency: usize,
    /// Of `request_nonces`.
    pub nonces: usize,
}

impl IdempotencyKey {
    pub(crate) fn check(&self) -> Result<(), Flaw> {
        check_name("credential", &self.credential)?;
        check_name("idempotency_key", &self.key)
    }
}

impl IdempotencyRequest {
    pub(crate) fn check(&self) -> Result<(), Flaw> {
        self.key.check()?;
        check_time("created_at", self.at)?;
        check_time("expires_at", self.expires_at)
    }
}

impl StoredResponse {
    pub(crate) fn check(&self) -> Result<(), Flaw> {
        Flaw::unless(
            (100..600).contains(&self.status_code),
            "status_code",
            "not an HTTP status",
        )?;
        check_length("response", self.body.len(), MAX_RESPONSE_BYTES)
    }
}

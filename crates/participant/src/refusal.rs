//! What a participant answers when it does not do something.

use quorate_api::ErrorCode;
use quorate_chains::Refusal as ChainRefusal;
use quorate_intent::IntentError;
use quorate_keystore::{AuditLogError, IntentError as RecordError, KeystoreError};
use quorate_verify::EcdsaSignature;

/// Whether another signer set could succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RefusalKind {
    /// No honest node will do this.
    Permanent,
    /// This node cannot now; others may.
    Retry,
    /// This node holds the signatures already.
    AlreadySigned(Vec<EcdsaSignature>),
}

/// A refusal: nothing was done, nothing is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) kind: RefusalKind,
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn permanent(code: ErrorCode, message: impl ToString) -> Self {
        Self {
            kind: RefusalKind::Permanent,
            code,
            message: message.to_string(),
        }
    }

    pub(crate) fn retry(code: ErrorCode, message: impl ToString) -> Self {
        Self {
            kind: RefusalKind::Retry,
            code,
            message: message.to_string(),
        }
    }
}

impl From<IntentError> for Refusal {
    fn from(error: IntentError) -> Self {
        let code = match &error {
            IntentError::Malformed(_) | IntentError::WrongCluster { .. } => {
                ErrorCode::MalformedIntent
            }
            IntentError::UnknownInitiator(_) => ErrorCode::UnknownInitiator,
            IntentError::BadSignature => ErrorCode::BadInitiatorSignature,
            IntentError::WrongTenant { .. } | IntentError::ActNotAllowed { .. } => {
                ErrorCode::NotAllowed
            }
            _ => ErrorCode::IntentExpired,
        };
        // Clocks of nodes differ a little: one that is behind must not end it for all.
        if matches!(error, IntentError::FromTheFuture { .. }) {
            return Self::retry(code, error);
        }
        Self::permanent(code, error)
    }
}

impl From<ChainRefusal> for Refusal {
    fn from(refusal: ChainRefusal) -> Self {
        Self::permanent(chain_code(&refusal), refusal)
    }
}

fn chain_code(refusal: &ChainRefusal) -> ErrorCode {
    use quorate_types::Right;
    match refusal {
        ChainRefusal::WrongAlgorithm { .. } | ChainRefusal::WrongCurve { .. } => {
            ErrorCode::WrongCurve
        }
        ChainRefusal::RightMissing {
            right: Right::RawHash,
            ..
        } => ErrorCode::RawHashRefused,
        ChainRefusal::RightMissing { .. } => ErrorCode::RawMessageRefused,
        ChainRefusal::UnsupportedMessageType { .. }
        | ChainRefusal::NoTransactions { .. }
        | ChainRefusal::UnsupportedTransactionType { .. } => ErrorCode::UnsupportedMessage,
        ChainRefusal::TooLong { .. } => ErrorCode::PayloadTooLarge,
        ChainRefusal::WrongNetwork { .. } | ChainRefusal::ReplayableEverywhere => {
            ErrorCode::WrongChain
        }
        ChainRefusal::UnknownAddressKind { .. } | ChainRefusal::DigestLength { .. } => {
            ErrorCode::InvalidArgument
        }
        _ => ErrorCode::MalformedTransaction,
    }
}

impl From<KeystoreError> for Refusal {
    fn from(error: KeystoreError) -> Self {
        let code = match &error {
            KeystoreError::Damaged(_) => ErrorCode::ShareDamaged,
            KeystoreError::UnknownKey(_) => ErrorCode::NotFound,
            _ => ErrorCode::NodeUnavailable,
        };
        Self::retry(code, error)
    }
}

impl From<AuditLogError> for Refusal {
    fn from(error: AuditLogError) -> Self {
        Self::retry(ErrorCode::AuditUnavailable, error)
    }
}

impl From<RecordError> for Refusal {
    fn from(error: RecordError) -> Self {
        match &error {
            RecordError::InvalidDigests { .. } => Self::permanent(ErrorCode::IntentConflict, error),
            RecordError::InvalidExpiry { .. } => Self::permanent(ErrorCode::IntentExpired, error),
            RecordError::InvalidSession { .. } => Self::retry(ErrorCode::IntentConflict, error),
            RecordError::AlreadySigned { signature, .. } => match parse_signatures(signature) {
                Some(signatures) => Self {
                    kind: RefusalKind::AlreadySigned(signatures),
                    code: ErrorCode::IntentConflict,
                    message: "the intent is signed already".to_owned(),
                },
                None => Self::retry(ErrorCode::Internal, "the recorded signature is malformed"),
            },
            RecordError::Overloaded { .. } => Self::retry(ErrorCode::RateLimited, error),
            _ => Self::retry(ErrorCode::NodeUnavailable, error),
        }
    }
}

/// Bytes of one signature on the wire and in records: r, s, recovery id.
pub(crate) const SIGNATURE_BYTES: usize = 65;

/// Signatures as they are recorded and reported.
pub(crate) fn signature_bytes(signature: &EcdsaSignature) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(SIGNATURE_BYTES);
    bytes.extend_from_slice(signature.as_bytes());
    bytes.push(signature.recovery_id());
    bytes
}

/// Reads what [`signature_bytes`] wrote, one after the other.
pub(crate) fn parse_signatures(bytes: &[u8]) -> Option<Vec<EcdsaSignature>> {
    let (whole, rest) = bytes.as_chunks::<SIGNATURE_BYTES>();
    if whole.is_empty() || !rest.is_empty() {
        return None;
    }
    whole
        .iter()
        .map(|chunk| {
            let (signature, recovery_id) = chunk.split_last_chunk::<1>()?;
            let signature: [u8; 64] = signature.try_into().ok()?;
            EcdsaSignature::new(signature, recovery_id[0]).ok()
        })
        .collect()
}

//! What a participant answers when it does not do something.

use quorate_api::ErrorCode;
use quorate_chains::Refusal as ChainRefusal;
use quorate_intent::IntentError;
use quorate_keystore::{AuditLogError, IntentError as RecordError, KeystoreError};
use quorate_verify::Signature;

/// Whether another signer set could succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RefusalKind {
    /// No honest node will do this.
    Permanent,
    /// This node cannot now; others may.
    Retry,
    /// This node holds the signatures already; each as on the wire.
    AlreadySigned(Vec<Vec<u8>>),
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
        | ChainRefusal::UnsupportedTransactionType { .. }
        | ChainRefusal::UnsupportedField { .. }
        | ChainRefusal::SighashType { .. }
        | ChainRefusal::OtherSigners { .. }
        | ChainRefusal::ForeignInput { .. } => ErrorCode::UnsupportedMessage,
        ChainRefusal::FeeAboveCeiling { .. } => ErrorCode::FeeTooHigh,
        ChainRefusal::TooLong { .. } | ChainRefusal::TooManyInputs { .. } => {
            ErrorCode::PayloadTooLarge
        }
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

/// Signatures as they are recorded: each with its length before it.
pub(crate) fn record_bytes(signatures: &[Signature]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for signature in signatures.iter().map(Signature::to_wire) {
        bytes.push(u8::try_from(signature.len()).expect("a signature has 64 or 65 bytes"));
        bytes.extend_from_slice(&signature);
    }
    bytes
}

/// Reads what [`record_bytes`] wrote; each signature as on the wire.
pub(crate) fn parse_signatures(mut bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut signatures = Vec::new();
    while let Some((length, rest)) = bytes.split_first() {
        let (signature, rest) = rest.split_at_checked(usize::from(*length))?;
        signatures.push(signature.to_vec());
        bytes = rest;
    }
    (!signatures.is_empty()).then_some(signatures)
}

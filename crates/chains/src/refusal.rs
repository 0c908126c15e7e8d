use quorate_types::{Algorithm, Curve, Right};
use quorate_verify::VerifyError;
use thiserror::Error;

use crate::{MessageType, Uint256};

/// Why bytes are not the one encoding of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EncodingFault {
    /// The bytes end inside the item, or before it.
    #[error("truncated")]
    Truncated,
    /// The field is not there.
    #[error("missing")]
    Missing,
    /// Fields follow the last one that the format has.
    #[error("followed by fields that the format does not have")]
    ExtraFields,
    /// Bytes follow the end.
    #[error("followed by trailing bytes")]
    TrailingBytes,
    /// A byte string stands where a list belongs.
    #[error("not a list")]
    NotAList,
    /// A list stands where a byte string belongs.
    #[error("not a byte string")]
    NotAString,
    /// The length, or a single byte, has a shorter spelling.
    #[error("not in its shortest form")]
    NotMinimal,
    /// A number starts with a zero byte.
    #[error("a number with a leading zero")]
    LeadingZero,
    /// A number is greater than its field allows.
    #[error("a number too large")]
    TooLarge,
    /// A fixed-size value has another size.
    #[error("of the wrong length")]
    WrongLength,
    /// Something that may be there once is there twice.
    #[error("there twice")]
    Duplicate,
    /// A number or place beyond what the format allows or the payload has.
    #[error("out of range")]
    OutOfRange,
    /// Something that must be empty here is not.
    #[error("not empty")]
    NotEmpty,
}

/// Why Quorate does not sign something, or has no address for a key. The caller must act.
///
/// `Display` names fields and numbers, never payloads.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The chain does not work with keys of this scheme.
    #[error(
        "chain `{chain}` does not work with {algorithm} keys, but with {}",
        listed(supported)
    )]
    WrongAlgorithm {
        /// Chain of the key.
        chain: &'static str,
        /// Scheme asked for.
        algorithm: Algorithm,
        /// Schemes that the chain works with.
        supported: &'static [Algorithm],
    },
    /// The chain, or the scheme, does not work with keys on this curve.
    #[error(
        "chain `{chain}` does not work with {algorithm} keys on {curve}, but with {}",
        listed(supported)
    )]
    WrongCurve {
        /// Chain of the key.
        chain: &'static str,
        /// Scheme asked for.
        algorithm: Algorithm,
        /// Curve asked for.
        curve: Curve,
        /// Schemes that the chain works with, each with its one curve.
        supported: &'static [Algorithm],
    },
    /// The chain has no such kind of address for keys of this scheme.
    #[error("chain `{chain}` has no such address kind for this key, but: {}", supported.join(", "))]
    UnknownAddressKind {
        /// Chain of the key.
        chain: &'static str,
        /// Kinds that it has.
        supported: &'static [&'static str],
    },
    /// The public key may not be used.
    #[error(transparent)]
    InvalidPublicKey(VerifyError),
    /// The key was not created with the right that this message type needs.
    #[error("message type `{message_type}` needs a key created with the right `{}`", right.as_str())]
    RightMissing {
        /// What was asked for.
        message_type: MessageType,
        /// Right needed.
        right: Right,
    },
    /// Message type, chain and scheme do not go together, or not yet.
    #[error("message type `{message_type}` is not supported for {algorithm} on chain `{chain}`")]
    UnsupportedMessageType {
        /// What was asked for.
        message_type: MessageType,
        /// Chain of the key.
        chain: &'static str,
        /// Scheme of the key.
        algorithm: Algorithm,
    },
    /// The chain `none` has no transactions.
    #[error("chain `{chain}` has no transactions")]
    NoTransactions {
        /// Chain of the key.
        chain: &'static str,
    },
    /// The payload is longer than [`crate::MAX_PAYLOAD`].
    #[error("the payload has {length} bytes, more than the limit of {limit}")]
    TooLong {
        /// Its length in bytes.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A digest is 32 bytes.
    #[error("a digest has 32 bytes, not {length}")]
    DigestLength {
        /// Length found.
        length: usize,
    },
    /// The chain has transactions of this type, but Quorate does not sign them.
    #[error("transaction type 0x{code:02x} ({name}) is not supported: {supported} are")]
    UnsupportedTransactionType {
        /// First byte of the payload.
        code: u8,
        /// Name of the type, or `unknown`.
        name: &'static str,
        /// What is supported.
        supported: &'static str,
    },
    /// The payload is not the one encoding of a transaction (row D5).
    #[error("the transaction's field `{field}` is {fault}")]
    Malformed {
        /// First field that is wrong.
        field: &'static str,
        /// What is wrong.
        fault: EncodingFault,
    },
    /// The payload decodes but re-encodes to other bytes (row D5).
    #[error("the transaction does not re-encode to itself")]
    NotCanonical,
    /// The transaction has a signature already: what is to be signed is the unsigned form.
    #[error("the transaction is signed already")]
    AlreadySigned,
    /// A legacy transaction without a chain id could be replayed on every chain (EIP-155).
    #[error("the transaction names no network, so it could be replayed on every network")]
    ReplayableEverywhere,
    /// The transaction is for another network than the key.
    #[error("the transaction is for network {found}; `{chain}` is network {expected}")]
    WrongNetwork {
        /// Chain of the key.
        chain: &'static str,
        /// Its network id.
        expected: u64,
        /// Network id in the transaction.
        found: u64,
    },
    /// The tip per gas is above the whole fee per gas, which the chain refuses (EIP-1559).
    #[error("max_priority_fee_per_gas is above max_fee_per_gas")]
    TipAboveFee,
    /// Gas limit times price per gas is 2¹²⁸ wei or more: more than exists.
    #[error("the greatest fee is more than can exist")]
    FeeTooLarge,
    /// The key is not among the signers of the transaction.
    #[error("the transaction is not to be signed by this key")]
    NotTheSigner,
    /// Others must sign too; a transaction with only some of its signatures is of no use.
    #[error(
        "the transaction needs {needed} signers: only transactions of one signer are supported"
    )]
    OtherSigners {
        /// Signers that it needs, with the key.
        needed: usize,
    },
    /// The receiver of a transfer stands in a table on the chain, so the payload does not say who
    /// it is.
    #[error("the receiver of a transfer is named by an address table, not by the transaction")]
    UnknownReceiver,
    /// The PSBT has a field that is unknown, or whose meaning for the signature is.
    #[error("the PSBT's {map} field of type 0x{code:02x} is not supported")]
    UnsupportedField {
        /// `global`, `input` or `output`.
        map: &'static str,
        /// Type of the field.
        code: u8,
    },
    /// The transaction spends more coins than can be signed in one act.
    #[error("the transaction has {found} inputs, more than the limit of {limit}")]
    TooManyInputs {
        /// How many it has.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// The payload does not prove how much an input is worth, and whose it is (row D6).
    #[error("input {input} comes without {needed}")]
    PreviousOutputMissing {
        /// Place of the input, from 0.
        input: usize,
        /// What must be there.
        needed: &'static str,
    },
    /// What the payload says about a spent coin contradicts itself (row D6).
    #[error("input {input}: the previous transaction does not have this coin")]
    PreviousOutputMismatch {
        /// Place of the input, from 0.
        input: usize,
    },
    /// The signature would not cover all inputs and all outputs (row D6).
    #[error(
        "input {input} asks for sighash type 0x{code:02x} ({name}): only ALL is signed, or DEFAULT for Taproot"
    )]
    SighashType {
        /// Place of the input, from 0.
        input: usize,
        /// What it asks for.
        code: u32,
        /// Its name.
        name: &'static str,
    },
    /// An input is not the key's own.
    #[error(
        "input {input} is not a coin of this key: only transactions of its own coins are signed"
    )]
    ForeignInput {
        /// Place of the input, from 0.
        input: usize,
    },
    /// The transaction pays more than it spends.
    #[error("the outputs are worth more than the inputs")]
    OutputsAboveInputs,
    /// The fee is above what this node lets a transaction pay (row D6).
    #[error("the fee of {found} {unit} is above this node's limit of {limit}")]
    FeeAboveCeiling {
        /// The fee.
        found: Uint256,
        /// The limit, for a transaction of its size.
        limit: Uint256,
        /// Smallest unit of the chain's coin.
        unit: &'static str,
    },
    /// The transaction needs another number of signatures.
    #[error("the transaction needs {needed} signatures, not {found}")]
    SignatureCount {
        /// How many it needs.
        needed: usize,
        /// How many there are.
        found: usize,
    },
    /// The signature has no form on this chain: its nonce point has x ≥ n (chance 2⁻¹²⁷).
    #[error("recovery id {0} has no form on this chain")]
    RecoveryId(u8),
    /// No public key belongs to the signature.
    #[error("the signature belongs to no key: {0}")]
    InvalidSignature(VerifyError),
}

impl Refusal {
    pub(crate) const fn malformed(field: &'static str, fault: EncodingFault) -> Self {
        Self::Malformed { field, fault }
    }

    /// Stable name for APIs and audit records.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::WrongAlgorithm { .. } => "wrong_algorithm",
            Self::WrongCurve { .. } => "wrong_curve",
            Self::UnknownAddressKind { .. } => "unknown_address_kind",
            Self::InvalidPublicKey(_) => "invalid_public_key",
            Self::RightMissing { .. } => "right_missing",
            Self::UnsupportedMessageType { .. } => "unsupported_message_type",
            Self::NoTransactions { .. } => "no_transactions",
            Self::TooLong { .. } => "payload_too_long",
            Self::DigestLength { .. } => "digest_length",
            Self::UnsupportedTransactionType { .. } => "unsupported_transaction_type",
            Self::Malformed { .. } => "malformed_transaction",
            Self::NotCanonical => "not_canonical",
            Self::AlreadySigned => "already_signed",
            Self::ReplayableEverywhere => "replayable_everywhere",
            Self::WrongNetwork { .. } => "wrong_network",
            Self::TipAboveFee => "tip_above_fee",
            Self::FeeTooLarge => "fee_too_large",
            Self::NotTheSigner => "not_the_signer",
            Self::OtherSigners { .. } => "other_signers",
            Self::UnknownReceiver => "unknown_receiver",
            Self::UnsupportedField { .. } => "unsupported_field",
            Self::TooManyInputs { .. } => "too_many_inputs",
            Self::PreviousOutputMissing { .. } => "previous_output_missing",
            Self::PreviousOutputMismatch { .. } => "previous_output_mismatch",
            Self::SighashType { .. } => "sighash_type",
            Self::ForeignInput { .. } => "foreign_input",
            Self::OutputsAboveInputs => "outputs_above_inputs",
            Self::FeeAboveCeiling { .. } => "fee_above_ceiling",
            Self::SignatureCount { .. } => "signature_count",
            Self::RecoveryId(_) => "recovery_id",
            Self::InvalidSignature(_) => "invalid_signature",
        }
    }
}

/// `ECDSA on secp256k1, EdDSA on ed25519`.
fn listed(algorithms: &[Algorithm]) -> String {
    let forms: Vec<String> = algorithms
        .iter()
        .map(|algorithm| format!("{algorithm} on {}", algorithm.curve()))
        .collect();
    forms.join(", ")
}

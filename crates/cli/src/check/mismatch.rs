use quorate_chains::Refusal;
use quorate_intent::CertificateError;
use quorate_types::{DecodeError, KeyId};
use quorate_verify::VerifyError;
use thiserror::Error;

/// How an answer differs from what it must be.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Mismatch {
    /// A field does not have its documented form.
    #[error("`{field}` is malformed: {why}")]
    Malformed {
        /// Name in the answer.
        field: &'static str,
        /// What is wrong.
        why: String,
    },
    /// The certificate is not one.
    #[error("the key certificate is malformed: {0}")]
    CertificateForm(DecodeError),
    /// A node of the manifest did not sign the certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The certificate is of another key.
    #[error("the answer is about {found}, not about {expected}")]
    OtherKey {
        /// Key asked for.
        expected: KeyId,
        /// Key of the answer.
        found: String,
    },
    /// The nodes certified something else than was asked for.
    #[error("the nodes certified another {0} than was asked for")]
    NotAsked(&'static str),
    /// The readable answer differs from what the nodes certified.
    #[error("`{field}` of the answer differs from what the nodes certified")]
    Field {
        /// Name in the answer.
        field: &'static str,
    },
    /// The address does not follow from the public key.
    #[error("the certified address is not that of the public key, which is `{computed}`")]
    Address {
        /// Address of the public key.
        computed: String,
    },
    /// The certificate names a chain or an address kind that is not known here.
    #[error("the certificate cannot be judged here: {0}")]
    Chain(String),
    /// There is no signature where one is claimed.
    #[error("the answer claims to be complete, but holds no signature")]
    NoSignature,
    /// The payload cannot be judged.
    #[error("the payload cannot be judged: {0}")]
    Payload(#[from] Refusal),
    /// The signature is not valid.
    #[error("the signature is not one of this key over this payload: {0}")]
    Signature(#[from] VerifyError),
    /// The signature that the caller brought is not valid.
    #[error("the signature is not one of this key over this payload: {0}")]
    GivenSignature(VerifyError),
    /// A field that follows from payload and signature is another.
    #[error("`{field}` does not follow from payload and signature")]
    Derived {
        /// Name in the answer.
        field: &'static str,
    },
    /// The transaction is sent from another address than the key's.
    #[error("the signed transaction is sent from `{found}`, which is not the key")]
    Sender {
        /// Sender that the chain would see.
        found: String,
    },
    /// The signers are not t members of the committee.
    #[error("`signers` are not {min_signers} or more different members of the committee")]
    Signers {
        /// Signers needed.
        min_signers: u8,
    },
    /// The scheme cannot be verified by this version.
    #[error("signatures of {0} cannot be verified by this version")]
    Unsupported(&'static str),
}

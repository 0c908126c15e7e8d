use quorate_types::{Algorithm, Digest32, Right, Rights};
use quorate_verify::VerifyError;
use sha2::{Digest, Sha256};

use crate::{
    Chain, Decoded, EffectKind, KeyContext, MAX_PAYLOAD, MessageType, Refusal, Signature,
    SignedTransaction, SigningTarget, Warning,
};

/// What signing a payload means: the digests to sign, and what they stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// One for each signature, in order.
    pub targets: Vec<SigningTarget>,
    /// What they stand for.
    pub decoded: Decoded,
}

/// Computes what signing `payload` with `key` means, from the payload and the key alone.
///
/// The one door to a signature: the client calls it before it signs an intent, the coordinator
/// before it starts a session, and every participant before it joins one. No digest from anybody
/// else is used.
///
/// # Errors
/// [`Refusal`], the same for everybody who calls it with the same arguments.
///
/// # Security
/// `key` must be the key as it was created, not as the request says (row D1).
pub fn effect_of(
    key: &KeyContext<'_>,
    message_type: MessageType,
    payload: &[u8],
) -> Result<Effect, Refusal> {
    let KeyContext {
        chain,
        algorithm,
        rights,
        ..
    } = *key;
    chain.check_algorithm(algorithm)?;
    if payload.len() > MAX_PAYLOAD {
        return Err(Refusal::TooLong {
            length: payload.len(),
            limit: MAX_PAYLOAD,
        });
    }
    let unsupported = Refusal::UnsupportedMessageType {
        message_type,
        chain: chain.as_str(),
        algorithm,
    };
    match (message_type, chain) {
        (MessageType::Raw, Chain::None) => {
            check_right(message_type, rights, Right::RawMessage)?;
            let target = match algorithm {
                Algorithm::EdDsa => SigningTarget::whole_message(payload),
                _ => {
                    SigningTarget::digest_only(Digest32::from_array(Sha256::digest(payload).into()))
                }
            };
            Ok(Effect::opaque(EffectKind::RawMessage, target))
        }
        // EdDSA has no form for a digest: 32 bytes would be signed as a message (row D3).
        (MessageType::Hash, _) if algorithm != Algorithm::EdDsa => {
            check_right(message_type, rights, Right::RawHash)?;
            let digest: [u8; 32] = payload.try_into().map_err(|_| Refusal::DigestLength {
                length: payload.len(),
            })?;
            let target = SigningTarget::digest_only(Digest32::from_array(digest));
            Ok(Effect::opaque(EffectKind::RawHash, target))
        }
        (MessageType::Transaction, _) => {
            let (decoded, targets) = chain.transaction(key, payload)?;
            Ok(Effect { targets, decoded })
        }
        _ => Err(unsupported),
    }
}

/// Puts signatures, one for each target of [`effect_of`] and in their order, into an unsigned
/// transaction of `key`.
///
/// # Errors
/// As [`effect_of`], and [`Refusal`] for signatures that the chain has no form for.
pub fn assemble(
    key: &KeyContext<'_>,
    payload: &[u8],
    signatures: &[Signature],
) -> Result<SignedTransaction, Refusal> {
    key.chain.assemble(key, payload, signatures)
}

/// As [`assemble`], for signatures that the caller has verified as those of `key`: ECDSA by
/// recovering exactly its public key, which also fixes the recovery id. The sender is then the
/// key's address, and nothing is recovered again.
///
/// # Errors
/// As [`assemble`].
pub fn assemble_verified(
    key: &KeyContext<'_>,
    payload: &[u8],
    signatures: &[Signature],
) -> Result<SignedTransaction, Refusal> {
    key.chain.assemble_verified(key, payload, signatures)
}

impl Effect {
    /// The names of what is signed, one for each signature, in order.
    #[must_use]
    pub fn digests(&self) -> Vec<Digest32> {
        self.targets.iter().map(|target| *target.digest()).collect()
    }

    /// What 64 bytes are the signature of, by the key `key`. A transaction with several inputs has
    /// several signatures: this is one of them.
    ///
    /// # Errors
    /// What is wrong with it as the signature of the first target, if it is of none; `None` if
    /// there is nothing to sign.
    pub fn signed_target(
        &self,
        key: &KeyContext<'_>,
        signature: [u8; 64],
    ) -> Result<&SigningTarget, Option<VerifyError>> {
        let check = |target: &SigningTarget| {
            let public_key = target.verifying_key(key.public_key)?;
            Signature::find(key.algorithm, &public_key, target.message(), signature).map(drop)
        };
        if let Some(found) = self.targets.iter().find(|target| check(target).is_ok()) {
            return Ok(found);
        }
        Err(self.targets.first().and_then(|first| check(first).err()))
    }

    fn opaque(kind: EffectKind, target: SigningTarget) -> Self {
        let mut decoded = Decoded::new(kind);
        decoded.warn(Warning::MeaningUnknown);
        Self {
            targets: vec![target],
            decoded,
        }
    }
}

fn check_right(message_type: MessageType, rights: &Rights, right: Right) -> Result<(), Refusal> {
    if rights.allows(right) {
        return Ok(());
    }
    Err(Refusal::RightMissing {
        message_type,
        right,
    })
}

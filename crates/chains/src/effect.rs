use quorate_types::{Algorithm, Digest32, Right, Rights};
use sha2::{Digest, Sha256};

use crate::{Chain, Decoded, EffectKind, MAX_PAYLOAD, MessageType, Refusal, Warning};

/// What signing a payload means: the digests to sign, and what they stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// One digest for each signature, in order.
    ///
    /// EdDSA signs the message itself, not a digest: there, this is SHA-256 of the message, which
    /// names the message in records and sessions and is never signed.
    pub digests: Vec<Digest32>,
    /// What they stand for.
    pub decoded: Decoded,
}

/// Computes what signing `payload` means, from the payload alone.
///
/// The one door to a signature: the client calls it before it signs an intent, the coordinator
/// before it starts a session, and every participant before it joins one. No digest from anybody
/// else is used.
///
/// # Errors
/// [`Refusal`], the same for everybody who calls it with the same arguments.
///
/// # Security
/// `rights` must be those of the key as it was created, not of the request (row D1).
pub fn effect_of(
    chain: Chain,
    message_type: MessageType,
    payload: &[u8],
    rights: &Rights,
    algorithm: Algorithm,
) -> Result<Effect, Refusal> {
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
            let digest = Digest32::from_array(Sha256::digest(payload).into());
            Ok(Effect::opaque(EffectKind::RawMessage, digest))
        }
        // EdDSA has no form for a digest: 32 bytes would be signed as a message (row D3).
        (MessageType::Hash, _) if algorithm != Algorithm::EdDsa => {
            check_right(message_type, rights, Right::RawHash)?;
            let digest: [u8; 32] = payload.try_into().map_err(|_| Refusal::DigestLength {
                length: payload.len(),
            })?;
            let digest = Digest32::from_array(digest);
            Ok(Effect::opaque(EffectKind::RawHash, digest))
        }
        (MessageType::Transaction, _) => {
            let (decoded, digests) = chain.transaction(payload)?;
            Ok(Effect { digests, decoded })
        }
        _ => Err(unsupported),
    }
}

impl Effect {
    fn opaque(kind: EffectKind, digest: Digest32) -> Self {
        let decoded = Decoded {
            kind,
            from: None,
            outputs: Vec::new(),
            fee: None,
            nonce: None,
            valid_until: None,
            warnings: vec![Warning::MeaningUnknown],
        };
        Self {
            digests: vec![digest],
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

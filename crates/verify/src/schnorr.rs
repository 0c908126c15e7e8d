//! Schnorr over secp256k1. Source: BIP340 (verification), BIP341 (Taproot output keys).
//!
//! Keys that verify often have tables (`known_points`), which only ever say yes: what they do not
//! confirm, libsecp256k1 decides.

use std::sync::LazyLock;

use k256::elliptic_curve::ops::Reduce;
use k256::elliptic_curve::sec1::ToSec1Point as _;
use k256::{FieldBytes, ProjectivePoint, PublicKey, Scalar, SecretKey};
use quorate_kernels::Residue;
use quorate_types::Curve;
use sha2::{Digest, Sha256};

use crate::known_points::{KNOWN_POINTS, Point};
use crate::point::secp256k1_key;
use crate::{PointFault, VerifyError};

/// Checks a BIP340 signature `R.x ‖ s` (32 bytes each) of a 32-byte message.
///
/// - `public_key`: 33 bytes, compressed; BIP340 uses its x-coordinate, so the tag (02 or 03) makes
///   no difference.
///
/// # Errors
/// [`VerifyError`]: the key first, then the form of the signature, then the equation.
///
/// # Security
/// `digest` must be the output of a hash of what the caller means to check.
pub fn verify_bip340(
    public_key: &[u8],
    digest: &[u8; 32],
    signature: &[u8; 64],
) -> Result<(), VerifyError> {
    let known = KNOWN_POINTS.find(public_key);
    if known.is_some_and(|known| verifies_under_known(&known, digest, signature)) {
        return Ok(());
    }
    let compressed = public_key.try_into().ok();
    let key = compressed.and_then(|k| secp256k1::PublicKey::from_byte_array_compressed(k).ok());
    let Some(key) = key else {
        return Err(secp256k1_key(public_key).err().unwrap_or_else(invalid_key));
    };
    let (x_only, _parity) = key.x_only_public_key();
    let (_, s) = signature.split_at(32);
    // The library refuses this too, but without saying so. Zero is refused as well, although BIP340
    // takes it: no honest signer makes it.
    if SecretKey::from_slice(s).is_err() {
        return Err(VerifyError::ScalarOutOfRange { field: "s" });
    }
    let signature = secp256k1::schnorr::Signature::from_byte_array(*signature);
    x_only
        .verify(digest, &signature)
        .map_err(|_| VerifyError::Mismatch)?;
    KNOWN_POINTS.has_verified(public_key, &key);
    Ok(())
}

/// Whether the signature is right, by the key's table.
fn verifies_under_known(known: &Point, digest: &[u8; 32], signature: &[u8; 64]) -> bool {
    let [r, s] = signature.as_chunks::<32>().0 else {
        return false;
    };
    let [_tag, x @ ..] = *known.key();
    let challenge = CHALLENGE
        .clone()
        .chain_update(r)
        .chain_update(x)
        .chain_update(digest)
        .finalize();
    let is_right = holds(known, r, s, &Residue::reduce(&challenge.into()));
    if is_right {
        KNOWN_POINTS.has_confirmed(known);
    }
    is_right
}

/// Whether `R = s·G − e·P`, P being the key with even y, for an R of even y and an s between zero and
/// the group order.
fn holds(known: &Point, r: &[u8; 32], s: &[u8; 32], challenge: &Residue) -> bool {
    // Zero is refused, see above.
    let Some(base) = Residue::from_be_bytes(s).filter(|_| *s != [0; 32]) else {
        return false;
    };
    let factor = if known.is_odd() {
        *challenge
    } else {
        Residue::default().minus(challenge)
    };
    let nonce = known.sum(&base, &factor);
    nonce.is_some_and(|nonce| nonce.x == *r && !nonce.is_odd())
}

/// What a challenge is hashed with, but for its message.
static CHALLENGE: LazyLock<Sha256> = LazyLock::new(|| {
    let tag = Sha256::digest(b"BIP0340/challenge");
    Sha256::new().chain_update(tag).chain_update(tag)
});

/// The Taproot output key of an internal key, for spending by key path: `Q = P + H(P)·G` with P
/// taken with even y (BIP341, "taproot_tweak_pubkey" with an empty script tree, as BIP86 says).
///
/// - `public_key`: 33 bytes, compressed; only its x-coordinate matters.
///
/// Returns 33 bytes, compressed, with the real parity of Q. Addresses and BIP340 use its x.
///
/// # Errors
/// [`VerifyError::InvalidPublicKey`], also in the case, never met, that Q is the identity or that
/// the hash is not below the group order.
pub fn taproot_output_key(public_key: &[u8]) -> Result<[u8; 33], VerifyError> {
    secp256k1_key(public_key)?;
    let mut even: [u8; 33] = public_key.try_into().map_err(|_| invalid_key())?;
    even[0] = 2;
    let internal = PublicKey::from_sec1_bytes(&even).map_err(|_| invalid_key())?;
    let tag = Sha256::digest(b"TapTweak");
    let hash = Sha256::new()
        .chain_update(tag)
        .chain_update(tag)
        .chain_update(&even[1..])
        .finalize();
    let bytes = FieldBytes::try_from(hash.as_slice()).map_err(|_| invalid_key())?;
    let tweak = <Scalar as Reduce<FieldBytes>>::reduce(&bytes);
    if tweak.to_bytes() != bytes {
        return Err(invalid_key());
    }
    let output = internal.to_projective() + ProjectivePoint::GENERATOR * tweak;
    let output = PublicKey::from_affine(output.to_affine()).map_err(|_| invalid_key())?;
    output
        .to_sec1_point(true)
        .as_bytes()
        .try_into()
        .map_err(|_| invalid_key())
}

const fn invalid_key() -> VerifyError {
    VerifyError::InvalidPublicKey {
        curve: Curve::Secp256k1,
        fault: PointFault::NotOnCurve,
    }
}

#[cfg(test)]
mod tests;

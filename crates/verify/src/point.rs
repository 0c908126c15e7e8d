//! Checks of public keys and other public points.

use curve25519_dalek::edwards::CompressedEdwardsY;
use curve25519_dalek::traits::IsIdentity;
use k256::ecdsa::VerifyingKey;
use quorate_types::Curve;

use crate::{PointFault, VerifyError};

/// Checks a compressed point of `curve`: [`check_secp256k1_point`] or [`check_ed25519_point`].
///
/// # Errors
/// [`VerifyError::InvalidPublicKey`]; for a curve that is not known here too.
pub fn check_point(curve: Curve, bytes: &[u8]) -> Result<(), VerifyError> {
    match curve {
        Curve::Secp256k1 => check_secp256k1_point(bytes),
        Curve::Ed25519 => check_ed25519_point(bytes),
        _ => Err(refused(curve, PointFault::NotOnCurve)),
    }
}

/// Checks that 33 bytes are a compressed SEC1 point of secp256k1.
///
/// On the curve, x below p, not the identity. The group has prime order, so nothing is left to
/// check.
///
/// # Errors
/// [`VerifyError::InvalidPublicKey`].
pub fn check_secp256k1_point(bytes: &[u8]) -> Result<(), VerifyError> {
    secp256k1_key(bytes).map(drop)
}

/// The two coordinates `x ‖ y` (32 bytes each, big-endian) of a compressed point of secp256k1.
///
/// # Errors
/// As [`check_secp256k1_point`].
pub fn secp256k1_coordinates(bytes: &[u8]) -> Result<[u8; 64], VerifyError> {
    let point = secp256k1_key(bytes)?.to_sec1_point(false);
    let [_tag, coordinates @ ..]: [u8; 65] = point
        .as_bytes()
        .try_into()
        .expect("a checked key is not the identity, so its uncompressed form has 65 bytes");
    Ok(coordinates)
}

/// Checks that 32 bytes are a compressed point of the prime-order subgroup of edwards25519.
///
/// On the curve, canonically encoded, not the identity, without a small-order component.
///
/// # Errors
/// [`VerifyError::InvalidPublicKey`].
///
/// # Security
/// With a small-order component, two different keys verify the same signature (row C10).
pub fn check_ed25519_point(bytes: &[u8]) -> Result<(), VerifyError> {
    let refuse = |fault| refused(Curve::Ed25519, fault);
    let compressed =
        CompressedEdwardsY::from_slice(bytes).map_err(|_| refuse(PointFault::Length))?;
    let point = compressed
        .decompress()
        .ok_or(refuse(PointFault::NotOnCurve))?;
    if point.compress() != compressed {
        return Err(refuse(PointFault::NotCanonical));
    }
    if point.is_identity() {
        return Err(refuse(PointFault::Identity));
    }
    if !point.is_torsion_free() {
        return Err(refuse(PointFault::Torsion));
    }
    Ok(())
}

/// The checked key behind 33 bytes.
pub(crate) fn secp256k1_key(bytes: &[u8]) -> Result<VerifyingKey, VerifyError> {
    let refuse = |fault| refused(Curve::Secp256k1, fault);
    let compressed: &[u8; 33] = bytes.try_into().map_err(|_| refuse(PointFault::Length))?;
    match compressed {
        // SEC1 writes the identity as zero bytes.
        [0, rest @ ..] if rest.iter().all(|byte| *byte == 0) => Err(refuse(PointFault::Identity)),
        // Tag 05 is a 33-byte form too, of some libraries, that leaves the sign of y open.
        [2 | 3, x @ ..] if !is_below_field_prime(x) => Err(refuse(PointFault::NotCanonical)),
        [2 | 3, ..] => {
            VerifyingKey::from_sec1_bytes(compressed).map_err(|_| refuse(PointFault::NotOnCurve))
        }
        _ => Err(refuse(PointFault::Tag)),
    }
}

/// Whether a big-endian x is below p = 2²⁵⁶ − 2³² − 977 (SEC 2 §2.4.1).
fn is_below_field_prime(x: &[u8; 32]) -> bool {
    const P: [u8; 32] = {
        let mut p = [0xff; 32];
        p[27] = 0xfe;
        p[30] = 0xfc;
        p[31] = 0x2f;
        p
    };
    *x < P
}

const fn refused(curve: Curve, fault: PointFault) -> VerifyError {
    VerifyError::InvalidPublicKey { curve, fault }
}

#[cfg(test)]
mod tests;

//! Schnorr over secp256k1. Source: BIP340 (verification), BIP341 (Taproot output keys).

use k256::elliptic_curve::ops::Reduce;
use k256::elliptic_curve::sec1::ToSec1Point as _;
use k256::{FieldBytes, ProjectivePoint, PublicKey, Scalar, SecretKey};
use quorate_types::Curve;
use sha2::{Digest, Sha256};

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
    let compressed = public_key.try_into().ok();
    let key = compressed.and_then(|k| secp256k1::PublicKey::from_byte_array_compressed(k).ok());
    let Some(key) = key else {
        return Err(secp256k1_key(public_key).err().unwrap_or_else(invalid_key));
    };
    let (key, _parity) = key.x_only_public_key();
    let (_, s) = signature.split_at(32);
    // The library refuses this too, but without saying so. Zero is refused as well, although BIP340
    // takes it: no honest signer makes it.
    if SecretKey::from_slice(s).is_err() {
        return Err(VerifyError::ScalarOutOfRange { field: "s" });
    }
    let signature = secp256k1::schnorr::Signature::from_byte_array(*signature);
    key.verify(digest, &signature)
        .map_err(|_| VerifyError::Mismatch)
}

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
mod tests {
    use super::*;

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        hex::decode(text).unwrap().try_into().unwrap()
    }

    /// BIP340 test vectors 1 and 5 to 14 (`test-vectors.csv`): key x, message, signature, valid.
    const VECTORS: [(&str, &str, &str, bool); 9] = [
        (
            "dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659",
            "243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89",
            "6896bd60eeae296db48a229ff71dfe071bde413e6d43f917dc8dcf8c78de33418906d11ac976abccb20b091292bff4ea897efcb639ea871cfa95f6de339e4b0a",
            true,
        ),
        (
            // R has odd y.
            "dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659",
            "243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89",
            "fff97bd5755eeea420453a14355235d382f6472f8568a18b2f057a14602975563cc27944640ac607cd107ae10923d9ef7a73c643e166be5ebeafa34b1ac553e2",
            false,
        ),
        (
            // The message is negated.
            "dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659",
            "243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89",
            "1fa62e331edbc21c394792d2ab1100a7b432b013df3f6ff4f99fcb33e0e1515f28890b3edb6e7189b630448b515ce4f8622a954cfe545735aaea5134fccdb2bd",
            false,
        ),
        (
            // s is negated.
            "dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659",
            "243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89",
            "6cff5c3ba86c69ea4b7376f31a9bcb4f74c1976089b2d9963da2e5543e177769961764b3aa9b2ffcb6ef947b6887a226e8d7c93e00c5ed0c1834ff0d0c2e6da6",
            false,
        ),
        (
            // R is the point at infinity.
            "dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659",
            "243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89",
            "0000000000000000000000000000000000000000000000000000000000000000123dda8328af9c23a94c1feecfd123ba4fb73476f0d594dcb65c6425bd186051",
            false,
        ),
        (
            // r is not on the curve.
            "dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659",
            "243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89",
            "4a298dacae57395a15d0795ddbfd1dcb564da82b0f269bc70a74f8220429ba1d69e89b4c5564d00349106b8497785dd7d1d713a8ae82b32fa79d5f7fc407d39b",
            false,
        ),
        (
            // r is the field size.
            "dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659",
            "243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89",
            "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f69e89b4c5564d00349106b8497785dd7d1d713a8ae82b32fa79d5f7fc407d39b",
            false,
        ),
        (
            // s is the group order.
            "dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659",
            "243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89",
            "6cff5c3ba86c69ea4b7376f31a9bcb4f74c1976089b2d9963da2e5543e177769fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
            false,
        ),
        (
            // The key is not on the curve.
            "eefdea4cdb677750a420fee807eacf21eb9898ae79b9768766e4faa04a2d4a34",
            "243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89",
            "6cff5c3ba86c69ea4b7376f31a9bcb4f74c1976089b2d9963da2e5543e17776969e89b4c5564d00349106b8497785dd7d1d713a8ae82b32fa79d5f7fc407d39b",
            false,
        ),
    ];

    #[test]
    fn c10_bip340__must_agree_with_the_published_vectors() {
        for (key, message, signature, valid) in VECTORS {
            for tag in ["02", "03"] {
                let key = hex::decode(format!("{tag}{key}")).unwrap();
                let found = verify_bip340(&key, &bytes(message), &bytes(signature));
                assert_eq!(found.is_ok(), valid, "{signature}");
            }
        }
    }

    #[test]
    fn c11_bip340__must_name_a_scalar_out_of_range() {
        let (key, message, signature, _) = VECTORS[7];
        let key = hex::decode(format!("02{key}")).unwrap();
        assert_eq!(
            verify_bip340(&key, &bytes(message), &bytes(signature)),
            Err(VerifyError::ScalarOutOfRange { field: "s" })
        );
    }

    /// BIP341 `wallet-test-vectors.json`, first entry: key path only.
    #[test]
    fn taproot__should_have_the_output_key_of_the_published_vector() {
        let internal = "d6889cb081036e0faefa3a35157ad71086b123b2b144b649798b494c300a961d";
        let output = "53a1f6e454df1aa2776a2814a721372d6258050de330b3c6d10ee8f4e0dda343";
        for tag in ["02", "03"] {
            let internal = hex::decode(format!("{tag}{internal}")).unwrap();
            let found = taproot_output_key(&internal).unwrap();
            assert_eq!(hex::encode(&found[1..]), output, "either parity of P");
        }
        assert!(taproot_output_key(&[2; 32]).is_err());
    }
}

use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{Identity, IsIdentity};
use quorate_types::Curve;

use super::Group;

/// The prime-order subgroup of edwards25519; points as in RFC 8032.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ed25519;

impl Group for Ed25519 {
    const CURVE: Curve = Curve::Ed25519;
    type Scalar = Scalar;
    type Point = EdwardsPoint;

    fn scalar_from_u8(value: u8) -> Scalar {
        Scalar::from(value)
    }

    fn invert(scalar: &Scalar) -> Option<Scalar> {
        (*scalar != Scalar::ZERO).then(|| scalar.invert())
    }

    fn scalar_to_bytes(scalar: &Scalar) -> [u8; 32] {
        scalar.to_bytes()
    }

    fn scalar_from_bytes(bytes: &[u8; 32]) -> Option<Scalar> {
        Scalar::from_canonical_bytes(*bytes).into()
    }

    fn scalar_from_wide(bytes: &[u8; 64]) -> Scalar {
        Scalar::from_bytes_mod_order_wide(bytes)
    }

    fn identity() -> EdwardsPoint {
        EdwardsPoint::identity()
    }

    fn mul_base(scalar: &Scalar) -> EdwardsPoint {
        EdwardsPoint::mul_base(scalar)
    }

    fn point_to_bytes(point: &EdwardsPoint) -> Vec<u8> {
        point.compress().to_bytes().to_vec()
    }

    fn points_to_bytes(points: &[EdwardsPoint]) -> Vec<Vec<u8>> {
        let encoded = EdwardsPoint::compress_batch_alloc(points).into_iter();
        encoded.map(|point| point.to_bytes().to_vec()).collect()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "public: all of it, as the name says"
    )]
    fn mul_add_public(base: &Scalar, factor: &Scalar, point: &EdwardsPoint) -> EdwardsPoint {
        EdwardsPoint::vartime_double_scalar_mul_basepoint(factor, point, base)
    }

    fn point_from_bytes(bytes: &[u8]) -> Option<EdwardsPoint> {
        let compressed = CompressedEdwardsY::from_slice(bytes).ok()?;
        let point = compressed.decompress()?;
        // RFC 8032 lets y >= p and "negative zero" through in some decoders; we re-encode.
        let accepted =
            point.compress() == compressed && !point.is_identity() && point.is_torsion_free();
        accepted.then_some(point)
    }
}

use k256::elliptic_curve::BatchNormalize;
use k256::elliptic_curve::ff::{FromUniformBytes, PrimeField};
use k256::elliptic_curve::group::GroupEncoding;
use k256::elliptic_curve::ops::MulByGeneratorVartime;
use k256::{AffinePoint, FieldBytes, ProjectivePoint, Scalar};
use quorate_types::Curve;

use super::Group;

/// SEC 2 secp256k1; points as compressed SEC 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Secp256k1;

impl Group for Secp256k1 {
    const CURVE: Curve = Curve::Secp256k1;
    type Scalar = Scalar;
    type Point = ProjectivePoint;

    fn scalar_from_u8(value: u8) -> Scalar {
        Scalar::from(u32::from(value))
    }

    fn invert(scalar: &Scalar) -> Option<Scalar> {
        scalar.invert().into()
    }

    fn scalar_to_bytes(scalar: &Scalar) -> [u8; 32] {
        scalar.to_bytes().into()
    }

    fn scalar_from_bytes(bytes: &[u8; 32]) -> Option<Scalar> {
        Scalar::from_repr(FieldBytes::from(*bytes)).into()
    }

    fn scalar_from_wide(bytes: &[u8; 64]) -> Scalar {
        Scalar::from_uniform_bytes(bytes)
    }

    fn identity() -> ProjectivePoint {
        ProjectivePoint::IDENTITY
    }

    fn mul_base(scalar: &Scalar) -> ProjectivePoint {
        ProjectivePoint::mul_by_generator(scalar)
    }

    fn point_to_bytes(point: &ProjectivePoint) -> Vec<u8> {
        point.to_affine().to_bytes().to_vec()
    }

    fn points_to_bytes(points: &[ProjectivePoint]) -> Vec<Vec<u8>> {
        // One inversion for all of them.
        let affine =
            <ProjectivePoint as BatchNormalize<[ProjectivePoint]>>::batch_normalize(points);
        affine
            .iter()
            .map(|point| point.to_bytes().to_vec())
            .collect()
    }

    fn mul_add_public(base: &Scalar, factor: &Scalar, point: &ProjectivePoint) -> ProjectivePoint {
        ProjectivePoint::mul_by_generator_and_mul_add_vartime(base, factor, point)
    }

    fn point_from_bytes(bytes: &[u8]) -> Option<ProjectivePoint> {
        // 02 and 03 only: SEC 1 has other 33-byte forms in some libraries.
        let compressed: [u8; 33] = bytes.try_into().ok()?;
        if !matches!(compressed, [2 | 3, ..]) {
            return None;
        }
        let affine: Option<AffinePoint> = AffinePoint::from_bytes(&compressed.into()).into();
        // Compared before it gets a denominator, which would have to be inverted again.
        let affine = affine.filter(|affine| affine.to_bytes().as_slice() == compressed.as_slice());
        let point = ProjectivePoint::from(affine?);
        (point != ProjectivePoint::IDENTITY).then_some(point)
    }

    fn is_identity_encoding(bytes: &[u8]) -> bool {
        AffinePoint::IDENTITY.to_bytes().as_slice() == bytes
    }
}

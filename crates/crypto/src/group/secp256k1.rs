use k256::elliptic_curve::BatchNormalize;
use k256::elliptic_curve::ff::{FromUniformBytes, PrimeField};
use k256::elliptic_curve::group::GroupEncoding;
use k256::elliptic_curve::ops::MulByGeneratorVartime;
use k256::elliptic_curve::sec1::{FromSec1Point as _, Sec1Point, ToSec1Point as _};
use k256::{AffinePoint, FieldBytes, ProjectivePoint, Scalar};
use quorate_kernels::multiply_base;
use quorate_types::Curve;
use secp256k1::{PublicKey, SecretKey};
use zeroize::Zeroizing;

use super::Group;

/// A scalar for libsecp256k1; wiped on drop.
struct Factor(SecretKey);

impl Factor {
    /// `None` for zero.
    fn new(scalar: &Scalar) -> Option<Self> {
        let bytes = Zeroizing::new(<[u8; 32]>::from(scalar.to_bytes()));
        SecretKey::from_secret_bytes(*bytes).ok().map(Self)
    }
}

impl Drop for Factor {
    fn drop(&mut self) {
        self.0.non_secure_erase();
    }
}

/// The point as `k256` has it. Coordinates are not compressed: that would cost a square root.
fn from_library(point: &PublicKey) -> Option<ProjectivePoint> {
    let encoded = Sec1Point::<k256::Secp256k1>::from_bytes(point.serialize_uncompressed()).ok()?;
    let affine: Option<AffinePoint> = AffinePoint::from_sec1_point(&encoded).into();
    affine.map(ProjectivePoint::from)
}

/// `None` for the identity.
fn to_library(point: &ProjectivePoint) -> Option<PublicKey> {
    let encoded = point.to_affine().to_sec1_point(false);
    let encoded = encoded.as_bytes().try_into().ok()?;
    PublicKey::from_byte_array_uncompressed(encoded).ok()
}

/// `base · G + factor · point` by libsecp256k1, which is faster; `None` where it has no form for a
/// number, which is zero, or a point, which is the identity.
#[expect(
    clippy::disallowed_methods,
    reason = "public: only `mul_add_public` calls it"
)]
fn mul_add_by_library(
    base: &Scalar,
    factor: &Scalar,
    point: &ProjectivePoint,
) -> Option<ProjectivePoint> {
    let factor = secp256k1::Scalar::from_be_bytes(factor.to_bytes().into()).ok()?;
    let product = to_library(point)?.mul_tweak(&factor).ok()?;
    let sum = product
        .combine(&multiply_base(&Factor::new(base)?.0))
        .ok()?;
    from_library(&sum)
}

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
        let product =
            Factor::new(scalar).and_then(|factor| from_library(&multiply_base(&factor.0)));
        product.unwrap_or(ProjectivePoint::IDENTITY) // of zero
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

    #[expect(
        clippy::disallowed_methods,
        reason = "public: all of it, as the name says"
    )]
    fn mul_add_public(base: &Scalar, factor: &Scalar, point: &ProjectivePoint) -> ProjectivePoint {
        mul_add_by_library(base, factor, point).unwrap_or_else(|| {
            ProjectivePoint::mul_by_generator_and_mul_add_vartime(base, factor, point)
        })
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

//! Group operations by libsecp256k1 and `quorate-kernels`, and points on the wire.
//!
//! Multiplications by secrets are constant-time: tables of `quorate-kernels` for the base point
//! (ADR 13), `ecmult_const` (behind ECDH) for any other. Additions are of points that become public.
//! `docs/protocols/dkls23.md` §5.

use k256::Scalar;
use k256::elliptic_curve::PrimeField;
use quorate_kernels::multiply_base;
use quorate_types::{DecodeError, Reader, Writer};
use secp256k1::{SecretKey, ecdh};
use zeroize::Zeroizing;

/// A point other than the identity.
pub(crate) type Point = secp256k1::PublicKey;

/// Bytes of a point on the wire: SEC1 without compression, since a square root costs more than 32
/// bytes. Tag 04 only, both coordinates below p, on the curve: one spelling.
pub(crate) const POINT: usize = 65;

/// A scalar for the library; wiped on drop.
struct Factor(SecretKey);

impl Factor {
    /// `None` for zero.
    fn new(scalar: &Scalar) -> Option<Self> {
        let bytes = Zeroizing::new(<[u8; 32]>::from(scalar.to_repr()));
        SecretKey::from_secret_bytes(*bytes).ok().map(Self)
    }
}

impl Drop for Factor {
    fn drop(&mut self) {
        self.0.non_secure_erase();
    }
}

/// A number that everybody may know. A type of its own, so that no secret is multiplied by
/// [`multiply_public`] by accident: whoever makes one says that it is public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Public(Scalar);

impl Public {
    /// - `number`: must follow from public values alone.
    pub(crate) const fn from_public_values(number: Scalar) -> Self {
        Self(number)
    }

    pub(crate) const fn number(&self) -> &Scalar {
        &self.0
    }
}

/// `scalar · G`; `None` for zero.
pub(crate) fn base(scalar: &Scalar) -> Option<Point> {
    let factor = Factor::new(scalar)?;
    Some(multiply_base(&factor.0))
}

/// Coordinates of `scalar · point`; `None` for zero.
pub(crate) fn multiply(point: &Point, scalar: &Scalar) -> Option<[u8; 64]> {
    let factor = Factor::new(scalar)?;
    Some(ecdh::shared_secret_point(point, &factor.0))
}

/// `factor · point`, in time that depends on both; `None` for zero.
#[expect(clippy::disallowed_methods, reason = "public: its factor, by type")]
pub(crate) fn multiply_public(point: &Point, factor: &Public) -> Option<Point> {
    let factor = secp256k1::Scalar::from_be_bytes(factor.number().to_repr().into()).ok()?;
    point.mul_tweak(&factor).ok()
}

/// The sum; `None` for the identity.
pub(crate) fn sum(points: &[&Point]) -> Option<Point> {
    Point::combine_keys(points).ok()
}

/// Coordinates of a point.
pub(crate) fn coordinates(point: &Point) -> [u8; 64] {
    let bytes = point.serialize_uncompressed();
    *bytes.last_chunk().expect("65 bytes end with 64")
}

/// Appends a point.
pub(crate) fn write(out: &mut Writer, point: &Point) {
    out.fixed(&point.serialize_uncompressed());
}

/// Takes a point (row C10).
pub(crate) fn read(input: &mut Reader<'_>, field: &'static str) -> Result<Point, DecodeError> {
    let bytes: [u8; POINT] = input.array(field)?;
    let invalid = DecodeError::Invalid {
        field,
        why: "not an uncompressed point of the curve",
    };
    // Tags 06 and 07 are other spellings of the same point.
    if !matches!(bytes, [4, ..]) {
        return Err(invalid);
    }
    Point::from_byte_array_uncompressed(bytes).map_err(|_| invalid)
}

#[cfg(test)]
mod tests {
    use k256::elliptic_curve::sec1::ToSec1Point;
    use k256::{AffinePoint, ProjectivePoint};

    use super::*;

    fn scalar(n: u64) -> Scalar {
        Scalar::from(n).invert().unwrap()
    }

    fn coordinates_of(point: ProjectivePoint) -> Vec<u8> {
        point.to_affine().to_sec1_point(false).as_bytes()[1..].to_vec()
    }

    #[test]
    fn operations__should_agree_with_k256() {
        for n in 1..50 {
            let (a, b) = (scalar(n), scalar(n + 7));
            let (p, q) = (base(&a).unwrap(), base(&b).unwrap());
            let g = ProjectivePoint::GENERATOR;
            assert_eq!(coordinates(&p).to_vec(), coordinates_of(g * a));
            assert_eq!(
                multiply(&p, &b).unwrap().to_vec(),
                coordinates_of(g * a * b)
            );
            assert_eq!(
                coordinates(&multiply_public(&p, &Public(b)).unwrap()).to_vec(),
                coordinates_of(g * a * b)
            );
            assert_eq!(
                coordinates(&sum(&[&p, &q]).unwrap()).to_vec(),
                coordinates_of(g * (a + b))
            );
        }
        let p = base(&scalar(3)).unwrap();
        assert!(base(&Scalar::ZERO).is_none());
        assert!(multiply(&p, &Scalar::ZERO).is_none());
        assert!(multiply_public(&p, &Public(Scalar::ZERO)).is_none());
        assert!(sum(&[&p, &p.negate()]).is_none());
    }

    fn decoded(bytes: &[u8]) -> Option<Point> {
        read(&mut Reader::new(bytes), "point").ok()
    }

    #[test]
    fn c10_point__must_refuse_identity_other_tags_off_curve_and_unreduced_coordinates() {
        let generator = AffinePoint::GENERATOR.to_sec1_point(false);
        let bytes = generator.as_bytes();
        assert!(decoded(bytes).is_some());
        assert!(decoded(&[0; POINT]).is_none());
        for tag in [0, 1, 2, 3, 5, 6, 7, 0xff] {
            let mut other = bytes.to_vec();
            other[0] = tag;
            assert!(decoded(&other).is_none(), "tag {tag}");
        }
        for at in [1, 32, 33, 64] {
            let mut off = bytes.to_vec();
            off[at] ^= 1;
            assert!(decoded(&off).is_none(), "byte {at}");
        }
        let mut zero = [0; POINT];
        zero[0] = 4;
        assert!(decoded(&zero).is_none());
        // x = 1 is on the curve; p + 1 would be the same x.
        let mut compressed = [0; 33];
        (compressed[0], compressed[32]) = (2, 1);
        let one = Point::from_byte_array_compressed(compressed).unwrap();
        let mut unreduced = one.serialize_uncompressed();
        unreduced[1..33].fill(0xff);
        (unreduced[28], unreduced[31], unreduced[32]) = (0xfe, 0xfc, 0x30);
        assert!(decoded(&one.serialize_uncompressed()).is_some());
        assert!(decoded(&unreduced).is_none());
    }
}

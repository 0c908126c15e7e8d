//! Scalars on the wire, points of shares, and scalars of the two libraries: one encoding each, all
//! others refused (attack row C10).

use k256::elliptic_curve::PrimeField;
use k256::elliptic_curve::group::GroupEncoding;
use k256::elliptic_curve::ops::Reduce;
use k256::{AffinePoint, CompressedPoint, FieldBytes, Scalar};
use quorate_kernels::Residue;
use quorate_types::{DecodeError, Reader, Writer};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// Appends 32 bytes, big-endian.
pub(crate) fn write_scalar(out: &mut Writer, scalar: &Scalar) {
    out.fixed(scalar.to_repr().as_slice());
}

/// Takes a scalar below the group order; zero is one.
pub(crate) fn read_scalar(
    input: &mut Reader<'_>,
    field: &'static str,
) -> Result<Scalar, DecodeError> {
    scalar(&input.array(field)?).ok_or(DecodeError::Invalid {
        field,
        why: "not below the group order",
    })
}

/// The scalar behind 32 big-endian bytes, if they are below the group order.
pub(crate) fn scalar(bytes: &[u8; 32]) -> Option<Scalar> {
    Option::from(Scalar::from_repr((*bytes).into()))
}

/// The point behind 33 bytes: compressed, x below p, on the curve, not the identity.
pub(crate) fn point(bytes: &[u8; 33]) -> Option<AffinePoint> {
    if !matches!(bytes, [2 | 3, ..]) {
        return None;
    }
    Option::from(AffinePoint::from_bytes(&CompressedPoint::from(*bytes)))
}

/// Compressed SEC1; zero bytes for the identity, which no decoder takes.
pub(crate) fn compressed(point: &AffinePoint) -> [u8; 33] {
    point.to_bytes().into()
}

/// 32 big-endian bytes modulo the group order. For uniform bytes this is uniform up to 2⁻¹²⁷, only
/// because the order is so close to 2²⁵⁶.
pub(crate) fn reduced(bytes: &[u8; 32]) -> Scalar {
    <Scalar as Reduce<FieldBytes>>::reduce(&FieldBytes::from(*bytes))
}

/// A uniform scalar.
pub(crate) fn random_scalar(rng: &mut dyn CryptoRng) -> Zeroizing<Scalar> {
    let mut bytes = Zeroizing::new([0; 32]);
    rng.fill_bytes(bytes.as_mut());
    Zeroizing::new(reduced(&bytes))
}

/// A scalar as the kernels take it.
pub(crate) fn residue(scalar: &Scalar) -> Residue {
    let bytes = Zeroizing::new(<[u8; 32]>::from(scalar.to_repr()));
    Residue::from_be_bytes(&bytes).expect("a scalar is below the group order")
}

/// A scalar as the kernels give it.
pub(crate) fn scalar_of(residue: &Residue) -> Zeroizing<Scalar> {
    let bytes = Zeroizing::new(residue.to_be_bytes());
    Zeroizing::new(scalar(&bytes).expect("a residue is below the group order"))
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    const P: [u8; 32] = {
        let mut p = [0xff; 32];
        p[27] = 0xfe;
        p[30] = 0xfc;
        p[31] = 0x2f;
        p
    };

    #[test]
    fn c10_point__must_refuse_identity_other_tags_off_curve_and_unreduced_x() {
        let generator = compressed(&AffinePoint::GENERATOR);
        assert_eq!(point(&generator), Some(AffinePoint::GENERATOR));
        assert_eq!(point(&compressed(&AffinePoint::IDENTITY)), None);
        for tag in [0, 1, 4, 5, 6, 7, 0xff] {
            let mut bytes = generator;
            bytes[0] = tag;
            assert_eq!(point(&bytes), None, "tag {tag}");
        }
        // x = 5 is on no point: 5³ + 7 = 132 is not a square mod p.
        let mut off_curve = [0; 33];
        (off_curve[0], off_curve[32]) = (2, 5);
        assert_eq!(point(&off_curve), None);
        // x = 1 is on a point; p + 1 would be the same x, unreduced.
        let mut one = [0; 33];
        (one[0], one[32]) = (2, 1);
        assert!(point(&one).is_some());
        let mut unreduced = [2; 33];
        unreduced[1..].copy_from_slice(&P);
        unreduced[32] += 1;
        assert_eq!(point(&unreduced), None);
    }

    #[test]
    fn c10_scalar__must_refuse_the_group_order_and_more() {
        let mut order = (-Scalar::ONE).to_repr();
        assert!(scalar(&order.into()).is_some());
        order[31] += 1;
        assert_eq!(scalar(&order.into()), None);
        assert_eq!(scalar(&[0xff; 32]), None);
    }

    /// χ² of 256 equally likely values: 255 ± 22.6 for fair ones; 400 comes once in 10⁸ times.
    fn chi_square(values: impl Iterator<Item = u8>) -> f64 {
        let mut counts = [0_u32; 256];
        values.for_each(|value| counts[usize::from(value)] += 1);
        let expected = f64::from(counts.iter().sum::<u32>()) / 256.0;
        let term = |count: &u32| (f64::from(*count) - expected).powi(2) / expected;
        counts.iter().map(term).sum()
    }

    #[test]
    fn c6_random_scalars_and_their_points__must_have_no_biased_bytes() {
        let mut rng = ChaCha20Rng::seed_from_u64(6);
        let mut first = || random_scalar(&mut rng).to_repr();
        let scalars: Vec<_> = (0..1 << 20).map(|_| first()).collect();
        for byte in [0, 1, 15, 31] {
            let chi_square = chi_square(scalars.iter().map(|scalar| scalar[byte]));
            assert!(chi_square < 400.0, "byte {byte}: {chi_square}");
        }
        let point = |scalar: &FieldBytes| {
            let scalar = Scalar::from_repr(*scalar).unwrap();
            crate::curve::coordinates(&crate::curve::base(&scalar).unwrap())[0]
        };
        let chi_of_points = chi_square(scalars.iter().take(1 << 16).map(point));
        assert!(chi_of_points < 400.0, "points: {chi_of_points}");
        // One bit too few in the top byte is found.
        let biased = scalars.iter().map(|scalar| scalar[0] & 0x7f);
        assert!(chi_square(biased) > 400.0);
    }
}

//! What a protocol needs of a group of prime order.

use std::ops::{Add, Mul, Neg, Sub};

use quorate_types::{Curve, PartyIndex};
use zeroize::Zeroize;

mod ed25519;
mod secp256k1;

pub use ed25519::Ed25519;
pub use secp256k1::Secp256k1;

/// A cyclic group of prime order with one byte string per element.
///
/// # Security
/// Decoding is strict: it accepts neither the identity, nor a point outside of the prime-order
/// group, nor a second spelling of a point or scalar (row C10). Values that did not come through
/// decoding (sums) may be the identity.
pub trait Group: Copy + Eq + Send + Sync + 'static {
    /// The curve.
    const CURVE: Curve;

    /// Integers modulo the group order.
    type Scalar: Copy
        + Eq
        + Send
        + Sync
        + Zeroize
        + Add<Output = Self::Scalar>
        + Sub<Output = Self::Scalar>
        + Mul<Output = Self::Scalar>
        + Neg<Output = Self::Scalar>;

    /// Group elements. All arithmetic is constant-time, comparison too.
    type Point: Copy
        + Eq
        + Send
        + Sync
        + Add<Output = Self::Point>
        + Sub<Output = Self::Point>
        + Mul<Self::Scalar, Output = Self::Point>;

    /// The scalar of a small number.
    fn scalar_from_u8(value: u8) -> Self::Scalar;

    /// The inverse; `None` for zero.
    fn invert(scalar: &Self::Scalar) -> Option<Self::Scalar>;

    /// The canonical 32 bytes: big-endian for secp256k1 (SEC 1), little-endian for Ed25519
    /// (RFC 8032).
    fn scalar_to_bytes(scalar: &Self::Scalar) -> [u8; 32];

    /// Decodes a scalar; `None` unless it is below the group order. Zero is allowed.
    fn scalar_from_bytes(bytes: &[u8; 32]) -> Option<Self::Scalar>;

    /// Reduces 64 uniform bytes; the result is uniform up to a bias below 2^-250.
    fn scalar_from_wide(bytes: &[u8; 64]) -> Self::Scalar;

    /// The neutral element.
    fn identity() -> Self::Point;

    /// `scalar · G`, constant-time.
    fn mul_base(scalar: &Self::Scalar) -> Self::Point;

    /// The compressed encoding, [`Curve::point_length`] bytes. The identity has one too, which
    /// [`Group::point_from_bytes`] refuses.
    fn point_to_bytes(point: &Self::Point) -> Vec<u8>;

    /// The encodings of several points, as [`Group::point_to_bytes`] gives them one by one.
    #[must_use]
    fn points_to_bytes(points: &[Self::Point]) -> Vec<Vec<u8>> {
        points.iter().map(Self::point_to_bytes).collect()
    }

    /// `base · G + factor · point`.
    ///
    /// # Security
    /// May take time that depends on all of them, which must be public.
    #[must_use]
    fn mul_add_public(
        base: &Self::Scalar,
        factor: &Self::Scalar,
        point: &Self::Point,
    ) -> Self::Point {
        Self::mul_base(base) + *point * *factor
    }

    /// Decodes a compressed point; `None` unless it is canonical, in the prime-order group and not
    /// the identity.
    fn point_from_bytes(bytes: &[u8]) -> Option<Self::Point>;

    /// The scalar of a party's x-coordinate.
    #[must_use]
    fn scalar_from_index(index: PartyIndex) -> Self::Scalar {
        Self::scalar_from_u8(index.get())
    }

    /// `factor · point` for a small public factor: a few additions rather than a multiplication.
    ///
    /// # Security
    /// Takes time that depends on `factor`, which must be public.
    #[must_use]
    fn mul_small(factor: u8, point: &Self::Point) -> Self::Point {
        let mut product = Self::identity();
        for bit in (0..8u8).rev().skip_while(|bit| factor >> bit == 0) {
            product = product + product;
            if (factor >> bit) & 1 == 1 {
                product = product + *point;
            }
        }
        product
    }

    /// Whether `bytes` encode the identity, which no protocol message may hold.
    #[must_use]
    fn is_identity_encoding(bytes: &[u8]) -> bool {
        Self::point_to_bytes(&Self::identity()) == bytes
    }
}

#[cfg(test)]
mod tests;

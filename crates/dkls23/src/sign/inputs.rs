//! That what a signer multiplied belongs to the points that it sent: one check for both inputs of a
//! product. `docs/protocols/dkls23.md` §2.4 and §6.
//!
//! Source: eprint 2023/765 Protocol 3.6 step 9, there one check for each input; deviation: 8.

use k256::Scalar;
use quorate_types::Digest32;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::curve::{self, Point, Public};
use crate::ids;
use crate::product::{Corrections, Shares};
use crate::wire::scalar_of;

/// A square root of −3 less one, halved: `λ³ = 1` modulo the group order. Source: Gallant, Lambert,
/// Vanstone (CRYPTO 2001); the number is that of libsecp256k1.
const LAMBDA: [u64; 4] = [
    0x5363_ad4c_c05c_30e0,
    0xa526_1c02_8812_645a,
    0x122e_22ea_2081_6678,
    0xdf02_967c_1b23_bd72,
];

/// What one sender says of its inputs, and how the two become one.
pub(crate) struct Statement<'a> {
    /// `R_j`: the instance key times G.
    pub(crate) nonce_point: &'a Point,
    /// `P_j`: the share of the key times G.
    pub(crate) public_share: &'a Point,
    /// `ρ`.
    challenge: Public,
}

impl<'a> Statement<'a> {
    /// - `id`: of the product in which the inputs are multiplied.
    /// - `shares`: of either side.
    pub(crate) fn new(
        id: &Digest32,
        shares: &Shares,
        corrections: &Corrections,
        nonce_point: &'a Point,
        public_share: &'a Point,
    ) -> Self {
        let mut hasher = ids::oracle(b"rho", id);
        hasher.update(shares.transcript.as_bytes());
        corrections.hash_check(&mut hasher);
        for point in [nonce_point, public_share] {
            hasher.update(&point.serialize_uncompressed());
        }
        let mut halves = [[0; 8]; 2];
        hasher.finalize_xof().fill(halves.as_flattened_mut());
        Self {
            nonce_point,
            public_share,
            challenge: Public::from_public_values(short(halves.map(u64::from_be_bytes))),
        }
    }

    /// `s_u + ρ·s_v`.
    fn combined(&self, shares: &Shares) -> Zeroizing<Scalar> {
        let [share_u, share_v] = &shares.numbers;
        Zeroizing::new(*scalar_of(share_u) + self.challenge.number() * &*scalar_of(share_v))
    }

    /// Step 2.3: `Γ = (cᵘ + ρ·cᵛ)·G`. `None` where the number is zero, once in 2²⁵⁶ times.
    pub(crate) fn gamma(&self, shares: &Shares) -> Option<Point> {
        curve::base(&self.combined(shares))
    }

    /// Step 2.4: `χ·(R_j + ρ·P_j) = (dᵘ + ρ·dᵛ)·G + Γ`.
    pub(crate) fn holds(&self, chi: &Scalar, shares: &Shares, gamma: &Point) -> bool {
        self.sides(chi, shares, gamma)
            .is_some_and(|(left, right)| bool::from(left.ct_eq(&right)))
    }

    fn sides(&self, chi: &Scalar, shares: &Shares, gamma: &Point) -> Option<([u8; 64], [u8; 64])> {
        let weighted = curve::multiply_public(self.public_share, &self.challenge)?;
        let point = curve::sum(&[self.nonce_point, &weighted])?;
        let left = curve::multiply(&point, chi)?;
        // χ·(…) − Γ would be a subtraction of a secret point.
        let right = curve::sum(&[&curve::base(&self.combined(shares))?, gamma])?;
        Some((left, curve::coordinates(&right)))
    }
}

/// `a + b·λ`: 2¹²⁸ different numbers, and a point times one of them costs half as many doublings as
/// times any of 128 bits, since `λ·(x, y) = (β·x, y)`.
fn short([a, b]: [u64; 2]) -> Scalar {
    let bytes = LAMBDA.map(u64::to_be_bytes);
    let lambda = bytes.as_flattened().first_chunk().expect("32 bytes");
    let lambda = crate::wire::scalar(lambda).expect("below the group order");
    Scalar::from(a) + Scalar::from(b) * lambda
}

#[cfg(test)]
mod tests;

//! Lagrange coefficients.

use quorate_types::{PartyIndex, SignerSet};

use crate::group::Group;

/// `λ_i = Π_{j ≠ i} j / (j - i)` over the signers: the weight of party `i`'s share at zero.
///
/// `None` if `index` is not a signer.
///
/// # Security
/// For weighting a share *inside* a signing protocol. Nothing outside of tests may add up weighted
/// secret shares of different parties: that is the key.
#[must_use]
pub fn lagrange_at_zero<G: Group>(signers: &SignerSet, index: PartyIndex) -> Option<G::Scalar> {
    if !signers.contains(index) {
        return None;
    }
    let own = G::scalar_from_index(index);
    let mut numerator = G::scalar_from_u8(1);
    let mut denominator = G::scalar_from_u8(1);
    for other in signers.iter().filter(|other| *other != index) {
        let other = G::scalar_from_index(other);
        numerator = numerator * other;
        denominator = denominator * (other - own);
    }
    // Signers are distinct, so no factor is zero.
    G::invert(&denominator).map(|inverse| numerator * inverse)
}

#[cfg(test)]
mod tests;

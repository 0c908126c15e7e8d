//! The secret polynomial of a dealer. Source: Shamir 1979.

use quorate_types::PartyIndex;
use rand_core::CryptoRng;

use crate::group::Group;
use crate::scalar::SecretScalar;

/// `f(z) = a_0 + a_1·z + … + a_{t-1}·z^{t-1}`; zeroized on drop.
pub struct Polynomial<G: Group> {
    coefficients: Vec<SecretScalar<G>>,
}

impl<G: Group> Polynomial<G> {
    /// A random polynomial of degree exactly `min_signers - 1`.
    ///
    /// No coefficient is zero: the leading one so that the degree is exact, the others so that
    /// every commitment is a valid point. That changes the distribution by less than 2^-250.
    #[must_use]
    pub fn random(min_signers: u8, rng: &mut dyn CryptoRng) -> Self {
        let coefficients = (0..min_signers).map(|_| SecretScalar::random(rng));
        Self {
            coefficients: coefficients.collect(),
        }
    }

    /// `f(index)`: the share of a party. An index is never zero.
    #[must_use]
    pub fn evaluate(&self, index: PartyIndex) -> SecretScalar<G> {
        self.coefficients
            .iter()
            .rev()
            .fold(SecretScalar::zero(), |sum, coefficient| {
                sum.horner(index, coefficient)
            })
    }

    /// `a_0`: what this dealer contributes to the key, and proves that it knows.
    #[must_use]
    pub fn contribution(&self) -> &SecretScalar<G> {
        self.coefficients
            .first()
            .expect("a polynomial has min_signers >= 2 coefficients")
    }

    /// `a_i · G` for every coefficient.
    pub(crate) fn public_coefficients(&self) -> Vec<G::Point> {
        self.coefficients.iter().map(SecretScalar::public).collect()
    }
}

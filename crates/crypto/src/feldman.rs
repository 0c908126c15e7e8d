//! Commitments to a polynomial. Source: Feldman 1987, "A practical scheme for non-interactive
//! verifiable secret sharing"; our spec `docs/protocols/dkg.md` §1.

use quorate_types::PartyIndex;
use thiserror::Error;

use crate::group::Group;
use crate::polynomial::Polynomial;
use crate::scalar::SecretScalar;

/// Why points are not a commitment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CommitmentFault {
    /// Not exactly `t` points, or the leading one is the identity (row B1).
    #[error("the polynomial does not have degree exactly t - 1")]
    WrongDegree,
    /// A point is not valid (row C10).
    #[error("a point is not a valid element of the group")]
    InvalidPoint,
}

/// `a_0·G, …, a_{t-1}·G` for a polynomial of degree exactly `t - 1`.
#[derive(Clone, PartialEq, Eq)]
pub struct FeldmanCommitment<G: Group> {
    points: Vec<G::Point>,
}

impl<G: Group> FeldmanCommitment<G> {
    /// Commits to a polynomial.
    #[must_use]
    pub fn to(polynomial: &Polynomial<G>) -> Self {
        Self {
            points: polynomial.public_coefficients(),
        }
    }

    /// Checks the encoded points of a dealer.
    ///
    /// # Errors
    /// [`CommitmentFault`]: the degree first, then each point.
    pub fn decode(encoded: &[Vec<u8>], min_signers: u8) -> Result<Self, CommitmentFault> {
        if encoded.len() != usize::from(min_signers) {
            return Err(CommitmentFault::WrongDegree);
        }
        if encoded
            .last()
            .is_none_or(|point| G::is_identity_encoding(point))
        {
            return Err(CommitmentFault::WrongDegree);
        }
        let points = encoded
            .iter()
            .map(|bytes| G::point_from_bytes(bytes).ok_or(CommitmentFault::InvalidPoint))
            .collect::<Result<_, _>>()?;
        Ok(Self { points })
    }

    /// The encoded points, constant term first.
    #[must_use]
    pub fn encode(&self) -> Vec<Vec<u8>> {
        G::points_to_bytes(&self.points)
    }

    /// `a_0 · G`.
    #[must_use]
    pub fn constant_term(&self) -> &G::Point {
        self.points
            .first()
            .expect("a commitment has min_signers >= 2 points")
    }

    /// `f(index) · G`. Public data only: takes time that depends on the index.
    #[must_use]
    pub fn evaluate(&self, index: PartyIndex) -> G::Point {
        self.points.iter().rev().fold(G::identity(), |sum, point| {
            G::mul_small(index.get(), &sum) + *point
        })
    }

    /// The values at 0, 1, … `last`: the public key and everybody's public share.
    #[must_use]
    pub fn values_to(&self, last: PartyIndex) -> Vec<G::Point> {
        let shares = (1..=last.get()).filter_map(PartyIndex::new);
        let shares = shares.map(|index| self.evaluate(index));
        std::iter::once(*self.constant_term())
            .chain(shares)
            .collect()
    }

    /// Whether `share` is `f(index)` (row B6).
    #[must_use]
    pub fn verifies(&self, index: PartyIndex, share: &SecretScalar<G>) -> bool {
        share.public() == self.evaluate(index)
    }

    /// Whether the constant or the leading term is the identity: no key, or a lower degree. Only
    /// sums can be so.
    #[must_use]
    pub fn is_degenerate(&self) -> bool {
        let ends = [self.points.first(), self.points.last()];
        ends.iter()
            .any(|point| point.is_none_or(|point| *point == G::identity()))
    }

    /// The commitment to the sum of the polynomials; `None` for none, or for different degrees.
    ///
    /// The sum can hold the identity, which decoded commitments cannot.
    #[must_use]
    pub fn sum<'a>(commitments: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
        let mut commitments = commitments.into_iter();
        let mut total = commitments.next()?.clone();
        for commitment in commitments {
            if commitment.points.len() != total.points.len() {
                return None;
            }
            for (sum, point) in total.points.iter_mut().zip(&commitment.points) {
                *sum = *sum + *point;
            }
        }
        Some(total)
    }
}

#[cfg(test)]
mod tests;

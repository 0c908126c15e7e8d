//! The share that we sign with, checked before use. `docs/protocols/dkls23.md` §2.1.

use std::collections::BTreeMap;

use k256::{AffinePoint, ProjectivePoint, Scalar};
use quorate_types::{PartyIndex, Threshold};
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use crate::wire;

/// One party's share of a secp256k1 key, as key generation or a share file gives it.
pub struct ShareInput {
    /// x-coordinate of the share.
    pub index: PartyIndex,
    /// `t` and `n`.
    pub threshold: Threshold,
    /// Value of the secret polynomial at `index`: 32 bytes, big-endian.
    pub share: Zeroizing<[u8; 32]>,
    /// Compressed SEC1.
    pub public_key: [u8; 33],
    /// `share · G` of every party from 1 to `n`, compressed SEC1.
    pub verifying_shares: BTreeMap<PartyIndex, [u8; 33]>,
    /// BIP32 chain code; engine ids are bound to it.
    pub chain_code: [u8; 32],
}

/// Why a share may not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidShare {
    /// Not below the group order.
    #[error("the share is not a scalar of secp256k1")]
    Scalar,
    /// Not a compressed point of secp256k1, or the identity.
    #[error("the public key is not a point of secp256k1")]
    PublicKey,
    /// A verifying share is not a compressed point of secp256k1, or is the identity.
    #[error("the verifying share of party {0} is not a point of secp256k1")]
    VerifyingShare(PartyIndex),
    /// The verifying shares are not those of the parties 1 to `n`.
    #[error("there is not one verifying share for each of the {max_signers} parties")]
    VerifyingShares {
        /// `n`.
        max_signers: u8,
    },
    /// `share · G` is another point than our verifying share: a damaged or foreign share.
    #[error("the share does not belong to its verifying share")]
    Mismatch,
    /// The verifying shares interpolate to another key (row C9), or not to one polynomial.
    #[error("the verifying shares do not belong to the public key")]
    ForeignKey,
}

/// A share that belongs to its public key. Holding one proves that [`CheckedShare::new`] ran.
pub struct CheckedShare {
    index: PartyIndex,
    threshold: Threshold,
    share: Scalar,
    public_key: AffinePoint,
    chain_code: [u8; 32],
}

impl CheckedShare {
    /// Checks a share: once per load.
    ///
    /// Costs about `t · (n − t + 1) + 1` point multiplications.
    ///
    /// # Errors
    /// [`InvalidShare`].
    ///
    /// # Security
    /// A signature under another public key than the share's own leaks the share (row C9).
    /// Signing therefore takes the public key from here only.
    pub fn new(input: &ShareInput) -> Result<Self, InvalidShare> {
        // In its place at once, which is wiped.
        let mut checked = Self {
            index: input.index,
            threshold: input.threshold,
            share: wire::scalar(&input.share).ok_or(InvalidShare::Scalar)?,
            public_key: AffinePoint::IDENTITY,
            chain_code: input.chain_code,
        };
        checked.public_key = wire::point(&input.public_key).ok_or(InvalidShare::PublicKey)?;
        let points = verifying_points(input)?;
        let own = points.get(&input.index).copied();
        if own != Some((ProjectivePoint::GENERATOR * checked.share).to_affine()) {
            return Err(InvalidShare::Mismatch);
        }
        check_polynomial(&points, &checked.public_key, input.threshold)?;
        Ok(checked)
    }

    /// Our index.
    #[must_use]
    pub const fn index(&self) -> PartyIndex {
        self.index
    }

    /// `t` and `n`.
    #[must_use]
    pub const fn threshold(&self) -> Threshold {
        self.threshold
    }

    /// The key that signatures verify under, compressed SEC1.
    #[must_use]
    pub fn public_key(&self) -> [u8; 33] {
        wire::compressed(&self.public_key)
    }

    pub(crate) const fn scalar(&self) -> &Scalar {
        &self.share
    }

    pub(crate) const fn chain_code(&self) -> &[u8; 32] {
        &self.chain_code
    }
}

impl Drop for CheckedShare {
    fn drop(&mut self) {
        self.share.zeroize();
    }
}

fn verifying_points(input: &ShareInput) -> Result<BTreeMap<PartyIndex, AffinePoint>, InvalidShare> {
    let max_signers = input.threshold.max_signers();
    let expected = (1..=max_signers).map(Some);
    let given = input.verifying_shares.keys().map(|i| Some(i.get()));
    if !given.eq(expected) {
        return Err(InvalidShare::VerifyingShares { max_signers });
    }
    input
        .verifying_shares
        .iter()
        .map(|(index, bytes)| {
            let point = wire::point(bytes).ok_or(InvalidShare::VerifyingShare(*index))?;
            Ok((*index, point))
        })
        .collect()
}

/// The first `t` points fix the polynomial; it must lead to the key at 0 and to all other points.
fn check_polynomial(
    points: &BTreeMap<PartyIndex, AffinePoint>,
    public_key: &AffinePoint,
    threshold: Threshold,
) -> Result<(), InvalidShare> {
    let t = usize::from(threshold.min_signers());
    let basis: Vec<(u8, AffinePoint)> = points.iter().take(t).map(|(i, p)| (i.get(), *p)).collect();
    let others = points.iter().skip(t).map(|(i, p)| (i.get(), *p));
    for (at, expected) in std::iter::once((0, *public_key)).chain(others) {
        if interpolate(&basis, at)? != ProjectivePoint::from(expected) {
            return Err(InvalidShare::ForeignKey);
        }
    }
    Ok(())
}

/// Value at `at` of the polynomial through `basis`, in the exponent.
fn interpolate(basis: &[(u8, AffinePoint)], at: u8) -> Result<ProjectivePoint, InvalidShare> {
    let scalar = |index: u8| Scalar::from(u64::from(index));
    let mut sum = ProjectivePoint::IDENTITY;
    for (i, point) in basis {
        let (mut numerator, mut denominator) = (Scalar::ONE, Scalar::ONE);
        for (j, _) in basis.iter().filter(|(j, _)| j != i) {
            numerator *= scalar(*j) - scalar(at);
            denominator *= scalar(*j) - scalar(*i);
        }
        let inverse = Option::<Scalar>::from(denominator.invert());
        let coefficient = numerator * inverse.ok_or(InvalidShare::ForeignKey)?;
        sum += *point * coefficient;
    }
    Ok(sum)
}

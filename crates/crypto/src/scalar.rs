//! A scalar that is a secret.

use quorate_types::PartyIndex;
use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::group::Group;

/// A secret scalar: zeroized on drop, without `Debug`, `Clone` or `serde`.
pub struct SecretScalar<G: Group>(G::Scalar);

impl<G: Group> SecretScalar<G> {
    /// A uniform scalar other than zero.
    #[must_use]
    pub fn random(rng: &mut dyn CryptoRng) -> Self {
        let mut wide = Zeroizing::new([0; 64]);
        loop {
            rng.fill_bytes(wide.as_mut());
            let scalar = G::scalar_from_wide(&wide);
            if scalar != G::scalar_from_u8(0) {
                return Self(scalar);
            }
        }
    }

    /// Zero: where a sum starts.
    #[must_use]
    pub fn zero() -> Self {
        Self(G::scalar_from_u8(0))
    }

    /// Wraps a scalar. The caller's copy is the caller's to wipe.
    #[must_use]
    pub const fn new(scalar: G::Scalar) -> Self {
        Self(scalar)
    }

    /// Decodes 32 canonical bytes ([`Group::scalar_from_bytes`]).
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        G::scalar_from_bytes(bytes).map(Self)
    }

    /// The canonical 32 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(G::scalar_to_bytes(&self.0))
    }

    /// `self · G`.
    #[must_use]
    pub fn public(&self) -> G::Point {
        G::mul_base(&self.0)
    }

    /// Adds another secret.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self(self.0 + other.0)
    }

    /// The scalar itself, for protocol mathematics.
    ///
    /// # Security
    /// Scalars are `Copy`; keep what you compute with it in a [`SecretScalar`].
    #[must_use]
    pub const fn expose(&self) -> &G::Scalar {
        &self.0
    }

    /// One Horner step: `self · index + coefficient`.
    pub(crate) fn horner(&self, index: PartyIndex, coefficient: &Self) -> Self {
        Self(self.0 * G::scalar_from_index(index) + coefficient.0)
    }
}

impl<G: Group> Drop for SecretScalar<G> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<G: Group> ZeroizeOnDrop for SecretScalar<G> {}

//! One party's share of a key.

use quorate_types::{Canonical, Curve, DecodeError, PartyIndex, Reader, Threshold};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::group::{Ed25519, Group, Secp256k1};
use crate::public_key_package::{PublicKeyPackage, PublicSharing, SecretName};
use crate::scalar::SecretScalar;

/// Longest canonical encoding of a share in bytes: secp256k1 with 20 parties is 1,494.
pub const MAX_KEY_SHARE_BYTES: usize = 2048;

/// Leading bytes of an encoded share: kind and version.
const MAGIC: &[u8; 8] = b"QSHARE\x00\x01";

/// Why a share may not be used. `Display` holds no value of it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidKeyShare {
    /// The bytes do not decode.
    #[error("not an encoded key share: {0}")]
    Encoding(#[from] DecodeError),
    /// This version does not know the curve.
    #[error("unknown curve")]
    UnknownCurve,
    /// The owner's index is above n.
    #[error("party index {index} is above the number of parties")]
    IndexOutOfRange {
        /// Index found.
        index: PartyIndex,
    },
    /// A secret is not a canonical scalar.
    #[error("the share of {secret} is not below the group order")]
    ScalarOutOfRange {
        /// Which secret.
        secret: SecretName,
    },
    /// Not one public share per party.
    #[error("not one public share of {secret} per party")]
    WrongNumberOfShares {
        /// Which secret.
        secret: SecretName,
    },
    /// A public point is not valid.
    #[error("a public point of {secret} is not valid")]
    InvalidPoint {
        /// Which secret.
        secret: SecretName,
    },
    /// The public shares and the public key are not on one polynomial of degree t − 1.
    #[error("the public shares of {secret} do not lie on one polynomial of degree t - 1")]
    NotOnePolynomial {
        /// Which secret.
        secret: SecretName,
    },
    /// The secret share does not belong to the owner's public share.
    #[error("the share of {secret} does not match its public share")]
    ShareMismatch {
        /// Which secret.
        secret: SecretName,
    },
}

/// One party's share of x and of k, with everything public that it was checked against.
///
/// - State: both secret scalars are zeroized on drop. No `Debug`, `Clone` or `serde`.
///
/// # Security
/// Holding one says that it was checked: the secrets match the owner's public shares, and those lie
/// with everybody's on one polynomial whose value at zero is X (and K).
pub struct KeyShare {
    index: PartyIndex,
    x: Zeroizing<[u8; 32]>,
    k: Zeroizing<[u8; 32]>,
    package: PublicKeyPackage,
}

impl KeyShare {
    /// Puts a share together and checks it.
    ///
    /// # Errors
    /// [`InvalidKeyShare`].
    pub fn new<G: Group>(
        index: PartyIndex,
        x: &SecretScalar<G>,
        k: &SecretScalar<G>,
        package: PublicKeyPackage,
    ) -> Result<Self, InvalidKeyShare> {
        if package.curve != G::CURVE {
            return Err(InvalidKeyShare::UnknownCurve);
        }
        let share = Self {
            index,
            x: x.to_bytes(),
            k: k.to_bytes(),
            package,
        };
        share.check()?;
        Ok(share)
    }

    /// Puts together and checks a share whose public points, X and everybody's public share and K and
    /// everybody's, are computed and not encoded yet. Makes every check of [`Self::new`], and spares
    /// decoding what it encodes itself.
    ///
    /// # Errors
    /// [`InvalidKeyShare`].
    pub fn of_points<G: Group>(
        index: PartyIndex,
        threshold: Threshold,
        [(x, x_points), (k, k_points)]: [(&SecretScalar<G>, &[G::Point]); 2],
        chain_code: [u8; 32],
    ) -> Result<Self, InvalidKeyShare> {
        if index.get() > threshold.max_signers() {
            return Err(InvalidKeyShare::IndexOutOfRange { index });
        }
        let sharing = |secret, share: &SecretScalar<G>, points: &[G::Point]| {
            let sharing = PublicSharing::of_points::<G>(secret, threshold, points)?;
            let own = points.get(usize::from(index.get()));
            if own != Some(&share.public()) {
                return Err(InvalidKeyShare::ShareMismatch { secret });
            }
            Ok(sharing)
        };
        let package = PublicKeyPackage {
            curve: G::CURVE,
            threshold,
            x: sharing(SecretName::SigningKey, x, x_points)?,
            k: sharing(SecretName::DerivationKey, k, k_points)?,
            chain_code,
        };
        Ok(Self {
            index,
            x: x.to_bytes(),
            k: k.to_bytes(),
            package,
        })
    }

    /// Whose share it is.
    #[must_use]
    pub const fn index(&self) -> PartyIndex {
        self.index
    }

    /// Group of the key.
    #[must_use]
    pub const fn curve(&self) -> Curve {
        self.package.curve
    }

    /// `t` of `n`.
    #[must_use]
    pub const fn threshold(&self) -> Threshold {
        self.package.threshold
    }

    /// `t`.
    #[must_use]
    pub const fn min_signers(&self) -> u8 {
        self.package.threshold.min_signers()
    }

    /// X, compressed.
    #[must_use]
    pub fn public_key(&self) -> &[u8] {
        self.package.public_key()
    }

    /// Everything public.
    #[must_use]
    pub const fn package(&self) -> &PublicKeyPackage {
        &self.package
    }

    /// The share of one secret; `None` if the key is of another curve.
    #[must_use]
    pub fn secret<G: Group>(&self, secret: SecretName) -> Option<SecretScalar<G>> {
        if self.package.curve != G::CURVE {
            return None;
        }
        SecretScalar::from_bytes(match secret {
            SecretName::SigningKey => &self.x,
            SecretName::DerivationKey => &self.k,
        })
    }

    /// Checks everything that a damaged or exchanged share could get wrong.
    ///
    /// # Errors
    /// [`InvalidKeyShare`].
    pub fn check(&self) -> Result<(), InvalidKeyShare> {
        if self.index.get() > self.package.threshold.max_signers() {
            return Err(InvalidKeyShare::IndexOutOfRange { index: self.index });
        }
        self.package.check()?;
        SecretName::ALL
            .into_iter()
            .try_for_each(|secret| match self.package.curve {
                Curve::Secp256k1 => self.check_secret::<Secp256k1>(secret),
                Curve::Ed25519 => self.check_secret::<Ed25519>(secret),
                _ => Err(InvalidKeyShare::UnknownCurve),
            })
    }

    fn check_secret<G: Group>(&self, secret: SecretName) -> Result<(), InvalidKeyShare> {
        let share = self
            .secret::<G>(secret)
            .ok_or(InvalidKeyShare::ScalarOutOfRange { secret })?;
        let public = G::point_to_bytes(&share.public());
        if self.package.verifying_share(secret, self.index) == Some(public.as_slice()) {
            Ok(())
        } else {
            Err(InvalidKeyShare::ShareMismatch { secret })
        }
    }

    /// The canonical encoding: magic and version, index, share of x, share of k, public part.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let public = self.package.to_bytes();
        // Reserved at once: a vector that grows leaves unwiped copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(MAGIC.len() + 1 + 64 + public.len()));
        bytes.extend_from_slice(MAGIC);
        bytes.push(self.index.get());
        bytes.extend_from_slice(self.x.as_slice());
        bytes.extend_from_slice(self.k.as_slice());
        bytes.extend_from_slice(&public);
        bytes
    }

    /// Decodes and checks a share.
    ///
    /// # Errors
    /// [`InvalidKeyShare`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidKeyShare> {
        let mut input = Reader::new(bytes);
        if input.take("magic", MAGIC.len())? != MAGIC {
            let what = "key share version";
            return Err(DecodeError::Unknown { what }.into());
        }
        let share = Self {
            index: PartyIndex::read(&mut input)?,
            x: Zeroizing::new(input.array("share of x")?),
            k: Zeroizing::new(input.array("share of k")?),
            package: PublicKeyPackage::read(&mut input)?,
        };
        input.finish()?;
        share.check()?;
        Ok(share)
    }
}

#[cfg(test)]
mod tests;

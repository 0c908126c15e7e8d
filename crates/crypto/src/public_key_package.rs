//! What everybody may know of a key: its public keys and public shares.

use quorate_types::{
    Canonical, Curve, DecodeError, MAX_PARTIES, PartyIndex, Reader, Threshold, Writer,
};

use crate::degree::has_exact_degree;
use crate::group::{Ed25519, Group, Secp256k1};
use crate::key_share::InvalidKeyShare;

/// The secrets that a committee shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretName {
    /// x: the signing key.
    SigningKey,
    /// k: the key of the pseudo-random function behind hardened derivation.
    DerivationKey,
}

impl SecretName {
    /// Both, in the order of every encoding.
    pub const ALL: [Self; 2] = [Self::SigningKey, Self::DerivationKey];

    /// `x` or `k`, as in the specification and in hashes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SigningKey => "x",
            Self::DerivationKey => "k",
        }
    }
}

impl std::fmt::Display for SecretName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The public side of one shared secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicSharing {
    /// `secret · G`, compressed.
    pub public_key: Vec<u8>,
    /// `share_i · G` for i = 1 … n, compressed.
    pub verifying_shares: Vec<Vec<u8>>,
}

/// Public keys and public shares of one key, at one epoch. The same at every honest node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKeyPackage {
    /// Group of the key.
    pub curve: Curve,
    /// `t` of `n`.
    pub threshold: Threshold,
    /// X and its shares.
    pub x: PublicSharing,
    /// K and its shares.
    pub k: PublicSharing,
    /// Chain code of the root, for plain derivation steps (BIP32).
    pub chain_code: [u8; 32],
}

impl PublicKeyPackage {
    /// The sharing of one secret.
    #[must_use]
    pub const fn sharing(&self, secret: SecretName) -> &PublicSharing {
        match secret {
            SecretName::SigningKey => &self.x,
            SecretName::DerivationKey => &self.k,
        }
    }

    /// X, compressed: the public key that chains know.
    #[must_use]
    pub fn public_key(&self) -> &[u8] {
        &self.x.public_key
    }

    /// `share_index · G` of one secret; `None` beyond `n`.
    #[must_use]
    pub fn verifying_share(&self, secret: SecretName, index: PartyIndex) -> Option<&[u8]> {
        self.sharing(secret)
            .verifying_shares
            .get(usize::from(index.get()) - 1)
            .map(Vec::as_slice)
    }

    /// Checks that there are n valid public shares of each secret, on one polynomial of degree
    /// exactly t − 1 whose value at zero is the public key.
    ///
    /// # Errors
    /// [`InvalidKeyShare`].
    pub fn check(&self) -> Result<(), InvalidKeyShare> {
        match self.curve {
            Curve::Secp256k1 => self.check_in::<Secp256k1>(),
            Curve::Ed25519 => self.check_in::<Ed25519>(),
            _ => Err(InvalidKeyShare::UnknownCurve),
        }
    }

    fn check_in<G: Group>(&self) -> Result<(), InvalidKeyShare> {
        SecretName::ALL
            .into_iter()
            .try_for_each(|secret| self.sharing(secret).check::<G>(secret, self.threshold))
    }
}

impl PublicSharing {
    /// The sharing whose public key and public shares are `points`, in this order, checked.
    ///
    /// # Errors
    /// As [`PublicKeyPackage::check`]: a point is the identity, their number is wrong, or they do not
    /// lie on one polynomial of degree exactly t − 1.
    pub fn of_points<G: Group>(
        secret: SecretName,
        threshold: Threshold,
        points: &[G::Point],
    ) -> Result<Self, InvalidKeyShare> {
        if points.len() != usize::from(threshold.max_signers()) + 1 {
            return Err(InvalidKeyShare::WrongNumberOfShares { secret });
        }
        if points.contains(&G::identity()) {
            return Err(InvalidKeyShare::InvalidPoint { secret });
        }
        check_degree::<G>(secret, threshold, points)?;
        let mut encoded = G::points_to_bytes(points);
        let verifying_shares = encoded.split_off(1);
        Ok(Self {
            public_key: encoded.pop().unwrap_or_default(),
            verifying_shares,
        })
    }

    fn check<G: Group>(
        &self,
        secret: SecretName,
        threshold: Threshold,
    ) -> Result<(), InvalidKeyShare> {
        if self.verifying_shares.len() != usize::from(threshold.max_signers()) {
            return Err(InvalidKeyShare::WrongNumberOfShares { secret });
        }
        let at_zero_to_n = std::iter::once(&self.public_key).chain(&self.verifying_shares);
        let points = at_zero_to_n
            .map(|bytes| G::point_from_bytes(bytes))
            .collect::<Option<Vec<_>>>()
            .ok_or(InvalidKeyShare::InvalidPoint { secret })?;
        check_degree::<G>(secret, threshold, &points)
    }

    fn write(&self, out: &mut Writer) {
        out.fixed(&self.public_key);
        for share in &self.verifying_shares {
            out.fixed(share);
        }
    }

    fn read(input: &mut Reader<'_>, curve: Curve, n: u8) -> Result<Self, DecodeError> {
        let mut point = |field| input.take(field, curve.point_length()).map(<[u8]>::to_vec);
        let public_key = point("public key")?;
        let verifying_shares = (0..n)
            .map(|_| point("verifying share"))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            public_key,
            verifying_shares,
        })
    }
}

fn check_degree<G: Group>(
    secret: SecretName,
    threshold: Threshold,
    points: &[G::Point],
) -> Result<(), InvalidKeyShare> {
    let degree = usize::from(threshold.min_signers()) - 1;
    if has_exact_degree::<G>(points, degree) {
        Ok(())
    } else {
        Err(InvalidKeyShare::NotOnePolynomial { secret })
    }
}

/// Curve, t, n, X and its n shares, K and its n shares, chain code; points without lengths.
impl Canonical for PublicKeyPackage {
    fn write(&self, out: &mut Writer) {
        out.value(&self.curve).value(&self.threshold);
        self.x.write(out);
        self.k.write(out);
        out.fixed(&self.chain_code);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let curve = Curve::read(input)?;
        let threshold = Threshold::read(input)?;
        let n = threshold.max_signers();
        debug_assert!(n <= MAX_PARTIES, "a threshold is checked when it is read");
        Ok(Self {
            curve,
            threshold,
            x: PublicSharing::read(input, curve, n)?,
            k: PublicSharing::read(input, curve, n)?,
            chain_code: input.array("chain code")?,
        })
    }
}

//! Proof that a dealer knows the constant term of its polynomial.
//! Source: Schnorr 1991, made non-interactive; our spec `docs/protocols/dkg.md` §1.3.

use quorate_types::{Digest32, PartyIndex};
use rand_core::CryptoRng;

use crate::group::Group;
use crate::public_key_package::SecretName;
use crate::scalar::SecretScalar;
use crate::transcript::challenge;

/// What a proof is bound to, beside the point.
#[derive(Clone, Copy)]
pub struct Statement<'a> {
    /// Digest of the run: session, parties, threshold, purpose.
    pub context: &'a Digest32,
    /// Who proves.
    pub dealer: PartyIndex,
    /// Which of its secrets.
    pub secret: SecretName,
}

/// A Schnorr proof of possession: nonce point `R` and response `s = r + e·a`.
///
/// # Security
/// The challenge covers the run, the dealer, the secret's name, the point and `R`, so that a proof
/// serves nobody else, nowhere else and for nothing else (rows B3, A7).
#[derive(Clone, PartialEq, Eq)]
pub struct ProofOfPossession<G: Group> {
    nonce_point: G::Point,
    /// Its encoding, which is hashed and sent.
    nonce_bytes: Vec<u8>,
    response: G::Scalar,
}

impl<G: Group> ProofOfPossession<G> {
    /// Length of an encoded proof in bytes.
    pub const LENGTH: usize = G::CURVE.point_length() + 32;

    /// Proves knowledge of `secret`, the discrete logarithm of `secret · G`.
    #[must_use]
    pub fn prove(
        statement: Statement<'_>,
        secret: &SecretScalar<G>,
        rng: &mut dyn CryptoRng,
    ) -> Self {
        Self::prove_encoded(statement, secret, &G::point_to_bytes(&secret.public()), rng)
    }

    /// [`Self::prove`] for a prover that has encoded `secret · G` already.
    #[must_use]
    pub fn prove_encoded(
        statement: Statement<'_>,
        secret: &SecretScalar<G>,
        encoded: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Self {
        let nonce = SecretScalar::<G>::random(rng);
        let nonce_point = nonce.public();
        let nonce_bytes = G::point_to_bytes(&nonce_point);
        let e = statement.challenge::<G>(encoded, &nonce_bytes);
        Self {
            nonce_point,
            nonce_bytes,
            response: *nonce.expose() + e * *secret.expose(),
        }
    }

    /// Whether the prover knew the discrete logarithm of `point`: `s·G = R + e·point`.
    #[must_use]
    pub fn verifies(&self, statement: Statement<'_>, point: &G::Point) -> bool {
        self.verifies_encoded(statement, point, &G::point_to_bytes(point))
    }

    /// [`Self::verifies`] for a point that was decoded from `encoded`.
    #[must_use]
    pub fn verifies_encoded(
        &self,
        statement: Statement<'_>,
        point: &G::Point,
        encoded: &[u8],
    ) -> bool {
        let e = statement.challenge::<G>(encoded, &self.nonce_bytes);
        G::mul_add_public(&self.response, &-e, point) == self.nonce_point
    }

    /// `R ‖ s`.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.nonce_bytes.clone();
        bytes.extend_from_slice(&G::scalar_to_bytes(&self.response));
        bytes
    }

    /// Decodes `R ‖ s`; `None` unless both are canonical and `R` is a valid point.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (point, scalar) = bytes.split_at_checked(G::CURVE.point_length())?;
        Some(Self {
            nonce_point: G::point_from_bytes(point)?,
            nonce_bytes: point.to_vec(),
            response: G::scalar_from_bytes(scalar.try_into().ok()?)?,
        })
    }
}

impl Statement<'_> {
    fn challenge<G: Group>(&self, point: &[u8], nonce_point: &[u8]) -> G::Scalar {
        challenge::<G>(
            b"quorate proof of possession v1",
            &[
                G::CURVE.as_str().as_bytes(),
                self.context.as_bytes(),
                &[self.dealer.get()],
                self.secret.as_str().as_bytes(),
                point,
                nonce_point,
            ],
        )
    }
}

#[cfg(test)]
mod tests;

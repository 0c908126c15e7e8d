//! Nonces: made for one attempt, used up by it.

use frost_core::round1::{Nonce, NonceCommitment, SigningCommitments};
use frost_core::{Field, Group, Scalar};
use quorate_protocol::Abort;
use quorate_types::Digest32;
use rand_core::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use super::message::Commitment;
use crate::randomness::EngineRng;
use crate::scheme::Scheme;
use crate::share::SigningKey;

/// Two nonces that are not known to anybody else.
///
/// # Security
/// Zeroized on drop; no `Clone`. A second use with another list or message gives the share away
/// (rows C3, C7), so [`Nonces::spend`] consumes them.
pub(crate) struct Nonces<S: Scheme> {
    hiding: Nonce<S>,
    binding: Nonce<S>,
}

impl<S: Scheme> Nonces<S> {
    /// RFC 9591 §4.1 and §5.1: fresh randomness, hedged with the share, and its commitments.
    pub(crate) fn draw(
        key: &SigningKey<S>,
        attempt: Digest32,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Self, Commitment<S>), Abort> {
        let mut rng = EngineRng(rng);
        let share = key.own.signing_share();
        let nonces = Self {
            hiding: Nonce::new(share, &mut rng),
            binding: Nonce::new(share, &mut rng),
        };
        let commitment = nonces.commitment(attempt);
        // No commitment: a nonce is zero.
        let commitment = commitment.ok_or_else(|| Abort::local("the random generator failed"))?;
        Ok((nonces, commitment))
    }

    fn commitment(&self, attempt: Digest32) -> Option<Commitment<S>> {
        let commit = |nonce: &Nonce<S>| {
            let point = S::mul_base(&Zeroizing::new(nonce.to_scalar()))?;
            Some(NonceCommitment::new(point))
        };
        let (hiding, binding) = (commit(&self.hiding)?, commit(&self.binding)?);
        let mut encoded = hiding.serialize().ok()?;
        encoded.extend(binding.serialize().ok()?);
        Some(Commitment {
            binding: attempt,
            encoded,
            points: SigningCommitments::new(hiding, binding),
        })
    }

    /// The effective nonce `d + ρ·e`. Uses the nonces up.
    pub(crate) fn spend(self, factor: &Scalar<S>) -> Effective<S> {
        let hiding = Zeroizing::new(self.hiding.to_scalar());
        let binding = Zeroizing::new(self.binding.to_scalar());
        let bound = Zeroizing::new(*binding * *factor);
        Effective(Zeroizing::new(*hiding + *bound))
    }
}

impl<S: Scheme> Drop for Nonces<S> {
    fn drop(&mut self) {
        self.hiding.zeroize();
        self.binding.zeroize();
    }
}

/// The nonce that a signature share is made with: one list, one message, one use.
///
/// # Security
/// Zeroized on drop; no `Clone`, and used up by [`Effective::hide`].
pub(crate) struct Effective<S: Scheme>(Zeroizing<Scalar<S>>);

impl<S: Scheme> Effective<S> {
    /// The nonce in the exponent; `None` if it is zero.
    pub(crate) fn point(&self) -> Option<frost_core::Element<S>> {
        S::mul_base(&self.0)
    }

    /// `±nonce + term`: the signature share.
    pub(crate) fn hide(self, term: &Zeroizing<Scalar<S>>, negate: bool) -> Scalar<S> {
        if negate {
            **term - *self.0
        } else {
            **term + *self.0
        }
    }
}

/// The engine's scalar behind 32 canonical bytes.
pub(crate) fn scalar<S: Scheme>(bytes: &[u8]) -> Option<Scalar<S>> {
    type Encoded<S> =
        <<<S as frost_core::Ciphersuite>::Group as Group>::Field as Field>::Serialization;
    let bytes: Encoded<S> = bytes.try_into().ok()?;
    <<S::Group as Group>::Field as Field>::deserialize(&bytes).ok()
}
